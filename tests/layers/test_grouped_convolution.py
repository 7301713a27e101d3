"""The grouped convolution is Keras's: same weights, same result, same gradients, whichever way it is computed."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gans.engine import input_gradients, kernels, value_and_gradients
from keras_gans.layers import GroupedConv2D

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(2, 6, 5, 8)).astype("float32")


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("options", [{}, {"strides": 2, "padding": "valid"}, {"dilation_rate": 2}])
def test_it_is_the_convolution_of_keras(slow, options, monkeypatch):
    monkeypatch.setattr(kernels, "grouped_convolutions_are_slow", lambda: slow)
    options = {"filters": 12, "kernel_size": 3, "groups": 4, "padding": "same", **options}
    ours, theirs = GroupedConv2D(**options), keras.layers.Conv2D(**options)
    ours.build(INPUTS.shape), theirs.build(INPUTS.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(*(ops.convert_to_numpy(layer(INPUTS)) for layer in (ours, theirs)), rtol=1e-5, atol=1e-5)

    def penalty(layer):
        return value_and_gradients(
            lambda: ops.sum(ops.square(input_gradients(lambda x: ops.tanh(layer(x)), INPUTS))), [layer.kernel]
        )[2][0]

    np.testing.assert_allclose(
        *(ops.convert_to_numpy(penalty(layer)) for layer in (ours, theirs)), rtol=1e-3, atol=1e-4
    )


def test_it_computes_in_bfloat16():
    layer = GroupedConv2D(8, 3, groups=2, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(INPUTS).dtype) == "bfloat16"
