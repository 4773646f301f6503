import os
import pickle
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

import onnx  # noqa: E402
from safetensors.torch import load, save, save_file  # noqa: E402

from edgecat.bundle.archive import pack_bundle  # noqa: E402
from edgecat.bundle.manifest import Variant  # noqa: E402
from edgecat.bundle.store import load_bundle  # noqa: E402
from edgecat.errors import WeightsError  # noqa: E402
from edgecat.train.network import build_network  # noqa: E402
from edgecat.train.weights import load_weights  # noqa: E402

ARCH = "mobilenet_v3_small"
OUTPUT_LAYER = "classifier.3."

# Batch-norm layers, convolutions and the classifier's hidden layer: all but the output layer.
NUM_TENSORS = 242

# The graph is summed in another order than torch's network, over at most 1,000 terms of size 1.
FEATURE_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def donor():
    """A network of 5 classes whose every tensor differs from a fresh one's."""
    torch.manual_seed(7)
    network = build_network(ARCH, 5).network.to(memory_format=torch.contiguous_format)
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.add_(0.01 * torch.rand_like(tensor))
    return network


def fresh(num_classes=3):
    torch.manual_seed(1)
    return build_network(ARCH, num_classes)


def parallel(state):
    return {f"module.{name}": tensor for name, tensor in state.items()}


def without_classifier(state):
    return {name: t for name, t in state.items() if not name.startswith("classifier.")}


def same(state, other, name):
    return torch.equal(state[name], other[name])


WRAPPINGS = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "args": {"lr": 0.1}},
    "model": lambda state: {"model": state},
    "DataParallel": parallel,
    "DataParallel in state_dict": lambda state: {"state_dict": parallel(state)},
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_all_layers_but_the_output_layer_come_from_a_pth_file(tmp_path, donor, wrap):
    torch.save(wrap(donor.state_dict()), tmp_path / "w.pth")
    network = fresh()
    before = {name: t.clone() for name, t in network.network.state_dict().items()}
    loaded = load_weights(network, ARCH, str(tmp_path / "w.pth"))
    given, now = donor.state_dict(), network.network.state_dict()
    assert loaded.num_loaded == NUM_TENSORS == len(now) - 2
    assert loaded.random == ("classifier.3.weight", "classifier.3.bias")
    assert all(same(now, given, name) for name in now if not name.startswith(OUTPUT_LAYER))
    assert all(same(now, before, name) for name in now if name.startswith(OUTPUT_LAYER))
    assert "242 tensors loaded, 2 start random (classifier.3.weight, " in str(loaded)


def test_safetensors_load_as_pth_does(tmp_path, donor):
    save_file(donor.state_dict(), tmp_path / "w.safetensors")
    network = fresh()
    assert load_weights(network, ARCH, str(tmp_path / "w.safetensors")).num_loaded == NUM_TENSORS
    now, given = network.network.state_dict(), donor.state_dict()
    assert all(same(now, given, name) for name in now if not name.startswith(OUTPUT_LAYER))


def test_the_same_number_of_classes_does_not_bring_the_output_layer_in(tmp_path, donor):
    torch.save(donor.state_dict(), tmp_path / "w.pth")
    network = fresh(num_classes=5)
    assert "classifier.3.weight" in load_weights(network, ARCH, str(tmp_path / "w.pth")).random
    assert not same(network.network.state_dict(), donor.state_dict(), "classifier.3.weight")


def test_a_backbone_alone_leaves_the_classifier_random_and_says_so(tmp_path, donor):
    torch.save(without_classifier(donor.state_dict()), tmp_path / "w.pth")
    loaded = load_weights(fresh(), ARCH, str(tmp_path / "w.pth"))
    assert loaded.num_loaded == NUM_TENSORS - 2
    assert set(loaded.random) == {f"classifier.{n}.{p}" for n in (0, 3) for p in ("weight", "bias")}


def test_scratch_loads_nothing_and_says_that_all_is_random():
    network = fresh()
    loaded = load_weights(network, ARCH, "scratch", "scratch")
    assert loaded.num_loaded == 0
    assert len(loaded.random) == len(list(network.parameters()))
    assert str(loaded) == "weights scratch: 0 tensors loaded, 142 start random (all)"


