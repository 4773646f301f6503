"""Where a model is from, as text."""

import pytest

from edgecat.bundle.provenance import format_values

ENROLLED = [
    {"label": "Neighbour's cat", "num_photos": 10, "top1_ratio_before": {"onnxruntime-fp32": 0.9}},
    {"label": "Tom", "num_photos": 7, "top1_ratio_before": {}},
]


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (
            {"seed": 0, "teacher": None, "imitated": []},
            ["seed: 0", "teacher: none", "imitated: none"],
        ),
        ({"random_parameters": ["a.weight", "a.bias"]}, ["random_parameters: a.weight, a.bias"]),
        ({"recipe": {"epochs": 30, "rate": 1e-3}}, ["recipe: epochs 30, rate 0.001"]),
        (
            {"parity": {"onnxruntime-fp32": {"num_images": 64, "logit_gap": 1.33514404e-05}}},
            ["parity:", "  onnxruntime-fp32: num_images 64, logit_gap 1.33514e-05"],
        ),
        (
            {"enrolled": ENROLLED},
            [
                "enrolled:",
                "  1:",
                "    label: Neighbour's cat",
                "    num_photos: 10",
                "    top1_ratio_before: onnxruntime-fp32 0.9",
                "  2:",
                "    label: Tom",
                "    num_photos: 7",
                "    top1_ratio_before: none",
            ],
        ),
    ],
)
def test_whatever_it_holds_is_a_line_that_people_can_read(values, lines):
    assert list(format_values(values)) == lines
