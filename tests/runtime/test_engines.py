import contextlib
import gzip
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.errors import BundleError, ConfigError, EngineError
from edgecat.machine.cores import count_threads
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import ENGINES, open_model
from edgecat.runtime.library import find_requirement

ONNX = Variant("onnxruntime-fp32", ("model.onnx",))
GARBAGE = {
    "nothing": b"",
    "text": b"no model",
    "zeros": bytes(1000),
    "noise": np.random.default_rng(0).bytes(1000),
}


def change_model(data, change):
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    model = onnx.load_from_string(data)
    change(onnx, model.graph)
    return model.SerializeToString()


def take_floats(onnx, graph):
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def take_smaller_photos(onnx, graph):
    for axis in (1, 2):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 32


def take_photos_of_any_size(onnx, graph):
    graph.input[0].type.tensor_type.shape.dim[1].dim_param = "H"


def take_photos_of_no_shape(onnx, graph):
    graph.input[0].type.tensor_type.ClearField("shape")


def answer_twice(onnx, graph):
    graph.node.append(onnx.helper.make_node("Identity", ["logits"], ["more"]))
    graph.output.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, None))


def answer_doubles(onnx, graph):
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    graph.node[0].attribute[0].i = onnx.TensorProto.DOUBLE


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_a_file_that_is_no_model_is_refused_though_its_hash_is_right(make_bundle, data):
    bundle = load_bundle(make_bundle(files={"model.onnx": data}))
    with pytest.raises(EngineError, match=r"onnxruntime-fp32: .*refuses"):
        open_engine(bundle, "onnxruntime-fp32", 1)


@pytest.mark.parametrize(
    "change",
    [
        take_floats,
        take_smaller_photos,
        take_photos_of_any_size,
        take_photos_of_no_shape,
        answer_twice,
        answer_doubles,
    ],
)
def test_a_model_of_another_kind_is_refused(make_bundle, colour_model, change):
    data = change_model(colour_model, change)
    bundle = load_bundle(make_bundle(files={"model.onnx": data}))
    with pytest.raises(EngineError, match="onnxruntime-fp32"):
        open_engine(bundle, "onnxruntime-fp32", 1)


def test_a_model_that_is_refused_prints_nothing(colour_model, capfd):
    """ONNX Runtime would say on standard output that it tries again, amid the results."""
    changed = colour_model.replace(b"ReduceMean", b"\xffeduceMean")
    with pytest.raises(EngineError, match="refuses the model"):
        open_model(ONNX, [changed], 1)
    assert capfd.readouterr().out == ""


def test_a_model_with_another_number_of_classes_is_refused(make_bundle, colour_model):
    bundle = load_bundle(make_bundle(labels=("a", "b"), files={"model.onnx": colour_model}))
    with pytest.raises(EngineError, match=r"answers \[1, 3\], but the bundle has 2 labels"):
        open_engine(bundle, "onnxruntime-fp32", 1)


def test_a_model_changed_since_the_bundle_was_loaded_is_refused(make_bundle, colour_model):
    folder = make_bundle(files={"model.onnx": colour_model})
    bundle = load_bundle(folder)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError):
        open_engine(bundle, "onnxruntime-fp32", 1)


@pytest.mark.parametrize("threads", [0, -4])
def test_less_than_one_thread_is_refused(colour_model, threads):
    with pytest.raises(ConfigError, match=f"--threads {threads}"):
        open_model(ONNX, [colour_model], threads)


@pytest.mark.parametrize("threads", [1, 2, None])
def test_an_engine_says_what_it_is(colour_model, threads):
    import onnxruntime

    engine = open_model(ONNX, [colour_model], threads)
    facts = engine.describe()
    assert engine.name == "onnxruntime-fp32"
    assert facts == {
        "version": onnxruntime.__version__,
        "threads": threads or count_threads(),
        "effective_precision": "fp32",
    }
    assert engine.run(np.zeros((2, 224, 224, 3), np.uint8)).shape == (2, 3)
    engine.close()


def measure_idle_cpu_s(bundle, variant, *, power_save):
    """Processor time that a model's threads take while they wait for the next photo."""
    idle_s = 0.0
    with Classifier.open(bundle, variant, threads=2, power_save=power_save) as classifier:
        for _ in range(5):
            classifier.compute_logits(np.zeros((1, 224, 224, 3), np.uint8))
            answered = time.process_time()
            time.sleep(0.05)
            idle_s += time.process_time() - answered
    return idle_s


@pytest.mark.slow
@pytest.mark.parametrize("variant", [None, "onnxruntime-fp32"])
def test_waiting_threads_sleep_if_asked_to(make_bundle, colour_model, variant):
    bundle = make_bundle(files={"model.onnx": colour_model})
    spinning_s = measure_idle_cpu_s(bundle, variant, power_save=False)
    assert measure_idle_cpu_s(bundle, variant, power_save=True) < spinning_s / 2