def test_weights_of_another_network_are_refused_with_names_and_shapes(tmp_path):
    torch.save(build_network("mobilenet_v3_large", 3).state_dict(), tmp_path / "w.pth")
    network = fresh()
    before = {name: t.clone() for name, t in network.network.state_dict().items()}
    with pytest.raises(WeightsError) as refused:
        load_weights(network, ARCH, str(tmp_path / "w.pth"))
    message = str(refused.value)
    assert "is --arch right?" in message
    assert "features.1.block.2.0.weight: missing, the network has (16, 16, 1, 1)" in message
    assert message.count("\n") <= 10  # the rest is counted, not listed
    assert "more" in message.splitlines()[-1]
    assert all(same(network.network.state_dict(), before, name) for name in before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda state: state.pop("features.0.0.weight"),
            "features.0.0.weight: missing, the network has (16, 3, 3, 3)",
        ),
        (
            lambda state: state.update({"features.0.0.weight": torch.zeros(8, 3, 3, 3)}),
            "features.0.0.weight: given (8, 3, 3, 3), the network has (16, 3, 3, 3)",
        ),
        (
            lambda state: state.update({"extra.weight": torch.zeros(2)}),
            "extra.weight: given (2,), the network has none",
        ),
        (
            lambda state: state["features.0.0.weight"][0, 0, 0, 0].fill_(np.nan),
            "features.0.0.weight holds NaN or infinite values",
        ),
        (
            lambda state: state["features.1.block.0.0.weight"].view(-1)[3].fill_(np.inf),
            "features.1.block.0.0.weight holds NaN or infinite values",
        ),
        (lambda state: state.update({"note": "hello"}), "not a state_dict of tensors"),
        (lambda state: state.clear(), "features.0.0.weight: missing"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused_with_what_is_wrong(
    tmp_path, donor, change, words
):
    state = {name: tensor.clone() for name, tensor in donor.state_dict().items()}
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as refused:
        load_weights(fresh(), ARCH, str(tmp_path / "w.pth"))
    assert words in str(refused.value)


class Bomb:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_code_in_a_weights_file_is_not_run(tmp_path, kind):
    trace = tmp_path / "it-ran"
    if kind == "torch":
        torch.save({"features.0.0.weight": Bomb(trace)}, tmp_path / "w.pth")
    else:
        (tmp_path / "w.pth").write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(WeightsError, match="without running its code") as refused:
        load_weights(fresh(), ARCH, str(tmp_path / "w.pth"))
    assert not trace.exists()
    assert "weights_only" not in str(refused.value)  # torch tells how to run it after all


def test_a_run_is_refused_with_the_file_to_give(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(WeightsError, match=r"a run; give the weights in it, .*model\.safetensors"):
        load_weights(fresh(), ARCH, str(tmp_path))


def write_other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "not weights")


def write_bomb(path):
    """A state_dict in a zip file whose zeros are compressed, as torch never does."""
    torch.save({"a": torch.zeros(10**6)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("w.pth", lambda path: path.write_bytes(b"")),
        ("w.pth", lambda path: path.write_text("epochs = 3\n")),
        ("w.pth", lambda path: path.write_bytes(b"\x80\x02}q\x00.")),
        ("w.pth", lambda path: path.write_bytes(b"\x80\x04]\x94.")),
        ("w.pth", write_other_zip),
        ("w.pth", lambda path: torch.save(torch.zeros(3), path)),
        ("w.pth", lambda path: torch.save([torch.zeros(3)], path)),
        ("w.pth", lambda path: torch.save({"a": torch.zeros(1).expand(10**13)}, path)),
        ("w.pth", lambda path: torch.save({"a": torch.zeros(3, device="meta")}, path)),
        ("w.pth", lambda path: torch.save({"a": torch.eye(3).to_sparse()}, path)),
        ("w.pth", lambda path: torch.save({"a": torch.ones(3, dtype=torch.float8_e5m2)}, path)),
        ("w.pth", write_bomb),
        ("w.safetensors", lambda path: path.write_bytes(b"")),
        ("w.safetensors", lambda path: path.write_bytes(b"\xff" * 64)),
        ("w.safetensors", lambda path: torch.save({"a": torch.zeros(3)}, path)),
    ],
)
def test_a_file_that_is_no_state_dict_is_refused_by_its_name(tmp_path, name, write):
    write(tmp_path / name)
    with pytest.raises(WeightsError, match=rf"{name}: not a state_dict"):
        load_weights(fresh(), ARCH, str(tmp_path / name))


def test_a_packed_bundle_is_refused_with_the_command_that_unpacks_it(tmp_path):
    file = tmp_path / "cats.zip"
    pack_bundle("cats12", file)
    with pytest.raises(WeightsError, match=f"edgecat bundle unpack {file} --out BUNDLE"):
        load_weights(fresh(), ARCH, str(file))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("kept_ratio", [0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, donor, name, kept_ratio):
    path = tmp_path / name
    (save_file if name.endswith("s") else torch.save)(donor.state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept_ratio * len(whole))])
    with pytest.raises(WeightsError, match=name):
        load_weights(fresh(), ARCH, str(path))


