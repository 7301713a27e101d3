"""DCGAN networks (Radford, Metz and Chintala, 2015, arXiv:1511.06434) for any image size that can be halved.

With size = base * 2**n, base at least 4, and W the width:

    generator      dense -> (base, base, W 2**(n-1)) -> norm, ReLU -> n transposed convolutions of stride 2, halving
                   the channels, norm and ReLU between them -> tanh
    discriminator  n convolutions of stride 2, W 2**i channels, norm from the second on, leaky ReLU 0.2 -> flatten
                   -> dense

Kernels start from N(0, 0.02), the scale of a norm from N(1, 0.02), biases from 0. A bias stands where no norm follows.

Our choices: 1. kernels of 4x4, which cover every pixel equally often, instead of 5x5 (no checkerboard); 2. batch norm
with momentum 0.9 and epsilon 1e-5; 3. the discriminator returns a raw score, without sigmoid; 4. the last
activation and the last dense layer are float32 under every precision policy; 5. labels enter the generator by
conditional batch norm, the discriminator by projection on the flattened features (arXiv:1802.05637) or, for more than
one unit, by scaling these features by `1 + E[y]`.
"""

import math

import keras

from keras_gans import checks
from keras_gans.layers import MinibatchStandardDeviation
from keras_gans.layers.image_format import channels_last
from keras_gans.networks import conditioning
from keras_gans.networks.mapper import mapper as mapper
from keras_gans.networks.resnet import flow as flow  # an invertible convolutional network has one form
from keras_gans.networks.resolution import stages_and_base

NORMALIZATIONS = ("batch", "layer", "spectral", None)


@channels_last
def generator(
    image_shape, latent_dim, num_classes=0, *, width=64, kernel_size=4, modulation=None, use_output_bias=True
):
    """Returns the DCGAN generator: latents (n, latent_dim) to images (n, height, width, channels) in [-1, 1].

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        latent_dim: positive integer; the paper's value is 100.
        num_classes: with more than 0 the model takes `[latents, labels]`, labels integers (n,), and its batch norms are
            conditional.
        width: channels of the largest map before the image; doubled at each coarser stage. Default 64.
        kernel_size: of the transposed convolutions. Default 4; a multiple of 2 avoids checkerboards.
        modulation: None, or "self" for norms whose scale and shift are computed from the latents (arXiv:1810.01365).
        use_output_bias: whether the last convolution has a bias. Default True.

    Raises:
        ValueError, TypeError: an argument outside the ranges above; for sizes, the nearest valid ones are proposed.

    Example:

    >>> generator((32, 32, 3), latent_dim=100).count_params()  # 1,068,931 trainable and the moving statistics
    1069827

    Reference: arXiv:1511.06434; conditional batch norm arXiv:1802.05637.
    """
    stages, base = stages_and_base(image_shape)
    latent_dim = checks.size("latent_dim", latent_dim)
    num_classes = checks.size("num_classes", num_classes, minimum=0)
    width = checks.size("width", width)
    kernel_size = checks.size("kernel_size", kernel_size)
    latents = keras.Input((latent_dim,), name="latents")
    inputs, labels = conditioning.inputs_of(latents, num_classes)
    norm = conditioning.generator_norms(latents, labels, num_classes, modulation, scale_around_one, small_normal)

    def upsample(filters, use_bias, name):
        return keras.layers.Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=small_normal(),
            name=name,
        )

    channels = [width * 2 ** (stages - 1 - i) for i in range(stages)]
    project = keras.layers.Dense(
        math.prod(base) * channels[0], use_bias=False, kernel_initializer=small_normal(), name="project"
    )
    x = keras.layers.Reshape((*base, channels[0]), name="reshape")(project(latents))
    x = keras.layers.ReLU(name="relu_0")(norm(x, "norm_0"))
    for stage in range(1, stages):
        x = upsample(channels[stage], False, f"up_{stage}")(x)
        x = keras.layers.ReLU(name=f"relu_{stage}")(norm(x, f"norm_{stage}"))
    x = upsample(image_shape[-1], use_output_bias, "to_image")(x)
    images = keras.layers.Activation("tanh", dtype="float32", name="tanh")(x)
    return keras.Model(inputs, images, name="generator")


