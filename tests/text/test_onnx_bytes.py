"""What is written as an ONNX model, the package of the ONNX project reads."""

from __future__ import annotations

import math
from pathlib import Path

import onnx

from clew.text import onnx_bytes
from clew.text.graph import FUSED, Shape, arranged, build
from tiny_bert import HEADS, HIDDEN, LAYERS, make_model


def test_a_graph_is_read_as_it_was_meant() -> None:
    graph = onnx_bytes.graph(
        "g",
        [onnx_bytes.node("Kind", ["a", "b"], "c", "domain", whole=300, share=0.5)],
        [onnx_bytes.constant("two", [1, -(2**40)]), onnx_bytes.elsewhere("w", (3, 200), 2400)],
        [onnx_bytes.value("a", onnx_bytes.INT64, ["n", 7])],
        [onnx_bytes.value("c", onnx_bytes.FLOAT, [1 << 40])],
    )
    read = onnx.load_from_string(onnx_bytes.model(graph, {"": 17, "domain": 1}, 9))
    assert (read.ir_version, [(one.domain, one.version) for one in read.opset_import]) == (
        9,
        [("", 17), ("domain", 1)],
    )
    [node] = read.graph.node
    assert (node.op_type, node.domain, [*node.input], [*node.output]) == ("Kind", "domain", ["a", "b"], ["c"])
    values = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    assert values == {"whole": 300, "share": 0.5}
    numbers, weight = read.graph.initializer
    assert onnx.numpy_helper.to_array(numbers).tolist() == [1, -(2**40)]
    assert (weight.name, [*weight.dims], weight.data_location) == ("w", [3, 200], onnx.TensorProto.EXTERNAL)
    assert {one.key: one.value for one in weight.external_data}["length"] == "2400"
    [given], [made] = read.graph.input, read.graph.output
    assert [one.dim_param or one.dim_value for one in given.type.tensor_type.shape.dim] == ["n", 7]
    assert made.type.tensor_type.shape.dim[0].dim_value == 1 << 40


def test_every_weight_of_a_model_is_named_in_its_graph(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    model = make_model(tmp_path / "model")
    shape = Shape(LAYERS, HEADS, HIDDEN, 1e-6, 0, 20)
    weights = arranged(load_file(model / "model.safetensors"), shape)
    read = onnx.load_from_string(build(shape, weights))
    held = {one.name: math.prod(one.dims) for one in read.graph.initializer if one.data_location}
    assert held == {name: weight.size for name, weight in weights.items()}
    used = {name for node in read.graph.node for name in node.input}
    assert held.keys() <= used
    assert {node.domain for node in read.graph.node} == {"", FUSED}
