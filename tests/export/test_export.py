"""torch -> ONNX -> OpenVINO: the same answers everywhere."""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs edgecat[train]")
pytest.importorskip("openvino", reason="needs edgecat[train]")

import onnx  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402
from safetensors.torch import save  # noqa: E402

from edgecat.bundle.manifest import Variant  # noqa: E402
from edgecat.bundle.store import load_bundle  # noqa: E402
from edgecat.errors import BundleError, ParityError  # noqa: E402
from edgecat.export.job import export_run  # noqa: E402
from edgecat.export.parity import LOGIT_TOLERANCE, NUM_PHOTOS, check_parity, fill_up  # noqa: E402
from edgecat.export.statistics import collect_statistics  # noqa: E402
from edgecat.export.to_onnx import export_onnx  # noqa: E402
from edgecat.graph.graph_pass import GraphPass  # noqa: E402
from edgecat.graph.optimize import optimize_graph, run_float  # noqa: E402
from edgecat.graph.to_openvino import export_openvino  # noqa: E402
from edgecat.runtime.engine import open_model  # noqa: E402
from edgecat.train.network import build_network, predict_logits  # noqa: E402
from edgecat.train.unfold import STATISTICS_FILE, unfold_bundle  # noqa: E402

pytestmark = pytest.mark.slow  # exports both networks

CPU = torch.device("cpu")

# In training BatchNorm adds its eps to the variance of the folded channel, not to that of the
# original one. Where both are above 50 eps, each gain is off by at most 1 %. Share of the largest
# value of a channel.
TRAINING_TOLERANCE = 0.02


class FakeEngine:
    """Answers what it was given."""

    name = "fake"

    def __init__(self, logits):
        self._logits = logits
        self._given = 0

    def run(self, batch):
        start = self._given % len(self._logits)
        self._given += len(batch)
        return self._logits[start : start + len(batch)]

    def describe(self):
        return {}

    def close(self):
        pass


def test_onnx_answers_as_torch(exported, cats):
    for model in (exported.plain, exported.optimized):
        assert run_float(model, cats) == pytest.approx(exported.expected, abs=exported.tolerance)


@pytest.mark.parametrize("num_photos", [1, 3])
def test_a_batch_may_have_any_size(exported, cats, num_photos):
    logits = run_float(exported.optimized, cats[:num_photos])
    assert logits == pytest.approx(exported.expected[:num_photos], abs=exported.tolerance)


def test_the_contract_of_input_and_output(exported):
    for model in (exported.plain, exported.optimized):
        onnx.checker.check_model(model, full_check=True)
        assert model.opset_import[0].version >= 17
        (image,), (logits, *_) = model.graph.input, model.graph.output
        assert (image.name, logits.name) == ("image", "logits")
        assert image.type.tensor_type.elem_type == TensorProto.UINT8
        assert logits.type.tensor_type.elem_type == TensorProto.FLOAT
        first, *rest = image.type.tensor_type.shape.dim
        assert first.dim_param
        assert [axis.dim_value for axis in rest] == [224, 224, 3]


def test_what_the_classifier_reads_is_the_second_output(exported, cats):
    _, features = exported.optimized.graph.output
    assert features.name == "features"
    engine = open_model(
        Variant("onnxruntime-fp32", ("m.onnx",)), [exported.optimized.SerializeToString()]
    )
    logits, found = engine.run_with_features(cats)
    engine.close()
    network = exported.network.network
    with torch.no_grad():
        expected = network.classifier(torch.from_numpy(found))
    assert logits == pytest.approx(expected.numpy(), abs=LOGIT_TOLERANCE)
    assert found.shape == (len(cats), network.classifier[0].in_features)


def test_the_passes_leave_plain_ops_with_unique_names(exported):
    nodes = exported.optimized.graph.node
    assert len({node.name for node in nodes}) == len(nodes)
    kinds = {node.op_type for node in nodes}
    assert not kinds & {"ReduceMean", "Div", "BatchNormalization"}
    assert exported.changes["division by std -> first convolution"] == 1
    assert exported.changes["mean over height and width -> GlobalAveragePool"] > 5


def test_the_passes_leave_the_given_model_alone(small, cats):
    before = small.plain.SerializeToString(deterministic=True)
    optimize_graph(small.plain, cats)
    assert small.plain.SerializeToString(deterministic=True) == before


def test_nothing_of_the_machine_is_left(small):
    data = small.optimized.SerializeToString()
    for trace in (b"site-packages", b".py", b"/home", b"/work"):
        assert trace not in data


def test_a_pass_that_changes_answers_is_refused(small, cats):
    def grow_weights(graph):
        weight = graph.nodes("Gemm")[-1].input[1]
        graph.set_weight(weight, 1.1 * graph.weight(weight))
        return 1

    with pytest.raises(ParityError, match="a wrong one"):
        optimize_graph(small.plain, cats, [GraphPass(0, "a wrong one", grow_weights)])


def test_openvino_answers_as_torch(exported, cats):
    files = list(export_openvino(exported.optimized))
    engine = open_model(Variant("openvino-fp32", ("m.xml", "m.bin")), files)
    assert check_parity(engine, cats, exported.expected).num_images == len(cats)
    engine.close()


