"""The gradient penalty: how fast the loss changes with what is perturbed, made part of it.

With l_b the loss of example b, L its mean, rho the weight:

    of inputs or the output of a layer   L + rho / 2  mean_b |grad l_b|^2
    of a variable w                      L + rho / 2  |grad_w L|^2

To first order its steps are those of adversarial training with delta = rho g, a constant for the weights (Ross and
Doshi-Velez, 2017, arXiv:1711.09404). Our choices: 1. L is a mean, so that the gradient of an example is that of L times
the number of examples; with a loss that sums it is the gradient itself; 2. that of an embedding's matrix is added up
over all look-ups before it is squared.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import Regularizer, Target, check_model, gradients_of, no_derivative, share, wrap


class GradientPenalty(Regularizer):
    """The train step's part; see `gradient_penalty`."""

    name = "gradient_penalty"

    def __init__(self, target, weight):
        self.target, self.weight = target, weight

    def active(self):
        return self.weight > 0

    def term(self, passes, prepared):
        if self.target.kind == "variable":
            gradient = self.gradients(passes, lambda: [self.target.owner])[2][0]
            return share() * self.weight / 2 * _squared({self.target.name: gradient / share()}, axis=None)
        gradients = self.gradients(passes)[3]
        count = 1.0 if self.sums(passes.model) else ops.cast(passes.rows(), "float32")
        gradients = {key: each if each is None else each * (count / share()) for key, each in gradients.items()}
        return share() * self.weight / 2 * ops.mean(_squared(gradients, axis=1))

    def gradients(self, passes, variables=None):
        """Returns the gradients of the clean loss, to be differentiated once more."""

        def fn(watch):
            edits = [] if self.target.kind == "variable" else [(self.target, watch)]
            return passes.at(edits, lambda y_pred: (passes.loss(y_pred), ()))

        like = {} if self.target.kind == "variable" else passes.like([self.target])
        return gradients_of(fn, variables, like, differentiable=True)

    @staticmethod
    def sums(model):
        """Returns whether the compiled loss adds up its examples in place of taking their mean."""
        return any(getattr(each, "reduction", None) == "sum" for each in keras.tree.flatten(model.loss))


def _squared(gradients, axis):
    """Returns the squared norm of gradients: of each example (n,), or of the whole (axis=None)."""
    lost = [key for key, each in gradients.items() if each is None]
    if lost or not gradients:
        raise ValueError(no_derivative(lost))
    squares = [ops.square(ops.cast(each, "float32")) for each in gradients.values()]
    return sum(ops.sum(each, axis=None if axis is None else tuple(range(1, len(each.shape)))) for each in squares)


def gradient_penalty(model, on="inputs", weight=1.0):
    """Makes a model's loss change slowly with its inputs, the output of a layer or a variable; evaluation stays plain.

    Args:
        model: Any `keras.Model` that trains by Keras's own train step and can be differentiated twice, compiled or not.
        on: `"inputs"` (default), a layer or its name, a trained variable or its path; as in `adversarial_training`.
        weight: rho, at least 0, default 1; the penalty has a factor 1/2.

    Returns:
        The model itself. `kg.regularization.undo(model)` takes all wrappers off.

    Raises:
        TypeError, ValueError: As `adversarial_training`.

    Reference: Ross and Doshi-Velez, 2017, arXiv:1711.09404.
    """
    check_model(model)
    weight = checks.number("weight", weight, minimum=0)
    return wrap(model, GradientPenalty(Target(model, on), weight))
