"""ONNX graphs read, and given an output, without the onnx package: held against that package."""

import numpy as np
import pytest

from edgecat.bundle.head import read_head
from edgecat.bundle.onnx_graph import add_output, find_mean, read_graph
from edgecat.bundle.store import load_bundle
from edgecat.runtime.engine import open_graph

onnx = pytest.importorskip("onnx", reason="needs onnx to make models (edgecat[train])")

# float32 sums of 5 products in another order.
TOLERANCE = 1e-5


def change(model, edit):
    changed = onnx.load_from_string(model)
    edit(changed.graph)
    return changed.SerializeToString()


def released_models():
    bundle = load_bundle("cats12")
    return {v.name: bundle.model_files(v.name)[0] for v in bundle.spec.variants}


@pytest.mark.parametrize("name", released_models())
def test_nodes_and_weights_are_those_that_the_onnx_package_reads(name):
    model = released_models()[name]
    ours, theirs = read_graph(model), onnx.load_from_string(model).graph
    assert [(n.kind, list(n.inputs), list(n.outputs)) for n in ours.nodes] == [
        (n.op_type, list(n.input), list(n.output)) for n in theirs.node
    ]
    floats = [t for t in theirs.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert len(floats) > 10
    for tensor in floats:
        assert np.array_equal(ours.weights[tensor.name], onnx.numpy_helper.to_array(tensor))


def test_an_output_is_added_and_nothing_else_changes(patch_model):
    changed = onnx.load_from_string(add_output(patch_model, "patches"))
    onnx.checker.check_model(changed)
    assert [output.name for output in changed.graph.output] == ["logits", "features", "patches"]
    del changed.graph.output[2]
    assert changed == onnx.load_from_string(patch_model)


def test_the_map_of_the_features_is_found_behind_what_only_changes_their_form(patch_model):
    assert find_mean(read_graph(patch_model), "features") == "patches"


def drop_pooling(graph):
    graph.node[3].op_type = "Softmax"


def drop_features(graph):
    for node in graph.node:
        node.output[0] = node.output[0].replace("features", "others")


def circle(graph):
    graph.node[4].op_type, graph.node[4].input[0] = "Identity", "features"


@pytest.mark.parametrize("edit", [drop_pooling, drop_features, circle])
def test_a_graph_whose_features_are_no_mean_is_refused(patch_model, edit):
    with pytest.raises(ValueError, match=r"features|mean"):
        find_mean(read_graph(change(patch_model, edit)), "features")


def test_the_head_answers_as_the_model_does(patch_model):
    photos = np.random.default_rng(1).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    logits, features = open_graph(patch_model, 1).run_with_features(photos)
    found = read_head(read_graph(patch_model)).logits(features)
    assert found == pytest.approx(logits, abs=TOLERANCE)


def other_kind(graph):
    graph.node[6].op_type = "Softmax"


def no_bias(graph):
    del graph.node[5].input[2]


def doubles(graph):
    tensor = onnx.numpy_helper.to_array(graph.initializer[0]).astype(np.float64)
    graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(tensor, "first.weight"))


def another_shape(graph):
    del graph.initializer[0].dims[:]
    graph.initializer[0].dims.extend([3, 5])


def huge_shape(graph):
    graph.initializer[0].dims[0] = 2**62


def ends_in_an_activation(graph):
    del graph.node[7]


@pytest.mark.parametrize(
    "edit", [other_kind, no_bias, doubles, another_shape, huge_shape, ends_in_an_activation]
)
def test_a_head_of_another_kind_is_refused(patch_model, edit):
    with pytest.raises(ValueError, match=r"features|weights|output layer"):
        read_head(read_graph(change(patch_model, edit)))
