"""Adversarial training: the loss at the worst small perturbation, beside that at the batch itself.

With l the loss of an example, L its mean, g = grad_x L and delta from g (`perturbations`), a constant for the weights:

    minimise   clean_weight L(x) + adversarial_weight L(x + delta)

    fgm, fgsm  delta = epsilon direction(g)
    pgd        delta = 0 (or random in the ball);  steps times:  delta <- P(delta + step_size direction(g at x + delta))

x is the model's input, the output of a layer (for an embedding the looked-up vectors (n, steps, dim), padding masked),
or a variable (the matrix of an embedding, whose occurrences of a token share delta). Our choices: 1. at epsilon or
adversarial_weight 0 the term is left out, so that the model trains as if it were plain; 2. the gradient at x comes out
of the same backward pass as that of the weights, so that FGM costs two plain steps.
"""

from keras import ops

from keras_gans import checks
from keras_gans.engine import Regularizer, StepSeed, Target, check_model, gradients_of, layer_paths, plus, wrap
from keras_gans.regularization import perturbations


class AdversarialTraining(Regularizer):
    """The train step's part; see `adversarial_training`."""

    name = "adversarial_training"

    def __init__(self, target, kind, epsilon, steps, step_size, norm, random_start, weights, fresh_dropout, seed):
        self.target, self.kind, self.epsilon, self.steps = target, kind, epsilon, steps
        self.step_size, self.norm, self.random_start = step_size, norm, random_start
        self.weights, self.fresh_dropout, self.seed = weights, fresh_dropout, seed
        self.by_row = target.kind != "variable"

    def active(self):
        return self.epsilon > 0 and self.weights[1] > 0

    def begin(self):
        self.seed.draws = 0

    def clean_weight(self):
        return self.weights[0]

    def watched(self):
        return [self.target]

    def moved(self, delta, gradient):
        """Returns a perturbation after one step along the gradient."""
        delta = delta + self.step_size * perturbations.direction(gradient, self.norm, self.by_row)
        return perturbations.projected(delta, self.epsilon, self.norm, self.by_row)

    def prepare(self, passes, y_pred, gradients):
        """Returns the perturbation, a dict of tensors by key."""
        gradients = self.own(gradients)
        if self.holds_regularisers(passes.model):  # the direction is that of the loss alone
            zeros = {key: ops.zeros_like(ops.cast(g, "float32")) for key, g in gradients.items()}
            gradients = self.gradients_at(passes, zeros)
        if self.kind != "pgd":
            unit = {key: perturbations.direction(g, self.norm, self.by_row) for key, g in gradients.items()}
            return {key: self.epsilon * each for key, each in unit.items()}
        deltas = {key: ops.zeros_like(ops.cast(g, "float32")) for key, g in gradients.items()}
        if self.random_start:
            deltas = {key: self.drawn(each) for key, each in deltas.items()}
        for step in range(self.steps):
            if step > 0 or self.random_start:
                gradients = self.gradients_at(passes, deltas)
            deltas = {key: self.moved(deltas[key], gradients[key]) for key in deltas}
        return {key: ops.stop_gradient(delta) for key, delta in deltas.items()}

    def term(self, passes, prepared):
        whole = self.weights[0] == 0.0  # what regularises weights counts once
        loss = passes.loss_at([(self.target, plus(prepared))], fresh=self.fresh_dropout, whole=whole)
        return self.weights[1] * loss

    def holds_regularisers(self, model):
        """Returns whether the gradient of the clean pass is, in part, that of a regulariser by what is perturbed."""
        if self.target.kind == "variable":
            return self.target.owner.regularizer is not None
        return any(getattr(layer, "activity_regularizer", None) is not None for layer in layer_paths(model).values())

    def own(self, gradients):
        """Returns the gradients of the target among those of all that is watched."""
        keys = [key for key in gradients if key == self.target.name or key.startswith(f"{self.target.name}/")]
        return {key: gradients[key] for key in keys}

    def drawn(self, like):
        return perturbations.random_start(ops.shape(like), self.epsilon, self.norm, self.seed, self.by_row)

    def gradients_at(self, passes, deltas):
        """Returns the gradients of the loss at a perturbed point by the perturbation."""

        def fn(watch):
            watched = {key: watch(key, delta) for key, delta in deltas.items()}
            loss = passes.loss_at([(self.target, plus(watched))], fresh=self.fresh_dropout)
            return passes.model.optimizer.scale_loss(loss), ()

        return gradients_of(fn, like=deltas)[3]


