"""What a classifier's outputs say, as log probabilities: of classes (n, ..., k), or of one unit, yes or no."""

import keras
from keras import ops

from keras_gans import checks

CROSSENTROPIES = ("crossentropy", "nll")


def takes_logits(model, outputs):
    """Returns whether the outputs of a classifier are logits: from its compiled loss, else from its last activation.

    Raises:
        ValueError: Neither tells, or the outputs (n, k) are k answers of yes or no, no distribution over k classes.
    """
    loss = getattr(model, "loss", None)
    told = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if "binary" in str(told) and any(each.shape[-1] > 1 for each in keras.tree.flatten(outputs)):
        raise ValueError(
            "`model` must have one output for a binary cross-entropy, or one for each class of a categorical one. "
            f"Received: loss {told!r} with outputs of shape {tuple(keras.tree.flatten(outputs)[0].shape)}."
        )
    if isinstance(loss, keras.losses.Loss) and hasattr(loss, "from_logits"):
        return bool(loss.from_logits)
    if any(word in str(told) for word in CROSSENTROPIES):
        return False  # Keras's default
    layers = getattr(model, "layers", None) or [None]
    activation = getattr(getattr(layers[-1], "activation", None), "__name__", None)
    if isinstance(layers[-1], keras.layers.Softmax) or activation in ("softmax", "sigmoid"):
        return False
    if activation == "linear" and loss is None:
        return True
    raise ValueError(
        "`model` must be a classifier: compile it with a cross-entropy (its from_logits tells what the outputs are). "
        f"{checks.received(loss=loss)}"
    )


def log_probabilities(outputs, logits):
    """Returns log probabilities (n, ..., k) in float32; outputs of one unit become the two classes no and yes."""
    outputs = ops.cast(outputs, "float32")
    if outputs.shape[-1] == 1:
        if logits:
            return ops.concatenate([-ops.softplus(outputs), -ops.softplus(-outputs)], axis=-1)
        outputs = ops.concatenate([1.0 - outputs, outputs], axis=-1)
    elif logits:
        return ops.log_softmax(outputs, axis=-1)
    return ops.log(ops.clip(outputs, 1e-30, 1.0))  # where it clips there is no gradient


def crossentropy(log_p, labels):
    """Returns -log p of the labelled class, (n,), for log probabilities (n, k) and integer labels (n,)."""
    return -ops.sum(ops.one_hot(labels, log_p.shape[-1], dtype="float32") * log_p, axis=-1)
