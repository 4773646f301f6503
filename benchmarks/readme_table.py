"""Write the tables of all pages, the folders' answers and README's picture, from the raw results.

And README's list of what `edgecat help` has, from the pages themselves.

python -m benchmarks.readme_table

`tests/test_readme.py` fails when tables and results differ.
"""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import click

from benchmarks.answers import ANSWERS
from benchmarks.peers.pis_table import format_pis
from benchmarks.peers.table import format_peers, summarize_peers
from benchmarks.results import list_results, load_results
from benchmarks.transfer.claims import format_page, summarize
from edgecat.bundle import schema1
from edgecat.cli.pages import load_pages, title_of

README = Path(__file__).parent.parent / "README.md"
INT8 = Path(__file__).parent / "int8" / "INT8.md"
TRANSFER = Path(__file__).parent / "transfer" / "README.md"
PEERS = Path(__file__).parent / "peers" / "README.md"
_MARKS = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)
_PAGES = re.compile(r"(<!-- pages: .*? -->\n).*?(<!-- end of pages -->)", re.DOTALL)
_ANSWER = re.compile(r"(<!-- answer: (\S+) -->).*?(<!-- end of answer -->)")

# Processes by core that wait or compute, from which on a machine is busy: a benchmark alone keeps
# its cores busy, too.
_BUSY_RATIO = 2

_SHARES = ("kept", "rejected")

_VARIANTS = (
    "onnxruntime-fp32",
    "onnxruntime-int8",
    "openvino-fp32",
    "openvino-bf16",
    "openvino-int8bf16",
    "openvino-int8",
)


def format_results() -> str:
    """Return the table and the sentences below it."""
    parts = [_format_export(result) for result in load_results("export_cats")]
    said = [
        [say(result) for name, say in bullet.items() for result in load_results(name)]
        for bullet in _BULLETS
    ]
    lines = [f"- {' '.join(sentences)}" for sentences in said if sentences]
    return "\n".join([*parts, *lines, ""])


def format_pages() -> str:
    """Return the table of all topics of `edgecat help`, two in a row."""
    cells = [
        f"[`{topic}`](edgecat/docs/{topic}.md) | {title_of(page)}"
        for topic, page in load_pages().items()
    ]
    left, right = cells[::2], cells[1::2]
    rows = [f"| {a} | {b} |" for a, b in itertools.zip_longest(left, right, fillvalue="|")]
    return "\n".join(["| topic | | topic | |", "|---|---|---|---|", *rows, ""])


def format_int8() -> str:
    """Return the tables of benchmarks/int8/INT8.md."""
    parts = [_format_steps(result) for result in load_results("export_cats")]
    parts += [_format_cpus(result) for result in load_results("int8_cpus")]
    parts += [_format_sensitivity(result) for result in load_results("int8_sensitivity")]
    parts += [_format_large(result) for result in load_results("int8_large")]
    return "\n".join(parts)


def format_transfer() -> str:
    """Return the sections of benchmarks/transfer/README.md."""
    return "\n".join(format_page(result) for result in load_results("transfer"))


def format_race() -> str:
    """Return the table of benchmarks/peers/README.md."""
    parts = [format_peers(result) for result in load_results("peers")]
    parts += [format_pis(result) for result in load_results("peers_pis")]
    return "\n".join(parts) or "Not measured yet.\n"


#: Pages with tables, and what stands between their marks.
TABLES = {
    README: format_results,
    INT8: format_int8,
    TRANSFER: format_transfer,
    PEERS: format_race,
}

#: Pages with an answer for each raw result.
ANSWERED = sorted(Path(__file__).parent.glob("*/README.md"))


def update(page: Path) -> str:
    """Return a page's text with the committed results."""
    text = page.read_text()
    if page in TABLES:
        text = _MARKS.sub(lambda match: f"{match[1]}{TABLES[page]()}{match[2]}", text)
    text = _PAGES.sub(lambda match: f"{match[1]}{format_pages()}{match[2]}", text)
    return _ANSWER.sub(lambda match: f"{match[1]}{_format_answer(match[2])}{match[3]}", text)


