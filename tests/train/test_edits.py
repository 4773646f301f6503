"""Each edit of a network: what it leaves, when it is exact, how near it comes, what it refuses."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.errors import ConfigError  # noqa: E402
from edgecat.photos.folder import load_training_folder  # noqa: E402
from edgecat.progress import Silent  # noqa: E402
from edgecat.train.architecture import find_architecture  # noqa: E402
from edgecat.train.cache import open_cache  # noqa: E402
from edgecat.train.data import split_data  # noqa: E402
from edgecat.train.edit import EDITS, apply_edit, join_name, split_name  # noqa: E402
from edgecat.train.job import Job  # noqa: E402
from edgecat.train.least_squares import LeastSquares  # noqa: E402
from edgecat.train.look import TrainingPhotos  # noqa: E402
from edgecat.train.mobilenet_blocks import find_blocks  # noqa: E402
from edgecat.train.network import build_network  # noqa: E402
from edgecat.train.weights import load_weights  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

ARCH = "mobilenet_v3_small"
EXAMPLES = {
    "drop-block": "drop-block:6",
    "kernel3": "kernel3:4",
    "narrow": "narrow:3=48",
    "no-hidden-head": "no-hidden-head",
    "no-se": "no-se",
    "relu": "relu:4,12",
    "side": "side:160",
}

# Sums in another order, and ridge of the least squares; as a part of the largest logit.
EXACT_RATIO = 5e-3

# Sums in float64 against float32.
STATISTICS_RTOL = 1e-3


@pytest.fixture(scope="module")
def data(draw_reds, tmp_path_factory):
    """Real training data: 42 photos to train with."""
    folder = tmp_path_factory.mktemp("edits")
    photos, spec = draw_reds(folder / "photos", 20), find_architecture(ARCH).input
    found = load_training_folder(photos).photos
    with open_cache(folder / "cache", found, spec, Silent(), skip_broken=False) as cache:
        yield split_data(photos, cache, Job(photos, folder / "run"))


@pytest.fixture
def network():
    """A trained network: in one of random numbers no block does much."""
    network = build_network(ARCH, 12)
    load_weights(network, ARCH, "cats12", "full")
    return network.eval()


@pytest.fixture
def look(data, network):
    return TrainingPhotos(data, network.architecture)


def answer(network, data):
    with torch.no_grad():
        photos = data.cache.batch(data.indices("val").tolist())
        return network(torch.from_numpy(photos)).numpy()


def gap(before, text, data, look):
    """Return the largest change as a part of the largest logit, on photos not seen by the edit."""
    after, logits = copy.deepcopy(before), answer(before, data)
    apply_edit(after.network, text, look)
    return np.abs(answer(after, data) - logits).max() / np.abs(logits).max()


def test_each_edit_has_an_example_here_and_says_what_it_does():
    assert set(EXAMPLES) == set(EDITS.names)
    for name, edit in EDITS.load_all().items():
        assert edit.form.startswith(name)
        assert edit.about
        assert edit.exact_when.split()[0] in ("where", "nowhere")


@pytest.mark.parametrize("text", [*EXAMPLES.values(), "no-se:4,5", "relu", "narrow:4=16"])
def test_a_lean_network_is_built_by_its_name_and_takes_the_weights_of_an_edited_one(text, network):
    before = {name: tensor.shape for name, tensor in network.network.state_dict().items()}
    apply_edit(network.network, text)
    lean = build_network(join_name(ARCH, (text,)), 12)
    lean.load_state_dict(network.state_dict())
    assert lean.network.state_dict().keys() <= before.keys()
    photos = torch.zeros(2, *lean.input.shape, dtype=torch.uint8)
    assert lean.eval()(photos).shape == (2, 12)
    assert lean.head(lean.features(photos)).shape == (2, 12)
    is_smaller = sum(map(torch.numel, lean.parameters())) < sum(map(np.prod, before.values()))
    assert is_smaller or text.startswith(("relu", "side"))


def test_several_edits_follow_each_other(network):
    edits = tuple(EXAMPLES.values())
    name = join_name(ARCH, edits)
    assert split_name(name) == (ARCH, edits)
    lean = build_network(name, 3).eval()
    assert lean.input.side_px == 160
    assert lean.input.shorter_side_px == 189  # 264 * 160 / 224
    assert lean.architecture.hidden_layers == ()
    assert lean(torch.zeros(2, *lean.input.shape, dtype=torch.uint8)).shape == (2, 3)


# Where an edit says that it is exact, by what makes a network of that kind.


def scale_all_alike(network):
    for block in find_blocks(network).values():
        if block.gate is not None:
            block.gate.fc2.weight.data.zero_()
            block.gate.fc2.bias.data.uniform_(-2, 2)


def make_head_linear(network):
    network.classifier[0].bias.data.fill_(100)  # hard-swish returns what it gets above 3


def add_nothing(network):
    batch_norm = find_blocks(network)[3].projection.batch_norm
    batch_norm.weight.data.zero_()
    batch_norm.bias.data.zero_()


def clear_outer_weights(network):
    weight = find_blocks(network)[4].depthwise.conv.weight.data
    inner = weight[:, :, 1:4, 1:4].clone()
    weight.zero_()
    weight[:, :, 1:4, 1:4] = inner


def make_channels_constant(network):
    batch_norm = find_blocks(network)[3].depthwise.batch_norm
    batch_norm.weight.data[::2] = 0  # 44 of 88
    batch_norm.bias.data[::2] = 1e-2
    find_blocks(network)[3].projection.conv.weight.data[:, 1::2] += 0.5


@pytest.mark.parametrize(
    ("text", "prepare"),
    [
        ("no-se", scale_all_alike),
        ("no-se:4,7", scale_all_alike),
        ("no-hidden-head", make_head_linear),
        ("drop-block:3", add_nothing),
        ("kernel3:4", clear_outer_weights),
        ("narrow:3=48", make_channels_constant),
    ],
)
def test_an_edit_is_exact_where_it_says_so_and_nowhere_else(network, data, look, text, prepare):
    assert gap(network, text, data, look) > 3 * EXACT_RATIO
    prepare(network.network)
    assert gap(network, text, data, look) < EXACT_RATIO


@pytest.mark.parametrize("text", ["no-se", "no-hidden-head", "narrow:3=48"])
def test_what_is_measured_on_photos_brings_an_edit_nearer(network, data, look, text):
    assert gap(network, text, data, look) < gap(network, text, data, None) / 2


def test_least_squares_finds_the_layer_that_made_the_answers():
    torch.manual_seed(0)
    layer, sums = torch.nn.Linear(6, 2), LeastSquares(6, 2)
    for _ in range(10):
        inputs = torch.randn(500, 6) * torch.arange(1, 7) + 3
        sums.add(inputs, layer(inputs).detach())
    weight, bias = sums.solve(ridge_ratio=0.1)
    # Ridge pulls weights to 0: those of inputs that vary little the most.
    assert torch.allclose(weight[:, 1:], layer.weight[:, 1:], rtol=0.3, atol=0.02)
    answers = inputs @ weight.T + bias
    assert (answers - layer(inputs)).std() < 0.2 * layer(inputs).std()


def test_least_squares_knows_what_a_weight_makes_of_the_examples():
    torch.manual_seed(0)
    inputs, weight, sums = torch.randn(100, 6) + 3, torch.randn(2, 6), LeastSquares(6, 2)
    for part in inputs.split(30):
        sums.add(part, torch.zeros(len(part), 2))
    mean, variance = sums.output_statistics(weight)
    made = inputs @ weight.T
    assert torch.allclose(mean, made.mean(dim=0), rtol=1e-4)
    assert torch.allclose(variance, made.var(dim=0, correction=0), rtol=1e-4)


@pytest.mark.parametrize("text", ["no-se", "kernel3:4", "narrow:4=32", "relu"])
def test_a_block_whose_layers_change_is_fitted_to_what_it_made(network, data, look, text):
    """Nearer than with the same edit alone, and BatchNorm has the statistics of what it reads."""
    edit, _, argument = text.partition(":")
    alone = copy.deepcopy(network)
    EDITS.load(edit).change(alone.network, argument, look)
    far = np.abs(answer(alone, data) - answer(network, data)).mean()
    before = copy.deepcopy(network)
    apply_edit(network.network, text, look)
    near = np.abs(answer(network, data) - answer(before, data)).mean()
    assert near < far
    block = find_blocks(network.network)[4]
    assert block.projection.batch_norm.running_mean is not None
    seen = [made for [(_, made)] in look(network.network, [block.projection.conv])]
    made = torch.cat(seen).movedim(1, -1).flatten(0, 2)
    assert torch.allclose(
        block.projection.batch_norm.running_var, made.var(dim=0, correction=0), rtol=STATISTICS_RTOL
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_se", "edit no_se: accepted are drop-block:N, kernel3:N, narrow:N=WIDTH, no-hidden"),
        ("no-se:", "edit no-se:: accepted are "),
        ("no-se:3", "edit no-se:3: 3 is no block with squeeze-and-excitation; accepted are 1, 4,"),
        ("no-se:4,x", "'4,x': accepted are numbers in order"),
        ("no-se:5,4", "'5,4': accepted are numbers in order"),
        ("no-se:4,4", "'4,4': accepted are numbers in order"),
        ("no-se:99999", "'99999': accepted are numbers in order"),
        ("no-hidden-head:1", "takes nothing behind a colon, got '1'"),
        ("drop-block", "'': accepted are numbers in order"),
        ("drop-block:4", "4 is no block with a shortcut; accepted are 3, 5, 6, 8, 10, 11"),
        ("drop-block:5,6", "'5,6': accepted is one number"),
        ("kernel3:2", "2 is no block with a 5x5 convolution; accepted are 4, "),
        ("relu:1", "1 is no part with hard-swish; accepted are 0, 4, "),
        ("narrow:3", "'': accepted are numbers in order"),
        ("narrow:1=16", "1 is no block with an expansion"),
        ("narrow:3=40", "40: accepted are multiples of 16 below 88"),
        ("narrow:4=96", "96: accepted are multiples of 16 below 96"),
        ("side:200", "accepted are multiples of 16 from 128 to 256 px"),
        ("side:224", "other than the 224 px of before"),
        ("no-se+no-se", "the network has no block with squeeze-and-excitation (left)"),
        ("no-hidden-head+no-hidden-head", "the network's head has no hidden layer (left)"),
        ("drop-block:3+drop-block:3", "3 is no block with a shortcut; accepted are 5, 6, 8, 10"),
    ],
)
def test_an_edit_that_is_none_or_does_not_fit_is_refused_with_those_that_do(text, message):
    with pytest.raises(ConfigError) as caught:
        build_network(f"{ARCH}+{text}", 3)
    assert message in str(caught.value)


def test_an_edit_of_blocks_does_not_fit_a_network_that_has_none():
    class Plain(torch.nn.Module):
        pass

    for text in sorted(set(EXAMPLES.values()) - {"side:160"}):
        with pytest.raises(ConfigError, match="MobileNetV3 only"):
            apply_edit(Plain(), text)


def test_an_edit_leaves_the_networks_that_see_the_photos_as_they_were(network, data, look):
    before = copy.deepcopy(network.state_dict())
    for _ in look(network.network, [network.head]):
        pass
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())
