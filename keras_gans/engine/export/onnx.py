"""ONNX files, whichever backend made the graph: names, metadata, small weights; and the running of them."""

import numpy as np

from keras_gans.engine.export.program import compact


def finished(model, program):
    """Returns an ONNX model with the names and facts of a program and its weights in the precision asked for."""
    import onnx

    for entry in [*model.graph.input, *model.graph.output]:
        entry.type.tensor_type.shape.dim[0].dim_param = "n"
    model.producer_name = "keras_gans"
    model.doc_string = f"{program.facts['name']} ({program.facts['model']} {program.facts['part']})"
    model.graph.name = f"{program.facts['model']}_{program.part}"
    onnx.helper.set_model_props(model, {key: _text(value) for key, value in program.facts.items()})
    if program.facts["precision"] != "float32":
        _make_small(model.graph, program.facts["precision"])
    onnx.checker.check_model(model)
    return model


def _text(value):
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _make_small(graph, precision):
    """Stores the float32 weights of a graph as float16 or int8, each with a node that makes float32 of it again."""
    import onnx

    nodes = []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        array = onnx.numpy_helper.to_array(tensor)
        stored = compact(np.array(array), precision)
        if stored.values.dtype == np.float32:
            continue
        name = f"{tensor.name}_{precision}"
        graph.initializer.remove(tensor)
        graph.initializer.append(onnx.numpy_helper.from_array(stored.values, name))
        if stored.scale is None:
            nodes.append(onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
            continue
        axis = next((axis for axis, size in enumerate(stored.scale.shape) if size > 1), 0)
        graph.initializer.append(onnx.numpy_helper.from_array(stored.scale.reshape(-1), f"{name}_scale"))
        zero = np.zeros(stored.scale.size, "int8")
        graph.initializer.append(onnx.numpy_helper.from_array(zero, f"{name}_zero"))
        names = [name, f"{name}_scale", f"{name}_zero"]
        nodes.append(onnx.helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
    for node in reversed(nodes):
        graph.node.insert(0, node)


def run(program, content):
    """Returns what the bytes of an ONNX file make of the examples."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in program.inputs]
    return session.run([program.output.name], dict(zip(names, program.examples, strict=True)))[0]
