"""The networks of R3GAN (Huang et al., 2025, arXiv:2501.05441): grouped residual blocks without any normalisation.

    block (C)       x + conv 1x1 (2C to C) of leaky ReLU of [conv 3x3 in groups of 16 channels (2C to 2C) + bias]
                    of leaky ReLU of [conv 1x1 (C to 2C) + bias]
    generator       dense -> times a learnt (base, base, w_0) -> blocks -> up, blocks, as often as needed -> conv 1x1
    discriminator   conv 1x1 -> blocks -> down, blocks, ... -> depthwise conv of the whole base x base map -> dense

with size = base * 2**n, widths w_0 (coarse) to w_n (fine), a 1x1 convolution after `up` or `down` where the width
changes, leaky ReLU 0.2, resampling by the filter [1, 3, 3, 1] and no bias but the two in each block.

Kernels start from N(0, gain^2 / inputs), the third of each block from 0, so that every block is the identity at first;
the gain of the first two is sqrt(2 / 1.04) L**(-1/4) with L the number of blocks of the network, that of all others 1.

Labels: the generator takes their embedding beside the latents, the discriminator's score is <dense(features), E[y]>.

The generator's last layer is linear: images are not confined to [-1, 1]; clip them to look at them. The networks need
the R1 and R2 penalties of `r3gan`, since nothing else bounds the discriminator.

Our choices: 1. the default width is 192, a quarter of the published one, for small machines; 2. with labels and more
than one unit the features are scaled by `1 + E[y]`.
"""

import math

import keras

from keras_gans import checks
from keras_gans.layers import FIRDownsampling2D, FIRUpsampling2D, GroupedConv2D, LearnedBasis
from keras_gans.layers.image_format import channels_last
from keras_gans.networks import conditioning
from keras_gans.networks.mapper import mapper as mapper
from keras_gans.networks.resolution import stages_and_base

NORMALIZATIONS = (None,)
FULL_WIDTH_STAGES = 4  # base, and three doublings: up to 32 pixels from a base of 4


def widths_of(image_shape, width=192):
    """Returns the channels w_0 (coarsest) .. w_n of an image shape: `width` for four stages, halved at each finer one.

    A list of n + 1 widths is returned as it is.
    """
    stages, _ = stages_and_base(image_shape)
    if isinstance(width, (tuple, list)):
        widths = [checks.size("width", each) for each in width]
        if len(widths) != stages + 1:
            raise ValueError(
                f"`width` must be an integer or a list of {stages + 1} integers, coarse to fine, for image_shape="
                f"{tuple(image_shape)}. {checks.received(width=width)}"
            )
        return widths
    width = checks.size("width", width)
    return [width >> max(0, stage + 1 - FULL_WIDTH_STAGES) for stage in range(stages + 1)]


def gaussian(gain=1.0):
    """Returns the initializer N(0, gain^2 / inputs of one output)."""
    return keras.initializers.VarianceScaling(gain**2, mode="fan_in", distribution="untruncated_normal")


def convolution(filters, kernel_size, name, gain=1.0, **options):
    """Returns a convolution without bias."""
    return keras.layers.Conv2D(
        filters, kernel_size, padding="same", use_bias=False, kernel_initializer=gaussian(gain), name=name, **options
    )


def block(x, name, group_size, total):
    """Applies one residual block, one of `total` in the network, to features x."""
    channels = x.shape[-1]
    gain = math.sqrt(2.0 / 1.04) * total**-0.25
    wide = {"use_bias": True, "padding": "same"}
    h = keras.layers.Conv2D(2 * channels, 1, kernel_initializer=gaussian(gain), name=f"{name}_conv_1", **wide)(x)
    h = keras.layers.LeakyReLU(negative_slope=0.2, name=f"{name}_leaky_relu_1")(h)
    grouped = GroupedConv2D(
        2 * channels,
        3,
        groups=2 * channels // group_size,
        kernel_initializer=gaussian(gain),
        name=f"{name}_conv_2",
        **wide,
    )
    h = keras.layers.LeakyReLU(negative_slope=0.2, name=f"{name}_leaky_relu_2")(grouped(h))
    last = keras.layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="zeros", name=f"{name}_conv_3")
    return keras.layers.Add(name=f"{name}_sum")([x, last(h)])


def stage_of(x, stage, width, blocks, group_size, total):
    """Brings features to `width` channels, where they have others, and applies the blocks of one stage."""
    if x.shape[-1] != width:
        x = convolution(width, 1, f"stage_{stage}_width")(x)
    for index in range(blocks):
        x = block(x, f"stage_{stage}_block_{index}", group_size, total)
    return x


def checked_options(image_shape, num_classes, width, blocks, group_size):
    """Returns `(num_classes, widths, blocks, group_size)` of a network."""
    widths = widths_of(image_shape, width)
    group_size = checks.size("group_size", group_size)
    for each in widths:
        if 2 * each % group_size:
            raise ValueError(
                f"`width` must give widths of which twice is a multiple of group_size={group_size}. "
                f"Received: widths {widths}."
            )
    num_classes = checks.size("num_classes", num_classes, minimum=0)
    return num_classes, widths, checks.size("blocks", blocks), group_size


