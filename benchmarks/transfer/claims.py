"""The page of benchmarks/transfer: of each claim and limit a picture and what was measured."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.transfer.numbers import (
    NUM_PAIRS,
    TARGET_RATIO,
    WAYS,
    Mean,
    Result,
    choose,
    gap_pps,
    inherited_ratio,
    list_nums,
    mean_of,
    measure_reached,
    rank_pairs,
    subtract,
    top1_percents,
)

# Photos a class with which cats are set beside drawings, of which there are as many.
_NUM_DRAWN = 10


def format_page(result: Result) -> str:
    """Return a section for each claim and limit that was measured."""
    settings = ", ".join(f"`{setting}`" for setting in result["settings"]["all"])
    set_up = (
        f"`mobilenet_v3_small`, {result['num_steps']} steps a run, recipe {settings}; where the "
        "backbone is random, its rate is the head's. ± is the 95 % interval of a mean over seeds "
        "(Student's t); a claim is open where the interval of the difference holds 0, or there is "
        "one seed. A run that learned nothing counts as guessing.\n"
    )
    sections = [
        f"## {section.title}\n\n![{section.title}]({name}.png)\n\n{section.say(result)}\n"
        for name, section in SECTIONS.items()
        if section.is_measured(result)
    ]
    return "\n".join([set_up, *sections])


def summarize(result: Result) -> str:
    """Return the answer of a README's table: each claim in a few words."""
    claims = {"little": _sum_up_little, "time": _sum_up_time, "overfitting": _sum_up_overfitting}
    parts = [say(result) for name, say in claims.items() if SECTIONS[name].is_measured(result)]
    num_seeds = len(choose(result, "ways", init="transfer"))
    return f"{'; '.join(parts)} ({num_seeds} seed{'s' if num_seeds > 1 else ''})"


def _sum_up_little(result: Result) -> str:
    few, many = list_nums(result)[0], list_nums(result)[-1]
    return (
        f"transfer has {_top1(result, 'transfer', few)} % top-1 with {few} photos a class, scratch "
        f"{_top1(result, 'scratch', many)} % with {many}"
    )


def _sum_up_time(result: Result) -> str:
    return (
        f"80 % of the best: transfer {measure_reached(result, 'transfer')}, scratch "
        f"{measure_reached(result, 'scratch')}"
    )


def _sum_up_overfitting(result: Result) -> str:
    claim = _describe_claim({num: _less_gap(result, num) for num in list_nums(result)})
    return f'"less overfitting" {claim}'


def _little(result: Result, init: str, num: int) -> list[dict[str, Any]]:
    return choose(result, "little", init=init, num_train_per_class=num)


def _top1(result: Result, init: str, num: int, split: str = "test") -> Mean:
    return mean_of(top1_percents(_little(result, init, num), split))


def _gap(result: Result, init: str, num: int) -> Mean:
    return mean_of(gap_pps(_little(result, init, num)))


def _gain(result: Result, num: int) -> Mean:
    """Return by how much transfer is better than scratch, in pp of test top-1."""
    transfer, scratch = (
        top1_percents(_little(result, init, num)) for init in ("transfer", "scratch")
    )
    return mean_of(subtract(transfer, scratch))


def _less_gap(result: Result, num: int) -> Mean:
    """Return by how much transfer's gap between training and test photos is smaller, in pp."""
    transfer, scratch = (gap_pps(_little(result, init, num)) for init in ("transfer", "scratch"))
    return mean_of(subtract(scratch, transfer))


def _describe_claim(differences: Mapping[int, Mean]) -> str:
    """Return at how many photos a class a claim, that a difference is positive, holds."""
    nums: dict[str, list[str]] = {}
    for num, difference in differences.items():
        nums.setdefault(_judge(difference), []).append(str(num))
    return ", ".join(f"{verdict} at {', '.join(at)}" for verdict, at in nums.items()) + (
        " photos a class"
    )


def _judge(difference: Mean) -> str:
    if math.isnan(difference.half_width) or abs(difference.mean) <= difference.half_width:
        return "is open"
    return "holds" if difference.mean > 0 else "is wrong"


def _say_little(result: Result) -> str:
    """Return the claim of more accuracy with little data: A against C from ImageNet."""
    nums = list_nums(result)
    lines = [
        "| photos a class | A, scratch: test top-1 % | C, transfer: test top-1 % | gain pp |",
        "|---|---|---|---|",
        *(
            f"| {num} | {_top1(result, 'scratch', num)} | {_top1(result, 'transfer', num)} | "
            f"{_gain(result, num)} |"
            for num in nums
        ),
        "",
        f"{_describe_seeds(_little(result, 'transfer', nums[0]))} From ImageNet's weights "
        f"{nums[0]} photos a class of 12 breeds give {_top1(result, 'transfer', nums[0])} %, from "
        f"scratch {nums[-1]} give {_top1(result, 'scratch', nums[-1])} %. The claim "
        f"{_describe_claim({num: _gain(result, num) for num in nums})}.",
    ]
    return "\n".join(lines)


def _describe_seeds(rows: list[dict[str, Any]]) -> str:
    plural = "s" if len(rows) > 1 else ""
    return f"{len(rows)} seed{plural}, {rows[0]['num_test']} test photos each."


