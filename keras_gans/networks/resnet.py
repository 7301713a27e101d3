"""Residual networks of SNGAN (Miyato et al., 2018, arXiv:1802.05957; wiring of mimicry, arXiv:2005.02494).

    generator block (c, d)      norm, ReLU, up, conv 3x3 (c to d), norm, ReLU, conv 3x3 (d to d)
                                + up, conv 1x1 (c to d)
    discriminator block (c, d)  ReLU, conv 3x3 (c to c), ReLU, conv 3x3 (c to d), mean of 2x2
                                + conv 1x1 (c to d), mean of 2x2
    its first block (c, d)      conv 3x3 (c to d), ReLU, conv 3x3 (d to d), mean of 2x2 + mean of 2x2, conv 1x1 (c to d)
    generator                   dense -> (base, base, c_0) -> blocks -> batch norm, ReLU, conv 3x3 -> tanh
    discriminator               blocks -> ReLU -> sum over positions -> dense

A discriminator block that keeps size and channels has the identity for its second line, one that keeps the size no mean
of 2x2. Widths, with size = base * 2**n, base at least 4, and W the width: `generator_widths`, `discriminator_widths`.

Kernels are Glorot uniform, those of the 3x3 convolutions inside blocks with gain sqrt(2); batch norm has momentum
0.9, epsilon 1e-5 and a scale that starts from 1.

Our choices: 1. upsampling by nearest neighbour (mimicry: bilinear); 2. the last activation and the last dense layer are
float32 under every precision policy; 3. conditional generators keep the batch norm before the last convolution
unconditional, as mimicry does; 4. sizes other than 28, 32, 48, 64, 96 and 128 follow the rules of the widths.
"""

import math

import keras

from keras_gans import checks
from keras_gans.layers import (
    ActNorm,
    Flow,
    GlobalSumPooling2D,
    InvertibleBlock,
    LipschitzConv2D,
    MinibatchStandardDeviation,
    SelfAttention,
    Split,
    Squeeze,
)
from keras_gans.layers.image_format import channels_last
from keras_gans.networks import conditioning
from keras_gans.networks.mapper import mapper as mapper
from keras_gans.networks.resolution import stages_and_base

SMALL = 32  # up to this size the networks of CIFAR-10, with constant widths; above, those of STL-10 and ImageNet


def generator_widths(image_shape, width=64):
    """Returns the channels c_0 .. c_n of the generator: those after the dense layer, then of each block.

    Up to 32 pixels 4W each; above, c_i = min(16W, W 2**(n-i)).
    """
    stages, _ = stages_and_base(image_shape)
    if max(image_shape[:2]) <= SMALL:
        return [4 * width] * (stages + 1)
    return [min(16 * width, width * 2 ** (stages - i)) for i in range(stages + 1)]


def discriminator_widths(image_shape, width=64):
    """Returns `(channels, halvings)` of the discriminator: one width per block, the first `halvings` of which halve.

    Up to 32 pixels four blocks of 2W, of which two halve. Above, max(n + 1, min(n + 2, 5)) blocks of
    min(16W, W 2**i), of which max(n, min(n + 1, 5)) halve, fewer where the size cannot be halved as often.
    """
    stages, _ = stages_and_base(image_shape)
    if max(image_shape[:2]) <= SMALL:
        return [2 * width] * 4, 2
    blocks = max(stages + 1, min(stages + 2, 5))
    possible = min((side & -side).bit_length() - 1 for side in image_shape[:2])
    return [min(16 * width, width * 2**i) for i in range(blocks)], min(possible, max(stages, min(stages + 1, 5)))


NORMALIZATIONS = ("spectral", None)


