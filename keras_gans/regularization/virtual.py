"""Virtual adversarial training (Miyato et al., 2017, arXiv:1704.03976): predictions that a small step does not change.

With p the class probabilities at x, a constant for the weights, and KL_b(r) = KL(p(x_b) || p_theta(x_b + r)):

    d ~ N(0, I), d <- d / |d|          repeat `iterations` times:  d <- normalised gradient of KL_b(xi d) by d
    minimise   L(labelled) + weight mean_b KL_b(epsilon d_b)  [+ mean_b H(p_theta(x_b)) with `entropy`]

No label is needed for the second term: x may be unlabelled examples beside the labelled ones. Our choices: 1. xi is
1e-3 of the mean norm of x, at least 1e-2 (the authors' 1e-6 is lost in float32); 2. the clean pass gives p where there
are no unlabelled examples; 3. all passes share dropout masks, statistics are those of the clean pass; 4. `both_signs`
tries d and -d, which the gradient cannot tell apart.
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import (
    LABELLED,
    UNLABELLED,
    Regularizer,
    StepSeed,
    Target,
    check_model,
    gradients_of,
    no_derivative,
    plus,
    share,
    wrap,
)
from keras_gans.regularization import divergences
from keras_gans.regularization.perturbations import direction, norms
from keras_gans.regularization.predictions import takes_logits


class VirtualAdversarialTraining(Regularizer):
    """The train step's part; see `virtual_adversarial_training`."""

    name = "virtual_adversarial_training"
    needs_labels = False

    def __init__(self, target, epsilon, weight, entropy, xi, iterations, both_signs, seed):
        self.target, self.epsilon, self.weight, self.entropy = target, epsilon, weight, entropy
        self.xi, self.iterations, self.both_signs, self.seed = xi, iterations, both_signs, seed

    def active(self):
        return self.epsilon > 0 and self.weight > 0

    def begin(self):
        self.seed.draws = 0

    def points(self, passes):
        """Returns what predictions are smoothed at: the batch, with the unlabelled examples below it."""
        if passes.unlabelled is None:
            return passes.x
        return keras.tree.map_structure(lambda *each: ops.concatenate(each), passes.x, passes.unlabelled)

    def prepare(self, passes, y_pred, gradients):
        """Returns `(points, p, r)`: the perturbation r of norm epsilon by key."""
        x = self.points(passes)
        met = {}  # what is perturbed at the clean point, by key

        def meet(key, tensor):
            met[key] = tensor
            return tensor

        if passes.unlabelled is not None or self.target.kind == "layer":
            y_pred = keras.tree.map_structure(ops.stop_gradient, passes.at([(self.target, meet)], x=x))
        else:
            met = passes.like([self.target])
        probes = {key: self.probe(each) for key, each in met.items()}
        units = {key: direction(self.drawn(each), "l2") for key, each in met.items()}
        for _ in range(self.iterations):
            gradients = self.gradients(passes, x, y_pred, units, probes)
            units = {key: direction(each, "l2") for key, each in gradients.items()}
        found = {key: self.epsilon * ops.stop_gradient(each) for key, each in units.items()}
        if self.both_signs:
            first, second = (self.distances(passes, x, y_pred, each) for each in (found, _negative(found)))
            found = {key: ops.where(_as_rows(first >= second, each), each, -each) for key, each in found.items()}
        return x, y_pred, {key: ops.stop_gradient(each) for key, each in found.items()}

    def term(self, passes, prepared):
        x, y_pred, perturbation = prepared
        total = self.weight * ops.mean(self.distances(passes, x, y_pred, perturbation, seen=True))
        if self.entropy:
            outputs = keras.tree.flatten(passes.at(x=x))
            logits = takes_logits(passes.model, outputs)
            total = total + sum(ops.mean(divergences.entropy(each, logits)) for each in outputs)
        return share() * total

    def distances(self, passes, x, y_pred, perturbation, seen=False):
        """Returns KL(p(x_b) || p(x_b + r_b)), (n,), the sum over outputs."""
        logits = takes_logits(passes.model, y_pred)

        def distance(outputs):
            pairs = zip(keras.tree.flatten(y_pred), keras.tree.flatten(outputs), strict=True)
            return sum(divergences.kl(clean, moved, logits) for clean, moved in pairs)

        return (passes.reach if seen else passes.at)([(self.target, plus(perturbation))], distance, x=x)

    def gradients(self, passes, x, y_pred, units, probes):
        """Returns the gradients of the divergence at x + xi d by d."""

        def fn(watch):
            steps = {key: watch(key, each) * probes[key] for key, each in units.items()}
            return ops.sum(self.distances(passes, x, y_pred, steps)), ()

        found = gradients_of(fn, like=units)[3]
        lost = [key for key, each in found.items() if each is None]
        if lost or not found:
            raise ValueError(no_derivative(lost))
        return found

    def probe(self, tensor):
        """Returns xi, the length of the step at which the divergence is differentiated."""
        if self.xi is not None:
            return self.xi
        return ops.maximum(1e-3 * ops.mean(norms(tensor)), 1e-2)

    def drawn(self, tensor):
        """Returns normal numbers of the shape of a tensor."""
        return keras.random.normal(ops.shape(tensor), dtype="float32", seed=self.seed)


def _negative(deltas):
    return {key: -each for key, each in deltas.items()}


def _as_rows(condition, tensor):
    return ops.reshape(condition, (-1, *[1] * (len(tensor.shape) - 1)))