@channels_last
def generator(
    image_shape,
    latent_dim,
    num_classes=0,
    *,
    width=192,
    blocks=2,
    group_size=16,
    embedding_dim=64,
    use_output_bias=False,
):
    """Returns the generator: latents (n, latent_dim) to images (n, height, width, channels), not confined to [-1, 1].

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        latent_dim: positive integer; the paper's value is 64.
        num_classes: with more than 0 the model takes `[latents, labels]`, labels integers (n,).
        width: channels of the four coarsest stages, halved at each finer one; or a list, coarse to fine. Default 192;
            the paper has 768.
        blocks: residual blocks per stage. Default 2.
        group_size: channels per group of the 3x3 convolutions. Default 16.
        embedding_dim: length of the label embedding. Default 64.
        use_output_bias: whether the last convolution has a bias. Default False.

    Raises:
        ValueError, TypeError: an argument outside the ranges above; for sizes, the nearest valid ones are proposed.

    Reference: arXiv:2501.05441.
    """
    stages, base = stages_and_base(image_shape)
    num_classes, widths, blocks, group_size = checked_options(image_shape, num_classes, width, blocks, group_size)
    latents = keras.Input((checks.size("latent_dim", latent_dim),), name="latents")
    inputs, labels = conditioning.inputs_of(latents, num_classes)
    x = latents
    if num_classes:
        initializer = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(num_classes))
        embedding_dim = checks.size("embedding_dim", embedding_dim)
        embedding = keras.layers.Embedding(
            num_classes, embedding_dim, embeddings_initializer=initializer, name="label_embedding"
        )
        x = keras.layers.Concatenate(name="with_labels")([x, embedding(labels)])
    x = keras.layers.Dense(widths[0], use_bias=False, kernel_initializer=gaussian(), name="project")(x)
    x = LearnedBasis(*base, name="basis")(x)
    total = blocks * len(widths)
    for stage, channels in enumerate(widths):
        if stage:  # the filter acts on each channel alone: before or after the 1x1 convolution is the same
            if x.shape[-1] != channels:
                x = convolution(channels, 1, f"stage_{stage}_width")(x)
            x = FIRUpsampling2D(name=f"stage_{stage}_up")(x)
        x = stage_of(x, stage, channels, blocks, group_size, total)
    images = keras.layers.Conv2D(
        image_shape[-1],
        1,
        use_bias=use_output_bias,
        kernel_initializer=gaussian(),
        dtype="float32",
        name="to_image",
    )(x)
    return keras.Model(inputs, images, name="generator")


@channels_last
def discriminator(
    image_shape,
    units=1,
    num_classes=0,
    *,
    width=192,
    blocks=2,
    group_size=16,
    normalization=None,
    use_output_bias=False,
    head="linear",
):
    """Returns the discriminator: images (n, height, width, channels) to raw scores (n, units), higher = more real.

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        units: positive integer, outputs per image: 1 for a score, `latent_dim` for an encoder-discriminator.
        num_classes: with more than 0 the model takes `[images, labels]`, labels integers (n,).
        width, blocks, group_size: as for the generator.
        normalization: None; this network has none.
        use_output_bias: whether the last dense layer has a bias. Default False.
        head: "linear", or "cascading_rejection" with `units` levels (arXiv:1911.10979).

    Raises:
        ValueError, TypeError: an argument outside the ranges above; sizes and names get the nearest valid proposal.

    Reference: arXiv:2501.05441.
    """
    stages, base = stages_and_base(image_shape)
    num_classes, widths, blocks, group_size = checked_options(image_shape, num_classes, width, blocks, group_size)
    units = checks.size("units", units)
    checks.one_of("normalization", normalization, NORMALIZATIONS)
    head = checks.one_of("head", head, conditioning.HEADS)
    images = keras.Input(tuple(image_shape), name="images")
    inputs, labels = conditioning.inputs_of(images, num_classes)
    x = convolution(widths[-1], 1, "from_image")(images)
    total = blocks * len(widths)
    for stage in reversed(range(stages + 1)):
        if stage < stages:
            x = FIRDownsampling2D(name=f"stage_{stage}_down")(x)
        x = stage_of(x, stage, widths[stage], blocks, group_size, total)
    # Keras counts all channels as inputs of a depthwise kernel; each output has base * base of them.
    whole_map = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(math.prod(base)))
    x = keras.layers.DepthwiseConv2D(base, use_bias=False, depthwise_initializer=whole_map, name="whole_map")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    if num_classes and units == 1 and head == "linear":
        features = keras.layers.Dense(
            widths[0], use_bias=False, kernel_initializer=gaussian(), dtype="float32", name="features"
        )(x)
        initializer = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(widths[0] * num_classes))
        embedding = keras.layers.Embedding(
            num_classes, widths[0], embeddings_initializer=initializer, dtype="float32", name="label_embedding"
        )
        product = keras.layers.Dot(1, dtype="float32", name="score")
        scores = product([features, embedding(labels)])
    else:
        scores = conditioning.score(x, labels, units, num_classes, use_output_bias, False, gaussian, head)
    return keras.Model(inputs, scores, name="discriminator")