@channels_last
def generator(
    image_shape,
    latent_dim,
    num_classes=0,
    *,
    width=64,
    modulation=None,
    attention=False,
    upsampling="nearest",
    spectral=False,
    use_output_bias=True,
):
    """Returns the residual generator: latents (n, latent_dim) to images (n, height, width, channels) in [-1, 1].

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        latent_dim: positive integer; the paper's value is 128.
        num_classes: with more than 0 the model takes `[latents, labels]`, labels integers (n,), and the batch norms of
            its blocks are conditional.
        width: factor W of all widths. Default 64 (the paper's networks); 32 is the smaller network for 28x28 and 32x32.
        modulation: None, or "self" for norms whose scale and shift are computed from the latents (arXiv:1810.01365).
        attention: False; True for self-attention on the map of 32x32, or half the image where that is smaller
            (arXiv:1805.08318); or the height of the map as an integer.
        upsampling: "nearest" (default) or "bilinear".
        spectral: whether all kernels are spectrally normalised, as in SAGAN. Default False.
        use_output_bias: whether the last convolution has a bias. Default True.

    Raises:
        ValueError, TypeError: an argument outside the ranges above; sizes and names get the nearest valid proposal.

    Reference: arXiv:1802.05957; conditional batch norm arXiv:1802.05637.
    """
    stages, base = stages_and_base(image_shape)
    latent_dim = checks.size("latent_dim", latent_dim)
    num_classes = checks.size("num_classes", num_classes, minimum=0)
    width = checks.size("width", width)
    upsampling = checks.one_of("upsampling", upsampling, ("nearest", "bilinear"))
    heights = [base[0] * 2**i for i in range(1, stages + 1)]
    attended = attended_height(attention, image_shape, heights)
    latents = keras.Input((latent_dim,), name="latents")
    inputs, labels = conditioning.inputs_of(latents, num_classes)
    norm = conditioning.generator_norms(
        latents, labels, num_classes, modulation, keras.initializers.Ones, keras.initializers.GlorotUniform, spectral
    )

    def up(x, name):
        return keras.layers.UpSampling2D(2, interpolation=upsampling, name=name)(x)

    channels = generator_widths(image_shape, width)
    project = keras.layers.Dense(math.prod(base) * channels[0], name="project")
    x = conditioning.constrained(project, spectral)(latents)
    x = keras.layers.Reshape((*base, channels[0]), name="reshape")(x)
    for stage in range(1, stages + 1):
        name, filters = f"block_{stage}", channels[stage]
        main = keras.layers.ReLU(name=f"{name}_relu_1")(norm(x, f"{name}_norm_1"))
        main = convolution(filters, 3, f"{name}_conv_1", spectral)(up(main, f"{name}_up"))
        main = keras.layers.ReLU(name=f"{name}_relu_2")(norm(main, f"{name}_norm_2"))
        main = convolution(filters, 3, f"{name}_conv_2", spectral)(main)
        shortcut = convolution(filters, 1, f"{name}_shortcut", spectral)(up(x, f"{name}_shortcut_up"))
        x = keras.layers.Add(name=f"{name}_sum")([main, shortcut])
        if heights[stage - 1] == attended:
            x = SelfAttention(spectral=spectral, name="attention")(x)
    x = keras.layers.ReLU(name="relu")(norm(x, "norm", modulated=False))
    to_image = keras.layers.Conv2D(image_shape[-1], 3, padding="same", use_bias=use_output_bias, name="to_image")
    x = conditioning.constrained(to_image, spectral)(x)
    images = keras.layers.Activation("tanh", dtype="float32", name="tanh")(x)
    return keras.Model(inputs, images, name="generator")


@channels_last
def discriminator(
    image_shape,
    units=1,
    num_classes=0,
    *,
    width=64,
    normalization="spectral",
    attention=False,
    pooling="sum",
    minibatch_std=False,
    use_output_bias=True,
    head="linear",
):
    """Returns the residual discriminator: images (n, height, width, channels) in [-1, 1] to raw scores (n, units).

    Higher scores mean more real. There is no sigmoid.

    Args:
        image_shape: (height, width, channels), sizes multiples of 4 from 8 on, channels 1 or 3.
        units: positive integer, outputs per image: 1 for a score, `latent_dim` for an encoder-discriminator.
        num_classes: with more than 0 the model takes `[images, labels]`, labels integers (n,): a projection for one
            unit (arXiv:1802.05637), pooled features scaled by `1 + E[y]` for more (ours).
        width: factor W of all widths. Default 64 (the paper's networks).
        normalization: "spectral" (every kernel and label embedding; the paper) or None (for gradient penalties).
        attention: as for the generator, on the map of the same height.
        pooling: "sum" (default; the paper) or "mean" (WGAN-GP). The sum makes scores h * w times larger.
        minibatch_std: whether the last block also sees the minibatch standard deviation (arXiv:1912.04958).
        use_output_bias: whether the last dense layer has a bias. Default True.
        head: "linear", or "cascading_rejection" with `units` levels (arXiv:1911.10979).

    Raises:
        ValueError, TypeError: an argument outside the ranges above; sizes and names get the nearest valid proposal.

    Reference: arXiv:1802.05957.
    """
    channels, halvings = discriminator_widths(image_shape, checks.size("width", width))
    units = checks.size("units", units)
    num_classes = checks.size("num_classes", num_classes, minimum=0)
    spectral = checks.one_of("normalization", normalization, NORMALIZATIONS) == "spectral"
    pooling = checks.one_of("pooling", pooling, ("sum", "mean"))
    heights = [image_shape[0] >> min(i + 1, halvings) for i in range(len(channels))]
    attended = attended_height(attention, image_shape, heights)
    images = keras.Input(tuple(image_shape), name="images")
    inputs, labels = conditioning.inputs_of(images, num_classes)

    def relu(x, name):
        return keras.layers.ReLU(name=name)(x)

    def halved(x, name):
        return keras.layers.AveragePooling2D(2, name=name)(x)

    x = images
    for index, filters in enumerate(channels):
        name, halves, before = f"block_{index}", index < halvings, channels[max(index - 1, 0)]
        if minibatch_std and index == len(channels) - 1:
            x = MinibatchStandardDeviation(name="minibatch_std")(x)
        if index == 0:
            main = convolution(filters, 3, f"{name}_conv_1", spectral)(x)
        else:
            main = convolution(before, 3, f"{name}_conv_1", spectral)(relu(x, f"{name}_relu_1"))
        main = convolution(filters, 3, f"{name}_conv_2", spectral)(relu(main, f"{name}_relu_2"))
        if halves:
            main = halved(main, f"{name}_mean")
        shortcut = x
        if index == 0:  # on the image the mean comes first: the same function, a quarter of the work
            shortcut = halved(shortcut, f"{name}_shortcut_mean")
        if halves or shortcut.shape[-1] != filters:
            shortcut = convolution(filters, 1, f"{name}_shortcut", spectral)(shortcut)
        if halves and index > 0:
            shortcut = halved(shortcut, f"{name}_shortcut_mean")
        x = keras.layers.Add(name=f"{name}_sum")([main, shortcut])
        if heights[index] == attended:
            x = SelfAttention(spectral=spectral, name="attention")(x)
            attended = None
    x = relu(x, "relu")
    pool = GlobalSumPooling2D if pooling == "sum" else keras.layers.GlobalAveragePooling2D
    x = pool(dtype="float32", name="pool")(x)
    scores = conditioning.score(
        x, labels, units, num_classes, use_output_bias, spectral, keras.initializers.GlorotUniform, head
    )
    return keras.Model(inputs, scores, name="discriminator")