def adversarial_training(
    model,
    kind="fgm",
    on="inputs",
    epsilon=1.0,
    steps=7,
    clean_weight=1.0,
    adversarial_weight=1.0,
    step_size=None,
    norm=None,
    random_start=False,
    fresh_dropout=False,
    seed=0,
):
    """Makes a model train on the worst small perturbation of what it sees, too; evaluation stays clean.

    `fit`, metrics (of the clean pass), callbacks, weights of samples and classes, masks, mixed precision and saving
    work as before; the log `loss` is the sum that is minimised. Files and clones of the model are plain.

    Args:
        model: Any `keras.Model` that trains by Keras's own train step, compiled or not.
        kind: `"fgm"` (default), `"fgsm"` or `"pgd"`.
        on: What is perturbed: `"inputs"` (default; all inputs of floats, each in a ball of its own), a layer or its
            name (its output, for an embedding the looked-up vectors), a trained variable or its path, for example
            `"tokens/embeddings"` (the matrix of an embedding: one ball for the whole, the gradient of the mean loss).
        epsilon: Radius of the ball, at least 0, in the units of what is perturbed; default 1.
        steps: Steps of PGD, default 7 (arXiv:1706.06083).
        clean_weight, adversarial_weight: Factors of the two losses, at least 0; default 1 and 1. (0, 1) trains on the
            perturbed loss alone.
        step_size: Length of a step of PGD; default 2.5 epsilon / steps.
        norm: For PGD `"linf"` (default) or `"l2"`.
        random_start: Whether PGD begins at a random point of the ball, default False; it costs one more pass.
        fresh_dropout: Whether the perturbed passes draw dropout masks of their own, default False: those of the clean
            pass.
        seed: Integer, for random starts.

    Returns:
        The model itself. `kg.regularization.undo(model)` takes all wrappers off.

    Raises:
        TypeError: `model` is no `keras.Model`, or has a train step of its own.
        ValueError: `on` names nothing that the model has, epsilon or a weight is negative, or the model is wrapped by
            this already. At the first step: inputs of integers, a target without a derivative, no loss, no labels. At
            any step: the loss is not finite at the perturbed point; the sentence says for which example.

    Example:
        >>> kg.regularization.adversarial_training(model, "pgd", epsilon=8 / 255, steps=7).fit(images, labels)

    Reference: Miyato, Dai, Goodfellow, 2016, arXiv:1605.07725; Goodfellow et al., 2014, arXiv:1412.6572; Madry et al.,
    2017, arXiv:1706.06083.
    """
    check_model(model)
    norm = perturbations.norm_of(kind, norm)
    epsilon = checks.number("epsilon", epsilon, minimum=0)
    steps = checks.positive_integer("steps", steps)
    regularizer = AdversarialTraining(
        target=Target(model, on),
        kind=kind,
        epsilon=epsilon,
        steps=steps,
        step_size=2.5 * epsilon / steps if step_size is None else checks.number("step_size", step_size, above=0),
        norm=norm,
        random_start=checks.flag("random_start", random_start),
        weights=(
            checks.number("clean_weight", clean_weight, minimum=0),
            checks.number("adversarial_weight", adversarial_weight, minimum=0),
        ),
        fresh_dropout=checks.flag("fresh_dropout", fresh_dropout),
        seed=StepSeed(model, checks.positive_integer("seed", seed, minimum=0)),
    )
    return wrap(model, regularizer)
