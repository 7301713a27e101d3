"""Per-sample penalties on the critic's input gradient, as options of any two-player variant.

`penalties=[R1(10.0)]` adds one to the discriminator's loss; several add up. With g_i the gradient of the critic's
score at sample i with respect to the image, over all pixels and channels:

    R1(weight)               weight / 2  E |g(x)|^2        at reals         (Mescheder et al., 2018, arXiv:1801.04406)
    R2(weight)               weight / 2  E |g(G(z))|^2     at fakes
    GradientPenalty(weight)  weight      E (|g| - target)^2 at random points between a real and a fake
                             (Gulrajani et al., 2017, arXiv:1704.00028); one_sided: E max(0, |g| - target)^2
                             (WGAN-LP, arXiv:1709.08894)

The gradient is taken before any augmentation, always in float32, and it is a per-sample gradient only for a critic
that treats samples independently: batch normalisation and minibatch statistics are refused.
"""

import keras
from keras import ops

from keras_gans import checks, schedules
from keras_gans.engine import input_gradients, mean

PLACES = ("interpolated", "real", "fake")
ESTIMATES = ("gradient", "noise")
STD = 0.01


def squared_norms(gradients):
    """Returns the squared Euclidean norm (n,) of each sample's gradient over all other axes, of any rank."""
    axes = tuple(range(1, len(gradients.shape)))
    return ops.sum(ops.square(ops.cast(gradients, "float32")), axis=axes)


def gradient_norms(gradients):
    """Returns the norm (n,) of each sample's gradient; the 1e-12 inside the root keeps the slope at 0 finite."""
    return ops.sqrt(squared_norms(gradients) + 1e-12)


def noise_std(estimate, std):
    """Returns the length of the steps of `estimate="noise"`; refuses one for the exact gradient, which has no steps."""
    if std is not None and estimate != "noise":
        raise ValueError(
            f"`std` is the length of the steps of estimate='noise' and must be left out with estimate={estimate!r}. "
            f"{checks.received(std=std)}"
        )
    return STD if std is None else checks.number("std", std, above=0)


def interpolate(reals, fakes, weights):
    """Returns the points `w real + (1 - w) fake`, one weight of (n,) per sample."""
    weights = ops.reshape(weights, (-1,) + (1,) * (len(reals.shape) - 1))
    return weights * reals + (1.0 - weights) * fakes


class Penalty:
    """Base of the penalties: `weight` times what `unweighted` returns.

    Args:
        weight: Number of at least 0, or a schedule of the discriminator's step (`keras_gans.schedules`).
    """

    name = ""

    def __init__(self, weight):
        self.weight = schedules.number_or_schedule("weight", weight, minimum=0)

    def __call__(self, score, reals, fakes, weights, step=0):
        """Returns the weighted penalty, a scalar.

        Args:
            score: Function, images (n, ...) -> scores (n, k) or (n,); with k > 1 their sum is differentiated. In a
                step it is a `keras_gans.engine.Score`, which `estimate="noise"` and `every` need.
            reals, fakes: Images (n, ...), the fakes without a gradient to the generator.
            weights: Mixing weights (n,) in [0, 1).
            step: The discriminator's step, for a weight that is a schedule.
        """
        return schedules.at(self.weight, step) * self.unweighted(score, reals, fakes, weights)

    def unweighted(self, score, reals, fakes, weights):
        """Returns the penalty of weight 1; every subclass defines it."""
        raise NotImplementedError

    def get_config(self):
        return {"weight": schedules.config_of(self.weight)}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        arguments = ", ".join(f"{key}={getattr(self, key)!r}" for key in self.get_config())
        return f"{type(self).__name__}({arguments})"


