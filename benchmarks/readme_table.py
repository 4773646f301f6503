"""Write the README's result table from the committed raw results.

python benchmarks/readme_table.py

`tests/test_readme.py` fails when the table and the results differ.
"""

import re
from pathlib import Path
from statistics import mean
from typing import Any

from results import load_results

README = Path(__file__).parent.parent / "README.md"
_MARKS = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)

_VARIANTS = (
    "onnxruntime-fp32",
    "onnxruntime-int8",
    "openvino-fp32",
    "openvino-bf16",
    "openvino-int8",
)


def format_results() -> str:
    """Return the table and the sentences below it."""
    parts = [_format_export(result) for result in load_results("export_cats")]
    parts += [_format_finetune(result) for result in load_results("finetune_cats_cpu")]
    parts += [_format_time(result) for result in load_results("finetune_time_cpu")]
    parts += [_format_naive(result) for result in load_results("naive_int8")]
    parts += [_format_cli(result) for result in load_results("cli_time")]
    return "\n".join(parts)


def update(text: str) -> str:
    """Return the README with the table of the committed results."""
    return _MARKS.sub(lambda match: f"{match[1]}{format_results()}{match[2]}", text)


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
    num_test = rows[0]["scores"]["onnxruntime-fp32"]["num_images"]
    passes = mean(row["passes"]["ratio"] for row in rows)
    host = result["host"]
    lines += [
        "",
        f"`mobilenet_v3_small`, 12 cat breeds, {len(rows)} seeds, n = {num_test} test photos each; "
        f"{host['cpu']} ({', '.join(host['features'])}), onnxruntime "
        f"{host['versions']['onnxruntime']}, openvino {host['versions']['openvino']}. "
        f"ONNX Runtime fp32 takes {passes:.2f}x the time of torch's plain export.",
        "",
    ]
    return "\n".join(lines)


def _format_finetune(result: dict[str, Any]) -> str:
    rows = result["rows"]
    scores = ", ".join(f"{100 * row['test_top1_ratio']:.1f}" for row in rows)
    return (
        f"Fine-tuning {result['recipe']['epochs']} epochs on {result['num_photos']['train']} "
        f"photos: test top-1 {100 * result['mean_test_top1_ratio']:.1f} % ({scores}).\n"
    )


def _format_time(result: dict[str, Any]) -> str:
    return (
        f"With the machine to itself ({result['device']}), decoding included, that takes "
        f"{result['median_duration_s']:.0f} s.\n"
    )


def _format_naive(result: dict[str, Any]) -> str:
    parts = [
        f"{row['recipe']}: top-1 {100 * row['change']['top1_ratio']:.1f} % at "
        f"{row['ratio_to_fp32']:.1f}x the time of fp32"
        for row in result["rows"]
    ]
    num = result["rows"][0]["change"]["num_images"]
    return (
        "For comparison, `onnxruntime.quantization.quantize_static` on the same model of seed 0 "
        f"(n = {num}): {'; '.join(parts)}.\n"
    )


def _format_cli(result: dict[str, Any]) -> str:
    medians = result["median_s"]
    return (
        f"Whole processes: `edgecat predict cats12 photo.jpg` "
        f"{medians['edgecat predict cats12 PHOTO']:.2f} s, `edgecat --help` "
        f"{medians['edgecat --help']:.2f} s.\n"
    )


if __name__ == "__main__":
    README.write_text(update(README.read_text()))
