"""What an attribution explains: one number per sample, made of what a model returns."""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, Encoder, GenerativeModel, called

EXPECTED = "None, a class, 'predicted', 'score', ('encoding', k) or a function of the outputs"


class Target:
    """One number per sample: a class, a critic's score, a coordinate of an encoder, or a user's function.

    Args:
        model: Any `keras.Model`, or a two-player variant of the zoo.
        target: See `keras_gans.analysis.integrated_gradients`.
    """

    def __init__(self, model, target):
        self.model, self.target = model, target
        self.of_zoo = isinstance(model, AdversarialModel)
        if isinstance(model, GenerativeModel) and not self.of_zoo:
            listed = ", ".join(f"model.{network}" for network in model.networks)
            raise TypeError(
                f"`model` must be a keras.Model or a two-player variant; for a {type(model).__name__} pass one of its "
                f"networks: {listed}."
            )
        if not isinstance(model, keras.Model):
            raise TypeError(f"`model` must be a keras.Model. {checks.received(model=model)}")
        self.kind, self.classes = self._understood(target)

    def _understood(self, target):
        """Returns `(kind, classes)`, the classes as an integer array (n,) or one integer, or None."""
        if target is None or (isinstance(target, str) and target == "score"):
            if target == "score" and not self.of_zoo:
                raise ValueError(
                    f"`target` 'score' is that of a two-player variant. {checks.received(target=target)} "
                    "For another critic leave it out."
                )
            return "score", None
        if callable(target):
            return "function", None
        if isinstance(target, str) and target == "predicted":
            return "class", None
        if isinstance(target, tuple) and len(target) == 2 and target[0] == "encoding":
            if not isinstance(self.model, Encoder):
                raise ValueError(
                    f"`target` ('encoding', k) needs a model with an encoder. Received: a {type(self.model).__name__}."
                )
            return "encoding", checks.positive_integer("target", target[1], minimum=0)
        classes = np.asarray(target) if isinstance(target, (int, np.integer, list, np.ndarray)) else np.empty(0)
        if classes.dtype.kind not in "iu" or classes.ndim > 1:
            raise TypeError(f"`target` must be {EXPECTED}. {checks.received(target=target)}")
        return "class", classes

    def key(self):
        """Returns what tells compiled functions of different targets apart."""
        return self.target if self.kind == "function" else self.kind

    def outputs(self, inputs):
        """Returns what the model computes at inference: outputs (n, ...), of a variant scores or encodings."""
        if not self.of_zoo:
            return called(self.model, inputs, False)
        images, labels = inputs if self.model.num_classes else (inputs, None)
        if self.kind == "encoding":
            return self.model.encodings(images, labels)
        return self.model.score(images, labels, training=False)

    def values(self, inputs, classes):
        """Returns the target's float32 values (n,) for a batch of inputs and the classes (n,) to look at."""
        outputs = self.outputs(inputs)
        if self.kind in ("class", "encoding"):
            values = ops.take_along_axis(self._rows(outputs), classes[:, None], axis=1)
        elif self.kind == "function":
            values = self.target(outputs)
        else:
            values = self.model.judge(outputs) if self.of_zoo else outputs
        shape = getattr(values, "shape", None)
        if shape is None or len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
            what = "function" if self.kind == "function" else "model without a `target`"
            raise ValueError(
                f"`target` must give one number per sample, shape (n,) or (n, 1): name a class, or give a function of "
                f"the outputs. The {what} gives shape {None if shape is None else tuple(shape)}."
            )
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(values.dtype)):
            raise ValueError(
                f"`target` must be differentiable. It gives {keras.backend.standardize_dtype(values.dtype)} numbers, "
                f"whose gradient is nothing. {checks.received(target=self.target)}"
            )
        return ops.cast(ops.reshape(values, (-1,)), "float32")

    def _rows(self, outputs):
        if not hasattr(outputs, "shape") or len(outputs.shape) != 2:
            came = tuple(outputs.shape) if hasattr(outputs, "shape") else type(outputs).__name__
            raise ValueError(f"`target` as a class needs a model with outputs (n, classes). Received: outputs {came}.")
        return outputs

    def classes_for(self, count, predict):
        """Returns the classes (count,) as int32, checked; zeros where the target is no class.

        Args:
            count: Number of samples.
            predict: Function without arguments that returns the outputs of all samples as an array.
        """
        if self.kind not in ("class", "encoding"):
            return np.zeros(count, "int32")
        outputs = self._rows(predict())
        if self.classes is None:
            return outputs.argmax(1).astype("int32")
        classes, width = np.asarray(self.classes), outputs.shape[1]
        if classes.ndim == 1 and len(classes) != count:
            raise ValueError(
                f"`target` must be one class, or one for each of the {count} samples. Received: {len(classes)}."
            )
        outside = (classes < 0) | (classes >= width)
        if outside.any():
            raise ValueError(
                f"`target` must be in 0..{width - 1}: the model has {width} outputs. "
                f"Received: target={classes[outside].flat[0] if classes.ndim else int(classes)}."
            )
        return np.broadcast_to(classes, (count,)).astype("int32")

    def __str__(self):
        if self.kind == "function":
            return getattr(self.target, "__name__", "function")
        plain = "score" if self.of_zoo else "output"
        return {"score": plain, "class": f"class {self.target}", "encoding": f"encoding {self.classes}"}[self.kind]
