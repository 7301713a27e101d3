"""What a backend offers below `keras.ops`: fused kernels, and what the machine computes fast.

The layers of the package call these functions and fall back to `keras.ops` where the answer is None.
TensorFlow is imported only when it is the backend.
"""

import keras

from keras_gans import checks, machine
from keras_gans.engine.backend import module as backend


def precision(asked="auto"):
    """Returns the Keras dtype policy of a precision: `"auto"` is bfloat16 where this machine computes it natively.

    Args:
        asked: `"auto"`, `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
    """
    checks.one_of("precision", asked, machine.PRECISIONS)
    return machine.precision(asked, keras.backend.backend(), backend.accelerator())


def warn_if_emulated(policy):
    """Warns once, with the measured factor, of a bfloat16 policy (by name) that this machine emulates."""
    machine.warn_if_emulated(policy, keras.backend.backend(), backend.accelerator())


def fused_batch_normalization(inputs, gamma, beta, epsilon, mean=None, variance=None, axis=-1):
    """Normalises `inputs` per channel in one pass over memory, where the backend has such a kernel.

    Without `mean` and `variance` the statistics are those of the batch over all axes but the last (training); with
    them these values are used (inference). Differentiable twice with respect to `inputs`, `gamma` and `beta`; the
    returned statistics are constants for differentiation.

    Args:
        inputs: float32, bfloat16 or float16 tensor of shape (n, h, w, c).
        gamma, beta: float32 tensors of shape (c,), or None for 1 and 0.
        epsilon: float added to the variance inside the root.
        mean, variance: float32 tensors of shape (c,), both or neither.
        axis: the axis of the channels; only the last one has a fused kernel.

    Returns:
        `(outputs, mean, variance)`: outputs like `inputs`; the float32 statistics (c,) that were used, the
        variance being the biased one (divided by N = n * h * w, not by N - 1). Or None where no fused kernel fits:
        another backend than TensorFlow, a rank other than 4, another axis, float64.
    """
    if keras.backend.backend() != "tensorflow" or len(inputs.shape) != 4 or axis not in (-1, 3):
        return None
    if keras.backend.standardize_dtype(inputs.dtype) not in ("float32", "bfloat16", "float16"):
        return None
    channels = inputs.shape[-1]
    if channels is None:
        return None

    import tensorflow as tf

    inputs = tf.convert_to_tensor(inputs)
    gamma = tf.ones((channels,), tf.float32) if gamma is None else tf.convert_to_tensor(gamma)
    beta = tf.zeros((channels,), tf.float32) if beta is None else tf.convert_to_tensor(beta)
    training = mean is None
    nothing = tf.zeros((0,), tf.float32)
    outputs, used_mean, used_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=gamma,
        offset=beta,
        mean=nothing if training else tf.convert_to_tensor(mean),
        variance=nothing if training else tf.convert_to_tensor(variance),
        epsilon=epsilon,
        data_format="NHWC",
        is_training=training,
    )
    if not training:
        return outputs, mean, variance
    # The kernel reports the unbiased variance, N / max(1, N - 1) times the one it normalises with.
    count = tf.cast(tf.size(inputs), tf.float32) / channels
    used_variance = used_variance * (tf.maximum(count - 1.0, 1.0) / tf.maximum(count, 1.0))
    return outputs, tf.stop_gradient(used_mean), tf.stop_gradient(used_variance)


def grouped_convolutions_are_slow():
    """Returns whether the backend's gradients of grouped convolutions are slow: TensorFlow's and JAX's on a CPU."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    if name == "jax":
        import jax

        return jax.default_backend() == "cpu"
    return False
