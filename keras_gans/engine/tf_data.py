"""A dataset of ours as a `tf.data.Dataset`, whatever the backend."""

import keras


def from_batches(batches, same_size):
    """Returns the `tf.data.Dataset` that iterates over `batches`.

    Args:
        batches: Iterable of arrays, tuples or dicts of arrays (n, ...), which can be iterated over again.
        same_size: Whether all batches have the same n; otherwise the first axis is None.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "`to_tf_dataset` needs TensorFlow, which is not installed: pip install tensorflow."
        ) from error

    def spec(array):
        return tf.TensorSpec((len(array) if same_size else None, *array.shape[1:]), array.dtype)

    signature = keras.tree.map_structure(spec, batches[0])
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