class ZeroCentred(Penalty):
    """weight / 2 times the mean squared gradient norm; the base of R1 and R2.

    Args:
        weight: At least 0, or a schedule; default 10.
        estimate: `"gradient"` (default), the exact norm; or `"noise"`, the squared difference quotient along one random
            direction per sample, ((C(x + std u) - C(x)) / std)^2 with u ~ N(0, I) over all pixels. It needs no second
            derivative and costs one pass more than the loss (the published default is exact; this estimate is ours).
            Its mean over u is |g|^2 + std^2 (g grad(tr H) + ((tr H)^2 + 2 |H|^2) / 4) + O(std^4) with H the second
            derivative; its variance is 2 |g|^4 + O(std^2) for each sample. C is taken in inference, without
            augmentation and dropout.
        std: Length of the steps in each pixel of [-1, 1], with `estimate="noise"` only; default 0.01.
        every: The exact penalty is taken in every so many steps only, with so many times the weight: the same mean
            (lazy regularisation, arXiv:1912.04958). Default 1. Relativistic games with R1 and R2 diverge with more
            (arXiv:2501.05441). Whole numbers; 1 with `estimate="noise"`.
    """

    def __init__(self, weight=10.0, estimate="gradient", std=None, every=1):
        super().__init__(weight)
        self.estimate = checks.one_of("estimate", estimate, ESTIMATES)
        self.std = noise_std(estimate, std)
        self.every = checks.positive_integer("every", every)
        if self.every > 1 and self.estimate == "noise":
            raise ValueError(f"`every` must be 1 with estimate='noise', which is cheap. {checks.received(every=every)}")

    def points(self, reals, fakes):
        """Returns the images at which the gradient is taken; every subclass defines it."""
        raise NotImplementedError

    def __call__(self, score, reals, fakes, weights, step=0):
        if self.every == 1:
            return super().__call__(score, reals, fakes, weights, step)
        points, exact = self.points(reals, fakes), super().__call__
        if not score.knows(points):
            score.outputs(points)  # outside of the branch: what the pass writes into the network is kept
        due = ops.equal(step % self.every, 0)
        return ops.cond(due, lambda: self.every * exact(score, reals, fakes, weights, step), lambda: ops.zeros(()))

    def unweighted(self, score, reals, fakes, weights):
        points = self.points(reals, fakes)
        if self.estimate == "noise":
            return 0.5 * mean(ops.square(score.slopes(points, self.std)))
        return 0.5 * mean(squared_norms(input_gradients(score, points)))

    def get_config(self):
        config = super().get_config()
        for name, default in {"estimate": "gradient", "std": STD, "every": 1}.items():
            if getattr(self, name) != default:
                config[name] = getattr(self, name)
        return config


@keras.saving.register_keras_serializable("keras_gans")
class R1(ZeroCentred):
    """weight / 2 times the mean squared gradient norm at reals (arXiv:1801.04406: weight 10); see `ZeroCentred`."""

    name = "r1"

    def points(self, reals, fakes):
        return reals


@keras.saving.register_keras_serializable("keras_gans")
class R2(ZeroCentred):
    """weight / 2 times the mean squared gradient norm at fakes; see `ZeroCentred`."""

    name = "r2"

    def points(self, reals, fakes):
        return fakes


@keras.saving.register_keras_serializable("keras_gans")
class GradientPenalty(Penalty):
    """weight times the mean squared distance of the gradient norm from `target`.

    Args:
        weight: At least 0, default 10.
        target: Norm that is not penalised, default 1; 0 is the zero-centred penalty.
        at: `"interpolated"` (default), `"real"` or `"fake"`.
        one_sided: Whether only norms above the target are penalised (WGAN-LP), default False.
    """

    name = "gradient_penalty"

    def __init__(self, weight=10.0, target=1.0, at="interpolated", one_sided=False):
        super().__init__(weight)
        self.target = checks.number("target", target, minimum=0)
        self.at = checks.one_of("at", at, PLACES)
        self.one_sided = bool(one_sided)

    def unweighted(self, score, reals, fakes, weights):
        points = {"real": reals, "fake": fakes}.get(self.at)
        points = interpolate(reals, fakes, weights) if points is None else points
        gradients = input_gradients(score, points)
        if self.target == 0.0:
            return mean(squared_norms(gradients))
        excess = gradient_norms(gradients) - self.target
        return mean(ops.square(ops.relu(excess) if self.one_sided else excess))

    def get_config(self):
        return {**super().get_config(), "target": self.target, "at": self.at, "one_sided": self.one_sided}
