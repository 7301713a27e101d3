"""Calls of a network in training, and what its layers add to the loss: activity regularisers and `add_loss`."""

import contextlib
import threading

from keras import ops

from keras_gans.engine.private_keras import losses_of_last_call

_present = threading.local()


@contextlib.contextmanager
def collected(network):
    """Yields a list that receives, inside the context, the scalars that `network` adds to the loss in every call.

    Args:
        network: The network that moves; None to collect nothing, as in a penalty, whose calls are no part of the game.
    """
    before = getattr(_present, "collector", None)
    found = []
    _present.collector = (network, found)
    try:
        yield found
    finally:
        _present.collector = before


def called(network, inputs, training):
    """Returns a network's output for inputs. The one way in which a model calls its networks."""
    outputs = network(inputs, training=training)
    collecting, found = getattr(_present, "collector", None) or (None, None)
    if collecting is network:
        found.extend(ops.sum(ops.cast(loss, "float32")) for loss in losses_of_last_call(network))
    return outputs
