"""Which layer keeps a model from being exported."""

import keras
import numpy as np

from keras_gans.engine.export.program import Array, latents_of_seeds
from keras_gans.engine.private_keras import layers_of


def culprit(model, program, make, error):
    """Returns in words the layer that cannot be exported.

    First the drawing of latents is asked, where there is one. Layers that know their input are made into files of their
    own, one after the other, until one fails; else it is the one that the error names.

    Args:
        model: The model.
        program: Its `Program`, which failed.
        make: Function of a `Program` that fails where the format does not know an operation.
        error: What was raised.
    """
    names = [
        name for name in model.networks if set(_paths(getattr(model, name))) & set(program.names)
    ] or model.networks
    layers = [(name, layer) for name in names for layer in layers_of(getattr(model, name), include_self=False)]
    if program.inputs[0].name == "seeds" and _fails(make, _drawing(model, program)):
        return "the drawing of latents from seeds (inputs='latents' does without it)"
    for name, layer in layers:
        alone = _alone(program, layer)
        if alone is not None and _fails(make, alone):
            return _in_words(name, layer)
    said = str(error)
    for name, layer in sorted(layers, key=lambda each: -len(each[1].name)):
        if f"/{layer.name}/" in said:
            return _in_words(name, layer)
    return " or ".join(f"the network `{name}`" for name in names)


def _fails(make, program):
    try:
        make(program)
    except Exception:  # a converter raises nearly anything
        return True
    return False


def _drawing(model, program):
    """Returns the `Program` that draws latents of seeds, without weights."""

    def function(values, seeds):
        del values
        return latents_of_seeds(model, seeds)

    output = Array("latents", tuple(model.latent_shape), "float32")
    first = {"inputs": program.inputs[:1], "examples": program.examples[:1]}
    return program._replace(function=function, output=output, names=(), stored=(), **first)


def _paths(network):
    return [variable.path for variable in network.variables]


def _in_words(network, layer):
    return f"the layer {layer.name!r} ({type(layer).__name__}) of `{network}`"


def _alone(program, layer):
    """Returns the `Program` of one layer, or None for a layer that does not know its input, or takes more than two."""
    try:
        inputs = keras.tree.flatten(layer.input)
    except (AttributeError, ValueError):
        return None
    shapes = [tuple(each.shape[1:]) for each in inputs]
    if (
        isinstance(layer, keras.layers.InputLayer)
        or len(inputs) > 2
        or None in [side for each in shapes for side in each]
    ):
        return None

    def function(values, *tensors):
        del values
        return layer(keras.tree.pack_sequence_as(layer.input, tensors))

    return program._replace(
        function=function,
        inputs=tuple(Array(name, shape, each.dtype) for name, shape, each in zip("ab", shapes, inputs, strict=False)),
        output=Array("c", tuple(layer.output.shape[1:]), "float32"),
        examples=tuple(np.zeros((2, *shape), each.dtype) for shape, each in zip(shapes, inputs, strict=True)),
        names=(),
        stored=(),
    )