def test_openvino_transposes_no_photo(exported, cats):
    files = list(export_openvino(exported.optimized))
    engine = open_model(Variant("openvino-fp32", ("m.xml", "m.bin")), files, 1)
    kinds = [operator.kind for operator in engine.profile(cats[:1], 1)]
    assert "Convolution" in kinds
    assert "Transpose" not in kinds
    engine.close()


def test_parity_tells_the_gap(cats):
    expected = np.eye(8, 3, dtype=np.float32)
    parity = check_parity(FakeEngine(expected + LOGIT_TOLERANCE / 2), cats, expected)
    assert parity.logit_gap == pytest.approx(LOGIT_TOLERANCE / 2, rel=1e-3)


@pytest.mark.parametrize("error", [2 * LOGIT_TOLERANCE, np.nan, np.inf])
def test_a_logit_that_is_off_is_refused(cats, error):
    expected = np.eye(8, 3, dtype=np.float32)
    answers = expected.copy()
    answers[5, 1] += error
    with pytest.raises(ParityError, match="fake"):
        check_parity(FakeEngine(answers), cats, expected)


def test_another_first_answer_is_refused_however_near(cats):
    expected = np.zeros((8, 3), np.float32)
    expected[:, 0] = LOGIT_TOLERANCE / 10
    with pytest.raises(ParityError, match=r"0\.0 %"):
        check_parity(FakeEngine(expected[:, ::-1]), cats, expected)


@pytest.mark.parametrize("num_photos", [1, 3, 8])
def test_few_photos_are_filled_up_with_different_views(cats, num_photos):
    photos = fill_up(cats[:num_photos])
    assert len(photos) == min(NUM_PHOTOS, 8 * num_photos)
    assert len({photo.tobytes() for photo in photos}) == len(photos)
    assert np.array_equal(photos[:num_photos], cats[:num_photos])


@pytest.fixture
def unfolded(small, make_bundle):
    graph = small.optimized.SerializeToString()
    statistics = save(collect_statistics(small.network.network, small.optimized))
    folder = make_bundle(files={"model.onnx": graph, STATISTICS_FILE: statistics})
    network = build_network("mobilenet_v3_small", small.expected.shape[1])
    network.network.load_state_dict(unfold_bundle(load_bundle(folder), network.network))
    return network


def test_a_bundle_gives_the_network_back(small, unfolded, cats):
    logits = predict_logits(unfolded, cats, CPU)
    assert logits == pytest.approx(small.expected, abs=LOGIT_TOLERANCE)


def test_layers_from_a_bundle_train_on_as_the_original(small, unfolded, cats):
    # Layer by layer: a random network as a whole blows the smallest difference up.
    batches = capture_batchnorms(small.network, cats)
    num_compared = 0
    for name, (maps, expected) in batches.items():
        convolution, batchnorm = list(unfolded.get_submodule(name))[:2]
        original = small.network.get_submodule(name)
        with torch.no_grad():
            sums, folded_sums = original[0](maps), convolution(maps)
            made = batchnorm.train()(folded_sums)
        variance = torch.minimum(spread(sums), spread(folded_sums)) ** 2
        is_ordinary = variance > 50 * batchnorm.eps
        gap = (made - expected).abs().amax(dim=(0, 2, 3)) / peak(expected)
        assert (gap[is_ordinary] <= TRAINING_TOLERANCE).all(), name
        num_compared += int(is_ordinary.sum())
    assert num_compared > 1000


def spread(maps):
    return maps.std(dim=(0, 2, 3))


def peak(maps):
    return (maps - maps.mean(dim=(0, 2, 3), keepdim=True)).abs().amax(dim=(0, 2, 3))


def capture_batchnorms(network, photos):
    """Return what each convolution with a BatchNorm gets and makes in training mode."""
    batches, handles = {}, []
    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 0.0  # the statistics stay as they are
            block = name.removesuffix(".1")

            def keep_input(_, inputs, block=block):
                batches[block] = inputs[0]

            def keep_output(_, inputs, output, block=block):
                batches[block] = (batches[block], output.clone())  # activations work in place

            convolution = network.get_submodule(f"{block}.0")
            handles.append(convolution.register_forward_pre_hook(keep_input))
            handles.append(layer.register_forward_hook(keep_output))
    with torch.no_grad():
        network.train()(torch.from_numpy(photos))
    for handle in handles:
        handle.remove()
    return batches


def test_weights_stand_once_in_a_bundle(small):
    held = {tensor.name for tensor in small.optimized.graph.initializer}
    kept = collect_statistics(small.network.network, small.optimized)
    num_bytes = sum(tensor.numel() * 4 for tensor in kept.values())
    num_graph = sum(numpy_helper.to_array(t).nbytes for t in small.optimized.graph.initializer)
    assert held
    assert num_bytes < 0.05 * num_graph


def test_the_exported_network_is_left_as_it_is(small, cats):
    before = predict_logits(small.network, cats, CPU)
    export_onnx(small.network)
    assert small.network.memory_format == torch.channels_last
    assert np.array_equal(predict_logits(small.network, cats, CPU), before)


@pytest.mark.parametrize("name", ["a\nb", os.fsdecode(b"caf\xe9.edgecat")])
def test_a_name_that_no_manifest_holds_is_refused_before_any_work(tmp_path, name):
    with pytest.raises(BundleError, match=r"name: text .*; give --out another name"):
        export_run(tmp_path / "no run", tmp_path / name)
