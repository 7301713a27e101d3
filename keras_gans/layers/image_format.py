"""Images have their channels last in the whole package, whatever the `image_data_format` of a user's keras.json."""

import functools

import keras


def channels_last(build):
    """Decorates a function that builds layers: they take images (n, height, width, channels)."""

    @functools.wraps(build)
    def building(*arguments, **options):
        before = keras.config.image_data_format()
        keras.config.set_image_data_format("channels_last")
        try:
            return build(*arguments, **options)
        finally:
            keras.config.set_image_data_format(before)

    return building
