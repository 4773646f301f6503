"""One sentence for each raw result: the answers in the READMEs of the folders."""

from collections.abc import Callable
from statistics import mean, median
from typing import Any

from benchmarks.peers.pis_table import summarize_pis
from benchmarks.peers.table import summarize_peers
from benchmarks.transfer.claims import summarize
from edgecat.progress import describe_count

_MB = 1e6

_Result = dict[str, Any]


def _not_cats(result: _Result) -> str:
    """Return how many strangers each measure tells, mean of all variants and seeds."""
    of_measure: dict[str, list[float]] = {}
    for row in result["rows"]:
        of_measure.setdefault(row["measure"], []).append(100 * row["rejected_ratio"])
    parts = [f"{title} {mean(ratios):.0f} %" for title, ratios in of_measure.items()]
    return f"of {result['num_strangers']} strangers, told by {', '.join(parts)}"


def _calibration(result: _Result) -> str:
    """Return a calibration error beside that of a model that has none."""
    perfect = result["perfect"]
    low, high = (100 * ratio for ratio in perfect["interval_ratio"])
    return (
        f"`{result['variant']}` {100 * result['calibration_error_ratio']:.1f} % on "
        f"{result['num_images']} photos; one that is as sure as it is right gets "
        f"{100 * perfect['mean_ratio']:.1f} % there by chance ({low:.1f} to {high:.1f}; as much as "
        f"the model or more in {100 * perfect['share_as_large']:.0f} % of draws), on 10,000 photos "
        f"{100 * result['perfect_mean_ratio_by_num']['10000']:.1f} %"
    )


def _pointing(result: _Result) -> str:
    parts = [
        f"`{row['variant']}` {100 * row['hit_ratio']:.0f} % of {row['num']} ({100 * low:.0f} to "
        f"{100 * high:.0f})"
        for row in result["rows"]
        for low, high in [row["hit_interval_ratio"]]
    ]
    return f"{', '.join(parts)}; by chance {100 * result['chance_ratio']:.0f} %"


def _enroll(result: _Result) -> str:
    parts = [
        f"{row['label']} {100 * row['found_ratio']:.0f} % ({row['lost_pp']:+.1f} pp)"
        for row in sorted(result["rows"], key=lambda row: row["label"])
    ]
    found = mean(row["found_ratio"] for row in result["rows"])
    lost = mean(row["lost_pp"] for row in result["rows"])
    return (
        f"{len(parts)} of 12 breeds, found (lost by the others): {', '.join(parts)}; mean "
        f"{100 * found:.0f} % ({lost:+.1f} pp)"
    )


def _explain_time(result: _Result) -> str:
    parts = [f"`{row['variant']}` {row['ratio_to_predict']:.2f}x" for row in result["rows"]]
    return f"to `predict`: {', '.join(parts)}"


def _openvino_places(result: _Result) -> str:
    parts = [f"{row['places']} {row['ratio_to_fp32']:.2f}x" for row in result["rows"][1:]]
    return f"to fp32: {', '.join(parts)}"


def _memory(result: _Result) -> str:
    parts = [
        f"`{row['variant']}` {row['median']['open_and_first_ms']:.0f} ms and "
        f"{row['median']['peak_rss_bytes'] / _MB:.0f} MB"
        for row in result["rows"]
        if row["option"] == "as it is"
    ]
    return f"to the first answer {', '.join(parts)}"


def _ncnn_pis(result: _Result) -> str:
    """Return instructions by those of ONNX Runtime's fp32, and how often the answer is that."""
    parts = [
        f"{row['machine'].split()[0]} `{row['variant']}` {row['ratio_to_fp32']:.2f}x"
        for row in result["rows"]
        if row.get("ratio_to_fp32", 1) != 1
    ]
    half = next(row for row in result["rows"] if row["variant"] == "ncnn-fp16")
    start = result["starts"]["ncnn-fp32"]
    return (
        f"instructions to `onnxruntime-fp32`: {', '.join(parts)}; fp16 gives the same answer on "
        f"{100 * half['agreement_ratio']:.1f} % of {half['num_images']} photos, its logits within "
        f"{half['logit_gap_to_imitation']:.2f} of the imitation's; to the first answer here "
        f"{start['cpu_ms']:.0f} ms of the processor and {start['peak_rss_bytes'] / _MB:.0f} MB"
    )