@pytest.mark.parametrize("source", ["nowhere.pth", "imagnet", "cats13"])
def test_a_name_that_is_nothing_lists_what_is_accepted(source):
    with pytest.raises(WeightsError) as refused:
        load_weights(fresh(), ARCH, source)
    message = str(refused.value)
    assert all(word in message for word in (".pth", ".safetensors", "imagenet", "cats12")), message


def test_imagenet_out_of_reach_names_both_ways_out(tmp_path, monkeypatch):
    # Port 9 of this machine: nobody answers there, on any machine, at once.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    network = fresh()
    with pytest.raises(WeightsError) as refused:
        load_weights(network, ARCH, "imagenet")
    message = str(refused.value)
    assert "--weights FILE" in message
    assert "--weights cats12" in message
    assert "https://download.pytorch.org/models/mobilenet_v3_small" in message


def test_the_released_model_gives_every_tensor_but_the_output_layer():
    network = fresh()
    loaded = load_weights(network, ARCH, "cats12")
    assert loaded.num_loaded == NUM_TENSORS
    assert loaded.random == ("classifier.3.weight", "classifier.3.bias")


def test_the_released_model_unfolds_to_the_function_that_its_graph_computes():
    import onnxruntime

    bundle = load_bundle("cats12")
    model = onnx.load_model_from_string(bundle.model_files("onnxruntime-fp32")[0])
    # The last product's first input is the hidden layer: what the output layer gets.
    hidden = next(n for n in reversed(model.graph.node) if n.op_type in ("Gemm", "MatMul")).input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(hidden, 1, None))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    photos = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    expected = session.run([hidden], {session.get_inputs()[0].name: photos})[0]

    network = build_network(ARCH, 3)
    load_weights(network, ARCH, "cats12")
    network.eval()
    with torch.inference_mode():
        features = network.features(torch.from_numpy(photos))
        given = network.network.classifier[:3](features).numpy()
    assert expected.std() > 100 * FEATURE_TOLERANCE  # or anything would do
    np.testing.assert_allclose(given, expected, rtol=0, atol=FEATURE_TOLERANCE)


def test_the_released_model_for_another_network_names_the_right_one():
    network = build_network("mobilenet_v3_large", 3)
    with pytest.raises(WeightsError, match="add --arch mobilenet_v3_small"):
        load_weights(network, "mobilenet_v3_large", "cats12")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"no bundle\.json in it"):
        load_weights(fresh(), ARCH, str(tmp_path))


def test_a_bundle_without_statistics_is_refused(make_bundle):
    with pytest.raises(WeightsError, match=r"a bundle without batchnorm\.safetensors"):
        load_weights(fresh(), ARCH, str(make_bundle()))


FLOAT, STATISTICS = "onnxruntime-fp32.onnx", "batchnorm.safetensors"


def forge(make_bundle, change):
    """Return a bundle of the released network whose graph and statistics were changed."""
    bundle = load_bundle("cats12")
    files = {
        FLOAT: bundle.model_files("onnxruntime-fp32")[0],
        STATISTICS: bundle.read(STATISTICS),
    }
    change(files)
    variants = (Variant("onnxruntime-fp32", (FLOAT,)),)
    return make_bundle(files=files, variants=variants)


def cut_statistics(files):
    files[STATISTICS] = files[STATISTICS][:1000]


def break_a_weight(files):
    model = onnx.load_model_from_string(files[FLOAT])
    weight = next(one for one in model.graph.initializer if one.name.startswith("network."))
    weight.raw_data = weight.raw_data[:-1]
    files[FLOAT] = model.SerializeToString()


def break_the_graph(files):
    files[FLOAT] += b"\x42\x01\xff"  # a version of operators that ends too early


def change_statistics(files, what, change):
    tensors = load(files[STATISTICS])
    name = next(name for name in tensors if name.endswith(what))
    tensors[name] = change(tensors[name])
    files[STATISTICS] = save(tensors)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut_statistics, r"batchnorm\.safetensors does not read"),
        (break_a_weight, r"onnxruntime-fp32\.onnx: no ONNX that reads"),
        (break_the_graph, r"onnxruntime-fp32\.onnx: no ONNX that reads"),
        (
            lambda files: change_statistics(files, "running_var", lambda tensor: tensor - 1e3),
            "holds NaN or infinite values",
        ),
        (
            lambda files: change_statistics(files, "running_mean", lambda tensor: tensor[:-1]),
            "are of different shapes",
        ),
    ],
)
def test_a_forged_bundle_is_refused(make_bundle, change, words):
    with pytest.raises(WeightsError, match=words):
        load_weights(fresh(), ARCH, str(forge(make_bundle, change)))
