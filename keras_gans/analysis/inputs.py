"""What moves in an attribution and what stays: float inputs move, integer inputs and labels do not."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import GenerativeModel, layer_paths


@dataclasses.dataclass(frozen=True)
class Form:
    """How a model takes its inputs: one, a list, or a dict of `names`; and the places of those that move."""

    single: bool
    names: tuple | None
    moving: tuple

    def structured(self, arrays):
        """Returns arrays (all of them, in order) as the model takes them."""
        if self.single:
            return arrays[0]
        return list(arrays) if self.names is None else dict(zip(self.names, arrays, strict=True))

    def merged(self, moving, held):
        """Returns all arrays in order, from those that move and those that do not."""
        count, queues = len(moving) + len(held), (iter(held), iter(moving))
        return [next(queues[i in self.moving]) for i in range(count)]


class Inputs:
    """The inputs of a model as arrays: those that move, those that are held, and how the model takes them.

    Args:
        model: Any `keras.Model`, or a variant of the zoo, which takes images, or `(images, labels)`.
        inputs: An array (n, ...), or a list, tuple or dict of them.
        layer: The layer at whose outputs the attribution stands, or None: then every input is held.

    Attributes:
        arrays: List of the arrays, floats in Keras's float type.
        form: Their `Form`.
    """

    def __init__(self, model, inputs, layer):
        names, single = None, not isinstance(inputs, (list, tuple))
        if isinstance(model, GenerativeModel):
            arrays = model.checked_arrays(inputs)
            if arrays is None:
                raise TypeError(f"`inputs` must be images (n, h, w, c). Received: {type(inputs).__name__}.")
            images, labels = model.batch(arrays)
            arrays = [images] if labels is None else [images, labels]
            single = labels is None
        elif isinstance(inputs, dict):
            names, arrays, single = tuple(inputs), list(inputs.values()), False
        else:
            arrays = [inputs] if single else list(inputs)
        self.arrays = [self._array(array) for array in arrays]
        self.count = len(self.arrays[0]) if self.arrays else 0
        if not self.count or any(len(array) != self.count for array in self.arrays):
            raise ValueError(
                "`inputs` must be an array (n, ...) with at least one sample, or several with as many. Received: "
                f"shapes {', '.join(str(array.shape) for array in self.arrays) or 'none'}."
            )
        floats = [i for i, array in enumerate(self.arrays) if array.dtype.kind not in "iub"]
        self.form = Form(single, names, () if layer is not None else tuple(floats))
        if layer is None and not floats:
            listed = [path for path, each in layer_paths(model).items() if isinstance(each, keras.layers.Embedding)]
            hint = f"Pass on={listed[0]!r}, an embedding of the model." if listed else "The model has no embedding."
            raise TypeError(
                f"`inputs` must be floats, for there is no gradient with respect to integers, unless `on` names an "
                f"embedding. Received: inputs.dtype={self.arrays[0].dtype.name}. {hint}"
            )

    def _array(self, value):
        try:
            array = value if isinstance(value, np.ndarray) else ops.convert_to_numpy(value)
        except Exception as error:  # a backend raises nearly anything for what is no tensor
            raise TypeError(f"`inputs` must be arrays (n, ...). {checks.received(inputs=value)}") from error
        if array.ndim == 0 or array.dtype.kind in "OUS":
            raise TypeError(f"`inputs` must be arrays (n, ...) of numbers. {checks.received(inputs=value)}")
        if array.dtype.kind in "iub":
            return array
        array = array.astype(keras.config.floatx())
        if not np.isfinite(array).all():
            raise ValueError("`inputs` must be finite. Received: inputs with NaN or infinity.")
        return array


class Packing:
    """Several arrays (n, ...) as one (n, d), for a gradient with respect to all; a single one stays as it is."""

    def __init__(self, arrays):
        self.shapes = [array.shape[1:] for array in arrays]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    def pack(self, arrays):
        """Returns NumPy arrays as one."""
        if len(arrays) == 1:
            return arrays[0]
        return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)

    def unpack(self, packed):
        """Returns the list of tensors or arrays of which `packed` was made."""
        if len(self.shapes) == 1:
            return [packed]
        ends = np.cumsum(self.sizes)
        parts = [packed[:, end - size : end] for end, size in zip(ends, self.sizes, strict=True)]
        reshape = np.reshape if isinstance(packed, np.ndarray) else ops.reshape
        return [reshape(part, (-1, *shape)) for part, shape in zip(parts, self.shapes, strict=True)]
