"""Nothing outside of a bundle has a say in what its models answer."""

import numpy as np
import pytest

from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.doctor.machine import read_machine
from edgecat.doctor.variants import check_bundle
from edgecat.errors import BundleError, EngineError
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import open_model

RED = np.full((300, 300, 3), (255, 0, 0), np.uint8)


@pytest.fixture
def outside_model(tmp_path, monkeypatch):
    """A model in whose branch weights lie in a file of the current directory."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    monkeypatch.chdir(tmp_path)
    np.array([1, 1000, 1], np.float32).tofile("weights.bin")
    weight = onnx.TensorProto(name="weight", data_type=onnx.TensorProto.FLOAT, dims=[3])
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    helper, kinds = onnx.helper, onnx.TensorProto
    node, value = helper.make_node, helper.make_tensor_value_info
    branch = helper.make_graph(
        [node("Add", ["means", "weight"], ["sum"])], "branch", [],
        [value("sum", kinds.FLOAT, None)], [weight],
    )  # fmt: skip
    graph = helper.make_graph(
        [
            node("Cast", ["pixels"], ["floats"], to=kinds.FLOAT),
            node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            node("If", ["yes"], ["logits"], then_branch=branch, else_branch=branch),
        ],
        "outside",
        [value("pixels", kinds.UINT8, ["N", 224, 224, 3])],
        [value("logits", kinds.FLOAT, ["N", 3])],
        [onnx.numpy_helper.from_array(np.array(True), "yes")],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()


def test_onnx_runtime_itself_would_take_the_weights_from_the_current_directory(outside_model):
    """If this fails, onnxruntime has learned to refuse it, and our own check may go one day."""
    import onnxruntime

    session = onnxruntime.InferenceSession(outside_model, providers=["CPUExecutionProvider"])
    blank = np.zeros((1, 224, 224, 3), np.uint8)
    assert session.run(None, {"pixels": blank})[0].tolist() == [[1, 1000, 1]]


def test_a_model_with_weights_outside_of_the_bundle_is_refused(make_bundle, outside_model):
    folder = make_bundle(files={"model.onnx": outside_model})
    for variant in (None, "onnxruntime-fp32"):
        with pytest.raises(BundleError, match=r"onnxruntime-fp32: weights .*export it again"):
            Classifier.open(folder, variant)


def test_doctor_finds_such_a_bundle_bad(make_bundle, outside_model):
    folder = make_bundle(files={"model.onnx": outside_model})
    found = {one.subject: one for one in check_bundle(folder, read_machine())}
    assert found["onnxruntime-fp32"].status == "problem"
    assert "nothing in the bundle vouches" in found["onnxruntime-fp32"].found


def test_an_onnx_model_in_place_of_openvinos_own_form_is_refused(outside_model):
    pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")
    variant = Variant("openvino-fp32", ("m.xml", "m.bin"))
    with pytest.raises(EngineError, match="no XML as OpenVINO writes it"):
        open_model(variant, [outside_model, b""], 1)


def test_a_model_in_onnx_runtimes_own_form_is_refused(make_bundle, colour_model, tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(colour_model, options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "model.ort").read_bytes()
    assert data[4:8] == b"ORTM"
    bundle = load_bundle(make_bundle(files={"model.onnx": data}))
    with pytest.raises(EngineError, match=r"onnxruntime-fp32: .*refuses the model \(no ONNX"):
        open_engine(bundle, "onnxruntime-fp32", 1)
