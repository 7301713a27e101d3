"""What an exported file holds: one function of arrays, its weights in the precision asked for, and what is told of it.

With `inputs="seeds"` the file draws the latents itself, from one integer s in 0..p-1 per image, p = 2^31 - 1. With
E_k(x) the five rounds x <- (x + k + c_i)^5 mod p, permutations of 0..p-1, the numbers of an image are
u_j = (E_k(j) + 1/2) / p with k = E_0(s), and two of them make two normal numbers: r cos(2 pi v) and r sin(2 pi v) with
r = sqrt(-2 log u). Products of two numbers below 2^31 fit into 64 bits, which every format has.
"""

import contextlib
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_gans.engine.averaging import weights_in_words
from keras_gans.engine.backend import module as backend
from keras_gans.engine.inference import NOT_FINITE, NotFinite
from keras_gans.engine.private_keras import layers_of
from keras_gans.version import __version__

PRIME = 2**31 - 1
ROUNDS = (1131176229, 402653189, 1572869003, 786433001, 201326611)  # c_i: any numbers that differ
EXAMPLES = 16  # rows on which a file is compared with the model
SMALLEST = 64  # numbers of an array below which it stays float32: a bias, a scale


class Array(NamedTuple):
    """An input or output: its name, its shape without the rows, its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Stored(NamedTuple):
    """A weight as a file stores it: float32, float16, or int8 with a float32 scale that is broadcast over it."""

    values: np.ndarray
    scale: np.ndarray | None = None

    def restored(self):
        """Returns the float32 array (or the integers) with which the file computes."""
        if self.scale is not None:
            return self.values.astype("float32") * self.scale
        return self.values.astype("float32") if self.values.dtype == np.float16 else self.values


class Program(NamedTuple):
    """A generator or encoder.

    Args:
        part: "generator" or "encoder".
        function: Function of `(values, *tensors)`: the weights, and one tensor per input.
        inputs: The inputs, in order.
        output: The output.
        examples: One array per input, `EXAMPLES` rows.
        expected: What the model makes of them, in float32.
        names: A name for each weight.
        stored: A `Stored` for each weight.
        facts: What is told about it: a dict that JSON can hold.
        architecture: `{network: its config}`, of the networks that it reads.
    """

    part: str
    function: object
    inputs: tuple[Array, ...]
    output: Array
    examples: tuple[np.ndarray, ...]
    expected: np.ndarray
    names: tuple[str, ...]
    stored: tuple[Stored, ...]
    facts: dict
    architecture: dict

    def values(self, tensor=ops.convert_to_tensor):
        """Returns the weights as `tensor` makes them of arrays, in float32."""
        return [tensor(each.restored()) for each in self.stored]


class Recording(keras.StatelessScope):
    """A scope with other values for some variables, `[(variable, value), ...]`, that knows which were read in it."""

    def __init__(self, pairs):
        super().__init__(state_mapping=pairs)
        self.read = {}

    def get_current_value(self, variable):
        self.read[id(variable)] = variable
        return super().get_current_value(variable)


def program_of(model, part, seeds, average, precision, name, licence):
    """Returns the `Program` of a part of a model, to be made into a file inside `in_float32(model)`.

    Args:
        model: A model of keras_gans.
        part: "generator" or "encoder".
        seeds: Whether the generator takes seeds in place of latents.
        average: A `WeightAverage` whose values take the place of the last weights, or None.
        precision: Of the weights: one of `formats.PRECISIONS`.
        name, licence: For the facts, or None.

    Raises:
        NotFinite: A weight is not finite.
    """
    compute, inputs, output, examples = (_encoder if part == "encoder" else _generator)(model, seeds)
    tensors = [ops.convert_to_tensor(each) for each in examples]
    averaged = [] if average is None else average.pairs()
    with Recording(averaged) as scope:
        expected = ops.convert_to_numpy(compute(*tensors))
    output = output._replace(shape=expected.shape[1:])
    networks = {name: getattr(model, name) for name in model.networks}
    variables = list(scope.read.values())
    variables = variables or [each for network in networks.values() for each in network.variables]
    values = {id(variable): value for variable, value in averaged}
    arrays = [ops.convert_to_numpy(values.get(id(each), each.value)) for each in variables]
    arrays = [each if each.dtype.kind in "iub" else each.astype("float32") for each in arrays]
    if not all(np.isfinite(each).all() for each in arrays):
        raise NotFinite(NOT_FINITE)

    def function(values, *tensors):
        with backend.replaced(list(zip(variables, values, strict=True))) if variables else contextlib.nullcontext():
            return compute(*tensors)

    facts = {
        "name": name or model.title or model.name,
        "model": type(model).__name__,
        "part": part,
        "licence": licence or model.licence or "not stated",
        "producer": f"keras_gans {__version__}, Keras {keras.__version__}",
        "weights": weights_in_words(average),
        "precision": precision,
        "inputs": {each.name: {"shape": ["n", *each.shape], "dtype": each.dtype} for each in inputs},
        "output": {output.name: {"shape": ["n", *output.shape], "dtype": output.dtype}},
        "num_classes": model.num_classes,
        **({"class_names": list(model.class_names)} if model.class_names else {}),
    }
    names = _distinct([variable.path for variable in variables])
    stored = tuple(compact(each, precision) for each in arrays)
    read = {id(variable) for variable in variables}
    architecture = {
        name: keras.saving.serialize_keras_object(network)
        for name, network in networks.items()
        if read & {id(variable) for variable in network.variables}
    }
    return Program(part, function, inputs, output, examples, expected, names, stored, facts, architecture)


def _generator(model, seeds):
    images = Array("images", tuple(model.image_shape), "uint8" if len(model.image_shape) == 3 else "float32")
    first = Array("seeds", (), "int32") if seeds else Array("latents", tuple(model.latent_shape), "float32")

    def compute(first, labels=None):
        latents = latents_of_seeds(model, first) if seeds else first
        made = model.fake(latents, labels, training=False)
        if images.dtype != "uint8":
            return made
        return ops.cast(ops.clip(ops.round((made + 1.0) * 127.5), 0.0, 255.0), "uint8")

    rows = np.arange(EXAMPLES, dtype="int32") if seeds else model.latents_for(EXAMPLES, seed=0)
    return compute, *_with_labels(model, first, images, rows)


def _encoder(model, seeds):
    del seeds
    first = Array("images", tuple(model.image_shape), "uint8" if len(model.image_shape) == 3 else "float32")
    encodings = Array("encodings", tuple(model.latent_shape), "float32")

    def compute(images, labels=None):
        return model.encodings(*model.batch((images,) if labels is None else (images, labels)))

    if first.dtype == "uint8":  # such as the model makes itself
        rows = model.generate(EXAMPLES, seed=0)
    else:
        rows = np.random.default_rng(0).uniform(-1, 1, (EXAMPLES, *first.shape)).astype("float32")
    return compute, *_with_labels(model, first, encodings, rows)


def _with_labels(model, first, output, rows):
    """Returns `(inputs, output, examples)`, with labels for a conditional model."""
    if not model.num_classes:
        return (first,), output, (rows,)
    return (first, Array("labels", (), "int32")), output, (rows, model.labels_for(EXAMPLES))


def hashed(keys, numbers):
    """Returns E_k(x), integers in 0..p-1, for int64 arrays or tensors that are broadcast; see above."""
    for constant in ROUNDS:
        base = (numbers + keys + constant) % PRIME
        square = base * base % PRIME
        numbers = square * square % PRIME * base % PRIME
    return numbers


def latents_of_seeds(model, seeds):
    """Returns the latents (n, ...) of int32 seeds (n,); see above."""
    one, two = model.normal_shape(1), model.normal_shape(2)
    rows_at = next(axis for axis, size in enumerate(one) if size != two[axis])
    count = math.prod(one)
    half = -(-count // 2)
    keys = hashed(0, ops.cast(ops.reshape(seeds, (-1, 1)), "int64"))
    numbers = hashed(keys, ops.convert_to_tensor(np.arange(2 * half, dtype="int64")[None]))  # (n, 2 half)
    uniform = (ops.cast(numbers, "float32") + 0.5) / float(PRIME)
    lengths, angles = ops.sqrt(-2.0 * ops.log(uniform[:, :half])), 2.0 * math.pi * uniform[:, half:]
    normal = ops.concatenate([lengths * ops.cos(angles), lengths * ops.sin(angles)], axis=1)[:, :count]
    shape = [size for axis, size in enumerate(one) if axis != rows_at]
    return model.latents_of(ops.moveaxis(ops.reshape(normal, (-1, *shape)), 0, rows_at))


def compact(array, precision):
    """Returns an array as it is `Stored` in a precision; integers and small arrays stay as they are.

    int8 is symmetric, value = scale * integer, with one scale per slice along the axis that costs least.
    """
    if precision == "float32" or array.dtype != np.float32 or array.ndim < 2 or array.size < SMALLEST:
        return Stored(array)
    if precision == "float16":
        return Stored(np.clip(array, -65504, 65504).astype("float16"))
    found = [_int8(array, axis) for axis in range(array.ndim)]
    return min(found, key=lambda each: float(np.square(each.restored() - array).sum()))


def _int8(array, axis):
    largest = np.abs(array).max(axis=tuple(each for each in range(array.ndim) if each != axis), keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype("float32")
    return Stored(np.rint(array / scale).astype("int8"), scale)


def _distinct(paths):
    """Returns names for paths, with a number behind those that come again."""
    return tuple(
        f"{path}_{paths[:place].count(path)}" if path in paths[:place] else path for place, path in enumerate(paths)
    )


@contextlib.contextmanager
def in_float32(model):
    """Lets all layers of a model compute in float32 for the time of the `with`, whatever their policy."""
    layers = [layer for network in model.networks for layer in layers_of(getattr(model, network))]
    policies = [layer.dtype_policy for layer in layers]
    for layer in layers:
        if layer.compute_dtype != "float32":
            layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in zip(layers, policies, strict=True):
            if layer.dtype_policy is not policy:
                layer.dtype_policy = policy
