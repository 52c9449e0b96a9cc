"""Plots as SVG that stands in a page: drawn by pygal, coloured by the style sheet.

pygal puts styles and scripts into what it draws, which the policy of the pages does not let through, and
which would know one colour scheme only; so they are taken out.  https://www.pygal.org/en/stable/
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

Values = Sequence[float | None]

_SIZE: Final = {"width": 640, "height": 200}
_DRAWN_ALIKE: Final = {
    **_SIZE,
    "css": (),
    "js": (),
    "disable_xml_declaration": True,
    "explicit_size": False,
    "include_x_axis": True,
    "margin": 4,
    "no_data_text": "",
    "no_prefix": True,
    "show_legend": False,
    "show_minor_x_labels": False,
    "spacing": 6,
    "truncate_label": -1,
}
_LABEL_SIZE: Final = 15
"""Pixels that pygal leaves room for; the style sheet says how large it is written."""
_STEPS: Final = (1, 2, 2.5, 5, 10)
_LINES: Final = 4
"""Lines across the plot, at most."""
_OF_SCRIPTS: Final = ("tooltip-overlay", "text-overlay")


def lines(
    series: Mapping[str, Values],
    labels: Sequence[str],
    unit: Callable[[float], str],
    alt: str,
    *,
    fill: bool = False,
) -> Markup:
    """Draw a line for each of the *series* over the same *labels*, of which empty ones are not written.

    *alt* is what a screen reader says in place of the picture.
    """
    held = {name: _held(values) for name, values in series.items()}
    return _drawn(_pygal().Line(**_style(), show_dots=False, fill=fill), held, labels, unit, alt)


def bars(
    series: Mapping[str, Values], labels: Sequence[str], unit: Callable[[float], str], alt: str
) -> Markup:
    """Draw bars on top of each other."""
    return _drawn(_pygal().StackedBar(**_style()), series, labels, unit, alt, total=sum)


def steps(highest: float) -> list[float]:
    """Where lines across a plot are drawn, from zero: at round numbers, evenly."""
    if highest <= 0:
        return [0, 1]
    size = 10 ** math.floor(math.log10(highest / _LINES))
    step = next(size * one for one in _STEPS if size * one * _LINES >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _pygal() -> Any:
    """Import the library when somebody looks: it is 2 MB that a gateway without visitors never needs."""
    import pygal  # noqa: PLC0415 - as this function says

    # It adds itself to how Python finds modules, in a way that warns of itself at every import after that.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    return pygal


def _style() -> dict[str, Any]:
    return {
        **_DRAWN_ALIKE,
        "style": _pygal().style.Style(label_font_size=_LABEL_SIZE, major_label_font_size=_LABEL_SIZE),
    }


def _held(values: Values) -> list[float | None]:
    """Let each value stand for the point after it too, if there is none: one alone would not be seen."""
    return [now if now is not None else before for before, now in pairwise([None, *values])]


def _drawn(
    chart: Any,
    series: Mapping[str, Values],
    labels: Sequence[str],
    unit: Callable[[float], str],
    alt: str,
    *,
    total: Callable[[Iterable[float]], float] = max,
) -> Markup:
    chart.value_formatter = unit
    chart.x_labels = list(labels)
    chart.x_labels_major = [label for label in labels if label]
    columns = zip(*series.values(), strict=True)
    highest = max((total(value or 0 for value in column) for column in columns), default=0)
    chart.y_labels = steps(highest)
    # A line that never leaves zero would otherwise lie in the middle.
    chart.range = (0, chart.y_labels[-1])
    for name, values in series.items():
        chart.add(name, list(values))
    chart.add_xml_filter(_plain)
    chart.add_xml_filter(lambda root: _named(root, alt))
    return Markup(chart.render(is_unicode=True))  # noqa: S704 - numbers and labels of our own


def _plain(root: Any) -> Any:
    """Leave nothing that only pygal's own styles and scripts make sense of."""
    for parent in list(root.iter()):
        for child in list(parent):
            is_comment = not isinstance(child.tag, str)
            classes = "" if is_comment else child.get("class", "")
            if (
                is_comment
                or child.tag in {"defs", "title", "desc"}
                or any(of in classes for of in _OF_SCRIPTS)
            ):
                parent.remove(child)
        parent.attrib.pop("style", None)
        parent.attrib.pop("id", None)
    return root


def _named(root: Any, alt: str) -> Any:
    root.set("role", "img")
    root.set("aria-label", alt)
    return root
