"""Gradients, updates and compiled calls on TensorFlow: GradientTape, and `tf.distribute` for the global batch."""

import keras
import tensorflow as tf
from keras import ops
from tensorflow.python.util import _pywrap_util_port

from keras_gans import machine
from keras_gans.engine.private_keras import data_adapter
from keras_gans.engine.tensorflow_gradients import gradients_of as gradients_of
from keras_gans.engine.tensorflow_gradients import pullbacks as pullbacks

machine.tell_if_slow(_pywrap_util_port.IsMklEnabled())  # TensorFlow decides once, at its import


class BackendTrainer:
    """The TensorFlow trainer of Keras calls `train_step(data)` as it stands."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: networks and optimizers are built. Keras would refuse a batch that splits unevenly here."""


def replicas():
    """Returns the number of replicas whose gradients an optimizer adds up."""
    return tf.distribute.get_strategy().num_replicas_in_sync if tf.distribute.get_replica_context() else 1


def value_and_gradients(loss_fn, variables, scale_loss):
    tensors = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        loss, extras = loss_fn()
        # Optimizers sum the gradients of all replicas: a mean over replicas needs 1/replicas here.
        objective = scale_loss(loss) / replicas()
    gradients = tape.gradient(objective, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return loss, extras, [tf.convert_to_tensor(gradient) for gradient in gradients]  # embeddings give IndexedSlices


def input_gradients(fn, inputs):
    inputs = tf.convert_to_tensor(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = fn(inputs)
    return tape.gradient(outputs, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def value_and_input_pullback(fn, inputs):
    inputs = tf.convert_to_tensor(inputs)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = fn(inputs)

    def pullback(cotangents):
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(outputs, inputs, output_gradients=cotangents, unconnected_gradients=zero)

    return outputs, pullback


def value_and_pullback(fn, inputs, variables):
    inputs = tf.convert_to_tensor(inputs)
    tensors = [variable.value for variable in variables]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = fn(inputs)

    def pullback(cotangents, wrt):
        gradients = tape.gradient(
            outputs,
            {"inputs": [inputs], "variables": tensors, "both": [inputs, *tensors]}[wrt],
            output_gradients=tf.cast(cotangents, outputs.dtype),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        return (None, gradients) if wrt == "variables" else (gradients[0], gradients[1:])

    return outputs, pullback


def jacobian_product(losses, groups, vectors):
    tensors = [[variable.value for variable in group] for group in groups]
    flat = [tensor for group in tensors for tensor in group]
    zero = {"unconnected_gradients": tf.UnconnectedGradients.ZERO}
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(flat)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as inner:
            inner.watch(flat)
            values = losses()
        total = tf.zeros(())
        for value, group, vector in zip(values, tensors, vectors, strict=True):
            for gradient, part in zip(inner.gradient(value, group, **zero), vector, strict=True):
                total += tf.reduce_sum(tf.convert_to_tensor(gradient) * part)
    return [tf.convert_to_tensor(product) for product in outer.gradient(total, flat, **zero)]


def stateful(model, step, training=True):
    """Returns what Keras's trainer calls as a `train_step` or `test_step`, from `step(data)` that writes variables."""
    del model, training
    return step


def value_at_step(model, variable, arguments):
    """Returns the value of a model's variable that is not trained when its train function is called."""
    del model, arguments
    return read(variable)


def apply_gradients(optimizer, gradients, variables):
    optimizer.apply(gradients, variables)


def read(variable):
    return tf.identity(variable.value)


def mean(values):
    values = ops.cast(values, "float32")
    if replicas() == 1:
        return ops.mean(values)
    sums = [tf.reduce_sum(values), tf.cast(tf.size(values), "float32")]
    total, count = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
    return total / count


def replica_seed(seed):
    """Replicas share the seed state: the replica's number makes their draws differ."""
    if replicas() == 1:
        return seed
    replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, seed.dtype)
    return seed + tf.stack([replica * 7919, tf.zeros_like(replica)])


def compiled(model, fn):
    del model
    return tf.function(fn, reduce_retracing=True, autograph=False)


def traced_once(key, fn):
    """Returns `fn`, which a step calls several times, so that one trace of the step traces it once.

    Args:
        key: What tells it from other functions of the step.
        fn: Function of tensors that returns tensors.
    """
    if not tf.inside_function() or replicas() > 1:  # replicas meet in the optimizer, for which they need one graph
        return fn
    graph = tf.compat.v1.get_default_graph()
    if not hasattr(graph, "keras_gans_traced"):  # kept with the graph: they may stand in no other
        graph.keras_gans_traced = {}
    return graph.keras_gans_traced.setdefault(key, tf.function(fn, autograph=False))


def replaced(pairs):
    """Returns a context in which variables have other values, for `[(variable, value), ...]`; they are not assigned."""
    return keras.StatelessScope(state_mapping=pairs)


def rows_per_call(count):
    """Returns the rows with which a compiled function is called for `count` rows: as many."""
    return count


def end_epoch():
    """Called after the last step of an epoch that has fewer steps than Keras expects."""
    raise StopIteration  # Keras catches it around the steps of an epoch


def after(data):
    """Returns a context whose operations wait for a batch.

    A dataset that does not tell its size is over when it has no next batch. TensorFlow finds that out within the step,
    beside whatever does not need the batch: it would count a step, and a mean would get one more share.
    """
    return tf.control_dependencies([each for each in tf.nest.flatten(data) if tf.is_tensor(each)])


def fed(dataset, **options):
    """Returns a dataset as Keras takes it, in a pipeline of tf.data that does not tune itself.

    There is nothing to tune in a pipeline around a Python source, and the thread that would do it is slow to end: told
    to stop while it waits for its next turn (10 ms at first, then twice as long each time) it may miss that, and the
    end of an epoch waits for it: 0.8 to 3.9 s after epochs of 5 to 10 s. A user's tf.data pipeline is left as it is.

    Args:
        dataset: What `fit` got, checked.
        options: Keras's `shuffle` and `steps_per_epoch`.
    """
    if isinstance(dataset, tf.data.Dataset):
        return dataset
    adapter = data_adapter(dataset, **options)
    tuned = adapter.get_tf_dataset
    adapter.get_tf_dataset = lambda: untuned(tuned())
    return adapter


def untuned(pipeline):
    """Returns a `tf.data.Dataset` without the thread that tunes it."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return pipeline.with_options(options)


def outside_of_graphs():
    """Returns a context in which variables may be made while a step is traced."""
    return tf.init_scope()


def sync(model):
    del model


def with_shape(tensor, shape):
    """Returns a tensor of a pipeline that does not tell its shape with the shape it must have, checked when it runs."""
    if tensor.shape.rank is None or None in tuple(tensor.shape[1:]):
        return tf.ensure_shape(tensor, shape)
    return tensor


def accelerator():
    """Returns `(kind, capability)` of the device that computes; see `keras_gans.machine.precision`."""
    if tf.config.list_physical_devices("TPU"):
        return "tpu", None
    found = tf.config.list_physical_devices("GPU")
    if not found:
        return "cpu", None
    return "gpu", tf.config.experimental.get_device_details(found[0]).get("compute_capability")


def seed_dtype():
    return keras.backend.standardize_dtype("int64")


def step_then(model, step, arguments, then):
    """Returns what a stock model's `train_step(data)` returns, and runs `then()`, which writes variables, after it."""
    del model
    logs = step(*arguments)
    with after(arguments):
        then()
    return logs


def lacks_derivative(error):
    """Returns whether an error says that some operation has no gradient."""
    return isinstance(error, LookupError) and "gradient" in str(error)
