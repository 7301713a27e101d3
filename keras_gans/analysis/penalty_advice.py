"""A weight of R1, of R1 and R2, and a ratio of learning rates, from the Jacobian of a game on its data.

Near an equilibrium a pair of directions of the two players moves like the Dirac-GAN: J = [[-g, -a], [b, 0]], with
strength s = sqrt(a b) and damping g. It comes to rest soonest at g = 2 s. Three ways lead there:

    R1 of weight gamma        g becomes g + gamma c, with c the curvature of 1/2 E |grad D|^2:    gamma = (2 s - g) / c
    R1 and R2 of one weight   twice the damping where both gradients are alike:                   half of gamma each
    a faster discriminator    rates r : 1 make g to r g and s to sqrt(r) s:                       r = (2 s / g)^2

The advice is the median over the pairs that turn fastest, after a short warm-up, for at first weights nothing is near
an equilibrium. All of this is ours, and a heuristic: beside sweeps it was best on one data set of three, and
too small on the other two (docs/dynamics.md).
"""

import dataclasses

import numpy as np

from keras_gans import checks
from keras_gans.analysis.jacobian import Game, leading_pairs
from keras_gans.engine import restore, snapshot
from keras_gans.penalties import R1, R2

LARGEST_RATIO = 10.0
LIMITS = (
    "Limits: the Jacobian is that of plain gradient descent, at one point of training and on one batch; Adam rescales "
    "every weight, and other pairs lead later. Beside sweeps the weight was too small on two of three data sets: take "
    "it as the beginning of a search, upwards (once, ten and a hundred times)."
)


@dataclasses.dataclass(frozen=True)
class PenaltyAdvice:
    """What `suggest_penalty` found; `print` tells it with its reasons.

    Args:
        r1: Weight for R1 alone, what the model has already included; 0 if nothing turns.
        r1_and_r2: Weight for R1 and R2, each.
        learning_rate_ratio: Learning rate of the discriminator over that of the generator which would damp as well
            without another penalty; None if that is more than 10 or nothing damps by itself.
        strengths, dampings, curvatures: s, g and c of the pairs, arrays.
        present: Weight of R1 and R2 in the model's `penalties`, where constant; a variant's own penalty is not counted.
        warmup_steps: Steps before the measurement.
        turning: Pairs that turn, those included that R1 does not reach (c <= 0), which are left out above.
    """

    r1: float
    r1_and_r2: float
    learning_rate_ratio: float | None
    strengths: np.ndarray
    dampings: np.ndarray
    curvatures: np.ndarray
    present: float
    warmup_steps: int
    turning: int = 0

    def __str__(self):
        after = f"After {self.warmup_steps} steps" if self.warmup_steps else "At the present weights"
        if not len(self.strengths) and self.turning:
            return f"{after} {self.turning} pairs of directions turn, none of which an R1 penalty reaches. {LIMITS}"
        if not len(self.strengths):
            return f"{after} no pair of directions turns: no penalty is needed to damp the game. {LIMITS}"
        s, g, c = (float(np.median(each)) for each in (self.strengths, self.dampings, self.curvatures))
        lines = [
            f"{after} {len(self.strengths)} pairs of directions turn, with a median strength of {s:.3g}, damping of "
            f"{g:.3g} and curvature of the penalty of {c:.3g}.",
            f"R1 of weight {self.r1:.3g}, or R1 and R2 of weight {self.r1_and_r2:.3g} each, would damp them best: "
            "(2 strength - damping) / curvature"
            + (f", on top of the {self.present:g} that are there." if self.present else "."),
        ]
        if self.learning_rate_ratio is None:
            lines.append("No ratio of learning rates up to 10 would do the same.")
        else:
            ratio = f"{self.learning_rate_ratio:.2g}"
            lines.append(
                f"So would a discriminator that learns {ratio} times as fast as the generator, without a change."
            )
        return "\n".join([*lines, LIMITS])


def suggest_penalty(model, images, warmup_steps=100, batch_size=64, pairs=4, samples=64, seed=0, verbose=True):
    """Returns a weight of R1 (and of R1 with R2) and a ratio of learning rates for a model and its data.

    Args:
        model: A compiled two-player variant, new or trained. All of its state is put back.
        images: Images as for `fit`, or (images, labels).
        warmup_steps: Train steps before the measurement, default 100; 0 for a model that is trained.
        batch_size: Images per discriminator update of these steps, default 64.
        pairs: Turning pairs that are looked at, default 4.
        samples: Images and latents of the measurement, default 64.
        seed: Which images.
        verbose: Whether the advice is printed with its reasons and its limits, default True.

    Returns:
        A `PenaltyAdvice`.

    Raises:
        ValueError, TypeError: For a model that is no compiled two-player variant, data that do not fit it, or a
            discriminator on which no penalty can be put.

    Example:
        >>> advice = keras_gans.analysis.suggest_penalty(model, images)
        >>> model = keras_gans.create("gan", image_shape, penalties=[keras_gans.penalties.R1(advice.r1)])

    Reference: Mescheder, Geiger, Nowozin, 2018, arXiv:1801.04406, for the Dirac-GAN; the step to networks is ours.
    """
    warmup_steps = checks.positive_integer("warmup_steps", warmup_steps, minimum=0)
    batch_size = checks.positive_integer("batch_size", batch_size)
    pairs = checks.positive_integer("pairs", pairs)
    game = Game(model, images, samples, checks.positive_integer("seed", seed, minimum=0))
    state = snapshot(model)
    try:
        _warm_up(model, images, warmup_steps, batch_size, seed)
        game = Game(model, images, samples, seed)
        values, vectors = leading_pairs(game, pairs, seed)
        curvatures = np.array([game.penalty_curvature(vector) for vector in vectors])
    finally:
        restore(model, state)
        model.reset_metrics()
    reached = curvatures > 0.0
    strengths, dampings, curvatures = np.abs(values)[reached], -2.0 * values.real[reached], curvatures[reached]
    fixed = [p for p in model.penalties if isinstance(p, (R1, R2)) and isinstance(p.weight, (int, float))]
    present = sum(float(penalty.weight) for penalty in fixed)
    missing = np.maximum(0.0, 2.0 * strengths - dampings) / curvatures
    weight = present + (float(np.median(missing)) if len(missing) else 0.0)
    slowest = np.median(2.0 * strengths / np.maximum(dampings, 1e-12)) ** 2 if len(strengths) else np.inf
    ratio = float(max(1.0, slowest)) if slowest <= LARGEST_RATIO else None
    advice = PenaltyAdvice(
        weight, weight / 2.0, ratio, strengths, dampings, curvatures, present, warmup_steps, len(values)
    )
    if verbose:
        print(advice)
    return advice


def _warm_up(model, images, steps, batch_size, seed):
    arrays = model.checked_arrays(images)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.integers(len(arrays[0]), size=batch_size * model.batches_per_step)
        model.train_on_batch(*(array[rows] for array in arrays))