def _cpu_quota(result: _Result) -> str:
    return ", ".join(
        f"{row['quota']:g} processors, {row['threads']} threads {row['answers_per_s']:.0f} "
        f"(p99 {row['p99']:.0f} ms)"
        for row in result["rows"]
    )


def _tune_choice(result: _Result) -> str:
    spread = max(result["spread_of_ratio"].values())
    return (
        f"{result['num_same']} of {result['num_runs']} chose `{result['fastest']}` (variant, "
        f"threads) as a race of {result['long_seconds']:g} s does, none was more than "
        f"{100 * result['max_regret_ratio']:.1f} % slower than it; ratios differ by up to "
        f"{100 * spread:.0f} % between runs, of which "
        f"{sum(run['noise']['verdict'] == 'too noisy' for run in result['runs'])} call themselves "
        "too noisy"
    )


def _fuzz_bundles(result: _Result) -> str:
    kinds = result["kinds"].values()
    counts = [f"{title}: {kind['counts']['refused']}" for title, kind in result["kinds"].items()]
    return (
        f"{result['num_cases_of_each_kind']:,} of each kind, refused {', '.join(counts)}; "
        f"{sum(len(kind['findings']) for kind in kinds)} findings"
    )


def _unpack_faults(result: _Result) -> str:
    num_kills = sum(n for moment, n in result["kill -9"].items() if moment.startswith("killed"))
    broken = [n for counts in (result["kill -9"], result["disk full"]) for n in counts]
    return (
        f"{num_kills} kills, {sum(result['disk full'].values())} sizes of disk, "
        f"{sum(word.startswith('BROKEN') for word in broken)} bundles lost"
    )


def _largest_photos(result: _Result) -> str:
    kinds = result["kinds"].values()
    return (
        f"at most {max(kind['cpu_s'] for kind in kinds):.2f} s of processor time, "
        f"{max(kind['peak_rss_bytes'] for kind in kinds) / _MB:.0f} MB"
    )


def _unequal_classes(result: _Result) -> str:
    """Return how good each way to draw photos is, mean of the seeds."""
    parts = [
        f"{balance}: macro F1 {100 * mean['val_macro_f1_ratio']:.1f} %, recall of small classes "
        f"{100 * mean['small_recall_ratio']:.1f} %, of large ones "
        f"{100 * mean['large_recall_ratio']:.1f} %"
        for balance, mean in result["mean"].items()
    ]
    return f"`balance_ratio` {'; '.join(parts)}"


def _ranks(result: _Result) -> str:
    parts = [
        f"{row['name']}: {100 * row['largest_difference_ratio']:.2f} %"
        for row in result["rows"][1:]
    ]
    return f"losses of epochs differ from one process's by at most, {'; '.join(parts)}"


def _finetune_taught(result: _Result) -> str:
    """Return what teacher and student score."""
    rows = result["rows"]
    teachers = [100 * row["teacher"]["test_top1_ratio"] for row in rows]
    return (
        f"{100 * result['mean_test_top1_ratio']:.1f} % (its teacher {mean(teachers):.1f} %), "
        f"{len(rows)} {'seed' if len(rows) == 1 else 'seeds'}"
    )


def _recipe(result: _Result) -> str:
    """Return what each change gains, and the interval."""
    parts = []
    for row in result["rows"][1:]:
        low, high = row["gain_interval_pp"]
        parts.append(f"{row['variant']} {row['gain_pp']:+.1f} ({low:+.1f} to {high:+.1f})")
    first = result["rows"][0]
    return (
        f"{first['variant']} {100 * first['val_top1_ratio']:.1f} % of {first['num_images']} "
        f"photos; pp to that: {', '.join(parts)}"
    )


def _unlabelled(result: _Result) -> str:
    parts = [
        f"{row['way']} {100 * row['test_top1_ratio']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        for row in result["rows"]
        for low, high in [row["test_interval_ratio"]]
    ]
    gains = [
        f"{one['way']} {one['gain_pp']:+.1f} pp ({low:+.1f} to {high:+.1f}) to {one['to']}"
        for one in result["gains"]
        for low, high in [one["gain_interval_pp"]]
    ]
    return (
        f"{result['num_labelled_per_class']} labelled photos a class, "
        f"{result['rows'][0]['num_test']} test photos of {result['seeds']} seeds: "
        f"{', '.join(parts)}; paired: {', '.join(gains)}"
    )


