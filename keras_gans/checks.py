"""Every sentence the library says about bad input: which argument, what is expected, what came.

The functions return the accepted value, so that a constructor can write
`self.critic_steps = checks.positive_integer("critic_steps", critic_steps)`.
This module imports nothing else of the package.
"""

import difflib
import inspect
import numbers
import os
import re
import sys
import tempfile
import unicodedata

LARGEST_SIDE = 2**14  # pixels of a side
LARGEST_SIZE = 2**20  # of a layer, a latent vector or a batch


def printable(text):
    """Returns text with what a terminal obeys (control characters, the order of writing) written as its code."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return "".join(
        each.encode("unicode_escape").decode() if unicodedata.category(each) in hidden and each not in "\n\t" else each
        for each in str(text)
    )


def shown(value, length=200):
    """Returns the `repr` of a value, its middle left out where it is long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 40]} ... {text[-30:]}"


def first_line(error):
    """Returns the first line of what an exception says, with the next where it only announces that, or its name."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text = text.rpartition("Error encountered:")[2]  # by which Keras means the error in a user's `call`
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    announces = lines[0].endswith(":") or lines[0].startswith("Exception encountered when calling")
    return " ".join(lines[: 1 + announces])


def received(**arguments):
    """Returns "Received: name=value (type)." for the end of an error sentence."""
    listed = ", ".join(f"{name}={shown(value)} ({type(value).__name__})" for name, value in arguments.items())
    return f"Received: {listed}."


def batch_of(shape):
    """Returns the shape of n samples of a shape as a text: "(n, 28, 28, 1)"."""
    return f"({', '.join(map(str, ('n', *shape)))})"


def kind(value):
    """Returns what came in place of tensors in a few words: an array's type and shape, or the value."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list)) else shown(value, 80)


def nearest(name, options):
    """Returns "Did you mean 'x'? " or "" for a misspelt `name` among `options`."""
    options = {str(option).lower(): str(option) for option in options}
    matches = difflib.get_close_matches(str(name).lower()[:100], options, n=1, cutoff=0.5)
    return f"Did you mean {options[matches[0]]!r}? " if matches else ""


def one_of(argument, value, options):
    """Returns `value` if it is among `options`; the error suggests the nearest one."""
    options = list(options)
    if isinstance(value, (str, type(None), numbers.Number)) and value in options:
        return value
    known = ", ".join(repr(o) for o in options)
    raise ValueError(f"`{argument}` must be one of {known}. {nearest(value, options)}{received(**{argument: value})}")


def positive_integer(argument, value, minimum=1, maximum=None):
    """Returns `value` as an int of at least `minimum` and, where given, at most `maximum`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"`{argument}` must be an integer. {received(**{argument: value})}")
    if value < minimum:
        kind = "a positive integer" if minimum == 1 else f"an integer of at least {minimum}"
        raise ValueError(f"`{argument}` must be {kind}. {received(**{argument: value})}")
    if maximum is not None and value > maximum:
        raise ValueError(
            f"`{argument}` must be an integer from {minimum} to {maximum:,}. {received(**{argument: value})}"
        )
    return int(value)


def size(argument, value, minimum=1):
    """Returns `value` as an int that can be a size of a network: at least `minimum`, and no more than anybody has."""
    return positive_integer(argument, value, minimum, LARGEST_SIZE)


def flag(argument, value):
    """Returns `value`, True or False, as a bool."""
    if not isinstance(value, (bool, numbers.Integral)) and type(value).__name__ != "bool":  # the last is NumPy's
        raise TypeError(f"`{argument}` must be True or False. {received(**{argument: value})}")
    return bool(value)


def number(argument, value, minimum=None, maximum=None, above=None, below=None, finite=True):
    """Returns `value` as a float in [minimum, maximum] and (above, below), where given."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{argument}` must be a number. {received(**{argument: value})}")
    bounds = [
        (minimum, lambda b: value >= b, "at least"),
        (maximum, lambda b: value <= b, "at most"),
        (above, lambda b: value > b, "greater than"),
        (below, lambda b: value < b, "less than"),
    ]
    words = " and ".join(f"{word} {bound:g}" for bound, _, word in bounds if bound is not None)
    if value != value or not all(holds(bound) for bound, holds, _ in bounds if bound is not None):
        raise ValueError(f"`{argument}` must be a number {words}. {received(**{argument: value})}".replace("  ", " "))
    if finite and abs(value) > sys.float_info.max:
        raise ValueError(f"`{argument}` must be a finite number{words and ' '}{words}. {received(**{argument: value})}")
    return float(value)


