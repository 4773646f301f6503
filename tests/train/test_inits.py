"""The four ways to start a network: which tensors are the given ones, and what is refused."""

import contextlib
import dataclasses
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.bundle.store import load_bundle  # noqa: E402
from edgecat.errors import ConfigError, DivergedError, TrainError, WeightsError  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.inits import INITS  # noqa: E402
from edgecat.train.job import Job, settle_init  # noqa: E402
from edgecat.train.network import build_network, predict_logits  # noqa: E402
from edgecat.train.run import load_run  # noqa: E402
from edgecat.train.weights import load_weights  # noqa: E402

ARCH = "mobilenet_v3_small"
OUTPUT_LAYER = ("classifier.3.weight", "classifier.3.bias")

# Folded BatchNorms are summed in another order than torch's; the logits are of size 10.
LOGIT_TOLERANCE = 1e-3

# A short run: 8 epochs of 240 photos in batches of 16.
NUM_STEPS = 120


@pytest.fixture(scope="module")
def donor():
    """The state_dict of a network of 5 classes, no tensor of which is a fresh one's."""
    torch.manual_seed(7)
    state = build_network(ARCH, 5).network.state_dict()
    for tensor in state.values():
        tensor.add_(1)
    return state


def fresh(num_classes=5):
    torch.manual_seed(1)
    return build_network(ARCH, num_classes)


def save(folder, state):
    torch.save(state, folder / "w.pth")
    return str(folder / "w.pth")


def without(state, prefix):
    return {name: tensor for name, tensor in state.items() if not name.startswith(prefix)}


@pytest.mark.parametrize("init", INITS)
def test_exactly_the_layers_that_an_init_names_are_the_given_ones(tmp_path, donor, init):
    network = fresh()
    before = {name: tensor.clone() for name, tensor in network.network.state_dict().items()}
    loaded = load_weights(network, ARCH, save(tmp_path, donor), init)
    for name, tensor in network.network.state_dict().items():
        is_given = INITS[init].output_layer if name in OUTPUT_LAYER else INITS[init].backbone
        assert torch.equal(tensor, (donor if is_given else before)[name]), name
        if name in loaded.random:
            assert not is_given, name
    num_given = {"transfer": len(donor) - 2, "scratch": 0, "full": len(donor), "head-only": 2}
    assert loaded.num_loaded == num_given[init]


def test_what_starts_random_is_said_in_a_line(tmp_path, donor):
    source = save(tmp_path, donor)
    told = {init: str(load_weights(fresh(), ARCH, source, init)) for init in INITS}
    assert told["transfer"].endswith("2 start random (classifier.3.weight, classifier.3.bias)")
    assert told["scratch"].endswith("0 tensors loaded, 142 start random (all)")
    assert told["full"].endswith("244 tensors loaded, 0 start random")
    assert told["head-only"].endswith("2 tensors loaded, 140 start random (all others)")


@pytest.mark.slow
@pytest.mark.parametrize("init", ["scratch", "head-only"])
def test_a_random_backbone_answers_after_a_short_run_as_it_does_in_training(tmp_path, donor, init):
    network = fresh()
    load_weights(network, ARCH, save(tmp_path, donor), init)
    photos = torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8)

    def spread():  # of the photos' features: none, where one answer is given to all
        with torch.inference_mode():
            return float(network.features(photos).std(dim=0).mean())

    network.train()
    in_training = spread()
    for _ in range(NUM_STEPS):
        spread()
    network.eval()
    assert in_training / 2 < spread() < 2 * in_training


def test_a_pretrained_backbone_keeps_its_momentum(tmp_path, donor):
    network = fresh()
    load_weights(network, ARCH, save(tmp_path, donor), "transfer")
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.01}


def test_the_output_layer_alone_is_enough_to_take_it_alone(tmp_path, donor):
    source = save(tmp_path, {name: donor[name] for name in OUTPUT_LAYER})
    assert load_weights(fresh(), ARCH, source, "head-only").num_loaded == 2


