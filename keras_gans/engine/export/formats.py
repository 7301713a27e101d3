"""The formats of exported models: how their files end, which backend makes them, and what must be installed."""

import importlib.util
import os
from typing import NamedTuple

from keras_gans import checks

ALL = ("tensorflow", "torch", "jax")
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
PRECISIONS = ("float32", "float16", "int8")
ONNX = ("onnx", "onnxruntime")


class Format(NamedTuple):
    """A format.

    Args:
        ending: Of its files; "" for a folder.
        backends: Those that can make it, the preferred first.
        modules: What a backend needs for it beside itself: `{backend: (module, ...)}`.
        gradients: Whether it holds programs that contain gradients of a network.
    """

    ending: str
    backends: tuple[str, ...]
    modules: dict[str, tuple[str, ...]]
    gradients: bool = False


FORMATS = {
    "tf_saved_model": Format("", ("tensorflow",), {}, True),
    "onnx": Format(
        ".onnx", ("tensorflow", "torch"), {"tensorflow": ("tf2onnx", *ONNX), "torch": ("onnxscript", *ONNX)}
    ),
    "litert": Format(".tflite", ("tensorflow",), {}),
    "torch": Format(".pt2", ("torch",), {}),
    "npz": Format(".npz", ALL, {}, True),
}
ENDINGS = {each.ending: name for name, each in FORMATS.items() if each.ending}


def chosen(path, format=None, argument="path", other="format"):
    """Returns `(path, format)` once they fit each other.

    Args:
        path: Where the file goes: a name that ends in .onnx, .tflite, .pt2 or .npz, or that of a folder.
        format: One of `FORMATS`, or None for that of the ending.
        argument, other: How the sentences call the two.

    Raises:
        TypeError, ValueError: No path, an unknown format, or an ending of another format.
    """
    path = os.path.expanduser(checks.path(argument, path))
    ending = os.path.splitext(path.rstrip("/" + os.sep))[1].lower()
    if format is None:
        if ending and ending not in ENDINGS:
            raise ValueError(
                f"`{argument}` must end in {', '.join(ENDINGS)}, or in nothing for the folder of a SavedModel. "
                f"{checks.nearest(ending, ENDINGS)}{checks.received(**{argument: path})}"
            )
        format = ENDINGS.get(ending, "tf_saved_model")
    wanted = FORMATS[checks.one_of(other, format, FORMATS)].ending
    if wanted and (ending != wanted or path.endswith(("/", os.sep))):
        raise ValueError(
            f"`{argument}` must end in {wanted} for {other}={format!r}. {checks.received(**{argument: path})}"
        )
    if not wanted and (ending in ENDINGS or ending in (".keras", ".h5", ".pb")):
        raise ValueError(
            f"`{argument}` must be the name of a folder for {other}={format!r}. {checks.received(**{argument: path})}"
        )
    if not os.path.basename(path.rstrip("/" + os.sep)):
        raise ValueError(
            f"`{argument}` must be the name of a file or folder to make. {checks.received(**{argument: path})}"
        )
    return path.rstrip("/" + os.sep), format


def maker(format, running):
    """Returns the backend that makes a format here: the running one if it can, else one that is installed.

    Args:
        format: One of `FORMATS`.
        running: The running backend.

    Raises:
        ImportError: No backend that makes it is installed, or what it needs for it is not.
    """
    backends = FORMATS[format].backends
    found = [each for each in backends if each == running or _installed(each)]
    if not found:
        able = " or ".join(NAMES[each] for each in backends)
        own = [name for name, each in FORMATS.items() if running in each.backends]
        raise ImportError(
            f"format={format!r} is made by {able}, which is not installed (this is {NAMES[running]}). Install it "
            f"(pip install {backends[0]}) and try again, or take a format that {NAMES[running]} makes: "
            f"{', '.join(own)}."
        )
    backend = running if running in found else next((each for each in found if not _missing(format, each)), found[0])
    missing = _missing(format, backend)
    if missing:
        raise ImportError(
            f"format={format!r} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            f"installed: pip install 'keras_gans[{format}]'."
        )
    return backend


def _missing(format, backend):
    return [module for module in FORMATS[format].modules.get(backend, ()) if not _installed(module)]


def _installed(module):
    return importlib.util.find_spec(module) is not None