def convolution(filters, kernel_size, name, spectral):
    """Returns a convolution of a block: gain sqrt(2) for 3x3, 1 for 1x1, with a bias."""
    gain = 2.0 if kernel_size == 3 else 1.0
    layer = keras.layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        kernel_initializer=keras.initializers.VarianceScaling(gain, "fan_avg", "uniform"),
        name=name,
    )
    return conditioning.constrained(layer, spectral)


def attended_height(attention, image_shape, heights):
    """Returns the height of the map that self-attention is applied to, one of `heights`, or None."""
    if attention is False or attention is None:
        return None
    if attention is True:
        largest = min(32, image_shape[0] // 2)
        fitting = [height for height in heights if height <= largest]
        return max(fitting) if fitting else min(heights)
    attention = checks.size("attention", attention)
    return checks.one_of("attention", attention, sorted(set(heights)))


def flow(
    image_shape,
    latent_dim=None,
    num_classes=0,
    *,
    width=32,
    depth=4,
    scales=None,
    activation="elu",
    coefficient=0.9,
    power_iterations=5,
    padding="same",
):
    """Returns a multi-scale invertible residual network (arXiv:1811.00995).

    A scale is a squeeze, 2x2 pixels into channels, and `depth` blocks: activation normalisation, then y = x + g(x) with
    g of three convolutions, 3x3, 1x1 and 3x3. After every scale but the last, half of the channels are latents.

    Args:
        image_shape: (height, width, channels), sizes multiples of 2^scales, channels 1 or 3.
        latent_dim: not used: an invertible network has as many latents as inputs.
        num_classes: 0, or the number of classes, each with a prior of its own.
        width: channels inside the blocks. Default 32.
        depth: number of blocks per scale. Default 4.
        scales: number of scales, by default as many as the sizes allow, at most 3.
        activation: "elu" (default), "lipswish", "softplus" or "tanh".
        coefficient: bound of the norm of every convolution, above 0 and below 1. Default 0.9.
        power_iterations: steps of the estimate of the norms per training step. Default 5.
        padding: "same" (default), zeros around the images, or "circular".

    Returns:
        `keras_gans.layers.Flow`.

    Raises:
        ValueError: for sizes that cannot be halved `scales` times.
    """
    del latent_dim
    height, columns, channels = checks.image_shape(image_shape)
    possible = min((side & -side).bit_length() - 1 for side in (height, columns))
    scales = checks.positive_integer("scales", min(3, possible) or 1 if scales is None else scales)
    if scales > possible:
        raise ValueError(
            f"`image_shape` must have a height and a width that can be halved {scales} times, once for each scale. "
            f"Received: {height}x{columns}."
        )
    steps = []
    for scale in range(scales):
        steps.append(Squeeze(name=f"squeeze_{scale}"))
        channels *= 4
        for index in range(checks.size("depth", depth)):
            name, first = f"block_{scale}_{index}", scale == index == 0
            maps = [
                LipschitzConv2D(filters, size, coefficient, power_iterations, padding, name=f"{name}_conv_{place}")
                for place, (filters, size) in enumerate([(width, 3), (width, 1), (channels, 3)])
            ]
            steps.append(ActNorm(name=f"actnorm_{scale}_{index}"))
            steps.append(InvertibleBlock(maps, activation, activate_first=not first, name=name))
        if scale + 1 < scales:
            steps.append(Split(name=f"split_{scale}"))
            channels //= 2
    return Flow(
        (height, columns, image_shape[2]), steps, checks.size("num_classes", num_classes, minimum=0), name="flow"
    )