@pytest.mark.parametrize(
    ("init", "num_classes", "lacks", "words"),
    [
        ("full", 3, "-", "classifier.3.weight: given (5, 1024), the network has (3, 1024)"),
        ("head-only", 3, "-", "classifier.3.bias: given (5,), the network has (3,)"),
        ("full", 5, "classifier.3.", "classifier.3.weight: missing, the network has (5, 1024)"),
        ("head-only", 5, "classifier.", "classifier.3.bias: missing, the network has (5,)"),
        ("full", 5, "classifier.0.", "classifier.0.weight: missing, the network has (1024, 576)"),
        ("full", 5, "features.1.", "features.1.block.0.0.weight: missing"),
    ],
)
def test_weights_without_a_fitting_output_layer_are_refused_with_the_way_out(
    tmp_path, donor, init, num_classes, lacks, words
):
    network = fresh(num_classes)
    before = {name: tensor.clone() for name, tensor in network.network.state_dict().items()}
    with pytest.raises(WeightsError) as refused:
        load_weights(network, ARCH, save(tmp_path, without(donor, lacks)), init)
    message = str(refused.value)
    assert words in message
    assert f"--init {init} takes the output layer, classifier.3" in message
    assert f"as many classes as there are here, {num_classes}, or leave --init out" in message
    after = network.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_bundle_in_full_answers_as_its_graph_does():
    import onnxruntime

    graph = load_bundle("cats12").model_files("onnxruntime-fp32")[0]
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    photos = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    expected = session.run(None, {session.get_inputs()[0].name: photos})[0]
    network = fresh(12)
    load_weights(network, ARCH, "cats12", "full")
    given = predict_logits(network, photos, torch.device("cpu"))
    assert expected.std() > 100 * LOGIT_TOLERANCE  # or anything would do
    np.testing.assert_allclose(given, expected, rtol=0, atol=LOGIT_TOLERANCE)


@pytest.mark.parametrize("said", [{"weights": "scratch"}, {"init": "scratch"}], ids=str)
def test_scratch_is_the_same_job_however_it_is_said(tmp_path, said):
    job = settle_init(Job(tmp_path, tmp_path / "r", **said))
    assert (job.init, job.weights) == ("scratch", "scratch")


@pytest.mark.parametrize(
    "said",
    [
        {"weights": "cats12", "init": "scratch"},
        {"weights": "scratch", "init": "full"},
        {"weights": "scratch", "init": "head-only"},
    ],
    ids=str,
)
def test_weights_that_would_not_be_read_are_refused(tmp_path, photos, said):
    job = Job(photos, tmp_path / "r", **said)
    with pytest.raises(ConfigError, match="leave one of the two out"):
        finetune(job)
    assert not job.run.exists()


def test_an_init_that_is_none_lists_all(tmp_path, photos):
    with pytest.raises(ConfigError, match="transfer, scratch, full, head-only"):
        finetune(Job(photos, tmp_path / "r", init="half"))


@pytest.mark.parametrize("init", INITS)
def test_the_head_learns_alone_unless_its_output_layer_is_pretrained(tmp_path, init):
    job = settle_init(Job(tmp_path, tmp_path / "r", init=init))
    assert bool(job.recipe.head_epochs) == (init in ("transfer", "scratch"))


@pytest.fixture(scope="module")
def finished(job, one_thread):
    """A run of three classes, and its weights."""
    finetune(job)
    return job, str(job.run / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("init", ["full", "head-only"])
def test_a_run_starts_from_another_runs_output_layer(tmp_path, finished, listens, init):
    job, weights = finished
    job = dataclasses.replace(job, run=tmp_path / "r", weights=weights, init=init)
    # Before a random backbone two epochs may teach nothing.
    with contextlib.suppress(DivergedError) if init == "head-only" else contextlib.nullcontext():
        finetune(job, listens)
    record = load_run(job.run)
    assert (record.init, record.recipe.head_epochs) == (init, 0)
    told = "the output layer is pretrained, so it does not learn alone first (head_epochs 0)"
    assert told in listens.lines
    assert not any("CAREFUL: the output layer" in line for line in listens.lines)


@pytest.mark.slow
def test_an_output_layer_of_other_classes_is_used_and_said(tmp_path, finished, listens):
    job, weights = finished
    others = tmp_path / "photos"
    shutil.copytree(job.data, others)
    (others / "class_1").rename(others / "class_1b")
    finetune(
        dataclasses.replace(job, data=others, run=tmp_path / "r", weights=weights, init="full"),
        listens,
    )
    warning = next(line for line in listens.lines if "CAREFUL: the output layer" in line)
    assert "(class 0, class 1, class 2)" in warning
    assert "leave --init out" in warning


@pytest.mark.slow
def test_resume_with_another_init_is_refused(tmp_path, finished):
    job, weights = finished
    full = dataclasses.replace(job, run=tmp_path / "r", weights=weights, init="full")
    finetune(full)
    for init in ("transfer", "head-only"):
        with pytest.raises(TrainError, match=f"the same --init as before: full, not {init}"):
            finetune(dataclasses.replace(full, init=init, resume=True))


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "init"), [("cats12", "transfer"), ("scratch", "scratch")])
def test_a_run_of_before_there_was_a_choice_says_how_it_started(tmp_path, finished, weights, init):
    record = json.loads((finished[0].run / "run.json").read_text())
    del record["init"]
    (tmp_path / "run.json").write_text(json.dumps(record | {"weights": weights}))
    assert load_run(tmp_path).init == init
