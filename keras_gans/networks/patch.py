"""A patch critic: a convolutional network that judges every patch of an image (Isola et al., 2016, arXiv:1611.07004).

With W the width and n the number of halvings, all kernels 4x4:

    n convolutions of stride 2, channels W, 2W, ... up to 8W -> one of stride 1, channels doubled again up to 8W
    -> one of stride 1 to a single channel: the logits (n, h / 2^n, w / 2^n, 1), higher = more real

with leaky ReLU 0.2 after all but the last. One logit sees a patch of 9 2^n - 2 pixels a side: 16 for n = 1,
34 for n = 2, 70 for n = 3. Kernels start from N(0, 0.02), biases from 0.

Our choices: 1. spectral normalisation of all kernels, or layer norm after the inner convolutions, in place of batch
norm, which couples the images of a batch; 2. the size is kept by padding in the convolutions of stride 1; 3. the last
convolution is float32 under every precision policy.
"""

import keras

from keras_gans import checks
from keras_gans.layers.image_format import channels_last
from keras_gans.networks import conditioning
from keras_gans.networks.dcgan import small_normal

NORMALIZATIONS = ("spectral", "layer", None)


def receptive_field(halvings):
    """Returns the side, in pixels, of the patch that one logit of the critic sees."""
    return 9 * 2**halvings - 2


@channels_last
def critic(image_shape, *, width=64, halvings=None, normalization="spectral"):
    """Returns the patch critic: images (n, height, width, channels) to logits (n, h, w, 1).

    Args:
        image_shape: (height, width, channels); sizes may be None, for images of any size, channels any number.
        width: Channels after the first convolution, default 64.
        halvings: Convolutions of stride 2, at least 1. Default: 3 for images of 64 pixels or more (or of any size), 2
            from 16 pixels on, else 1; one logit then sees 70, 34 or 16 pixels a side.
        normalization: `"spectral"` (default), `"layer"` (over all features of an image) or None.

    Raises:
        ValueError, TypeError: An argument outside the ranges above.

    Example:
        >>> critic((32, 32, 3)).output_shape
        (None, 8, 8, 1)

    Reference: Isola et al., 2016, arXiv:1611.07004.
    """
    width = checks.size("width", width)
    normalization = checks.one_of("normalization", normalization, NORMALIZATIONS)
    side = min(64 if each is None else each for each in image_shape[:2])
    default = 3 if side >= 64 else 2 if side >= 16 else 1
    halvings = default if halvings is None else checks.positive_integer("halvings", halvings, maximum=8)
    if side < 2**halvings:
        raise ValueError(f"`halvings` must leave a pixel of images of {side}. {checks.received(halvings=halvings)}")

    def convolution(filters, strides, name, **options):
        layer = keras.layers.Conv2D(
            filters, 4, strides=strides, padding="same", kernel_initializer=small_normal(), name=name, **options
        )
        return conditioning.constrained(layer, normalization == "spectral")

    images = x = keras.Input(tuple(image_shape), name="images")
    for stage in range(halvings + 1):
        strides, filters = 2 if stage < halvings else 1, width * min(2**stage, 8)
        x = convolution(filters, strides, f"conv_{stage}")(x)
        if normalization == "layer" and stage > 0:
            norm = keras.layers.GroupNormalization(groups=1, epsilon=conditioning.EPSILON, name=f"norm_{stage}")
            x = norm(x)
        x = keras.layers.LeakyReLU(negative_slope=0.2, name=f"leaky_relu_{stage}")(x)
    logits = convolution(1, 1, "logits", dtype="float32")(x)
    return keras.Model(images, logits, name="patch_critic")
