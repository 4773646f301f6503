"""Models that lie compressed in a bundle: found whole, or refused before they fill the memory."""

import gzip
import tracemalloc
import zlib

import numpy as np
import pytest

from edgecat.bundle import gzipped
from edgecat.bundle.gzipped import MAX_PLAIN_BYTES, compress, decompress
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.cli.main import _run
from edgecat.errors import BundleError
from edgecat.runtime.classifier import Classifier

PLAIN = np.random.default_rng(0).bytes(1000) + bytes(1000)
WHOLE = gzip.compress(PLAIN)
FILE = "model.onnx.gz"


def flip(place):
    data = bytearray(WHOLE)
    data[place] ^= 1
    return bytes(data)


BAD = {
    "nothing": (b"", "cut off"),
    "plain": (PLAIN, "no gzip file, or damaged"),
    "zlib's own form": (zlib.compress(PLAIN), "no gzip file, or damaged"),
    "its header alone": (WHOLE[:10], "cut off"),
    "cut off": (WHOLE[: len(WHOLE) // 2], "cut off"),
    "without its size": (WHOLE[:-4], "cut off"),
    "without its last byte": (WHOLE[:-1], "cut off"),
    "a changed byte": (flip(700), "no gzip file, or damaged"),
    "a changed checksum": (flip(-8), "no gzip file, or damaged"),
    "a changed size": (flip(-4), "no gzip file, or damaged"),
    "a byte more": (WHOLE + b"\0", "something follows"),
    "a second one": (WHOLE + WHOLE, "something follows"),
    "a bomb": (gzip.compress(bytes(MAX_PLAIN_BYTES + 1), 1), f"more than {MAX_PLAIN_BYTES} bytes"),
}


@pytest.fixture
def make_gzipped(make_bundle):
    """A function that makes a bundle whose model lies compressed, as the given bytes."""

    def make(data, name="bundle"):
        variants = (Variant("onnxruntime-fp32", (FILE,)),)
        return make_bundle(files={FILE: data}, variants=variants, name=name)

    return make


@pytest.mark.parametrize("plain", [b"", b"x", PLAIN], ids=len)
def test_what_is_compressed_comes_back(plain):
    assert decompress(FILE, compress(FILE, plain)) == plain
    assert gzip.decompress(compress(FILE, plain)) == plain
    assert decompress(FILE, gzip.compress(plain)) == plain


def test_other_files_lie_there_as_they_are():
    assert compress("model.onnx", PLAIN) == PLAIN
    assert decompress("model.onnx", WHOLE) == WHOLE


def test_the_same_model_is_the_same_file_whenever_it_is_written():
    assert compress(FILE, PLAIN)[4:8] == bytes(4)  # no time: RFC 1952, section 2.3


def test_nothing_is_written_that_would_not_be_read_again(monkeypatch):
    monkeypatch.setattr(gzipped, "MAX_PLAIN_BYTES", len(PLAIN))
    assert decompress(FILE, compress(FILE, PLAIN)) == PLAIN
    with pytest.raises(BundleError, match=r"2001 bytes.*at most 2000.*without \.gz"):
        compress(FILE, PLAIN + b"x")


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_what_is_bad_is_refused_where_the_model_is_opened(make_gzipped, data, message):
    folder = make_gzipped(data)
    with pytest.raises(BundleError, match=rf"bundle/{FILE}: .*{message}.*export it again"):
        Classifier.open(folder)


def test_doctor_tells_of_a_bad_one(make_gzipped, capsys):
    assert _run(["doctor", str(make_gzipped(WHOLE[:-1]))]) == 15
    assert f"{FILE}: the gzip file is cut off" in capsys.readouterr().out


def test_a_bomb_takes_no_more_memory_than_what_is_accepted(monkeypatch):
    monkeypatch.setattr(gzipped, "MAX_PLAIN_BYTES", 2**20)
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="more than 1048576 bytes"):
            decompress(FILE, bomb)
        # The bytes, the parts that they are joined from, and the state of zlib.
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    finally:
        tracemalloc.stop()


def test_a_compressed_model_answers_as_the_plain_one(make_bundle, make_gzipped, colour_model):
    photo = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    plain = make_bundle(files={"model.onnx": colour_model}, name="plain")
    folder = make_gzipped(compress(FILE, colour_model))
    with Classifier.open(plain) as one, Classifier.open(folder) as other:
        assert other.predict(photo).top == one.predict(photo).top


def test_hashes_and_sizes_are_those_of_the_file_as_it_lies_there(make_gzipped, colour_model):
    bundle = load_bundle(make_gzipped(data := compress(FILE, colour_model)))
    assert bundle.read(FILE) == dict(bundle.contents())[FILE] == data
    assert bundle.spec.size_bytes(bundle.spec.variants[0]) == len(data)
    assert [*bundle.model_files("onnxruntime-fp32")] == [colour_model]