def _divergence(result: _Result) -> str:
    def count(kind: str) -> str:
        rows = [row for row in result["rows"] if row["kind"] == kind]
        return f"{sum(row['diverged_in_epoch'] is not None for row in rows)} of {len(rows)} {kind}"

    sound = [row for row in result["rows"] if row["kind"] == "sound"]
    worst = max(max(row["losses_to_guessing"]) for row in sound)
    return (
        f"{count('wild')} ones and {count('sound')} ones, whose losses are at most {worst:.2f} "
        "times that of guessing"
    )


def _audit_labels(result: _Result) -> str:
    """Return how many wrong labels are found, and what leaving all in doubt out gains."""
    wrong = [row for row in result["rows"] if row["num_wrong"]]
    right = [row for row in result["rows"] if not row["num_wrong"]]

    def gain(rows: list[_Result]) -> float:
        scores = [row["test_top1_ratio"] for row in rows]
        return 100 * mean(score["without doubts"] - score["all"] for score in scores)

    return (
        f"{100 * result['mean_found_in_first_ratio']:.0f} % of {wrong[0]['num_wrong']} stand in "
        f"the first {100 * result['first_ratio']:.0f} % of the ranking ({len(wrong)} seeds); "
        f"{mean(row['num_in_doubt'] for row in wrong):.0f} of {result['num_photos']:,} are in "
        f"doubt, {mean(row['num_in_doubt'] for row in right):.0f} where no label was changed; "
        f"without all of these a classifier gains {gain(wrong):+.1f} and {gain(right):+.1f} pp"
    )


def _audit_looks(result: _Result) -> str:
    parts = []
    for row in result["rows"]:
        found = [f"{num} {name}" for name, num in row["found"].items() if num]
        parts.append(f"{row['kind']}, {row['num_photos']:,}: {', '.join(found) or 'none'}")
    return "; ".join(parts)


def _report_page(result: _Result) -> str:
    rows = result["rows"]
    median_ms = max(row["median_ms"] for row in rows)
    worst_ms = max(max(row["loads_ms"]) for row in rows)
    return (
        f"{result['size_bytes'] / _MB:.2f} MB, opened in {median_ms:.0f} ms in the slowest of "
        f"{len(rows)} windows (worst {worst_ms:.0f}), "
        f"{sum(row['num_console'] for row in rows)} messages of the browser, "
        f"{sum(row['num_grave'] for row in rows)} serious findings of axe-core"
    )


def _drift(result: _Result) -> str:
    parts = [
        f"{row['num_strange']} strangers among {row['num_photos']} photos in {row['num_noticed']}"
        for row in result["rows"]
    ]
    return f"noticed of {result['num_weeks']} weeks: {', '.join(parts)}"


def _watch_record(result: _Result) -> str:
    parts = [
        f"{row['num_photos']:,} photos: start {row['start_s']:.2f} s (of the processor "
        f"{row['start_cpu_s']:.2f} s), {row['peak_mb']:.0f} MB, "
        f"{row['photo_afterwards']['cpu_ms']:.1f} ms of the processor a photo"
        for row in result["rows"]
    ]
    return "; ".join(parts)


def _record(counts: _Result) -> str:
    return (
        f"{counts['num_photos']:,} photos: {counts['num_lost']} lost, {counts['num_twice']} "
        f"answered twice, {counts['num_errors']} errors"
    )


def _openings(result: _Result) -> str:
    copies = [
        f"`{name}` {100 * row['range_ratio']:.0f} % (opened first "
        f"{100 * (row['by_place'][0] / row['by_place'][-1] - 1):+.1f} % to the last)"
        for name, row in result["copies"].items()
    ]
    ways = [
        f"{name}: {100 * way['spread_ratio']:.1f} %, {way['num_right']} of {way['num']} intervals "
        "are right"
        for name, way in result["ways"].items()
    ]
    return (
        f"the same model, opened again, by up to {', '.join(copies)}; ratios of as many photos "
        f"differ by up to, {'; '.join(ways)}"
    )


def _predicted_latency(result: _Result) -> str:
    errors = result["error_ratio"]
    return (
        f"{len(result['networks'])} networks: half of them within {100 * errors['median']:.1f} %, "
        f"90 % within {100 * errors['p90']:.1f} %, rank correlation "
        f"{result['rank_correlation']:.3f}"
    )


