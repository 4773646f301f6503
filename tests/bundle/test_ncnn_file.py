"""ncnn is given only what edgecat itself would have written: it believes every count in a file."""

import random

import pytest

from benchmarks.reliability.mutations import mutate
from edgecat.bundle.ncnn_file import (
    MAX_LAYERS,
    MAX_PARAM_BYTES,
    Interface,
    Layer,
    check_files,
    read_param,
    write_param,
)

SIDE_PX, NUM_CLASSES = 32, 3

# One layer of each kind; the middle of a network with a squeeze-and-excitation block.
LAYERS = (
    Layer("Input", (), ("image",), {"side": SIDE_PX, "channels": 3}),
    Layer("Bias", ("image",), ("0",), {"channels": 3}),
    Layer(
        "Convolution", ("0",), ("1",),
        {"channels": 8, "kernel": 3, "stride": 2, "padding": 1, "weights": 8 * 3 * 9}, "HardSwish",
    ),
    Layer(
        "ConvolutionDepthWise", ("1",), ("2",),
        {"channels": 8, "kernel": 5, "stride": 1, "padding": 2, "weights": 8 * 25}, "ReLU",
    ),
    Layer("Split", ("2",), ("3", "4", "5")),
    Layer("Pooling", ("3",), ("6",)),
    Layer("InnerProduct", ("6",), ("7",), {"channels": 8, "weights": 64}),
    Layer("HardSigmoid", ("7",), ("8",)),
    Layer("BinaryOp", ("4", "8"), ("9",), {"operation": 2}),
    Layer("BinaryOp", ("9", "5"), ("10",), {"operation": 0}),
    Layer("HardSwish", ("10",), ("11",)),
    Layer("ReLU", ("11",), ("12",)),
    Layer("Pooling", ("12",), ("13",)),
    Layer("Split", ("13",), ("14", "features")),
    Layer("InnerProduct", ("14",), ("logits",), {"channels": NUM_CLASSES, "weights": 24}),
)  # fmt: skip
PARAM = write_param(LAYERS)
NUM_BYTES = 4 * (3 + (1 + 216 + 8) + (1 + 200 + 8) + (1 + 64 + 8) + (1 + 24 + 3))
NUMBERS = bytes(NUM_BYTES)


def test_what_is_written_is_read_and_may_be_loaded():
    assert read_param(PARAM) == LAYERS
    assert check_files(PARAM, NUMBERS) == Interface(SIDE_PX, has_features=True, map_blob="12")


def test_a_model_may_do_without_features():
    layers = [layer for layer in LAYERS if layer.outputs != ("14", "features")]
    layers[-1] = Layer("InnerProduct", ("13",), ("logits",), LAYERS[-1].numbers)
    assert not check_files(write_param(layers), NUMBERS).has_features


