"""Which ONNX files hold all of their numbers."""

import itertools

import numpy as np
import pytest

from edgecat.bundle.onnx_file import names_other_files
from edgecat.bundle.store import load_bundle

onnx = pytest.importorskip("onnx", reason="needs onnx to make models (edgecat[train])")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

OWN = numpy_helper.from_array(np.ones(3, np.float32), "weight")


def external():
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def only_located():
    tensor = external()
    del tensor.external_data[:]
    return tensor


def only_data():
    tensor = external()
    tensor.data_location = TensorProto.DEFAULT
    return tensor


def graph(nodes=(), initializer=()):
    return helper.make_graph(list(nodes), "g", [], [], list(initializer))


def constant(tensor):
    return helper.make_node("Constant", [], ["weight"], value=tensor)


def model(a_graph, **more):
    return helper.make_model(a_graph, **more)


def sparse(values, indices):
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[3])


def in_sparse_weights(tensor):
    made = graph()
    made.sparse_initializer.append(sparse(tensor, OWN))
    return model(made)


def in_sparse_indices(tensor):
    made = graph()
    made.sparse_initializer.append(sparse(OWN, tensor))
    return model(made)


def in_sparse_attributes(tensor):
    node = helper.make_node("Constant", [], ["weight"])
    node.attribute.append(helper.make_attribute("sparse_value", sparse(tensor, OWN)))
    node.attribute.append(helper.make_attribute("more", [sparse(OWN, tensor)]))
    return model(graph([node]))


def in_a_function(tensor):
    function = helper.make_function(
        "me", "F", [], ["weight"], [constant(tensor)], [helper.make_opsetid("", 17)]
    )
    return model(graph(), functions=[function])


def in_a_functions_default(tensor):
    function = helper.make_function("me", "F", [], [], [], [helper.make_opsetid("", 17)])
    function.attribute_proto.append(helper.make_attribute("value", tensor))
    return model(graph(), functions=[function])


def in_a_graph_of_a_graph(tensor):
    inner = graph([helper.make_node("If", ["c"], ["y"], then_branch=graph([], [tensor]))])
    return model(graph([helper.make_node("Loop", ["n"], ["y"], body=inner)]))


def in_a_list_of_graphs(tensor):
    return model(graph([helper.make_node("X", [], ["y"], bodies=[graph(), graph([], [tensor])])]))


def in_training(tensor):
    made = model(graph())
    made.training_info.add().algorithm.CopyFrom(graph([], [tensor]))
    return made


def in_a_list(tensor):
    return model(graph([helper.make_node("X", [], ["y"], tensors=[tensor])]))


PLACES = {
    "weights": lambda tensor: model(graph([], [OWN, tensor])),
    "a constant": lambda tensor: model(graph([constant(tensor)])),
    "a list of tensors": in_a_list,
    "sparse weights": in_sparse_weights,
    "sparse indices": in_sparse_indices,
    "sparse attributes": in_sparse_attributes,
    "a function": in_a_function,
    "a function's default": in_a_functions_default,
    "a graph of a graph": in_a_graph_of_a_graph,
    "a list of graphs": in_a_list_of_graphs,
    "training": in_training,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("make", [external, only_located, only_data])
def test_data_of_another_file_is_found_wherever_a_tensor_may_stand(place, make):
    assert names_other_files(place(make()).SerializeToString())
    assert not names_other_files(place(OWN).SerializeToString())


def test_every_field_of_onnx_that_can_hold_a_tensor_is_known():
    """A newer onnx may have more of them than this edgecat has heard of."""
    from edgecat.bundle import onnx_file

    names = {
        "ModelProto": "model", "TrainingInfoProto": "training", "FunctionProto": "function",
        "GraphProto": "graph", "NodeProto": "node", "AttributeProto": "attribute",
        "SparseTensorProto": "sparse tensor", "TensorProto": "tensor",
    }  # fmt: skip
    for message, ours in names.items():
        descriptor = getattr(onnx, message).DESCRIPTOR
        inner = {
            field.number: names[field.message_type.name]
            for field in descriptor.fields
            if field.message_type is not None and field.message_type.name in names
        }
        assert onnx_file._INNER[ours] == inner, message
    fields = TensorProto.DESCRIPTOR.fields_by_name
    assert fields["external_data"].number == onnx_file._EXTERNAL_DATA
    assert fields["data_location"].number == onnx_file._DATA_LOCATION


def test_the_second_half_of_a_message_given_in_two_halves_is_looked_at():
    """Parsers join a message that is there twice, and take the later value of a number."""
    whole = model(graph()).SerializeToString()
    assert names_other_files(whole + model(graph([], [external()])).SerializeToString())


def test_longer_spellings_of_a_field_are_read():
    location = b"\xf0\x80\x80\x80\x00\x01"  # field 14 in five bytes instead of one
    tensor = b"\x2a" + bytes([len(location)]) + location
    assert names_other_files(b"\x3a" + bytes([len(tensor)]) + tensor)


DAMAGED = {
    "cut off in a number": b"\x08\xff",
    "cut off in a tag": b"\xff",
    "longer than the file": b"\x3a\x7f\x00",
    "a group": b"\x3b\x3c",
    "field 0": b"\x02\x00",
    "a tag of 33 bits": b"\xba\x80\x80\x80\x10\x00",
    "a tag of six bytes": b"\xba\x80\x80\x80\x80\x00\x00",
    "a number of eleven bytes": b"\x08" + b"\x80" * 10 + b"\x00",
    "a fixed number cut off": b"\x0d\x00\x00",
    "ONNX Runtime's own form": b"\x14\x00\x00\x00ORTM\x0c\x00\x10\x00",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_onnx_is_refused(data):
    with pytest.raises(ValueError, match=r"byte|cut off"):
        names_other_files(data)


def test_the_released_models_hold_all_their_weights():
    bundle = load_bundle("cats12")
    names = [variant.name for variant in bundle.spec.variants]
    assert not any(names_other_files(bundle.model_files(name)[0]) for name in names)


def test_graphs_nested_without_end_are_read_without_recursion():
    data = b""
    for inner in itertools.islice(itertools.cycle((6, 5, 1)), 30_000):  # attribute, node, graph
        size = len(data)
        length = b""
        while size > 0x7F:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        data = bytes([inner << 3 | 2]) + length + bytes([size]) + data
    assert not names_other_files(data)