def _format_answer(name: str) -> str:
    """Return what the results of a name say, each with a link to it."""
    links = {path: f"../results/{path.parent.name}/{path.name}" for path in list_results(name)}
    answers = []
    for path, link in links.items():
        result = json.loads(path.read_text())
        answers.append(f"{ANSWERS[name](result)} ([raw]({link}){_describe_load(result['host'])})")
    return ", ".join(answers) or "not measured yet"


def _describe_load(host: dict[str, Any]) -> str:
    """Return whether the machine was busy: then counts and ratios tell something, times little."""
    load = host["load_1min"] or 0.0
    is_busy = load > _BUSY_RATIO * host["num_cpus"]
    return f"; machine busy, load {load:.0f}" if is_busy else ""


def _format_export(result: dict[str, Any]) -> str:
    rows = result["rows"]
    lines = [
        "| variant | top-1 % | drop pp (per seed) | same answer % | p50 ms | to fp32 | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant in _VARIANTS:
        scores = [row["scores"][variant] for row in rows if variant in row["scores"]]
        benches = [
            bench
            for row in rows
            for bench in row["benchmark"]["rows"]
            if bench["variant"] == variant
        ]
        if not scores or not benches:
            continue
        drops = ", ".join(f"{score['drop_pp']:+.1f}" for score in scores)
        ratios = [bench["ratio_to_fp32"] for bench in benches if bench["ratio_to_fp32"]]
        lines.append(
            f"| `{variant}`{'' if len(scores) == len(rows) else f' ({len(scores)} of {len(rows)})'}"
            f" | {100 * mean(score['top1_ratio'] for score in scores):.1f}"
            f" | {mean(score['drop_pp'] for score in scores):+.1f} ({drops})"
            f" | {100 * mean(score['agreement_ratio'] for score in scores):.1f}"
            f" | {mean(bench['latency_ms']['p50'] for bench in benches):.2f}"
            f" | {f'{mean(ratios):.2f}x' if ratios else '1'}"
            f" | {mean(bench['size_bytes'] for bench in benches) / 1e6:.2f} |"
        )
    refusals = [
        f"{row['run']}: {row['refused'].partition(';')[0]}" for row in rows if row["refused"]
    ]
    if refusals:
        lines += ["", f"Missing above: {'; '.join(refusals)}."]
    num_test = rows[0]["scores"]["onnxruntime-fp32"]["num_images"]
    passes = mean(row["passes"]["ratio"] for row in rows)
    host = result["host"]
    lines += [
        "",
        f"`mobilenet_v3_small`, 12 cat breeds, {len(rows)} seeds, n = {num_test} test photos each; "
        f"{host['cpu']} ({', '.join(host['features'])}), onnxruntime "
        f"{host['versions']['onnxruntime']}, openvino {host['versions']['openvino']}. Single "
        "photos, one thread, all variants in turns ([raw results](benchmarks/README.md)). "
        f"ONNX Runtime fp32 takes {passes:.2f}x the time of torch's plain export.",
        "",
    ]
    return "\n".join(lines)


def _format_steps(result: dict[str, Any]) -> str:
    """Return what each step of the search was worth, mean of the runs that tried it."""
    lines = [
        "What each step of the search is worth, on the validation photos:",
        "",
        "| variant | step | drop pp | same answer % | to its fp32 | s | tried, chosen |",
        "|---|---|---|---|---|---|---|",
    ]
    searches = [_read_search(row) for row in result["rows"]]
    for variant in searches[0]:
        tried: dict[str, list[dict[str, Any]]] = {}
        for search in searches:
            for step in search[variant]["steps"]:
                tried.setdefault(step["recipe"]["title"], []).append(step)
        for title, steps in tried.items():
            changes = [step["change"] for step in steps]
            num_chosen = sum(search[variant]["chosen"] == title for search in searches)
            lines.append(
                f"| `{variant}` | {title} | {mean(change['drop_pp'] for change in changes):+.1f}"
                f" | {100 * mean(change['agreement_ratio'] for change in changes):.1f}"
                f" | {mean(step['latency_ratio'] for step in steps):.2f}x"
                f" | {mean(step['duration_s'] for step in steps):.0f}"
                f" | {len(steps)}, {num_chosen} |"
            )
    return "\n".join([*lines, ""])


def _read_search(row: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle's search for INT8; results older than schema 2 have it under other names."""
    search: dict[str, Any] = row.get("search") or schema1.upgrade_provenance(row)["search"]
    return search


def _format_cpus(result: dict[str, Any]) -> str:
    """Return how the INT8 models answer on other processors."""
    steps = ", ".join(f"`{name}`: {step}" for name, step in result["chosen_rungs"].items())
    lines = [
        f"The models of {result['run']} ({steps}) on other processors, {result['num_images']} test "
        "photos, compared with this one:",
        "",
        "| processor | model | top-1 % | same answer % | logit gap | M instructions a photo |",
        "|---|---|---|---|---|---|",
    ]
    floats = {
        row["machine"]: row["instructions_per_image"]
        for row in result["rows"]
        if row["model"] == "onnxruntime-fp32"
    }
    for row in result["rows"]:
        if row["machine"] == "this one":
            continue
        count, cell = row["instructions_per_image"], "-"
        if count:
            cell = f"{count / 1e6:.1f} ({count / floats[row['machine']]:.2f}x fp32)"
        lines.append(
            f"| {row['machine']} | `{row['model']}` | {100 * row['top1_ratio']:.1f}"
            f" | {100 * row['agreement_with_this_machine_ratio']:.1f}"
            f" | {row['logit_gap_to_this_machine']:.2g} | {cell} |"
        )
    return "\n".join([*lines, ""])


def _format_sensitivity(result: dict[str, Any]) -> str:
    """Return what leaving single tensors in float is worth, beside what prefixes are."""
    tensors = ", ".join(
        f"{row['damage']:.3f} with {row['num_tensors']}" for row in result["worst_left_out"]
    )
    prefixes = ", ".join(
        f"{row['damage']:.3f} with {row['num_float_halvings']}"
        for row in result["prefixes_in_float"]
    )
    return (
        f"Error of the logits (ONNX Runtime, mended biases, n = {result['num_photos']}, share of "
        f"their spread) by how many of the {len(result['tensors'])} tensors, the most harmful "
        f"first, stay float behind two stages: {tensors}; by how many stages stay float: "
        f"{prefixes}.\n"
    )


def _format_large(result: dict[str, Any]) -> str:
    ratios = ", ".join(
        f"`{row['variant']}` {row['ratio_to_fp32']:.2f}x its fp32"
        for row in result["rows"]
        if row["variant"].endswith("int8")
    )
    return f"`mobilenet_v3_large` with random weights, latency alone: {ratios}.\n"


def _format_finetune(result: dict[str, Any]) -> str:
    rows = result["rows"]
    scores = ", ".join(f"{100 * row['test_top1_ratio']:.1f}" for row in rows)
    return (
        f"Fine-tuning {result['recipe']['epochs']} epochs on {result['num_photos']['train']} "
        f"photos: test top-1 {100 * result['mean_test_top1_ratio']:.1f} % ({scores})."
    )


def _format_time(result: dict[str, Any]) -> str:
    return (
        f"That takes {result['median_duration_s']:.0f} s with the machine to itself "
        f"({result['device']}), decoding included."
    )


def _format_taught(result: dict[str, Any]) -> str:
    rows = result["rows"]
    scores = [f"{100 * row['test_top1_ratio']:.1f} % (seed {row['seed']})" for row in rows]
    return (
        f"With a teacher (`--preset {result['preset']}`, extra `teacher`), the same photos: "
        f"{', '.join(scores)}."
    )


def _format_unlabelled(result: dict[str, Any]) -> str:
    scores = [f"{100 * row['test_top1_ratio']:.1f} % ({row['way']})" for row in result["rows"]]
    return (
        f"Where {result['num_labelled_per_class']} photos a class have labels "
        f"({result['seeds']} seeds, n = {result['rows'][0]['num_test']}): {', '.join(scores)}."
    )


def _format_naive(result: dict[str, Any]) -> str:
    parts = [
        f"{row['recipe']}: top-1 {100 * row['change']['top1_ratio']:.1f} % at "
        f"{row['ratio_to_fp32']:.1f}x the time of fp32"
        for row in result["rows"]
    ]
    num = result["rows"][0]["change"]["num_images"]
    return (
        "INT8 by `onnxruntime.quantization.quantize_static`, on the same model of seed 0 "
        f"(n = {num}): {'; '.join(parts)}."
    )


def _format_not_cats(result: dict[str, Any]) -> str:
    """Return what the threshold on the OOD score keeps and rejects, by variant."""
    rows = [row for row in result["rows"] if row["measure"] == "features and logits"]
    parts = []
    for variant in _VARIANTS:
        own = [row for row in rows if row["variant"] == variant]
        if own:
            kept, rejected = (mean(row[f"{what}_ratio"] for row in own) for what in _SHARES)
            parts.append(f"{100 * rejected:.0f} % (`{variant}`, {100 * kept:.1f} % of cats kept)")
    return (
        f"Of {result['num_strangers']} photos of other things, these are called unknown: "
        f"{', '.join(parts)}."
    )


def _format_pis(result: dict[str, Any]) -> str:
    """Return each variant's instructions on each emulated Pi."""
    ratios: dict[str, list[str]] = {}
    for row in result["rows"]:
        if row.get("ratio_to_fp32", 1) != 1:
            place = row["machine"].removeprefix("pi").removesuffix(" (emulated)")
            ratios.setdefault(row["variant"], []).append(f"{row['ratio_to_fp32']:.2f} (Pi {place})")
    parts = [f"`{variant}` {', '.join(found)}" for variant, found in ratios.items()]
    half = next(row for row in result["rows"] if row["variant"] == "ncnn-fp16")
    return (
        "On emulated Raspberry Pis, of the instructions of `onnxruntime-fp32`, which are no "
        f"milliseconds: {'; '.join(parts)}. `ncnn-fp16` names the same breed on "
        f"{100 * half['agreement_ratio']:.1f} % of {half['num_images']} photos."
    )


def _format_peers(result: dict[str, Any]) -> str:
    host = result["host"]
    return (
        f"[Against others](benchmarks/peers/README.md) on {host['cpu']} "
        f"({', '.join(host['features'])}): {summarize_peers(result)}."
    )


def _format_transfer(result: dict[str, Any]) -> str:
    return (
        f"[Transfer learning by the textbook](benchmarks/transfer/README.md): {summarize(result)}."
    )


# Below the README's table: what stands for raw results, in this order.
_BULLETS: list[dict[str, Callable[[dict[str, Any]], str]]] = [
    {"naive_int8": _format_naive},
    {"not_cats": _format_not_cats},
    {"finetune_cats_cpu": _format_finetune, "finetune_time_cpu": _format_time},
    {"finetune_good": _format_taught, "unlabelled": _format_unlabelled},
    {"transfer": _format_transfer},
    {"ncnn_pis": _format_pis},
    {"peers": _format_peers},
]


@click.command()
def main() -> None:
    """Write the tables of every page, and README's picture."""
    # Here, since only who writes needs the libraries that draw.
    from benchmarks.peers.picture import write_picture

    write_picture()
    for page in (*TABLES, *ANSWERED):
        page.write_text(update(page))


if __name__ == "__main__":
    main()