def _expected_costs(result: _Result) -> str:
    ranks = result["rank_correlations"]
    return (
        f"{result['num_networks']} networks of {result['seeds']} seeds, {result['epochs']} epochs; "
        f"rank correlation with what is left: {ranks['sum_of_edits']:.2f} of what each edit is "
        f"expected to cost, added up, {ranks['together_at_once']:.2f} of what all cost together at "
        f"once, {ranks['together_lasting']:.2f} of the share of that which is expected to last"
    )


def _lasting_costs(result: _Result) -> str:
    shares = (
        f"`{kind}` {100 * one['lasting_ratio']:.0f} % of {one['alone_nats']:.2f} nats"
        for kind, one in result["kinds"].items()
    )
    return (
        f"{result['epochs']} epochs, {describe_count(len(result['runs']), 'seed')}: "
        f"{', '.join(shares)}"
    )


def _search_against_random(result: _Result) -> str:
    def tell(gain_ratio: float | None) -> str:
        return "the other is empty" if gain_ratio is None else f"{100 * gain_ratio:+.0f} %"

    parts = []
    for name, title in (
        ("random", "random networks"),
        ("side", "smaller photos alone"),
        ("as-measured", "a search that believes its savings as measured"),
    ):
        seeds = ", ".join(tell(row["gain_ratio"][name]) for row in result["rows"])
        parts.append(f"{title} {tell(result['pooled_gain_ratio'][name])} (each seed {seeds})")
    return (
        f"{result['epochs']} epochs a network, {describe_count(len(result['rows']), 'seed')}; "
        f"hypervolume of the search's front, pooled, by that of {', '.join(parts)}; "
        f"{_describe_losses(result)}"
    )


def _search_by_sums(result: _Result) -> str:
    return (
        f"{result['epochs']} epochs a network, {describe_count(result['seeds'], 'seed')}; "
        f"{_describe_losses(result)}"
    )


def _describe_losses(result: _Result) -> str:
    ways = [
        f"{name} {', '.join(map(_describe_loss, losses))}"
        for name, losses in result["pooled"].items()
    ]
    return (
        f"of the time, pp lost or gained, and how far answers are from the run's: {'; '.join(ways)}"
    )


def _describe_loss(pooled: _Result) -> str:
    low, high = pooled["drop_interval_pp"]
    return (
        f"{pooled['latency_ratio']:.2f} {-pooled['drop_pp']:+.1f} pp "
        f"({-high:+.1f} to {-low:+.1f}) {pooled['divergence_nats']:.3f} nats"
    )


def _gates(result: _Result) -> str:
    ranges: dict[int, float] = {}
    for row in result["rows"]:
        found = max(row["val_range"], row["others_range"])
        ranges[row["block"]] = max(found, ranges.get(row["block"], 0.0))
    still = [str(block) for block, found in ranges.items() if found == 0]
    return (
        f"of {len(ranges)}, those of blocks {' and '.join(still)} say the same of all "
        f"{result['num_val']} photos of cats and {result['num_others']} of others; the others vary "
        f"by {min(found for found in ranges.values() if found):.2f} or more"
    )


def _lean_variants(result: _Result) -> str:
    """Return what each network costs in its float variants, and in its quickest variant."""
    of_network: dict[str, list[_Result]] = {}
    for row in result["rows"]:
        of_network.setdefault(row["network"], []).append(row)
    parts = []
    for network, rows in of_network.items():
        quickest = min(rows, key=lambda row: row["latency_ratio"])
        floats = ", ".join(
            f"{row['ratio_to_same_variant']:.2f}x (`{row['variant']}`)"
            for row in rows
            if row["variant"] in result["targets"]["ratio_to_same_variant"]
        )
        [plain] = [row for row in rows if row["variant"] == result["variant"]]
        parts.append(
            f"{network}: {floats}, {_describe_drop(plain)}; quickest `{quickest['variant']}` "
            f"{quickest['latency_ratio']:.2f}x of `{result['variant']}` as it is, "
            f"{_describe_drop(quickest)}"
        )
    num_images = max(row["num_images"] for row in result["rows"])
    return f"{num_images} test photos of {result['seeds']} seeds; {'; '.join(parts)}"


def _lean_pis(result: _Result) -> str:
    of_place: dict[str, list[str]] = {}
    for row in result["rows"]:
        if row["ratio_to_same_variant"] != 1:  # the network as it is
            place = f"{row['machine']} `{row['variant']}`"
            described = f"{row['network']} {row['ratio_to_same_variant']:.2f}x"
            of_place.setdefault(place, []).append(described)
    return "; ".join(f"{place} {', '.join(ratios)}" for place, ratios in of_place.items())