def virtual_adversarial_training(
    model,
    epsilon=1.0,
    weight=1.0,
    entropy=False,
    on="inputs",
    xi=None,
    iterations=1,
    both_signs=False,
    seed=0,
):
    """Makes a classifier's predictions smooth around its examples, labelled and unlabelled; evaluation stays plain.

    Unlabelled examples go in beside the labelled ones: `model.fit(kg.regularization.beside(x, y, unlabelled))`, or any
    dataset of batches `({"labelled": x, "unlabelled": u}, y)`. Metrics are those of the labelled ones; `loss` is the
    sum that is minimised.

    Args:
        model: A classifier that trains by Keras's own train step, compiled with a cross-entropy before `fit`.
        epsilon: Norm of the step, at least 0, in the units of what is perturbed; default 1.
        weight: Factor of the divergence, at least 0, default 1.
        entropy: Whether the entropy of the predictions is minimised, too (VAT+EntMin), with a factor of 1, default
            False. At an epsilon or weight of 0 nothing is added, the entropy included.
        on: `"inputs"` (default) or a layer or its name, for an embedding the looked-up vectors, padding left alone.
        xi: Length of the step at which the divergence is differentiated; default 1e-3 of the mean norm, at least 1e-2.
        iterations: Power iterations, default 1; 0 takes random directions.
        both_signs: Whether the worse of d and -d is taken, for two passes more; default False.
        seed: Integer, for the first directions, functions of seed and step.

    Returns:
        The model itself. `kg.regularization.undo(model)` takes all wrappers off.

    Raises:
        TypeError, ValueError: As `adversarial_training`; also where the model is no classifier.

    Reference: Miyato, Maeda, Koyama, Ishii, 2017, arXiv:1704.03976.
    """
    check_model(model)
    target = Target(model, on)
    if target.kind == "variable":
        raise ValueError(f"`on` must be 'inputs' or a layer: a variable has no examples. {checks.received(on=on)}")
    regularizer = VirtualAdversarialTraining(
        target=target,
        epsilon=checks.number("epsilon", epsilon, minimum=0),
        weight=checks.number("weight", weight, minimum=0),
        entropy=checks.flag("entropy", entropy),
        xi=None if xi is None else checks.number("xi", xi, above=0),
        iterations=checks.positive_integer("iterations", iterations, minimum=0),
        both_signs=checks.flag("both_signs", both_signs),
        seed=StepSeed(model, checks.positive_integer("seed", seed, minimum=0)),
    )
    return wrap(model, regularizer)


class Beside(keras.utils.PyDataset):
    """Batches of labelled examples with unlabelled ones beside them; see `beside`."""

    def __init__(self, x, y, unlabelled, batch_size, unlabelled_batch_size, seed):
        super().__init__()
        self.x, self.y, self.unlabelled = x, y, unlabelled
        self.batch_size, self.unlabelled_batch_size, self.seed, self.epoch = batch_size, unlabelled_batch_size, seed, 0

    def __len__(self):
        return -(-_rows(self.unlabelled) // self.unlabelled_batch_size)

    def __getitem__(self, index):
        labelled = self._rows_of(0, _rows(self.x), self.batch_size, index)
        unlabelled = self._rows_of(1, _rows(self.unlabelled), self.unlabelled_batch_size, index)
        x, y = (keras.tree.map_structure(lambda each: each[labelled], each) for each in (self.x, self.y))
        return {LABELLED: x, UNLABELLED: keras.tree.map_structure(lambda each: each[unlabelled], self.unlabelled)}, y

    def _rows_of(self, stream, count, size, index):
        """Returns the rows of a batch: every example once in a pass through them, in an order of its own each time."""
        positions = np.arange(size) + (self.epoch * len(self) + index) * size
        passes = positions // count
        orders = {each: np.random.default_rng((self.seed, stream, each)).permutation(count) for each in set(passes)}
        return np.array([orders[each][position % count] for each, position in zip(passes, positions, strict=True)])

    def on_epoch_end(self):
        self.epoch += 1


def _as_arrays(value):
    """Returns a list of numbers as an array, and arrays or structures of them as they are."""
    plain = isinstance(value, (list, tuple)) and not any(hasattr(each, "shape") for each in keras.tree.flatten(value))
    return np.asarray(value) if plain else value


def _rows(structure):
    return len(keras.tree.flatten(structure)[0])


def beside(x, y, unlabelled, batch_size=32, unlabelled_batch_size=128, seed=0):
    """Returns a dataset for `fit` whose batches hold unlabelled examples beside labelled ones.

    An epoch goes once through the unlabelled examples, and as often as needed through the labelled ones.

    Args:
        x, y: Arrays (n, ...) of labelled examples, or structures of them.
        unlabelled: Arrays (m, ...) like `x`.
        batch_size, unlabelled_batch_size: Examples of each kind in a batch; default 32 and 128, as in the paper's code.
        seed: Integer; the order is a function of seed and epoch.

    Raises:
        ValueError: An array is empty, those of one kind differ in length, or labelled and unlabelled ones in shape.
    """
    x, y, unlabelled = map(_as_arrays, (x, y, unlabelled))
    for argument, value in {"x, y": (x, y), "unlabelled": unlabelled}.items():
        counts = {len(each) for each in keras.tree.flatten(value)}
        if len(counts) != 1 or 0 in counts:
            raise ValueError(
                f"`{argument}` must be arrays of one and the same length, at least 1. Received: {sorted(counts)}."
            )
    shapes = [[each.shape[1:] for each in keras.tree.flatten(value)] for value in (x, unlabelled)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`unlabelled` must hold examples of the shapes of `x`: the model sees both in one batch. "
            f"Received: {shapes[1]} beside {shapes[0]}."
        )
    sizes = {"batch_size": batch_size, "unlabelled_batch_size": unlabelled_batch_size}
    sizes = {name: checks.positive_integer(name, size) for name, size in sizes.items()}
    return Beside(x, y, unlabelled, **sizes, seed=checks.positive_integer("seed", seed, minimum=0))
