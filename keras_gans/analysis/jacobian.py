"""The Jacobian of a real game, where its two players stand: its leading eigenvalues, and what they say of training.

Both players follow v = (-grad_phi L_D, -grad_theta L_G) on a fixed batch of images and latents, phi the weights of the
discriminator and theta those of the generator. The Jacobian J of v has a row for every weight and is never formed: its
transpose times a vector is one more differentiation, and Arnoldi's method (scipy's `eigs`) finds leading eigenvalues
lambda from such products. They say, as in arXiv:1705.10461:

    real part > 0      the players leave this point           imaginary part     they turn around it
    real part < 0      they come back, at this rate           |1 + h lambda|     what a simultaneous step of rate h does

A pair lambda = -g/2 +- i w of two players that pull at each other with strength s = |lambda| (J = [[-g, -a], [b, 0]],
s^2 = a b) is damped best at g = 2 s. The weight of R1 that adds what is missing is (2 s - g) / c, with c the curvature
of 1/2 E |grad D|^2 along the discriminator's part of the eigenvector; c = 1 for the Dirac-GAN. That weight is ours:
exact for two numbers, an estimate elsewhere.

Limits: v is plain gradient descent at one point, on one batch; adaptive optimisers turn other ways. What a loss holds
fixed by stop_gradient (the distance of GAN-QP) counts as constant.
"""

import dataclasses
import warnings

import numpy as np
from keras import ops
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from keras_gans import checks
from keras_gans.engine import AdversarialModel, Score, compiled_for, jacobian_product
from keras_gans.penalties import R1

PARTS = {"magnitude": "LM", "real": "LR", "imaginary": "LI"}
STILL = 1e-6  # of the largest eigenvalue: what counts as 0 beside it


class Game:
    """The field of a model's two players at its present weights, on fixed data and noise.

    Args:
        model: A compiled two-player variant.
        data: Images, or (images, labels).
        samples: Images and latents of the batch.
        seed: Which ones.
        eagerly: Whether products run op by op.
    """

    def __init__(self, model, data, samples, seed, eagerly=False):
        if not isinstance(model, AdversarialModel):
            raise TypeError(f"`model` must be a two-player variant. {checks.received(model=model)}")
        if getattr(model, "optimizer", None) is None:
            raise ValueError("`model` must be compiled: its penalties may depend on the optimiser's step.")
        arrays = model.checked_arrays(data)
        if arrays is None:
            raise TypeError(f"`data` must be an array of images. Received: {type(data).__name__}.")
        samples = min(checks.positive_integer("samples", samples), len(arrays[0]))
        rows = np.random.default_rng(seed).permutation(len(arrays[0]))[:samples]
        reals, labels = model.batch(tuple(array[rows] for array in arrays))
        self.model, self.eagerly = model, eagerly
        self.inputs = [reals, ops.convert_to_tensor(model.latents_for(samples, seed))]
        self.inputs += [] if labels is None else [labels]
        self.players = [model.discriminator.trainable_variables, model.generator.trainable_variables]
        self.variables = [variable for player in self.players for variable in player]
        self.sizes = [int(np.prod(variable.shape)) for variable in self.variables]
        self.critic_size = sum(self.sizes[: len(self.players[0])])
        self.size, self.products = sum(self.sizes), 0
        # Of a penalty that is a schedule: a compiled function may hold it as a constant.
        self.step = int(ops.convert_to_numpy(model.optimizer.of("discriminator").iterations))

    def losses(self, reals, latents, labels=None):
        """Returns (L_D, L_G) of both players' weights: nothing between them is held fixed."""
        model = self.model
        fakes = model.fake(latents, labels)
        score = Score.of(model, labels)
        outputs = score.outputs(reals), score.outputs(fakes)
        d_loss, _ = model.critic_terms(*outputs, reals, fakes, latents)
        d_loss = d_loss + (model.penalized(score, reals, fakes) if "penalty" in model.all_logs() else 0.0)
        return _regularised(d_loss, self.players[0]), _regularised(
            model.generator_terms(*outputs, latents)[0], self.players[1]
        )

    def penalty(self, reals, latents, labels=None):
        """Returns 1/2 E |grad D|^2 at the reals, for both players' places: the generator has no part in it."""
        model = self.model

        def score(images):
            return model.judge(model.score(images, labels))

        return R1(1.0)(score, reals, reals, None), ops.zeros(())

    def product(self, vector, of="losses"):
        """Returns the transposed Jacobian of v times a vector (size,), as float64; of the penalty alone by request."""
        splits = np.split(np.asarray(vector, "float32"), np.cumsum(self.sizes)[:-1])
        parts = [ops.convert_to_tensor(s.reshape(v.shape)) for s, v in zip(splits, self.variables, strict=True)]
        inputs, count = self.inputs, len(parts)

        def computed(*tensors):
            groups = tensors[: len(self.players[0])], tensors[len(self.players[0]) : count]
            return jacobian_product(lambda: getattr(self, of)(*tensors[count:]), self.players, groups)

        key = ("jacobian", of, len(inputs), self.step)
        function = computed if self.eagerly else compiled_for(self.model, key, computed)
        state = [(v, ops.convert_to_numpy(v.value).copy()) for v in self.model.non_trainable_variables]
        found = function(*parts, *inputs)
        for variable, value in state:  # the same noise for every product, and the model as it was
            variable.assign(value)
        self.products += 1
        flat = [ops.convert_to_numpy(each).reshape(-1) for each in found]
        return -np.concatenate(flat).astype("float64")

    def penalty_curvature(self, vector):
        """Returns the curvature of 1/2 E |grad D|^2 in the discriminator's weights along a complex vector (size,)."""
        critic = np.where(np.arange(self.size) < self.critic_size, vector, 0.0)
        norm = np.linalg.norm(critic)
        if norm == 0.0:
            return 0.0
        critic = critic / norm
        parts = [part for part in (critic.real, critic.imag) if part.any()]
        return -float(sum(part @ self.product(part, "penalty") for part in parts))


