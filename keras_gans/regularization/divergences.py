"""How far two outputs of a model are apart, for each example: (n,) in float32."""

from keras import ops

from keras_gans.regularization.predictions import log_probabilities


def _by_example(values):
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)


def kl(first, second, logits):
    """Returns KL(first || second) of the class probabilities, the mean over positions of a sequence, in nats."""
    log_p, log_q = log_probabilities(first, logits), log_probabilities(second, logits)
    return _by_example(ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1))


def squared_error(first, second, logits=None):
    """Returns the squared distance, summed over the last axis and averaged over those before."""
    difference = ops.cast(first, "float32") - ops.cast(second, "float32")
    return _by_example(ops.sum(ops.square(difference), axis=-1))


def entropy(outputs, logits):
    """Returns the entropy of the class probabilities in nats."""
    log_p = log_probabilities(outputs, logits)
    return _by_example(-ops.sum(ops.exp(log_p) * log_p, axis=-1))