def penalties(value):
    """Returns `value` as a tuple of what can be called as a penalty is: on score, reals, fakes, weights and step."""
    wrong = not isinstance(value, (list, tuple)) or not all(map(_is_penalty, value))
    if wrong:
        raise TypeError(
            f"`penalties` must be a list of keras_gans.penalties, for example [R1(10.0)]. {received(penalties=value)}"
        )
    return tuple(value)


def moving_average(argument, value):
    """Returns `value`, a moving average that can be applied, or None."""
    if value is not None and not callable(getattr(value, "applied", None)):
        raise TypeError(f"`{argument}` must be a WeightMovingAverage or None. {received(**{argument: value})}")
    return value


def _is_penalty(value):
    if isinstance(value, type):  # R1 in place of R1()
        return False
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return sum(parameter.kind in positional for parameter in parameters) >= 4


def sensible_sizes(argument, value):
    """Refuses integers anywhere in `value` that are no sizes of a network: a layer of that many units is a mistake."""
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        sensible_sizes(argument, each)
    if isinstance(value, numbers.Integral) and abs(value) > LARGEST_SIZE:
        raise ValueError(f"`{argument}` must have sizes up to {LARGEST_SIZE:,}. {received(**{argument: value})}")
    return value


def fits_memory(argument, count, size):
    """Refuses so many items of `size` bytes each if they are more than the memory of this machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = 2**40
    if count * size > memory:
        raise ValueError(
            f"`{argument}` must be at most {memory // size:,}: each takes {size:,} bytes, and this machine has "
            f"{memory / 2**30:,.0f} GiB. {received(**{argument: count})}"
        )


def same_shape(**tensors):
    """Refuses tensors of different shapes: (n,) minus (n, 1) would silently be (n, n). Unknown sizes fit any."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    ranks = {len(shape) for shape in shapes.values()}
    if len(ranks) > 1 or any(len({*sizes} - {None}) > 1 for sizes in zip(*shapes.values(), strict=True)):
        listed = ", ".join(f"{name}.shape={shape}" for name, shape in shapes.items())
        raise ValueError(f"The tensors must have one and the same shape. Received: {listed}.")


def image_shape(value):
    """Returns `value` as (height, width, channels): three positive integers, channels 1 or 3."""
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise ValueError(
            f"`image_shape` must be (height, width, channels), for example (32, 32, 3). {received(image_shape=value)}"
        )
    sides = [positive_integer(f"image_shape[{place}]", each, maximum=LARGEST_SIDE) for place, each in enumerate(value)]
    height, width, channels = sides
    if channels not in (1, 3):
        raise ValueError(f"`image_shape` must end in 1 (gray) or 3 (RGB) channels. {received(image_shape=value)}")
    return height, width, channels


def path(argument, value, what="file"):
    """Returns the path of a file or folder as a string."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"`{argument}` must be the path of a {what}. {received(**{argument: value})}")
    return os.fspath(value)


def writable_folder(argument, path):
    """Creates the folder `path` where needed and proves that a file can be written in it."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"`{argument}` must be the path of a folder. {received(**{argument: path})}")
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"`{argument}` must be a folder that can be written. Received: {argument}={os.fspath(path)!r} "
            f"({error.strerror or error})."
        ) from error
    return os.fspath(path)


