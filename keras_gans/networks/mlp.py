"""Fully connected networks, for small images and for points in R^d.

    generator      dense(width), leaky ReLU, `depth` times -> dense -> reshape and tanh for images; linear for points
    discriminator  flatten -> dense(width), leaky ReLU, `depth` times -> dense

Labels enter both networks through an embedding that is concatenated with the input.
"""

import math

import keras

from keras_gans import checks
from keras_gans.layers import ActNorm, CascadingRejection, Flattened, Flow, InvertibleBlock, LipschitzDense
from keras_gans.layers.image_format import channels_last
from keras_gans.networks.conditioning import HEADS
from keras_gans.networks.mapper import mapper as mapper


def sample_shape(image_shape):
    """Returns `image_shape` as (height, width, channels) or, for points, (d,)."""
    if isinstance(image_shape, (tuple, list)) and len(image_shape) == 1:
        return (checks.size("image_shape", image_shape[0]),)
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
        raise ValueError(
            "`image_shape` must be (height, width, channels) for images or (d,) for points. "
            f"{checks.received(image_shape=image_shape)}"
        )
    return checks.image_shape(image_shape)


def hidden_layers(x, labels, num_classes, width, depth, activation, embedding_dim):
    """Concatenates the embedded labels, if any, and applies `depth` dense layers."""
    if num_classes:
        embedded = keras.layers.Embedding(num_classes, embedding_dim, name="label_embedding")(labels)
        x = keras.layers.Concatenate(name="with_labels")([x, embedded])
    for index in range(depth):
        x = keras.layers.Dense(width, kernel_initializer="he_normal", name=f"hidden_{index}")(x)
        if activation == "leaky_relu":
            x = keras.layers.LeakyReLU(negative_slope=0.2, name=f"activation_{index}")(x)
        else:
            x = keras.layers.Activation(activation, name=f"activation_{index}")(x)
    return x