def _describe_drop(row: _Result) -> str:
    low, high = row["drop_interval_pp"]
    return f"lost {row['drop_pp']:+.1f} pp ({low:+.1f} to {high:+.1f})"


def _review_kills(result: _Result) -> str:
    return (
        f"{result['num_kills']} kills, {result['num_answered']:,} decisions: "
        f"{result['num_lost']} lost"
    )


def _review_page(result: _Result) -> str:
    return (
        f"{result['num_photos']:,} photos: the first seen after {result['first_ms']:.0f} ms (worst "
        f"{result['worst_first_ms']:.0f}), the next {result['key_ms']:.0f} ms after a key (worst "
        f"{result['worst_key_ms']:.0f}); the server starts in {result['start_s']:.1f} s"
    )


def _hundred_photos(result: _Result) -> str:
    gains, ratio = result["gain_pp"], result["ratio"]
    times = f", {ratio:.1f} times as much" if ratio is not None else ""
    return (
        f"{gains['chosen']:+.1f} pp with {result['setting']['num_reviewed']} photos of the review, "
        f"{gains['random']:+.1f} pp with as many random ones{times}; mean of "
        f"{len(result['rows'])} seeds"
    )


def _with_range(ratios: list[float]) -> str:
    return f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def _clock(result: _Result) -> str:
    tools = [
        f"`{name}` {_with_range(ratios)}, measured alone {_with_range(result['alone_ratio'][name])}"
        for name, ratios in result["p50_ratio"].items()
    ]
    spreads = [f"`{name}` {100 * ratio:.0f} %" for name, ratio in result["spread_ratio"].items()]
    return (
        f"p50 by that of the engine's own tool: {'; '.join(tools)}; ratios to fp32 of "
        f"{len(result['turns'])} runs differ by up to {', '.join(spreads)}"
    )


def _openvino_input(result: _Result) -> str:
    parts = []
    for row in result["rows"]:
        _, *others = row["ways"]
        told = [
            f"{one['way']} {one['ratio']:.2f}x ({low:.2f} to {high:.2f})"
            for one in others
            for low, high in [one["ratio_interval"]]
        ]
        parts.append(f"`{row['variant']}` {', '.join(told)}")
    return f"time by as it is: {'; '.join(parts)}"


_GAINS = "top-1 in pp and log-loss in nats"


def _shorter_sides(result: _Result) -> str:
    rows = result["rows"]
    parts = [f"{row['shorter_side_px']} px {_describe_gains(row)}" for row in rows]
    return (
        f"{result['epochs']} epochs, {result['seeds']} seeds, {rows[0]['num_images']} photos; "
        f"gained over {result['usual_px']} px, {_GAINS}: {'; '.join(parts)}"
    )


def _larger_photos(result: _Result) -> str:
    control, *others = result["rows"]
    parts = [f"{row['ratio']:g}x {_describe_gains(row)}" for row in others]
    return (
        f"{result['epochs']} epochs, {result['seeds']} seeds, {control['num_images']} photos; "
        f"no larger {100 * control['val_top1_ratio']:.1f} %; gained, {_GAINS}: {'; '.join(parts)}"
    )


def _describe_gains(row: dict[str, Any]) -> str:
    low, high = row["gain_interval_pp"]
    low_nats, high_nats = row["log_loss_gain_interval_nats"]
    return (
        f"{row['gain_pp']:+.1f} ({low:+.1f} to {high:+.1f}), "
        f"{row['log_loss_gain_nats']:+.3f} ({low_nats:+.3f} to {high_nats:+.3f})"
    )


def _many_photos(result: _Result) -> str:
    parts = [
        f"{row['num_photos']:,} photos {row['peak_bytes'] / 1e6:.0f} MB"
        + (f" ({row['num_decoded_again']:,} decoded again)" if row["num_decoded_again"] else "")
        for row in result["rows"]
    ]
    first, last = result["rows"][0], result["rows"][-1]
    more_bytes = last["peak_bytes"] - first["peak_bytes"]
    per_photo = more_bytes / (last["num_photos"] - first["num_photos"])
    return f"{', '.join(parts)}: {per_photo / 1e3:.1f} kB for each photo more"


