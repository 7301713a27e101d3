"""A two-player variant trained on points: one generated point, data at 0, a critic that is one slope.

What its `train_on_batch` does then is a step of the `DiracGAN` of its objective, to rounding: signs, penalties, the
order of the players and both update modes are tested at once (`tests/laws/test_dirac.py`).
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.analysis.dynamics.objectives import Objective, Radial
from keras_gans.analysis.dynamics.simulation import Path
from keras_gans.engine import AdversarialModel, input_gradients


@keras.saving.register_keras_serializable("keras_gans")
class Point(keras.layers.Layer):
    """Latents (n, ...) -> the same trainable point (n, dim) for each."""

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def build(self, shape):
        self.point = self.add_weight(shape=(self.dim,), initializer="zeros", name="point")

    def call(self, latents):
        return ops.broadcast_to(self.point, (ops.shape(latents)[0], self.dim))

    def compute_output_shape(self, shape):
        return shape[0], self.dim

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}


def point_model(variant, start, rate, update="alternating", dim=1, **knobs):
    """Returns a variant on points, compiled with plain gradient descent, at a state.

    Args:
        variant: Class of a two-player variant, such as `keras_gans.RSGAN`.
        start: State (2 dim,): phi of the critic D(x) = phi . x, then the generated point theta.
        rate: Learning rate of both players, above 0.
        update: `"alternating"` (default) or `"simultaneous"`.
        dim: Dimension of the points, default 1.
        **knobs: Of the variant, such as `penalties=[keras_gans.penalties.R1(0.3)]`.

    Where a variant has several outputs per image, each is phi . x.
    """
    if not (isinstance(variant, type) and issubclass(variant, AdversarialModel)):
        raise TypeError(f"`variant` must be the class of a two-player variant. {checks.received(variant=variant)}")
    rate, dim = checks.number("rate", rate, above=0), checks.positive_integer("dim", dim)
    start = np.asarray(start, "float32")
    if start.shape != (2 * dim,):
        raise ValueError(f"`start` must be {2 * dim} numbers, phi and then theta. Received: shape {start.shape}.")
    latent_dim = max(1, variant.minimum_latent_dim)
    units = variant.blueprint(latent_dim, **knobs)["discriminator"].size
    generator = keras.Sequential([keras.Input((latent_dim,)), Point(dim, name="theta")], name="generator")
    points = keras.Input((dim,))
    scores = keras.layers.Dense(1, use_bias=False, name="phi")(points)
    if units > 1:
        scores = keras.layers.Concatenate()([scores] * units)
    discriminator = keras.Model(points, scores, name="discriminator")
    model = variant(generator, discriminator, latent_dim=latent_dim, **knobs)
    model.compile(
        generator_optimizer=keras.optimizers.SGD(rate),
        discriminator_optimizer=keras.optimizers.SGD(rate),
        update=update,
        run_eagerly=True,  # a step of two numbers is quicker than its compilation
    )
    discriminator.trainable_variables[0].assign(start[:dim, None])
    generator.trainable_variables[0].assign(start[dim:])
    return model


def state_of(model):
    """Returns the state (2 dim,) of a model on points as a float64 array."""
    values = [
        ops.convert_to_numpy(network.trainable_variables[0]) for network in (model.discriminator, model.generator)
    ]
    return np.concatenate([value.reshape(-1) for value in values]).astype("float64")


def train_points(variant, start, steps, rate, update="alternating", dim=1, **knobs):
    """Returns the `Path` of a variant on points, trained by `train_on_batch`; arguments as for `point_model`.

    Example:
        >>> from keras_gans.analysis import dynamics
        >>> path = dynamics.train_points(keras_gans.RSGAN, (0.5, 0.8), steps=10, rate=0.1)
        >>> path.states - dynamics.DiracGAN("rsgan").simulate((0.5, 0.8), 10, 0.1).states
    """
    steps = checks.positive_integer("steps", steps)
    model = point_model(variant, start, rate, update, dim, **knobs)
    data, states = np.zeros((model.batches_per_step, dim), "float32"), [state_of(model)]
    for _ in range(steps):
        model.train_on_batch(data)
        states.append(state_of(model))
    return Path(rate * np.arange(steps + 1), np.stack(states), None, update)


def objective_of(model):
    """Returns `(objective, penalty)` of a model on points for a `DiracGAN`: its own losses and penalty, differentiated.

    The slopes are taken in the discriminator's outputs, where the losses are defined, and the penalty's in phi: no
    train step, optimiser or network of the model takes part. All penalties count, and must be functions of |phi|.

    Args:
        model: What `point_model` returns, of dimension 1.
    """
    units = model.discriminator.output_shape[-1]
    latents = ops.zeros((1, model.latent_dim))
    reals = ops.zeros((1, 1))

    def slope(terms, u):
        """Returns the derivative of a loss in u where the outputs on reals are 0 and those on fakes u."""
        both = ops.reshape(ops.concatenate([ops.zeros((units,)), ops.full((units,), float(u))]), (2, 1, units))
        gradients = input_gradients(lambda outputs: terms(outputs[0], outputs[1]), both)
        return float(np.sum(ops.convert_to_numpy(ops.stop_gradient(gradients))[1]))

    def critic(u, theta):
        fakes = ops.reshape(ops.convert_to_tensor(np.asarray(theta, "float32")), (1, 1))
        return slope(lambda real, fake: model.critic_terms(real, fake, reals, fakes, latents)[0], u)

    def generator(u, theta):
        return -slope(lambda real, fake: model.generator_terms(real, fake, latents)[0], u)

    def factor(norm):
        """Returns the derivative of all penalties in phi, divided by phi = |phi|."""

        def penalized(phi):
            def score(images):
                return ops.reshape(images * phi, (-1,))

            own = () if model.penalty is None else (model.penalty,)
            weights = ops.full((1,), 0.5)
            return sum(penalty(score, reals, reals, weights, 0) for penalty in (*own, *model.penalties))

        if model.penalty is None and not model.penalties:
            return 0.0
        norm = max(norm, 1e-6)  # the limit at 0
        at = ops.convert_to_tensor(np.array([[norm]], "float32"))
        return float(np.sum(ops.convert_to_numpy(ops.stop_gradient(input_gradients(penalized, at))))) / norm

    def bend(norm):
        """Returns factor'(norm), by differences."""
        low, high = max(norm - 1e-2, 1e-3), norm + 1e-2
        return (factor(high) - factor(low)) / (high - low)

    return Objective(model.name, critic, generator), Radial(factor, bend)
