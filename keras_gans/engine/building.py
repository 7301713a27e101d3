"""The networks that a constructor is given: of which kind they are, and which shapes they map to which."""

import warnings

import keras

from keras_gans import checks
from keras_gans.engine.private_keras import is_random, layers_of, producer


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
            f"`{argument}` must accept inputs of shape {shape}. Keras says: {checks.first_line(error)}"
        ) from error
    if not hasattr(outputs, "shape"):
        kind = type(outputs).__name__
        raise ValueError(f"`{argument}` must return one tensor. Received: a network that returns a {kind}.")
    return tuple(outputs.shape)


BOUNDED = ("sigmoid", "hard_sigmoid", "softmax", "tanh", "hard_tanh", "relu", "relu6", "softplus", "exponential")


def last_activation(network):
    """Returns `(name, activation)` of what computes a network's output, or None where it does not tell."""
    outputs = getattr(network, "outputs", None) or ()
    operation = producer(outputs[0]) if len(outputs) == 1 else None
    while isinstance(operation, (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Dropout)):
        operation = producer(operation.input)
    if operation is None:
        return None
    if isinstance(operation, keras.Model):
        return last_activation(operation)
    named = getattr(getattr(operation, "activation", None), "__name__", None)
    return operation.name, named or type(operation).__name__.lower()


def warn_of_bounded_scores(argument, network):
    """Warns where a discriminator ends in a sigmoid or the like: the losses apply theirs to the scores themselves."""
    name, activation = last_activation(network) or (None, None)
    if activation in BOUNDED:
        warnings.warn(
            f"`{argument}` ends in a {activation} (layer {name!r}). The losses of keras_gans take scores without one, "
            "and apply a sigmoid where the paper has one: leave it out, or the gradients all but vanish.",
            stacklevel=4,
        )


def refuse_unsavable(argument, value):
    """Refuses an object with which a saved model could not be loaded again, such as a plain function.

    Args:
        argument: Name of the argument.
        value: The object.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a lambda, which is refused
            keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(value))
    except Exception as error:  # Keras raises nearly anything for what it does not know
        raise ValueError(
            f"`{argument}` must hold what a saved model can be loaded with: write a class with get_config, or a "
            'function, with @keras.saving.register_keras_serializable("yours") above it. '
            f"{checks.received(**{argument: value})}"
        ) from error


def checked_augmentation(augmentation, shape):
    """Returns a layer that augments images of `shape`, (None, ...), or None."""
    if augmentation is None:
        return None
    if not isinstance(augmentation, keras.layers.Layer):
        raise TypeError(
            "`augmentation` must be a Keras layer such as keras_gans.layers.DiffAugment(). "
            f"{checks.received(augmentation=augmentation)}"
        )
    refuse_unsavable("augmentation", augmentation)
    augmented = tuple(augmentation(keras.KerasTensor(shape)).shape)
    if augmented != shape:
        raise ValueError(
            f"`augmentation` must keep the shape of the images, {shape}. Received: one that returns {augmented}."
        )
    return augmentation


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


def score_input_shape(argument, network, shape_argument, shape=None, num_classes=0):
    """Returns the shape of one image of a network that maps images to one score each, (n, 1).

    Args:
        argument: Name of the network's argument, for the error sentences.
        network: A `keras.Model`, of images, or of `[images, labels]` where `num_classes` is above 0.
        shape_argument, shape: Name and value of the argument that tells the shape where the network does not.
        num_classes: That of the model.
    """
    known = getattr(network, "inputs", None)
    shape = tuple(shape or (known[0].shape[1:] if known else ()))
    if len(shape) != 3 or None in shape:
        raise ValueError(
            f"`{shape_argument}` must be (height, width, channels): that of the images that `{argument}` takes, where "
            f"it does not tell. {checks.received(**{shape_argument: shape or None})}"
        )
    outputs = output_shape(argument, network, (None, *shape), num_classes)
    if outputs != (None, 1):
        raise ValueError(
            f"`{argument}` must return one value per image, shape (n, 1). Received: output shape {outputs}."
        )
    return shape


def joined(features, latent_dim, width=256):
    """Returns a network of pairs, `[*inputs of features, latents]` -> (n, 1), over one of features (n, d)."""
    latents = keras.Input((latent_dim,), name="pair_latents")
    inputs = [keras.Input(each.shape[1:], dtype=each.dtype, name=f"pair_{each.name}") for each in features.inputs]
    x = keras.layers.Concatenate(name="pair")([features(inputs if len(inputs) > 1 else inputs[0]), latents])
    x = keras.layers.LeakyReLU(negative_slope=0.2)(keras.layers.Dense(width, name="pair_hidden")(x))
    return keras.Model(
        [*inputs, latents], keras.layers.Dense(1, dtype="float32", name="pair_score")(x), name="estimator"
    )


def estimator_of_entropy(estimator, image_shape, latent_dim, num_classes, pairs):
    """Returns the network that estimates what a generator's images say of their latents.

    Args:
        estimator: A `keras.Model`, images -> (n, latent_dim); for pairs also `[images, latents]` -> (n, 1).
        image_shape, latent_dim, num_classes: Those of the model.
        pairs: Whether a network of pairs is wanted: one of images is built into one.
    """
    inputs = getattr(checked_network("estimator", estimator), "inputs", None) or ()
    if pairs and len(inputs) == 2 + (num_classes > 0):
        return estimator
    outputs = output_shape("estimator", estimator, (None, *image_shape), num_classes)
    if not pairs and outputs != (None, latent_dim):
        raise ValueError(
            f"`estimator` must return encodings (n, {latent_dim}) of images, as long as the latents. "
            f"Received: output shape {outputs}."
        )
    return joined(estimator, latent_dim) if pairs else estimator
