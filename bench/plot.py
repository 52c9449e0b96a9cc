"""Results as a picture: every contender's multiple of the reference, with its quartiles."""

from __future__ import annotations

from pathlib import Path

from bench.result import Compared, Result
from bench.spread import Spread, ratios, spread

_HEIGHT_OF_A_BAR = 0.4


def draw(result: Result, folder: Path) -> Path | None:
    """Write ``<scenario>.svg``; None where nothing was compared with a reference."""
    from matplotlib import rcParams  # noqa: PLC0415 - slow to import, and only there for this
    from matplotlib.figure import Figure  # noqa: PLC0415

    drawn = [(compared, bars) for compared in result.compared if (bars := _bars(compared))]
    if not drawn:
        return None
    rcParams["svg.hashsalt"] = result.scenario  # the same figures give the same file
    heights = [len(bars) + 1 for _, bars in drawn]
    figure = Figure(figsize=(9, sum(heights) * _HEIGHT_OF_A_BAR + len(drawn)), layout="constrained")
    axes = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)
    for (compared, bars), axis in zip(drawn, axes[:, 0], strict=True):
        medians = [bar.median for bar in bars.values()]
        reach = (
            [bar.median - bar.low for bar in bars.values()],
            [bar.high - bar.median for bar in bars.values()],
        )
        axis.barh(list(bars), medians, xerr=reach, color="#4c78a8", capsize=3)
        axis.axvline(1, color="black", linewidth=1)
        axis.invert_yaxis()
        axis.set_title(f"{compared.name}: {_figure(compared)}, × {compared.reference}", loc="left")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.scenario}.svg"
    figure.savefig(path, metadata={"Date": None})
    return path


def _figure(compared: Compared) -> str:
    """Give the first figure, which is the one that a comparison is about."""
    names = [name for pair in compared.pairs for name in pair.figures()]
    return names[0] if names else ""


def _bars(compared: Compared) -> dict[str, Spread]:
    found = {pair.contender: spread(ratios(pair, _figure(compared))) for pair in compared.pairs}
    return {name: value for name, value in found.items() if value is not None}
