"""Exported models on TensorFlow: SavedModel, LiteRT, ONNX by tf2onnx; and the running of the first two."""

import json
import logging
import os
import warnings

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from keras_gans.engine.export.program import compact
from keras_gans.output import files

FACTS = os.path.join("assets.extra", "keras_gans.json")  # the folder that a SavedModel has for the files of others
OPSET = 18


def _signature(program):
    return [tf.TensorSpec((None, *each.shape), each.dtype, name=each.name) for each in program.inputs]


def _frozen(program):
    """Returns the program as a function of its inputs with constant weights; it returns a dict of the output."""
    values = program.values(np.asarray)

    def frozen(*tensors):
        constants = [tf.constant(each) for each in values]
        return {program.output.name: _with_shape(program, program.function(constants, *tensors))}

    return tf.function(frozen, autograph=False, input_signature=_signature(program))


def _with_shape(program, output):
    return tf.ensure_shape(output, (None, *program.output.shape))


class _Module(tf.Module):
    """What goes into a SavedModel: the weights as they are stored, and a function of the inputs, `serve`."""

    def __init__(self, program):
        super().__init__(name="keras_gans")
        self.stored = [tf.Variable(each.values, trainable=False) for each in program.stored]
        self.scales = [tf.constant(0.0 if each.scale is None else each.scale) for each in program.stored]

        def restored(variable, scale, stored):
            if stored.scale is not None:
                return tf.cast(variable, tf.float32) * scale
            return tf.cast(variable, tf.float32) if stored.values.dtype == np.float16 else tf.identity(variable)

        def serve(*tensors):
            values = [restored(*each) for each in zip(self.stored, self.scales, program.stored, strict=True)]
            return _with_shape(program, program.function(values, *tensors))

        def by_name(*tensors):
            return {program.output.name: serve(*tensors)}

        signature = _signature(program)
        self.serve = tf.function(serve, autograph=False, input_signature=signature)
        self.by_name = tf.function(by_name, autograph=False, input_signature=signature)


def write_saved_model(program, folder):
    """Writes a program into an empty folder as a SavedModel whose signature `serving_default` has names."""
    module = _Module(program)
    tf.saved_model.save(module, folder, signatures={"serving_default": module.by_name})
    os.makedirs(os.path.join(folder, "assets.extra"), exist_ok=True)
    files.write_json(os.path.join(folder, FACTS), program.facts)


def run_saved_model(program, folder):
    """Returns what the SavedModel in a folder makes of the examples."""
    loaded = tf.saved_model.load(folder)
    return loaded.serve(*map(tf.constant, program.examples)).numpy()


def onnx(program):
    """Returns a program as an ONNX model with float32 weights."""
    import tf2onnx

    for name in ("tf2onnx", *[each for each in logging.root.manager.loggerDict if each.startswith("tf2onnx")]):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it cannot convert, it raises
    function = _frozen(program)
    model, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPSET)
    return model


def litert(program):
    """Returns a program as the bytes of a LiteRT file; int8 is the dynamic-range quantisation of its converter."""
    function = _frozen(program)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
    if program.facts["precision"] == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(converter.convert()))
    if program.facts["precision"] == "float16":
        _make_float16(model)
    _add_facts(model, program.facts)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _make_float16(model):
    """Stores the weights of a LiteRT model as float16, each with an operation that makes float32 of it.

    The converter's own float16 also rounds single numbers: an epsilon of 1e-8 becomes 0, a divisor of 2^31 infinite.
    """
    dequantize = len(model.operatorCodes)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # from which on float16 is taken
    model.operatorCodes.append(code)
    replaced = set()
    for graph in model.subgraphs:
        operators = []
        for place, tensor in enumerate(list(graph.tensors)):
            data = model.buffers[tensor.buffer].data
            if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) == 0 or place in graph.inputs:
                continue
            stored = compact(np.frombuffer(bytes(data), "float32").reshape(tensor.shape), "float16")
            if stored.values.dtype == np.float32:
                continue
            small, buffer, operator = schema.TensorT(), schema.BufferT(), schema.OperatorT()
            buffer.data = np.frombuffer(stored.values.tobytes(), "uint8")
            small.name, small.shape = tensor.name + b"_float16", tensor.shape
            small.type, small.buffer = schema.TensorType.FLOAT16, len(model.buffers)
            model.buffers.append(buffer)
            replaced.add(tensor.buffer)
            tensor.buffer = 0  # no constant any more
            operator.opcodeIndex, operator.inputs, operator.outputs = dequantize, [len(graph.tensors)], [place]
            graph.tensors.append(small)
            operators.append(operator)
        graph.operators = [*operators, *graph.operators]
    for unused in replaced - {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}:
        model.buffers[unused].data = None


def _add_facts(model, facts):
    """Writes facts into a LiteRT model as its metadata `keras_gans`, and into its description."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(facts).encode(), "uint8")
    entry.name, entry.buffer = b"keras_gans", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    model.description = f"{facts['name']} ({facts['model']} {facts['part']}), licence: {facts['licence']}"


def run_litert(program, content):
    """Returns what the bytes of a LiteRT file make of the examples."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = getattr(tf.lite, "Interpreter", None)  # which tells that it is to move to ai_edge_litert
    if Interpreter is None:
        raise ImportError(
            "format='litert' needs ai-edge-litert, which is not installed: pip install 'keras_gans[litert]'."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = Interpreter(model_content=content)
    inputs = {each["name"].split(":")[0].rpartition("_")[2]: each["index"] for each in interpreter.get_input_details()}
    for each, rows in zip(program.inputs, program.examples, strict=True):
        interpreter.resize_tensor_input(inputs[each.name], rows.shape)
    interpreter.allocate_tensors()
    for each, rows in zip(program.inputs, program.examples, strict=True):
        interpreter.set_tensor(inputs[each.name], rows)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
