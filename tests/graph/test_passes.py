"""Each graph pass on a graph made by hand: the same answers before and after."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs edgecat[train]")

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgecat.graph.graph import Graph, attribute
from edgecat.graph.passes import constants, dead, gates, pool, scale, tidy

# float32 sums of at most 100 terms of the order of 1, added up in another order.
TOLERANCE = 1e-5

SHAPE = (2, 3, 6, 6)


def make_model(nodes, constants, shape=SHAPE, opset=20):
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", opset)])


def run(model):
    shape = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
    values = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": values})[0]


def rewrite(rule, model):
    """Return how many changes a pass made and the graph; its answers must stay."""
    before = run(model)
    changes = rule.apply(Graph(model.graph))
    assert run(model) == pytest.approx(before, abs=TOLERANCE)
    return changes, Graph(model.graph)


def layer(rng, outputs, inputs, side=1):
    weight = rng.normal(size=(outputs, inputs, side, side)).astype(np.float32)
    return weight, rng.normal(size=outputs).astype(np.float32)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=output, **attributes)


@pytest.mark.parametrize(
    ("axes", "keepdims", "opset", "changes"),
    [
        ([2, 3], 1, 20, 1),
        ([-1, -2], 1, 20, 1),
        ([2, 3], 1, 17, 1),
        ([1], 1, 20, 0),
        ([1, 2, 3], 1, 20, 0),
        ([2, 3], 0, 20, 0),
    ],
)
def test_a_mean_over_height_and_width_becomes_a_pool(axes, keepdims, opset, changes):
    if opset < 18:
        means = node("ReduceMean", ["x"], "y", axes=axes, keepdims=keepdims)
        model = make_model([means], {}, opset=opset)
    else:
        means = node("ReduceMean", ["x", "axes"], "y", keepdims=keepdims)
        model = make_model([means], {"axes": np.array(axes, np.int64)})
    found, graph = rewrite(pool, model)
    assert found == changes == len(graph.nodes("GlobalAveragePool"))
    assert not (changes and graph.is_weight("axes"))


def test_a_constant_that_is_a_node_becomes_a_weight():
    number = numpy_helper.from_array(np.full((1, 3, 1, 1), 2, np.float32))
    nodes = [node("Constant", [], "two", value=number), node("Div", ["x", "two"], "y")]
    found, graph = rewrite(constants, make_model(nodes, {}))
    assert found == 1 and not graph.nodes("Constant")
    assert graph.weight("two").tolist() == np.full((1, 3, 1, 1), 2).tolist()


def test_a_constant_that_is_no_tensor_stays():
    nodes = [node("Constant", [], "two", value_float=2.0), node("Div", ["x", "two"], "y")]
    assert rewrite(constants, make_model(nodes, {}))[0] == 0


def divided(divisor, behind="Conv"):
    weight, bias = layer(np.random.default_rng(0), 4, 3, side=3)
    last = (
        node("Conv", ["d", "w", "b"], "y", pads=[1, 1, 1, 1])
        if behind == "Conv"
        else node("Relu", ["d"], "y")
    )
    constants = {"std": divisor, "w": weight, "b": bias}
    return make_model([node("Div", ["x", "std"], "d"), last], constants)


def test_a_division_by_std_goes_into_the_convolution():
    divisor = np.array([50, 60, 0.5], np.float32).reshape(1, 3, 1, 1)
    changes, graph = rewrite(scale, divided(divisor))
    assert changes == 1
    assert [node.op_type for node in graph.nodes()] == ["Conv"]


@pytest.mark.parametrize(
    "model",
    [
        divided(np.full((1, 3, 1, 1), 2, np.float32), behind="Relu"),
        divided(np.full((1, 1, 1, 6), 2, np.float32)),
    ],
    ids=["no convolution behind", "divisor per column"],
)
def test_another_division_stays(model):
    changes, graph = rewrite(scale, model)
    assert changes == 0
    assert len(graph.nodes("Div")) == 1


def bottleneck(num_dead, activation="HardSwish", channels=32, reader_side=1):
    """A 1x1 convolution, an activation, and a convolution that reads it."""
    rng = np.random.default_rng(1)
    (first, first_bias), (last, last_bias) = (
        layer(rng, channels, 3),
        layer(rng, 4, channels, reader_side),
    )
    first[rng.permutation(channels)[:num_dead]] *= 1e-16
    nodes = [
        node("Conv", ["x", "w1", "b1"], "e"),
        node(activation, ["e"], "a"),
        node("Conv", ["a", "w2", "b2"], "y"),
    ]
    return make_model(nodes, {"w1": first, "b1": first_bias, "w2": last, "b2": last_bias})


@pytest.mark.parametrize("activation", ["HardSwish", "Relu"])
@pytest.mark.parametrize(
    ("num_dead", "num_kept"),
    [(0, 32), (3, 32), (8, 24), (10, 24), (32, 8)],
)
def test_dead_channels_go_in_blocks_of_8(num_dead, num_kept, activation):
    changes, graph = rewrite(dead, bottleneck(num_dead, activation))
    assert changes == num_dead
    assert graph.weight("w1").shape == (num_kept, 3, 1, 1)
    assert graph.weight("b1").shape == (num_kept,)
    assert graph.weight("w2").shape == (4, num_kept, 1, 1)


def test_fewer_than_8_dead_channels_are_emptied_but_stay():
    _, graph = rewrite(dead, bottleneck(3))
    empty = np.abs(graph.weight("w1")).max(axis=(1, 2, 3)) == 0
    assert empty.sum() == 3
    assert not graph.weight("b1")[empty].any()
    assert not graph.weight("w2")[:, empty].any()


def test_dead_channels_before_a_3x3_convolution_stay():
    # At the border its padding would be 0 where the channel is not.
    changes, graph = rewrite(dead, bottleneck(10, reader_side=3))
    assert changes == 0
    assert graph.weight("w1").shape[0] == 32


def test_dead_channels_with_two_readers_stay():
    model = bottleneck(10)
    model.graph.node[-1].output[0] = model.graph.node[-1].name = "z"
    model.graph.node.append(node("ReduceMean", ["a", "axes"], "m"))
    model.graph.node.append(node("Add", ["z", "m"], "y"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3]), "axes"))
    changes, _ = rewrite(dead, model)
    assert changes == 0


@pytest.mark.parametrize(("num_dead", "num_kept"), [(9, 8), (5, 16)])
def test_a_dead_depthwise_channel_takes_its_producer_along(num_dead, num_kept):
    rng = np.random.default_rng(2)
    (expand, expand_bias), (deep, deep_bias), (project, project_bias) = (
        layer(rng, 16, 3),
        layer(rng, 16, 1, side=3),
        layer(rng, 4, 16),
    )
    deep[:num_dead] *= 1e-16
    nodes = [
        node("Conv", ["x", "w1", "b1"], "e"),
        node("Relu", ["e"], "ea"),
        node("Conv", ["ea", "w2", "b2"], "d", group=16, pads=[1, 1, 1, 1]),
        node("HardSwish", ["d"], "da"),
        node("Conv", ["da", "w3", "b3"], "y"),
    ]
    constants = {"w1": expand, "b1": expand_bias, "w2": deep, "b2": deep_bias}
    changes, graph = rewrite(
        dead, make_model(nodes, constants | {"w3": project, "b3": project_bias})
    )
    assert changes == num_dead
    assert attribute(graph.producer("d"), "group") == num_kept
    shapes = [graph.weight(name).shape[:2] for name in ("w1", "w2", "w3")]
    assert shapes == [(num_kept, 3), (num_kept, 1), (4, num_kept)]


def test_a_dead_depthwise_channel_stays_where_its_input_has_other_readers():
    rng = np.random.default_rng(2)
    (deep, deep_bias), (project, project_bias) = layer(rng, 16, 1, side=3), layer(rng, 16, 16)
    deep[:9] *= 1e-16
    nodes = [
        node("Conv", ["x", "w2", "b2"], "d", group=16, pads=[1, 1, 1, 1]),
        node("Conv", ["d", "w3", "b3"], "y"),
    ]
    constants = {"w2": deep, "b2": deep_bias, "w3": project, "b3": project_bias}
    changes, graph = rewrite(dead, make_model(nodes, constants, shape=(2, 16, 6, 6)))
    assert changes == 0
    assert len(graph.weight("w2")) == 16


def test_a_dead_depthwise_channel_behind_another_depthwise_convolution_stays():
    """Its producer computes each channel from one that somebody else computes."""
    rng = np.random.default_rng(2)
    (first, first_bias), (deep, deep_bias) = (layer(rng, 16, 1, side=3) for _ in range(2))
    project, project_bias = layer(rng, 4, 16)
    deep[:9] *= 1e-16
    nodes = [
        node("Conv", ["x", "w1", "b1"], "e", group=16, pads=[1, 1, 1, 1]),
        node("Conv", ["e", "w2", "b2"], "d", group=16, pads=[1, 1, 1, 1]),
        node("Conv", ["d", "w3", "b3"], "y"),
    ]
    constants = {"w1": first, "b1": first_bias, "w2": deep, "b2": deep_bias}
    constants |= {"w3": project, "b3": project_bias}
    changes, graph = rewrite(dead, make_model(nodes, constants, shape=(2, 16, 6, 6)))
    assert changes == 0
    assert len(graph.weight("w2")) == 16


def test_dead_units_of_a_squeeze_go():
    rng = np.random.default_rng(4)
    (first, first_bias), (last, last_bias) = layer(rng, 24, 3), layer(rng, 3, 24)
    first[:20] *= 1e-16
    nodes = [
        node("GlobalAveragePool", ["x"], "p"),
        node("Conv", ["p", "w1", "b1"], "f"),
        node("Relu", ["f"], "r"),
        node("Conv", ["r", "w2", "b2"], "g"),
        node("HardSigmoid", ["g"], "s", alpha=1 / 6),
        node("Mul", ["s", "x"], "y"),
    ]
    constants = {"w1": first, "b1": first_bias, "w2": last, "b2": last_bias}
    changes, graph = rewrite(dead, make_model(nodes, constants))
    assert changes == 20
    assert graph.weight("w2").shape == (3, 8, 1, 1)


def gated(squeeze_weight, squeeze_bias, activation="Relu", added="b3"):
    """Return a layer, a gate with these squeeze units, and the 1x1 layer that reads the product."""
    rng = np.random.default_rng(5)
    first, excite, last = layer(rng, 4, 3), layer(rng, 4, 2), layer(rng, 4, 4)
    nodes = [
        node("Conv", ["x", "w1", "b1"], "first"),
        node(activation, ["first"], "channels"),
        node("GlobalAveragePool", ["channels"], "means"),
        node("Conv", ["means", "ws", "bs"], "squeezed"),
        node("Relu", ["squeezed"], "woken"),
        node("Conv", ["woken", "we", "be"], "excited"),
        node("HardSigmoid", ["excited"], "gate", alpha=1 / 6, beta=0.5),
        node("Mul", ["gate", "channels"], "scaled"),
        node("Conv", ["scaled", "w2", "b2"], "out"),
        node("Add", ["out", added], "y"),
    ]
    names = ("w1", "b1", "we", "be", "w2", "b2")
    constants = dict(zip(names, (*first, *excite, *last), strict=True))
    constants["ws"] = np.full((2, 4, 1, 1), squeeze_weight, np.float32)
    constants |= {"bs": np.array(squeeze_bias, np.float32), "b3": np.float32([1])}
    return make_model(nodes, constants)


@pytest.mark.parametrize(("weight", "bias"), [(-3.0, (0, -0.1)), (1e-9, (0.7, -1)), (0, (2, 1))])
def test_a_gate_whose_units_never_move_goes_into_the_layer_behind_it(weight, bias):
    changes, graph = rewrite(gates, gated(weight, bias))
    assert changes == 1
    assert [one.op_type for one in graph.nodes()] == ["Conv", "Relu", "Conv", "Add"]


@pytest.mark.parametrize(
    "model",
    [
        gated(0.01, (0, 0)),
        gated(-3.0, (0.5, 0)),
        gated(-3.0, (0, 0), activation="HardSwish"),
        gated(-3.0, (0, 0), added="gate"),
    ],
    ids=["wakes", "is awake", "means below 0", "another reader"],
)
def test_a_gate_that_can_move_stays(model):
    changes, graph = rewrite(gates, model)
    assert changes == 0
    assert len(graph.nodes("HardSigmoid")) == 1


def test_tidying_names_every_node_and_forgets_the_machine():
    model = bottleneck(0)
    model.graph.initializer[0].name = "network.a.weight"
    model.graph.initializer[1].name = "network.a.weight_bias"
    model.graph.node[0].input[:] = ["x", "network.a.weight", "network.a.weight_bias"]
    notes = {"pkg.torch.onnx.stack_trace": "/home/somebody/train.py"}
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, model.graph):
        helper.set_model_props(part, notes)
    for each in model.graph.node:
        each.name, each.doc_string = "", "/home/somebody/train.py"
    _, graph = rewrite(tidy, model)
    names = [each.name for each in graph.nodes()]
    assert len(set(names)) == len(names) == 3
    assert names[0] == "network.a"
    assert graph.is_weight("network.a.bias")
    assert b"somebody" not in model.SerializeToString()