def _regularised(loss, variables):
    total = ops.cast(loss, "float32")
    for variable in variables:
        if variable.regularizer is not None:
            total = total + variable.regularizer(variable)
    return total


@dataclasses.dataclass(frozen=True)
class GameJacobian:
    """Leading eigenvalues of a game's Jacobian.

    Args:
        eigenvalues: Complex array, the largest by `by` first, per unit of learning rate and step.
        by: `"magnitude"`, `"real"` or `"imaginary"`.
        size: Number of weights of both players.
        products: Products with a vector that were taken.
        converged: Whether all that were asked for were found.
        critic_shares: For each, the share of its left eigenvector's squared length in the discriminator's weights.
        damping, strength: g and s of the fastest turning pair, or of the first where none turns.
        curvature: c, the curvature of the penalty along its eigenvector.
    """

    eigenvalues: np.ndarray
    by: str
    size: int
    products: int
    converged: bool
    critic_shares: np.ndarray
    damping: float
    strength: float
    curvature: float

    @property
    def rotates(self):
        """Whether a pair turns faster than a thousandth of its size."""
        return bool((np.abs(self.eigenvalues.imag) > 1e-3 * np.abs(self.eigenvalues)).any())

    @property
    def critical_weight(self):
        """The weight of R1 to add, with which the pair that turns fastest comes to rest soonest; None if none turns."""
        if not self.rotates or self.curvature <= 0.0:
            return None
        return max(0.0, 2.0 * self.strength - self.damping) / self.curvature

    def step_radius(self, rate):
        """Returns the largest |1 + rate lambda|: what a simultaneous step of gradient descent does to a distance."""
        return float(np.abs(1.0 + checks.number("rate", rate, above=0) * self.eigenvalues).max())

    def verdict(self):
        """Returns one or two sentences: whether the players leave, come back or turn, and what would damp them."""
        largest, scale = self.eigenvalues.real.max(), np.abs(self.eigenvalues).max()
        if largest > STILL * scale:
            words = f"With t = rate x steps, the players leave this point like exp({largest:.3g} t)"
        elif largest < -STILL * scale:
            # By another order than that of the real parts others may be slower, or leave.
            among = "" if self.by == "real" or len(self.eigenvalues) == self.size else " along these directions"
            words = (
                f"With t = rate x steps, the players come back to this point{among}, at the slowest like "
                f"exp({largest:.3g} t)"
            )
        else:
            words = "Nothing damps the slowest of these directions (t = rate x steps)"
        if not self.rotates:
            return f"{words}, and do not turn around each other."
        turning = self.eigenvalues[np.abs(self.eigenvalues.imag).argmax()]
        words += f"; the pair that turns fastest does so by {abs(turning.imag):.3g} radians per unit of t"
        if abs(turning.real) > STILL * scale:
            words += f" while it {'grows' if turning.real > 0 else 'shrinks'} like exp({turning.real:.3g} t)"
        weight = self.critical_weight
        if weight is None:
            return f"{words}. No R1 penalty reaches this pair."
        if weight == 0.0:
            return f"{words}. It is damped more than critically: a smaller penalty would do."
        return f"{words}. R1 of weight {weight:.3g} more would damp it critically (by J = [[-g, -a], [b, 0]])."

    def __str__(self):
        return self.verdict()

    def figure(self):
        """Returns a `matplotlib` figure: the eigenvalues in the complex plane, coloured by the player they are of."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color="grey", lw=0.8)
        axes.axhline(0, color="grey", lw=0.8)
        drawn = axes.scatter(
            self.eigenvalues.real, self.eigenvalues.imag, c=self.critic_shares, cmap="viridis", vmin=0, vmax=1, s=30
        )
        figure.colorbar(drawn, label="share of the discriminator")
        axes.set(xlabel="real part: growth", ylabel="imaginary part: rotation")
        axes.set_title(f"{len(self.eigenvalues)} leading eigenvalues of {self.size:,} weights", fontsize=9)
        return figure


def game_jacobian(
    model, data, leading=6, by="magnitude", samples=32, seed=0, tolerance=1e-4, products=400, eagerly=False
):
    """Returns the leading eigenvalues of the Jacobian of a model's game at its present weights.

    Args:
        model: A compiled two-player variant. It is not changed.
        data: Images as for `fit`, or (images, labels).
        leading: Number of eigenvalues, default 6. A complex pair counts twice and is kept whole: there may be one more.
        by: Which lead: `"magnitude"` (default), `"real"` (what decides stability, and is slower to find where many
            directions are flat) or `"imaginary"` (what turns fastest).
        samples: Images and latents of the batch on which the game is looked at, default 32: products take as long.
        seed: Which images and latents.
        tolerance: Relative accuracy of the eigenvalues, default 1e-4; products are in float32.
        products: About the most products with a vector, default 400. Where they do not suffice a warning says so.
        eagerly: Whether products run op by op, for very small models; default False.

    Returns:
        A `GameJacobian`. `print` says its verdict.

    Raises:
        ValueError, TypeError: For a model that is no two-player variant or not compiled, or data that do not fit it.

    Example:
        >>> found = keras_gans.analysis.game_jacobian(model, images)
        >>> print(found)
        >>> found.figure().savefig("eigenvalues.png")

    Reference: Mescheder, Nowozin, Geiger, 2017, arXiv:1705.10461; 2018, arXiv:1801.04406.
    """
    leading = checks.positive_integer("leading", leading)
    checks.one_of("by", by, PARTS)
    tolerance = checks.number("tolerance", tolerance, above=0)
    products = checks.positive_integer("products", products)
    game = Game(model, data, samples, checks.positive_integer("seed", seed, minimum=0), checks.flag("eagerly", eagerly))
    values, vectors, converged = _leading(game, min(leading + 1, game.size), by, tolerance, products, seed)
    if not converged:
        warnings.warn(
            f"game_jacobian found {len(values)} of {leading} eigenvalues with {game.products} products: raise "
            "`products` or `tolerance`.",
            stacklevel=2,
        )
    values, vectors = _whole_pairs(values, vectors, by, leading)
    first = int(np.abs(values.imag).argmax())  # the fastest turning one, or the first
    critic = np.abs(vectors[: game.critic_size]) ** 2
    return GameJacobian(
        eigenvalues=values,
        by=by,
        size=game.size,
        products=game.products,
        converged=converged,
        critic_shares=critic.sum(0) / (np.abs(vectors) ** 2).sum(0),
        damping=float(-2.0 * values[first].real),
        strength=float(np.abs(values[first])),
        curvature=game.penalty_curvature(vectors[:, first]),
    )


def _size(values, by):
    return {"magnitude": np.abs(values), "real": values.real, "imaginary": np.abs(values.imag)}[by]


def leading_pairs(game, pairs, seed, tolerance=1e-2, products=200):
    """Returns `(values, vectors)` of at most so many pairs that turn fastest: one of each, imaginary part > 0."""
    values, vectors, _ = _leading(game, min(2 * pairs, game.size), "imaginary", tolerance, products, seed)
    turning = values.imag > 1e-3 * np.abs(values)
    return values[turning], list(vectors.T[turning])


def _whole_pairs(values, vectors, by, leading):
    """Returns eigenvalues and vectors, the largest first, cut after `leading` but not within a pair."""
    order = np.argsort(-np.round(_size(values, by), 12), kind="stable")
    values, vectors, leading = values[order], vectors[:, order], min(leading, len(values))
    torn = abs(values[:leading].imag.sum()) > 1e-3 * np.abs(values[leading - 1])
    leading += torn and leading < len(values)
    return values[:leading], vectors[:, :leading]


def _leading(game, leading, by, tolerance, products, seed):
    """Returns `(eigenvalues, left eigenvectors of J, whether all were found)`, by Arnoldi's method."""
    if leading >= game.size - 1:  # too few weights for it
        values, vectors = np.linalg.eig(np.stack([game.product(row) for row in np.eye(game.size)], axis=1))
        chosen = np.argsort(-_size(values, by), kind="stable")[:leading]
        return values[chosen], vectors[:, chosen], True
    basis = min(game.size, max(2 * leading + 1, 20))  # scipy's default
    options = {"ncv": basis, "tol": tolerance, "maxiter": max(1, products // (basis - leading))}
    operator = LinearOperator((game.size, game.size), matvec=game.product, dtype="float64")
    start = np.random.default_rng(seed).normal(size=game.size)
    try:
        values, vectors = eigs(operator, leading, which=PARTS[by], v0=start, **options)
        return values, vectors, True
    except ArpackNoConvergence as error:
        if not len(error.eigenvalues):
            raise ValueError(
                f"No eigenvalue was found with {game.products} products: raise `products` or `tolerance`. "
                f"{checks.received(products=products)}"
            ) from error
        return error.eigenvalues, error.eigenvectors, False