# What is replaced in the text, and by what.
DAMAGES = {
    "another magic": ("7767517", "7767518"),
    "a layer too many": ("15 18", "16 18"),
    "a blob too few": ("15 18", "15 17"),
    "negative counts": ("15 18", "-15 -18"),
    "huge counts": ("15 18", "999999999 18"),
    "another kind": ("ReLU 12", "Noop 12"),
    "a kind that reads files": ("ReLU 12", "../../x 12"),
    "a kind by its number": ("ReLU 12", "26 12"),
    "another name": ("ReLU 12", "ReLU 99"),
    "a long name": ("ReLU 12", f"ReLU {'x' * 300}"),
    "a blob of a strange name": ("InnerProduct logits 1 1 14", "InnerProduct logits 1 1 %n%s"),
    "an input too many": ("ReLU 12 1 1 11", "ReLU 12 2 1 11 9"),
    "no outputs": ("ReLU 12 1 1 11 12", "ReLU 12 1 0 11"),
    "many outputs": ("Split 3 1 3", "Split 3 1 99"),
    "a blob that nobody computes": ("ReLU 12 1 1 11", "ReLU 12 1 1 77"),
    "a blob from below": ("ReLU 12 1 1 11", "ReLU 12 1 1 13"),
    "a blob that is read twice": ("BinaryOp 10 2 1 9 5", "BinaryOp 10 2 1 9 4"),
    "a blob that is computed twice": ("HardSwish 11 1 1 10 11", "HardSwish 10 1 1 10 10"),
    "weights fewer than channels need": ("6=216", "6=215"),
    "weights more than the file has": ("6=216", "6=999999999"),
    "more channels than weights": ("0=8 1=3", "0=9 1=3"),
    "no channels": ("0=8 1=3", "0=0 1=3"),
    "a larger kernel": ("0=8 1=3", "0=8 1=4"),
    "no kernel": ("0=8 1=3", "0=8 1=0"),
    "no stride": ("3=2", "3=0"),
    "padding as large as the kernel": ("4=1", "4=3"),
    "negative padding": ("4=1", "4=-1"),
    "no bias": ("5=1 6=216", "5=0 6=216"),
    "int8 weights": ("6=216", "6=216 8=1"),
    "dilation": ("1=3 3=2", "1=3 2=2 3=2"),
    "groups that do not fit": ("7=8", "7=4"),
    "no groups": ("7=8", "7=0"),
    "another activation": ("9=1", "9=3 -23310=2,0,6"),
    "an array of a wrong length": ("-23310=2,", "-23310=99999999,"),
    "an activation without its numbers": (" -23310=2,1.66666672e-01,5.00000000e-01", ""),
    "numbers as text": ("0=8 1=3", "0=eight 1=3"),
    "another slope": ("HardSigmoid 8 1 1 7 8 0=1.66666672e-01", "HardSigmoid 8 1 1 7 8 0=2e-01"),
    "another operation": ("9 5 10 0=0", "9 5 10 0=1"),
    "a sum with a scalar": ("9 5 10 0=0", "9 5 10 0=0 1=1"),
    "another pooling": ("Pooling 6 1 1 3 6 0=1 4=1", "Pooling 6 1 1 3 6 0=1 1=2"),
    "a larger image than the layers fit": ("0=32 1=32 2=3", "0=99999 1=99999 2=3"),
    "an image that is no square": ("0=32 1=32 2=3", "0=32 1=33 2=3"),
    "an image of one channel": ("0=32 1=32 2=3", "0=32 1=32 2=1"),
    "an image of no size": ("0=32 1=32 2=3", "0=0 1=0 2=3"),
    "a second input": ("ReLU 12 1 1 11 12", "Input 12 0 1 12 0=32 1=32 2=3"),
    "a zero before a number": ("0=8 1=3", "0=08 1=3"),
    "two blanks": ("ReLU 12", "ReLU  12"),
    "a tab": ("ReLU 12", "ReLU\t12"),
    "no end of the last line": ("9=0\n", "9=0"),
    "a line too many": ("9=0\n", "9=0\n\n"),
    "a carriage return": ("ReLU 12 1 1 11 12\n", "ReLU 12 1 1 11 12\r\n"),
    "NUL": ("ReLU 12 1 1 11 12\n", "ReLU 12 1 1 11 12\0\n"),
    "other letters": ("ReLU 12", "ReLÜ 12"),
    "a vector that is convolved": (
        "InnerProduct 7 1 1 6 7 0=8 1=1 2=64 9=0",
        "Convolution 7 1 1 6 7 0=8 1=1 3=1 4=0 5=1 6=64 9=0",
    ),
    "a map that is multiplied": ("Pooling 13 1 1 12 13 0=1 4=1", "ReLU 13 1 1 12 13"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), DAMAGES.values(), ids=DAMAGES)
def test_text_that_edgecat_does_not_write_is_refused(old, new):
    text = PARAM.decode()
    assert old in text
    place = text.rindex(old)
    with pytest.raises(ValueError, match=r"."):
        check_files((text[:place] + new + text[place + len(old) :]).encode(), NUMBERS)


@pytest.mark.parametrize("text", [b"", b"\n\n\n", b"7767517\n", b"7767517\n0 0\n", b"\xff\xfe"])
def test_what_is_no_model_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        check_files(text, b"")


def test_a_text_larger_than_any_network_is_refused_unread():
    with pytest.raises(ValueError, match="longer"):
        check_files(b"x" * (MAX_PARAM_BYTES + 1), b"")
    with pytest.raises(ValueError, match="more than"):
        check_files(b"\n" * (MAX_LAYERS + 9), b"")


@pytest.mark.parametrize("change", [-NUM_BYTES, -4, -1, 1, 4])
def test_numbers_that_are_not_as_many_as_the_layers_ask_for_are_refused(change):
    with pytest.raises(ValueError, match=f"{NUM_BYTES + change} bytes"):
        check_files(PARAM, bytes(NUM_BYTES + change))


# fp16, int8 and raw float32, as ncnn's own tools mark them; and a table of 256 numbers.
# Source: ncnn/src/modelbin.cpp.
@pytest.mark.parametrize("tag", [0x01306B47, 0x000D4B38, 0x0002C056, 1, 0xFFFFFFFF])
def test_weights_of_another_kind_than_plain_float32_are_refused(tag):
    start = 4 * 3  # behind the biases of the first layer
    numbers = NUMBERS[:start] + tag.to_bytes(4, "little") + NUMBERS[start + 4 :]
    with pytest.raises(ValueError, match="plain float32"):
        check_files(PARAM, numbers)


def test_no_chance_change_of_the_text_is_taken_for_another_model():
    """What is accepted is written again to the very same bytes, so it is a model of edgecat's."""
    for case in range(2000):
        text = mutate(random.Random(case), PARAM, [PARAM])
        try:
            check_files(text, NUMBERS)
        except ValueError:
            continue
        assert write_param(read_param(text)) == text