def images(argument, value, shape, spans=True):
    """Refuses data that a model for images (or points) of shape `shape` cannot train on.

    Accepts uint8 0..255 or floats in [-1, 1] of shape (n, *shape); points (`shape` of length 1) may have any range.

    Args:
        argument: Name to use in the sentence.
        value: NumPy array.
        shape: Tuple, the shape of one image as the networks have it.
        spans: Whether the values are many enough to tell floats in 0..1, which are refused, from those in [-1, 1].
    """
    expected = batch_of(shape)
    unmasked(argument, value)
    if tuple(value.shape[1:]) != tuple(shape) or value.ndim != len(shape) + 1:
        raise ValueError(
            f"`{argument}` must have shape {expected}, as the networks of the model do. "
            f"{_shape_hint(value.shape, shape)}Received: {argument}.shape={tuple(value.shape)}."
        )
    if len(value) == 0:
        raise ValueError(f"`{argument}` must hold at least one sample. Received: {argument}.shape={value.shape}.")
    if value.dtype == "uint8" and len(shape) == 3:
        return
    if value.dtype.kind != "f" and value.dtype.name != "bfloat16":
        raise TypeError(
            f"`{argument}` must be uint8 (0..255) or float (-1..1). Received: {argument}.dtype={value.dtype.name}."
        )
    low, high = float(value.min()), float(value.max())
    came = f"Received: floats from {low:g} to {high:g}."
    if not (abs(low) < float("inf") and abs(high) < float("inf")):  # NaN compares false
        raise ValueError(f"`{argument}` must be finite. {came}")
    if len(shape) != 3:
        return
    if low < -1 or high > 1:
        raise ValueError(
            f"`{argument}` must be uint8 in 0..255 or floats in [-1, 1]. {came} "
            "If the values are 0..255, pass images.astype('uint8')."
        )
    if spans and low >= 0 and high > low:
        raise ValueError(
            f"`{argument}` looks like floats in 0..1, where floats must span [-1, 1]. {came} "
            "Pass `images * 2 - 1`, or the uint8 images themselves."
        )


def unmasked(argument, value):
    """Refuses a masked array of NumPy in which a value is masked: no step would leave it out."""
    hidden = int(value.mask.sum()) if type(value).__name__ == "MaskedArray" else 0
    if hidden:
        raise ValueError(
            f"`{argument}` must have no masked values: they would be used as they stand. Fill them, or leave their "
            f"samples out. Received: a masked array, {hidden:,} of its {value.size:,} values masked."
        )
    return value


def _shape_hint(came, shape):
    if len(came) == len(shape) and len(shape) == 3 and tuple(came[1:]) == tuple(shape[:2]) and shape[2] == 1:
        return "Add the channel axis: images[..., None]. "
    if len(came) == 4 and tuple(came[2:]) == tuple(shape[:2]) and came[1] == shape[2]:
        return "Move the channels last: images.transpose(0, 2, 3, 1). "
    if len(came) == 4 and len(shape) == 3 and came[1:3] == tuple(shape[:2]):
        return f"The model was built for {shape[2]} channel{'s' * (shape[2] > 1)}. "
    return ""


def labels(value, count, num_classes):
    """Returns integer class labels as an int32 array of shape (count,), each in 0..num_classes-1."""
    if num_classes == 0:
        raise ValueError(
            "`labels` were given to an unconditional model (num_classes=0). Build the model with "
            "num_classes=<number of classes> to use them, or leave them out."
        )
    if value is None:
        raise ValueError(f"`labels` are missing: the model is conditional (num_classes={num_classes}).")
    unmasked("labels", value)
    if value.ndim == 2 and value.shape[1] == 1:
        value = value[:, 0]
    if value.shape != (count,):
        raise ValueError(f"`labels` must have shape ({count},), one per image. Received: labels.shape={value.shape}.")
    if value.dtype.kind not in "iu":
        raise TypeError(f"`labels` must be integers. Received: labels.dtype={value.dtype.name}.")
    outside = (value < 0) | (value >= num_classes)
    if outside.any():
        first = int(outside.argmax())
        raise ValueError(
            f"`labels` must be in 0..{num_classes - 1} (num_classes={num_classes}). "
            f"Received: labels[{first}]={int(value[first])}."
        )
    return value.astype("int32")


def class_names(value, num_classes):
    """Returns the names of `num_classes` classes as a tuple of different strings, or None."""
    if value is None:
        return None
    names = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"`class_names` must be a list of strings. {received(class_names=value)}")
    if len(names) != num_classes or len(set(names)) != len(names):
        raise ValueError(
            f"`class_names` must be {num_classes} different names, one for each class (num_classes={num_classes}). "
            f"Received: {len(names)} names, {len(set(names))} of them different."
        )
    return names


def no_unknown(what, unknown, known, advice="", meant=None):
    """Refuses arguments that do not exist, suggesting `meant`, or the nearest that do; `meant=""` suggests none."""
    if unknown:
        name = next(iter(unknown))
        listed = ", ".join(f"{argument}=" for argument in known)
        hint = nearest(name, known) if meant is None else f"Did you mean {meant!r}? " if meant else ""
        raise TypeError(f"{what} has no argument `{name}`. {hint}{advice}It takes {listed}.")
