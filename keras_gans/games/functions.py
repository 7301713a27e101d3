"""A user's own functions in a game: evaluated on arrays, and saved by their registered names."""

import keras
import numpy as np
from keras import ops

from keras_gans import checks


def serialize_function(argument, function):
    """Returns the Keras config of a registered function; a model with another one could not be loaded."""
    if function is None:
        return None
    if keras.saving.get_registered_object(keras.saving.get_registered_name(function)) is not function:
        raise ValueError(
            f"A model with a user's `{argument}` is saved by the function's registered name. Write "
            f'@keras.saving.register_keras_serializable("my_package") above `def {argument}(...)`. '
            f"{checks.received(**{argument: function})}"
        )
    return keras.saving.serialize_keras_object(function)


def values(function, *points):
    """Returns a function of tensors at NumPy arrays, as float64, and the rounding unit of the backend's floats."""
    result = ops.convert_to_numpy(ops.stop_gradient(function(*(ops.convert_to_tensor(each) for each in points))))
    return np.asarray(result, "float64"), float(np.finfo(result.dtype).eps)
