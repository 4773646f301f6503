"""Draw the pictures of benchmarks/transfer/README.md from the raw result.

python -m benchmarks.transfer.pictures
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.results import list_results
from benchmarks.transfer.claims import SECTIONS
from benchmarks.transfer.numbers import (
    TARGET_RATIO,
    WAYS,
    Result,
    choose,
    list_nums,
    mean_of,
    sum_confusions,
    top1_percents,
)

FOLDER = Path(__file__).parent

_COLOURS = {"scratch": "C3", "full": "C1", "transfer": "C0", "head-only": "C4"}
_LETTERS = {"scratch": "A, scratch", "transfer": "C, transfer"}


def hash_result(path: Path) -> str:
    """Return what a picture says of the result that it was drawn from."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _draw_little(axes: Any, result: Result) -> None:
    nums = list_nums(result)
    for init, title in _LETTERS.items():
        means = [mean_of(top1_percents(_little(result, init, num))) for num in nums]
        _draw_means(axes, nums, means, label=title, color=_COLOURS[init])
    axes.axhline(100 / 12, color="grey", linestyle=":", label="guessing")
    _label_nums(axes, nums, "test top-1 %")


def _little(result: Result, init: str, num: int) -> list[dict[str, Any]]:
    return choose(result, "little", init=init, num_train_per_class=num)


def _draw_means(axes: Any, places: Any, means: Any, **style: Any) -> None:
    """Draw means over seeds with their intervals, where there is more than one seed."""
    heights = [one.mean for one in means]
    widths = np.nan_to_num([one.half_width for one in means])
    axes.errorbar(places, heights, yerr=widths, marker="o", capsize=3, **style)


def _label_nums(axes: Any, nums: list[int], height: str) -> None:
    axes.set(xscale="log", xlabel="training photos a class", ylabel=height, ylim=(0, 105))
    axes.set_xticks(nums, map(str, nums))
    axes.set_xticks([], minor=True)


def _draw_time(axes: Any, result: Result) -> None:
    best = []
    for init, title in WAYS.items():
        rows = choose(result, "ways", init=init)
        percents = 100 * np.array([row["val_top1_ratios"] for row in rows])  # [seeds, epochs]
        epochs = np.arange(1, percents.shape[1] + 1)
        axes.plot(epochs, percents.mean(axis=0), label=title, color=_COLOURS[init])
        low, high = percents.min(axis=0), percents.max(axis=0)
        axes.fill_between(epochs, low, high, color=_COLOURS[init], alpha=0.15, linewidth=0)
        best.append(percents.max(axis=1))
    target = TARGET_RATIO * np.max(best, axis=0).mean()
    axes.axhline(target, color="grey", linestyle=":", label="80 % of the best")
    axes.set(xlabel="epoch", ylabel="validation top-1 %, all seeds", ylim=(0, 100))


def _draw_overfitting(axes: Any, result: Result) -> None:
    nums = list_nums(result)
    for init, title in _LETTERS.items():
        for split, line in (("train", "--"), ("test", "-")):
            means = [mean_of(top1_percents(_little(result, init, num), split)) for num in nums]
            style = {"color": _COLOURS[init], "linestyle": line}
            _draw_means(axes, nums, means, label=f"{title}: {split}", **style)
    _label_nums(axes, nums, "top-1 %")


def _draw_domain(axes: Any, result: Result) -> None:
    cases = {"cats": _little(result, "scratch", 10) + _little(result, "transfer", 10)}
    cases["drawings"] = choose(result, "drawn")
    for offset, (init, title) in zip((-0.2, 0.2), _LETTERS.items(), strict=True):
        rows = [[row for row in case if row["init"] == init] for case in cases.values()]
        means = [mean_of(top1_percents(one)) for one in rows]
        places = np.arange(len(cases)) + offset
        heights = [one.mean for one in means]
        widths = np.nan_to_num([one.half_width for one in means])
        axes.bar(places, heights, 0.4, yerr=widths, capsize=3, label=title, color=_COLOURS[init])
    axes.set_xticks(range(len(cases)), ["photos of 12 breeds", "drawings of 8 breeds"])
    axes.set(ylabel="test top-1 %, 10 photos a class", ylim=(0, 105))


def _draw_size(axes: Any, result: Result) -> None:
    rows = [row["sizes"] for row in choose(result, "sizes")]
    sides = [size["side_px"] for size in rows[0]]
    for how, title in (("enlarged", "enlarged to 224 px"), ("as_it_is", "as they are")):
        percents = [[100 * size[f"{how}_top1_ratio"] for size in row] for row in rows]
        means = [mean_of(one) for one in zip(*percents, strict=True)]
        _draw_means(axes, sides, means, label=title)
    axes.set(xlabel="pixels a side of the photos", ylabel="test top-1 %", ylim=(0, 100))
    axes.set_xticks(sides)


def _draw_bias(figure: Any, result: Result) -> None:
    labels = choose(result, "bias")[0]["labels"]
    titles = {"before": "before: ImageNet's features alone", "transfer": "after fine-tuning"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        confusion = sum_confusions(result, name)
        percents = 100 * confusion / confusion.sum(axis=1, keepdims=True)
        axes.imshow(percents, cmap="Blues", vmin=0, vmax=50)
        for row, column in zip(*np.nonzero(percents >= 2.5), strict=True):
            colour = "white" if percents[row, column] > 25 else "black"
            text = f"{percents[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
        axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=7)
        axes.set_yticks(range(len(labels)), labels, fontsize=7)
        axes.set(xlabel="answer, % of a breed", ylabel="true breed", title=title)


#: By name, as in `benchmarks.transfer.claims.SECTIONS`.
PLOTS: dict[str, Callable[[Any, Result], None]] = {
    "little": _draw_little,
    "time": _draw_time,
    "overfitting": _draw_overfitting,
    "domain": _draw_domain,
    "size": _draw_size,
}


@click.command()
def main() -> None:
    """Draw all pictures."""
    from matplotlib.figure import Figure

    for path in list_results("transfer"):
        result = json.loads(path.read_text())
        for name, draw in PLOTS.items():
            if not SECTIONS[name].is_measured(result):
                continue
            figure = Figure(figsize=(6, 3.6), layout="constrained")
            axes = figure.subplots()
            draw(axes, result)
            axes.grid(alpha=0.3)
            figure.legend(loc="outside upper center", ncols=2, fontsize="small")
            _save(figure, name, path)
        if SECTIONS["bias"].is_measured(result):
            figure = Figure(figsize=(10, 4.8), layout="constrained")
            _draw_bias(figure, result)
            _save(figure, "bias", path)


def _save(figure: Any, name: str, result: Path) -> None:
    file = FOLDER / f"{name}.png"
    figure.savefig(file, dpi=80, metadata={"Source": hash_result(result)})
    click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
