"""What of a model is perturbed, and how: its inputs, the output of a layer, or a variable."""

import contextlib

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.inspection import layer_paths
from keras_gans.engine.private_keras import mask_of, plain_setattr


class Target:
    """What is perturbed: the inputs of a model, the output of a layer, or a variable.

    Args:
        model: The `keras.Model`.
        on: `"inputs"`, a layer or its name (also with the names of what holds it, `"encoder/tokens"`), or a trainable
            variable or its path (`"tokens/embeddings"`).

    Raises:
        ValueError: The model has no such layer or variable, or the variable is not trained.
    """

    def __init__(self, model, on):
        self.kind, self.owner, self.name = "inputs", None, "inputs"
        layers = layer_paths(model)
        variables = {each.path.removeprefix(f"{model.name}/"): each for each in model.trainable_variables}
        if isinstance(on, str):
            if on == "inputs":
                return
            named = [layer for path, layer in layers.items() if on in (path, layer.name)]
            self.owner = (named or [variables.get(on.removeprefix(f"{model.name}/"))])[0]
        else:
            self.owner = next((each for each in [*layers.values(), *variables.values()] if each is on), None)
        if self.owner is None:
            known = ["inputs", *layers, *variables]
            unbuilt = "" if model.built else " (it is not built: layers and variables may be missing)"
            raise ValueError(
                f"`on` must be 'inputs', a layer or a trained variable of the model. {checks.nearest(on, known)}"
                f"It has {', '.join(repr(each) for each in known)}{unbuilt}. {checks.received(on=on)}"
            )
        self.kind = "layer" if isinstance(self.owner, keras.layers.Layer) else "variable"
        self.name = next(n for n, each in {**layers, **variables}.items() if each is self.owner)

    def where(self):
        """Returns what is perturbed in words."""
        return {"inputs": "the inputs", "layer": f"the output of the layer {self.name!r}"}.get(
            self.kind, f"the variable {self.name!r}"
        )


def is_float(tensor):
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def _edited_tensor(edit, key, tensor, mask=None):
    """Returns an edited tensor; where the mask of a sequence is False it stays as it is."""
    changed = edit(key, tensor)
    if mask is None or changed is tensor:
        return changed
    mask = ops.reshape(mask, (*ops.shape(mask), *[1] * (len(tensor.shape) - len(mask.shape))))
    return ops.where(mask, changed, tensor)


def edited(edit, prefix, structure, mask=None):
    """Returns a structure of tensors whose floats are edited, under the keys `prefix/0`, `prefix/1`, ..."""
    leaves = keras.tree.flatten(structure)
    keys = [f"{prefix}/{i}" for i in range(len(leaves))]
    changed = [
        _edited_tensor(edit, key, leaf, mask) if leaf is not None and is_float(leaf) else leaf
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return keras.tree.pack_sequence_as(structure, changed)


def _mask_of(layer, inputs):
    """Returns the mask (n, steps) of a layer's output, or None where it has none or one for each of several."""
    if not inputs or not layer.supports_masking:
        return None
    mask = layer.compute_mask(inputs[0], mask_of(inputs[0]))
    return None if isinstance(mask, (list, tuple, dict)) else mask


@contextlib.contextmanager
def layers_edited(edits):
    """Replaces the `call` of layers, for the time of a pass, by one whose outputs are edited."""
    before = []

    def replaced(target, edit, call):
        counted = []

        def edited_call(*arguments, **options):
            outputs = call(*arguments, **options)
            counted.append(None)
            prefix = f"{target.name}/{len(counted) - 1}"
            return edited(edit, prefix, outputs, _mask_of(target.owner, arguments))

        return edited_call

    try:
        for target, edit in edits:
            before.append((target.owner, vars(target.owner).get("call")))
            plain_setattr(target.owner, "call", replaced(target, edit, target.owner.call))
        yield
    finally:
        for layer, own in reversed(before):
            if own is None:
                object.__delattr__(layer, "call")
            else:
                plain_setattr(layer, "call", own)


def no_float_inputs(model, leaves):
    """Returns the sentence for a model that takes integers alone; it names the embeddings that may be perturbed."""
    embeddings = [repr(n) for n, layer in layer_paths(model).items() if isinstance(layer, keras.layers.Embedding)]
    advice = f"`on` may name one of its embeddings: {', '.join(embeddings)}. " if embeddings else ""
    kinds = ", ".join(keras.backend.standardize_dtype(leaf.dtype) for leaf in leaves)
    return f"`on='inputs'` needs inputs of floats: integers have no small change. {advice}Received: inputs of {kinds}."


def no_derivative(lost):
    """Returns the sentence for targets, by their keys, that a loss has no derivative for."""
    listed = " and ".join(repr(key) for key in lost) or "the target, which is never met,"
    return (
        "`on` must be something that the loss depends on and can be differentiated for. Between the loss and "
        f"{listed} there is no derivative: integers, a rounding, or a gradient that is stopped."
    )
