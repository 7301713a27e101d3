"""The networks that a constructor is given: of which kind they are, and which shapes they map to which."""

import keras

from keras_gans import checks
from keras_gans.engine.private_keras import is_random, layers_of


def given(inputs, labels):
    """Returns what a network is called on: `inputs`, or `[inputs, labels]` for a conditional model."""
    return inputs if labels is None else [inputs, labels]


def checked_network(argument, network):
    """Returns the network given for `argument` if it is a `keras.Model`."""
    if not isinstance(network, keras.Model):
        raise TypeError(f"`{argument}` must be a keras.Model. {checks.received(**{argument: network})}")
    return network


def output_shape(argument, network, shape, num_classes=0, inputs="images"):
    """Calls a network symbolically (which builds it) and returns its output shape.

    Args:
        argument: Name of the argument, for the error sentences.
        network: A `keras.Model`.
        shape: Shape of its inputs, with None for the batch.
        num_classes: Where it is above 0 the network takes `[inputs, labels]`.
        inputs: What it takes, for the error sentences: "latents" or "images".
    """
    labels = keras.KerasTensor((None,), dtype="int32") if num_classes else None
    takes = len(network.inputs) if getattr(network, "inputs", None) else None
    if takes is not None and takes != (2 if num_classes else 1):
        expected = f"two inputs, [{inputs}, labels]" if num_classes else f"one input, {inputs}"
        raise ValueError(
            f"`{argument}` must take {expected}, because num_classes={num_classes}. Received: a network with {takes} "
            f"input{'s' * (takes > 1)}."
        )
    try:
        outputs = network(given(keras.KerasTensor(shape), labels))
    except Exception as error:
        raise ValueError(
            f"`{argument}` must accept inputs of shape {shape}. Keras says: {str(error).splitlines()[0]}"
        ) from error
    return tuple(outputs.shape)


def refuse_random_layers(argument, network):
    """Refuses a network that computes another function every time; the innermost random layer is named."""
    for layer in reversed(layers_of(network)):
        if is_random(layer):
            raise ValueError(
                f"`{argument}` must compute the same function every time. The layer {layer.name!r} is random: build "
                "the network without dropout."
            )


def self_map_shape(argument, network, shape_argument, shape=None):
    """Returns the shape of one image of a network that maps images to images of the same shape.

    Args:
        argument: Name of the network's argument, for the error sentences.
        network: A `keras.Model`.
        shape_argument, shape: Name and value of the argument that tells the shape where the network does not.
    """
    known = getattr(network, "inputs", None)
    shape = tuple(shape or (known[0].shape[1:] if known else ()))
    if not shape or None in shape:
        raise ValueError(
            f"`{shape_argument}` must be given, since the network does not tell the shape of its input. "
            f"{checks.received(**{shape_argument: shape or None})}"
        )
    outputs = output_shape(argument, network, (None, *shape))
    if outputs != (None, *shape):
        raise ValueError(
            f"`{argument}` must map images to images of the same shape. "
            f"Received: a network from {(None, *shape)} to {outputs}."
        )
    return shape