@channels_last
def discriminator(
    image_shape,
    units=1,
    num_classes=0,
    *,
    width=64,
    kernel_size=4,
    normalization="batch",
    minibatch_std=False,
    use_output_bias=True,
    head="linear",
):
    """Returns the DCGAN discriminator: images (n, height, width, channels) in [-1, 1] to raw scores (n, units).

    Higher scores mean more real. There is no sigmoid.

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        units: positive integer, outputs per image: 1 for a score, `latent_dim` for an encoder-discriminator.
        num_classes: with more than 0 the model takes `[images, labels]`, labels integers (n,): choice 5 of the module.
        width: channels after the first convolution; doubled at each one. Default 64.
        kernel_size: of the convolutions. Default 4.
        normalization: "batch" (the paper; for losses without a penalty on per-sample gradients), "layer" (over all
            features of a sample, scale and shift per channel), "spectral" (every convolution, dense layer and label
            embedding), or None. Never on the first convolution, except "spectral".
        minibatch_std: whether the last convolution also sees the minibatch standard deviation (arXiv:1912.04958).
        use_output_bias: whether the last dense layer has a bias. Default True.
        head: "linear", or "cascading_rejection" with `units` levels (arXiv:1911.10979).

    Raises:
        ValueError, TypeError: an argument outside the ranges above; sizes and names get the nearest valid proposal.

    Reference: arXiv:1511.06434; spectral norm arXiv:1802.05957; projection arXiv:1802.05637.
    """
    stages, _ = stages_and_base(image_shape)
    units = checks.size("units", units)
    num_classes = checks.size("num_classes", num_classes, minimum=0)
    width = checks.size("width", width)
    kernel_size = checks.size("kernel_size", kernel_size)
    normalization = checks.one_of("normalization", normalization, NORMALIZATIONS)
    spectral = normalization == "spectral"
    images = keras.Input(tuple(image_shape), name="images")
    inputs, labels = conditioning.inputs_of(images, num_classes)

    x = images
    for stage in range(stages):
        if minibatch_std and stage == stages - 1:
            x = MinibatchStandardDeviation(name="minibatch_std")(x)
        has_norm = stage > 0 and normalization in ("batch", "layer")
        convolution = keras.layers.Conv2D(
            width * 2**stage,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=not has_norm,
            kernel_initializer=small_normal(),
            name=f"down_{stage}",
        )
        x = conditioning.constrained(convolution, spectral)(x)
        if has_norm and normalization == "batch":
            x = conditioning.batch_norm(f"norm_{stage}", scale_around_one())(x)
        elif has_norm:
            # One group: mean and variance over height, width and channels of each sample.
            layer_norm = keras.layers.GroupNormalization(
                groups=1, epsilon=conditioning.EPSILON, gamma_initializer=scale_around_one(), name=f"norm_{stage}"
            )
            x = layer_norm(x)
        x = keras.layers.LeakyReLU(negative_slope=0.2, name=f"leaky_relu_{stage}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    scores = conditioning.score(x, labels, units, num_classes, use_output_bias, spectral, small_normal, head)
    return keras.Model(inputs, scores, name="discriminator")


@channels_last
def autoencoder(image_shape, latent_dim=128, *, width=64, kernel_size=4, normalization="batch"):
    """Returns a network from images to images of the same shape: discriminator, a code, generator, without shortcuts.

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        latent_dim: positive integer, length of the code between the two halves. Default 128.
        width: channels of the largest maps. Default 64.
        kernel_size: of the convolutions. Default 4.
        normalization: of the first half, as for `discriminator`; the second half has batch norm. Default "batch".

    Returns:
        `keras.Model`, images (n, height, width, channels) -> images in [-1, 1], with the layers "encoder", images ->
        codes (n, latent_dim), and "decoder", codes -> images.
    """
    encoder = discriminator(image_shape, latent_dim, width=width, kernel_size=kernel_size, normalization=normalization)
    decoder = generator(image_shape, latent_dim, width=width, kernel_size=kernel_size)
    encoder.name, decoder.name = "encoder", "decoder"
    images = keras.Input(encoder.input_shape[1:], name="images")
    return keras.Model(images, decoder(encoder(images)), name="autoencoder")


def small_normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def scale_around_one():
    return keras.initializers.RandomNormal(mean=1.0, stddev=0.02)