def _say_time(result: Result) -> str:
    """Return the claim of less time: the four ways from six breeds to the other six."""
    tops = {init: top1_percents(choose(result, "ways", init=init)) for init in WAYS}
    reached = {init: measure_reached(result, init) for init in WAYS}
    wrong = mean_of(subtract(tops["full"], tops["transfer"]))
    useless = mean_of(subtract(tops["head-only"], tops["scratch"]))
    lines = [
        "| way to start | `--init` | test top-1 % | 80 % of the best |",
        "|---|---|---|---|",
        *(
            f"| {title} | `{init}` | {mean_of(tops[init])} | {reached[init]} |"
            for init, title in WAYS.items()
        ),
        "",
        f"{_describe_seeds(choose(result, 'ways', init='transfer'))} C has "
        f"{100 * TARGET_RATIO:.0f} % of the best validation top-1 of all ways "
        f"{reached['transfer']}, A {reached['scratch']}. An output layer of the wrong classes (B) "
        f"changes top-1 by {wrong} pp against C, and one without its backbone (D) by {useless} pp "
        "against A.",
    ]
    return "\n".join(lines)


def _say_overfitting(result: Result) -> str:
    """Return the claim of less overfitting: the gap between training and test photos."""
    nums = list_nums(result)
    few, many = nums[0], nums[-1]
    lines = [
        "| photos a class | A, scratch: gap pp | C, transfer: gap pp | A's less C's |",
        "|---|---|---|---|",
        *(
            f"| {num} | {_gap(result, 'scratch', num)} | {_gap(result, 'transfer', num)} | "
            f"{_less_gap(result, num)} |"
            for num in nums
        ),
        "",
        f"{_describe_seeds(_little(result, 'transfer', few))} The gap is top-1 of the training "
        "photos less that of the test photos; that C has the smaller one "
        f"{_describe_claim({num: _less_gap(result, num) for num in nums})}. A small gap of A is no "
        "merit: of its own training photos it answers "
        f"{_top1(result, 'scratch', few, 'train')} % rightly with {few} a class, "
        f"{_top1(result, 'scratch', many, 'train')} % with {many}.",
    ]
    return "\n".join(lines)


def _say_domain(result: Result) -> str:
    """Return the limit of a far domain: the gain on drawings beside that on cats."""
    transfer, scratch = (
        top1_percents(choose(result, "drawn", init=init)) for init in ("transfer", "scratch")
    )
    return (
        f"{_describe_seeds(choose(result, 'drawn', init='transfer'))} On drawings of 8 breeds, "
        f"{_NUM_DRAWN} a class, transfer has {mean_of(transfer)} % top-1 and scratch "
        f"{mean_of(scratch)} %: a gain of {mean_of(subtract(transfer, scratch))} pp, beside "
        f"{_gain(result, _NUM_DRAWN)} pp on photos of cats. ImageNet has five kinds of cats among "
        "its classes, so those are as near to what was pretrained on as photos can be."
    )


def _say_size(result: Result) -> str:
    """Return the limit of a fixed input size: photos of fewer pixels."""
    rows = [row["sizes"] for row in choose(result, "sizes")]

    def percent(side_px: int, how: str) -> str:
        ratios = [s[f"{how}_top1_ratio"] for row in rows for s in row if s["side_px"] == side_px]
        return f"{100 * float(np.mean(ratios)):.1f} %"

    sides = [size["side_px"] for size in rows[0]]
    low, middle, full = sides[0], sides[2], sides[-1]
    return (
        f"At {full} px top-1 is {percent(full, 'enlarged')}; the same photos given at {middle} px "
        f"as they are have {percent(middle, 'as_it_is')}, at {low} px {percent(low, 'as_it_is')}. "
        f"Enlarged to {full} px before, they have {percent(middle, 'enlarged')} and "
        f"{percent(low, 'enlarged')}: weights know things in the size that they learned them in, "
        "and what is missing then are pixels."
    )


def _say_bias(result: Result) -> str:
    """Return the limit of inherited bias: what is taken for what, before and after."""

    def name_pairs(which: str) -> str:
        pairs = rank_pairs(result, which)[:3]
        return ", ".join(f"{one} and {other} ({num})" for one, other, num in pairs)

    shares = {
        which: f"{100 * inherited_ratio(result, which):.0f} %"
        for which in ("before", "transfer", "scratch")
    }
    return (
        f"Confused most by ImageNet's features alone: {name_pairs('before')}; after fine-tuning on "
        f"{list_nums(result)[-1]} photos a class: {name_pairs('transfer')}. The {NUM_PAIRS} of 66 "
        f"pairs that are confused most before have {shares['before']} of the mistakes before and "
        f"{shares['transfer']} after; of a network that never saw ImageNet they have "
        f"{shares['scratch']}."
    )


@dataclasses.dataclass(frozen=True)
class Section:
    """A claim or a limit.

    Attributes:
        title: Its heading.
        needs: The experiments that it tells of, as `choose` takes them.
        say: Returns what was measured.
    """

    title: str
    needs: tuple[dict[str, Any], ...]
    say: Callable[[Result], str]

    def is_measured(self, result: Result) -> bool:
        """Return whether a result holds all experiments."""
        return all(choose(result, **need) for need in self.needs)


_LITTLE, _WAYS = {"experiment": "little"}, {"experiment": "ways"}
_DRAWN = ({"experiment": "drawn"}, _LITTLE | {"num_train_per_class": _NUM_DRAWN})
_SIZES, _BIAS = {"experiment": "sizes"}, {"experiment": "bias"}

#: By the picture's name.
SECTIONS = {
    "little": Section("Claim: more accuracy with little data", (_LITTLE,), _say_little),
    "time": Section("Claim: less time", (_WAYS,), _say_time),
    "overfitting": Section("Claim: less overfitting", (_LITTLE,), _say_overfitting),
    "domain": Section("Limit: a far domain", _DRAWN, _say_domain),
    "size": Section("Limit: the input size is fixed", (_SIZES,), _say_size),
    "bias": Section("Limit: bias is inherited", (_BIAS,), _say_bias),
}