#: The name of a raw result and what it says, for people.
ANSWERS: dict[str, Callable[[_Result], str]] = {
    "finetune_cats_cpu": lambda r: f"{100 * r['mean_test_top1_ratio']:.1f} %",
    "finetune_good": _finetune_taught,
    "recipe": _recipe,
    "recipe_12_epochs": _recipe,
    "recipe_30_epochs": _recipe,
    "recipe_fast": _recipe,
    "larger_photos": _larger_photos,
    "shorter_sides": _shorter_sides,
    "shorter_sides_128": _shorter_sides,
    "shorter_sides_fast": _shorter_sides,
    "unlabelled": _unlabelled,
    "unequal_classes": _unequal_classes,
    "divergence": _divergence,
    "ranks": _ranks,
    "audit_labels": _audit_labels,
    "drift": _drift,
    "audit_looks": _audit_looks,
    "transfer": summarize,
    "many_photos": _many_photos,
    "step_memory": lambda r: f"{r['cpu_ratio']:.2f} times the processor time",
    "finetune_time_cpu": lambda r: f"{r['median_duration_s']:.0f} s, {r['device']}",
    "calibration": _calibration,
    "not_cats": _not_cats,
    "pointing": _pointing,
    "enroll": _enroll,
    "explain_time": _explain_time,
    "report_page": _report_page,
    "review_kills": _review_kills,
    "review_page": _review_page,
    "hundred_photos": _hundred_photos,
    "export_cats": lambda r: f"{len(r['rows'])} seeds, see [INT8.md](INT8.md)",
    "naive_int8": lambda r: ", ".join(
        f"{row['recipe']} {100 * row['change']['top1_ratio']:.1f} %" for row in r["rows"]
    ),
    "int8_cpus": lambda r: f"{r['num_images']} photos, see [INT8.md](INT8.md)",
    "int8_large": lambda r: ", ".join(
        f"`{row['variant']}` {row['ratio_to_fp32']:.2f}x"
        for row in r["rows"]
        if row["ratio_to_fp32"] != 1
    ),
    "int8_sensitivity": lambda r: f"{len(r['tensors'])} tensors, see [INT8.md](INT8.md)",
    "openvino_places": _openvino_places,
    "gates": _gates,
    "lean_pis": _lean_pis,
    "lean_variants_onnxruntime-fp32_30_epochs": _lean_variants,
    "lean_variants_onnxruntime-fp32_90_epochs": _lean_variants,
    "lean_variants_openvino-bf16_30_epochs": _lean_variants,
    "predicted_latency": _predicted_latency,
    "expected_costs": _expected_costs,
    "lasting_costs": _lasting_costs,
    "lasting_costs_side": _lasting_costs,
    "search_against_random": _search_against_random,
    "search_by_sums": _search_by_sums,
    "memory": _memory,
    "ncnn_pis": _ncnn_pis,
    "openvino_input": _openvino_input,
    "peers": summarize_peers,
    "peers_pis": summarize_pis,
    "clock": _clock,
    "openings": _openings,
    "cli_time": lambda r: ", ".join(f"`{name}` {s:.2f} s" for name, s in r["median_s"].items()),
    "cpu_quota": _cpu_quota,
    "tune_choice": _tune_choice,
    "serve_load": lambda r: (
        f"{r['num_requests']:,} requests: {r['num_wrong']} wrong, {r['num_lost']} lost, p99 "
        f"{r['latency_ms']['p99']:.0f} ms, {r['rss_growth_mb']:+.1f} MB"
    ),
    "serve_workers": lambda r: ", ".join(
        f"{name} {values['answers_per_s']:.0f}" for name, values in r["median"].items()
    ),
    "watch_kill": lambda r: (
        f"{r['num_kills']} kills, {sum(r['rotated'].values())} rotations, {_record(r)}"
    ),
    "mqtt_kills": lambda r: (
        f"{r['killed']['watch']} kills of watch, {r['killed']['broker']} of the broker, "
        f"{r['num_photos']:,} photos: {r['num_lost']} lost, {r['num_twice']} told under two ids; "
        f"{r['num_messages_again']:,} messages came again, which change nothing"
    ),
    "watch_record": _watch_record,
    "disk_full": lambda r: f"{r['watch']['num_rounds']} times full, {_record(r['watch'])}",
    "unpack_faults": _unpack_faults,
    "fuzz_bundles": _fuzz_bundles,
    "fuzz_pixels": lambda r: (
        f"{r['num_cases']:,} photos, {r['counts']['refused']:,} refused; "
        f"{len(r['findings'])} findings"
    ),
    "largest_photos": _largest_photos,
}
