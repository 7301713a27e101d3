"""Gradients on TensorFlow of passes by tensors met on the way, or asked for several times."""

import tensorflow as tf


def gradients_of(fn, variables, like=None, differentiable=False):
    """See `keras_gans.engine.passes.gradients_of`."""
    del like, differentiable
    watched = {}

    def watch(key, tensor):
        watched[key] = tf.identity(tensor)
        tape.watch(watched[key])
        return watched[key]

    with tf.GradientTape(watch_accessed_variables=variables is not None) as tape:
        loss, extras = fn(watch)
    sources = [variable.value for variable in variables()] if variables else []
    found = tape.gradient(loss, [sources, watched])
    # Embeddings give IndexedSlices: one slice for each look-up, where a norm needs their sum.
    dense, watched = tf.nest.map_structure(lambda each: None if each is None else tf.convert_to_tensor(each), found)
    return loss, extras, dense, watched


def pullbacks(fn, variables):
    """See `keras_gans.engine.one_pass.OnePass`."""
    del variables
    with tf.GradientTape(persistent=True) as tape:
        outputs, extras = fn()

    def pullback(cotangents, wanted):
        return tape.gradient(outputs, [variable.value for variable in wanted], output_gradients=cotangents)

    return outputs, extras, pullback