@channels_last
def generator(
    image_shape,
    latent_dim,
    num_classes=0,
    *,
    width=256,
    depth=3,
    activation="leaky_relu",
    embedding_dim=32,
    use_output_bias=True,
):
    """Returns a fully connected generator: latents (n, latent_dim) to images or points.

    Args:
        image_shape: (height, width, channels), for images in [-1, 1]; or (d,), for unbounded points (n, d).
        latent_dim: positive integer.
        num_classes: with more than 0 the model takes `[latents, labels]`, labels integers (n,).
        width: units of each hidden layer. Default 256.
        depth: number of hidden layers. Default 3.
        activation: "leaky_relu" (slope 0.2, the default) or any activation Keras knows.
        embedding_dim: length of the label embedding. Default 32.
        use_output_bias: whether the last dense layer has a bias. Default True.

    Raises:
        ValueError, TypeError: an argument outside the ranges above.
    """
    shape = sample_shape(image_shape)
    latent_dim = checks.size("latent_dim", latent_dim)
    options = hidden_options(num_classes, width, depth, activation, embedding_dim)
    latents = keras.Input((latent_dim,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels") if num_classes else None
    x = hidden_layers(latents, labels, **options)
    if len(shape) == 1:
        outputs = keras.layers.Dense(shape[0], use_bias=use_output_bias, dtype="float32", name="to_points")(x)
    else:
        x = keras.layers.Dense(math.prod(shape), use_bias=use_output_bias, dtype="float32", name="to_pixels")(x)
        x = keras.layers.Reshape(shape, dtype="float32", name="reshape")(x)
        outputs = keras.layers.Activation("tanh", dtype="float32", name="tanh")(x)
    return keras.Model([latents, labels] if num_classes else latents, outputs, name="generator")


@channels_last
def discriminator(
    image_shape,
    units=1,
    num_classes=0,
    *,
    width=256,
    depth=3,
    activation="leaky_relu",
    embedding_dim=32,
    use_output_bias=True,
    head="linear",
):
    """Returns a fully connected discriminator: images or points to raw scores (n, units), higher = more real.

    Args:
        image_shape: (height, width, channels) or (d,).
        units: positive integer, outputs per sample: 1 for a score, `latent_dim` for an encoder-discriminator.
        num_classes: with more than 0 the model takes `[images, labels]`, labels integers (n,).
        width, depth, activation, embedding_dim, use_output_bias: as for the generator.
        head: "linear", or "cascading_rejection" with `units` levels (arXiv:1911.10979).

    Raises:
        ValueError, TypeError: an argument outside the ranges above.
    """
    shape = sample_shape(image_shape)
    units = checks.size("units", units)
    options = hidden_options(num_classes, width, depth, activation, embedding_dim)
    images = keras.Input(shape, name="images")
    labels = keras.Input((), dtype="int32", name="labels") if num_classes else None
    x = keras.layers.Flatten(name="flatten")(images)
    x = hidden_layers(x, labels, **options)
    if checks.one_of("head", head, HEADS) == "cascading_rejection":
        scores = CascadingRejection(units, name="score")(x)  # labels are in the features already
    else:
        scores = keras.layers.Dense(units, use_bias=use_output_bias, dtype="float32", name="score")(x)
    return keras.Model([images, labels] if num_classes else images, scores, name="discriminator")


@channels_last
def autoencoder(image_shape, latent_dim=32, *, width=256, depth=3, activation="leaky_relu"):
    """Returns a fully connected network from images or points to the same shape, through a code.

    Args:
        image_shape: (height, width, channels) or (d,).
        latent_dim: positive integer, length of the code. Default 32.
        width, depth, activation: of each half, as for the generator.

    Returns:
        `keras.Model` with the layers "encoder", samples -> codes (n, latent_dim), and "decoder", codes -> samples.
    """
    encoder = discriminator(image_shape, latent_dim, width=width, depth=depth, activation=activation)
    decoder = generator(image_shape, latent_dim, width=width, depth=depth, activation=activation)
    encoder.name, decoder.name = "encoder", "decoder"
    images = keras.Input(encoder.input_shape[1:], name="images")
    return keras.Model(images, decoder(encoder(images)), name="autoencoder")


def flow(
    image_shape,
    latent_dim=None,
    num_classes=0,
    *,
    width=64,
    depth=10,
    hidden=2,
    activation="elu",
    coefficient=0.9,
    power_iterations=5,
):
    """Returns an invertible residual network of dense layers (arXiv:1811.00995), for points and small images.

    Args:
        image_shape: (height, width, channels) or (d,).
        latent_dim: not used: an invertible network has as many latents as inputs.
        num_classes: 0, or the number of classes, each with a prior of its own.
        width: units of the hidden layers of a block. Default 64.
        depth: number of blocks. Default 10.
        hidden: number of hidden layers of a block. Default 2.
        activation: "elu" (default), "lipswish", "softplus" or "tanh".
        coefficient: bound of the norm of every layer, above 0 and below 1. Default 0.9.
        power_iterations: steps of the estimate of the norms per training step. Default 5.

    Returns:
        `keras_gans.layers.Flow`.
    """
    del latent_dim
    shape, depth = sample_shape(image_shape), checks.size("depth", depth)
    steps = [] if len(shape) == 1 else [Flattened(name="flatten")]
    for index in range(depth):
        sizes = [checks.size("width", width)] * checks.size("hidden", hidden, minimum=0) + [math.prod(shape)]
        maps = [
            LipschitzDense(size, coefficient, power_iterations, name=f"block_{index}_dense_{place}")
            for place, size in enumerate(sizes)
        ]
        steps.append(ActNorm(name=f"actnorm_{index}"))
        steps.append(InvertibleBlock(maps, activation, activate_first=index > 0, name=f"block_{index}"))
    return Flow(shape, steps, checks.size("num_classes", num_classes, minimum=0), name="flow")


def hidden_options(num_classes, width, depth, activation, embedding_dim):
    """Returns the checked options of `hidden_layers`."""
    return {
        "num_classes": checks.size("num_classes", num_classes, minimum=0),
        "width": checks.size("width", width),
        "depth": checks.size("depth", depth),
        "activation": activation,
        "embedding_dim": checks.size("embedding_dim", embedding_dim),
    }