def test_answers_are_not_overwritten_by_the_next_call(colour_model):
    engine = open_model(ONNX, [colour_model], 1)
    first = engine.run(np.full((1, 224, 224, 3), 10, np.uint8))
    kept = first.copy()
    engine.run(np.full((1, 224, 224, 3), 200, np.uint8))
    assert np.array_equal(first, kept)


def to_openvino(model):
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")
    from edgecat.graph.to_openvino import export_openvino

    return Variant("openvino-fp32", ("m.xml", "m.bin")), export_openvino(
        onnx.load_from_string(model)
    )


def open_in(library, model):
    return open_model(*((ONNX, [model]) if library == "onnxruntime" else to_openvino(model)), 1)


def turn_colours(photos):
    return photos[..., ::-1]


def lock(photos):
    photos.flags.writeable = False
    return photos


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("change", [turn_colours, lock])
def test_photos_may_lie_in_memory_as_they_like(colour_model, library, change):
    engine = open_in(library, colour_model)
    photos = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    changed = change(photos.copy())
    assert np.array_equal(engine.run(changed), engine.run(changed.copy()))
    assert np.array_equal(engine.run(changed[:1]), engine.run(changed[:1].copy()))
    engine.close()


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("photos", "said"),
    [
        (np.zeros((1, 224, 224, 3), np.float32), r"float32 \[1, 224, 224, 3\] .*(float|f32)"),
        (np.zeros((1, 100, 224, 3), np.uint8), r"uint8 \[1, 100, 224, 3\] .*100.*224"),
    ],
)
def test_what_a_model_does_not_take_is_refused_and_the_model_goes_on(
    colour_model, library, photos, said
):
    engine = open_in(library, colour_model)
    with pytest.raises(EngineError, match=f"{library}-fp32 does not answer {said}"):
        engine.run(photos)
    assert engine.run(np.zeros((1, 224, 224, 3), np.uint8)).shape == (1, 3)
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
def test_each_of_several_threads_gets_its_own_answer(colour_model, library):
    engine = open_in(library, colour_model)

    def answer(value):
        return engine.run(np.full((1, 224, 224, 3), value, np.uint8))[0, 0]

    values = list(range(200))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(answer, values)) == pytest.approx(values, abs=1e-3)


def test_openvino_refuses_what_is_no_model():
    pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")
    variant = Variant("openvino-fp32", ("a.xml", "a.bin"))
    for files in ([b"<xml/>", b""], [b"", b""], [b"<net"], [gzip.compress(b"<?xml "), b""]):
        with pytest.raises(EngineError, match=r"openvino-fp32: OpenVINO .* refuses"):
            open_model(variant, files, 1)


@pytest.mark.parametrize("name", ENGINES.names)
def test_an_engine_that_is_not_installed_says_what_to_install(name, monkeypatch):
    entry = ENGINES.load(name)
    monkeypatch.setitem(sys.modules, entry.package, None)
    variant = Variant(f"{name}-{entry.precisions[0].name}", ("a", "b"))
    mend = re.escape(f"pip install '{find_requirement(entry)}', or choose a --variant")
    with pytest.raises(EngineError, match=f"^{entry.title} is not installed, .*{mend}"):
        entry.open(variant, [b"", b""], Resources(1))


@pytest.mark.parametrize("name", ENGINES.names)
def test_what_an_engine_offers_is_no_riddle_where_it_is_not_installed(name, monkeypatch):
    entry = ENGINES.load(name)
    monkeypatch.setitem(sys.modules, entry.package, None)
    for precision in entry.precisions:
        with contextlib.suppress(EngineError):  # some ask the library
            entry.offers(precision)


def test_nothing_is_reported_to_the_maker_of_the_library(tmp_path, make_bundle, colour_model):
    bundle = make_bundle(files={"model.onnx": colour_model})
    script = "import sys; from edgecat import Classifier; Classifier.open(sys.argv[1])"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    home = tmp_path / "home"
    home.mkdir()
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    subprocess.run([sys.executable, "-c", script, str(bundle)], env=environment, check=True)
    # Reports are gathered in a file in the home folder before they are sent.
    assert list(home.rglob("*")) == []


SIGNAL_AFTER_A_CHANGE = """
import gc, os, signal, sys, threading
import onnx, openvino
from edgecat.graph.to_openvino import export_openvino
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import ENGINES, open_model
from edgecat.bundle.manifest import Variant

files = export_openvino(onnx.load(sys.argv[1]))
engines = [open_model(Variant("openvino-fp32", ("a.xml", "a.bin")), files, 1)]
thread = threading.Thread(target=lambda: (engines.clear(), gc.collect()))
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("asked to end"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.slow
def test_a_signal_is_heard_after_another_thread_dropped_an_openvino_model(tmp_path, colour_model):
    pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")
    (tmp_path / "model.onnx").write_bytes(colour_model)
    command = [sys.executable, "-c", SIGNAL_AFTER_A_CHANGE, str(tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "asked to end\n"), done.stderr
