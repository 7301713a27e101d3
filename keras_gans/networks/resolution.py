"""How an image size becomes a stack of stages: size = base * 2**stages, with a base of at least 4 pixels."""

from keras_gans import checks

SMALLEST_BASE = 4
STEP = 4  # sizes must be multiples of this: with at least two halvings the networks have an inner stage


def stages_of(side):
    """Returns how often `side` can be halved while it stays even and its half is at least 4 pixels."""
    stages = 0
    while side % 2 == 0 and side // 2 >= SMALLEST_BASE:
        side //= 2
        stages += 1
    return stages


def nearest_valid(side):
    """Returns the valid sizes around `side`, one or two integers."""
    lower = max(2 * SMALLEST_BASE, side // STEP * STEP)
    return [lower] if side <= lower else [lower, lower + STEP]


def stages_and_base(image_shape):
    """Returns `(stages, (base_height, base_width))` of an image shape, with image size = base * 2**stages.

    28 gives (2, 7), 32 (3, 4), 48 (3, 6), 64 (4, 4), 96 (4, 6), 128 (5, 4), 256 (6, 4). Where height and width
    differ, both are halved as often as the one that allows fewer halvings.

    Args:
        image_shape: (height, width, channels); height and width multiples of 4 from 8 on, channels 1 or 3.

    Raises:
        ValueError: another size, with the nearest valid ones; or another number of channels.
        TypeError: a size that is not an integer.
    """
    height, width, channels = checks.image_shape(image_shape)
    if any(side % STEP or side < 2 * SMALLEST_BASE for side in (height, width)):
        valid = [(h, w, channels) for h in nearest_valid(height) for w in nearest_valid(width)]
        if height == width:
            valid = [shape for shape in valid if shape[0] == shape[1]]
        proposed = " or ".join(str(shape) for shape in valid)
        raise ValueError(
            "`image_shape` must have a height and a width that are multiples of 4 and at least 8: resize or pad "
            f"the images to {proposed}. {checks.received(image_shape=image_shape)}"
        )
    stages = min(stages_of(height), stages_of(width))
    return stages, (height >> stages, width >> stages)
