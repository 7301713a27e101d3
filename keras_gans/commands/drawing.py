"""Where pictures and arrays are written."""

import os

from keras_gans import checks


def output(option, path, suffix):
    """Returns `path` once its ending is right and its folder, created where needed, can be written.

    Raises:
        ValueError: Another ending, or a folder that cannot be written; the sentence names both.
    """
    path = os.fspath(path)
    if not path.lower().endswith(suffix) or os.path.isdir(path):
        raise ValueError(f"`{option}` must be the name of a {suffix} file. Received: {path!r}.")
    checks.writable_folder(f"folder of {option}", os.path.dirname(path) or ".")
    return path
