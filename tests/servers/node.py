"""The settings that keep one RabbitMQ node apart from every other on the machine."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Erlang nodes talk to each other on a port of their own, which listens everywhere unless told.
_LOCAL_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"

# Two schedulers that sleep when idle: the machine belongs to the tests.
_MODEST = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


def write_settings(folder: Path, admin_password: str) -> None:
    """Write the files a node reads at its first boot, which creates the user ``admin``."""
    home = folder / "home"
    home.mkdir()
    cookie = home / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(16))
    cookie.chmod(0o400)  # Erlang refuses a cookie that others can read
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text(f"default_user = admin\ndefault_pass = {admin_password}\n")


def environment(folder: Path, port: int, distribution: int, port_mapper: int) -> dict[str, str]:
    """Variables for the node, its port mapper and rabbitmqctl; nothing is inherited but the PATH.

    ``port`` is for AMQP, the two others are for the Erlang distribution.
    https://www.rabbitmq.com/docs/configure#supported-environment-variables
    """
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": f"{folder}/home",
        "ERL_EPMD_PORT": str(port_mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"pillarbox{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/config",
        "RABBITMQ_SCHEMA_DIR": f"{folder}/schema",
        "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
        "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_MODEST} {_LOCAL_ONLY}",
        "RABBITMQ_CTL_ERL_ARGS": _LOCAL_ONLY,
        # The start script replaces itself by the Erlang machine, so that our child is the broker.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
