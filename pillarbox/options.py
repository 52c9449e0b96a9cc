"""The options that every command has, and what stands behind them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from pillarbox.failures import Failure
from pillarbox.gateway import Gateway, waiting
from pillarbox.output import Output
from pillarbox.place import find_place

AnyCallback = TypeVar("AnyCallback", bound=Callable[..., Any])

SHORT_PATIENCE: Final = 10.0


def speaking(callback: AnyCallback) -> AnyCallback:
    """Give a command ``--json``, and its function an :class:`~pillarbox.output.Output` first."""

    @click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object on each line.")
    @functools.wraps(callback)
    def with_output(*arguments: Any, as_json: bool, **options: Any) -> Any:
        try:
            return callback(Output(as_json=as_json), *arguments, **options)
        except Failure as failure:
            failure.as_json = as_json
            raise

    return with_output  # type: ignore[return-value]  # click looks at the options alone


def connected(callback: AnyCallback) -> AnyCallback:
    """As :func:`speaking`, with the gateway second, and the options that say where it is."""

    @click.option("--url", metavar="URL", help="Where the gateway is, if not in PILLARBOX_URL.")
    @click.option(
        "--api-key", metavar="KEY", help="Better told in PILLARBOX_API_KEY: others see your options."
    )
    @functools.wraps(callback)
    def with_gateway(
        output: Output, *arguments: Any, url: str | None, api_key: str | None, **options: Any
    ) -> Any:
        gateway = Gateway(find_place(url, api_key), SHORT_PATIENCE, on_wait=waiting)
        try:
            return callback(output, gateway, *arguments, **options)
        finally:
            gateway.close()

    return speaking(with_gateway)  # type: ignore[return-value]  # as above
