"""Energy GAN: check values of its losses, one step with a pencil, and its three networks."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import value_and_gradients
from tests.laws import small

REALS, FAKES = np.array([[0.5, -0.5], [1.0, 0.0]], "float32"), np.array([[1.5, 1.0], [-0.5, 2.0]], "float32")
Z = np.array([[0.3, -1.0], [2.0, 0.5]], "float32")
ENCODINGS = np.array([[0.1, -0.8], [1.5, 0.7]], "float32")
A, B = np.array([[2, 0.5], [0.5, 1]], "float32"), np.array([0.1, -0.2], "float32")


@keras.saving.register_keras_serializable("tests")
class Quadratic(keras.layers.Layer):
    """Points x -> -(x'Ax / 2 + b'x), (n, 1): minus the energy of the check values."""

    def call(self, x):
        return -(
            ops.sum(ops.matmul(x, ops.convert_to_tensor(A)) * x, -1, keepdims=True) / 2 + ops.matmul(x, B[:, None])
        )


@keras.saving.register_keras_serializable("tests")
class Table(keras.layers.Layer):
    """Anything (2, ...) -> the fixed rows that it was made with."""

    def __init__(self, rows, **kwargs):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, inputs):
        return ops.convert_to_tensor(np.array(self.rows, "float32")) + 0.0 * ops.sum(inputs)

    def compute_output_shape(self, shape):
        return (shape[0], len(self.rows[0]))


def network(layer, inputs=1):
    entries = [keras.Input((2,)) for _ in range(inputs)]
    joined = entries[0] if inputs == 1 else keras.layers.Concatenate()(entries)
    return keras.Model(entries if inputs > 1 else entries[0], layer(joined))


def toy(entropy="reconstruction", estimator=ENCODINGS, inputs=1, **knobs):
    return kg.EnergyGAN(
        network(Table(FAKES.tolist())),
        network(Quadratic()),
        latent_dim=2,
        estimator=network(Table(estimator.tolist()), inputs),
        entropy=entropy,
        **knobs,
    )


@pytest.mark.parametrize(("knobs", "expected"), [({}, -1.35375), ({"objective": "hinge", "penalty_weight": 0.0}, 1.75)])
def test_the_loss_of_the_energy_has_its_check_value(knobs, expected):
    model, reals, fakes = toy(**knobs), ops.convert_to_tensor(REALS), ops.convert_to_tensor(FAKES)
    model.compile()
    loss, observed = model.critic_objective(reals, fakes, None, None)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(-ops.convert_to_numpy(model.realness(reals)), [0.4, 1.1], rtol=1e-5)
    assert float(observed["energy_difference"]) == pytest.approx(2.375 - 0.75, rel=1e-5)


def test_the_reconstruction_bound_has_its_check_value():
    latents = ops.convert_to_tensor(Z)
    loss, _ = toy().generator_objective(None, latents, None, latents)
    assert float(loss) == pytest.approx(2.56, rel=1e-5)
    half, _ = toy(entropy_weight=0.5).generator_objective(None, latents, None, latents)
    assert float(half) == pytest.approx((2.375 + 2.56) / 2, rel=1e-5)


def test_the_jensen_shannon_bound_has_its_check_value():
    model = toy("jensen_shannon", inputs=2, estimator=np.zeros((2, 1)))
    scores = iter(([[1.2], [-0.3]], [[-0.5], [0.4]]))  # of the pairs, then of the strangers
    rows = {}
    model.estimator.layers[-1].call = lambda inputs: ops.convert_to_tensor(next(scores)) + 0.0 * ops.sum(inputs)
    loss = model.entropy_loss(ops.convert_to_tensor(FAKES), ops.convert_to_tensor(Z), ops.convert_to_tensor(Z), **rows)
    assert float(loss) == pytest.approx(1.25236497, rel=1e-5)


def test_a_pair_is_an_image_and_its_own_latent():
    model = small.build("energy_gan", entropy="jensen_shannon", compile=False)
    images = ops.convert_to_tensor(small.data(4)[0] / 127.5 - 1, "float32")
    latents = ops.convert_to_tensor(model.latents_for(4, seed=0))
    assert [tuple(each.shape[1:]) for each in model.estimator.inputs] == [small.SHAPE, (small.LATENT_DIM,)]
    others = ops.flip(latents, axis=0)
    scores = [model.estimator([images, each], training=True) for each in (latents, others)]
    joint, apart = (ops.convert_to_numpy(each) for each in scores)
    expected = np.mean(np.log1p(np.exp(-joint))) + np.mean(np.log1p(np.exp(apart)))
    assert float(model.entropy_loss(images, latents, others)) == pytest.approx(expected, rel=1e-5)


def test_generator_and_estimator_move_from_the_same_weights():
    # Plain descent with rate 0.1: each player's step is that of its own loss, by differentiation outside of any step.
    model = small.build("energy_gan", compile=False)
    latents = ops.convert_to_tensor(model.latents_for(4, seed=1))
    model.sample_latents = lambda count, training=True: latents
    rates = {"discriminator": 0.0, "generator": 0.1, "estimator": 0.1}
    sgd = {f"{player}_optimizer": keras.optimizers.SGD(rate) for player, rate in rates.items()}
    model.compile(**sgd, run_eagerly=True)
    expected = {}
    for player in ("generator", "estimator"):
        variables = getattr(model, player).trainable_variables

        def loss(player=player):
            fakes = model.fake(latents)
            bound = model.entropy_loss(fakes, latents, latents)
            return bound - ops.mean(model.score(fakes)) if player == "generator" else bound

        slopes = value_and_gradients(loss, variables)[2]
        expected[player] = [np.array(v) - 0.1 * ops.convert_to_numpy(g) for v, g in zip(variables, slopes, strict=True)]
    before = small.weights(model)
    model.fit(small.data(4)[0], batch_size=4, verbose=0)
    for player, values in expected.items():
        found = [ops.convert_to_numpy(v.value) for v in getattr(model, player).trainable_variables]
        small.assert_same(values, found, rtol=1e-4, atol=1e-6)
    assert sum(small.moved(before, small.weights(model))) == sum(len(each) for each in expected.values())


def test_without_entropy_it_is_a_game_of_two():
    model = small.build("energy_gan", entropy_weight=0.0)
    assert model.players == ("discriminator", "generator") and model.estimator is None
    history = model.fit(small.data()[0], batch_size=4, verbose=0).history
    assert "estimator_loss" not in history and "penalty" in history
    again = type(model).from_config(model.get_config())
    assert again.networks == ("generator", "discriminator")


def test_images_can_be_drawn_by_each_sampler():
    model = small.shared("energy_gan")
    drawn = {name: model.generate(3, seed=0, sampler=name) for name in ("generator", "mala", "langevin")}
    assert all(images.shape == (3, *small.SHAPE) for images in drawn.values())
    assert not np.array_equal(drawn["generator"], drawn["langevin"])
    np.testing.assert_array_equal(drawn["mala"], kg.samplers.mala(model, 3, seed=0).images)
    energies = model.energy(small.data(3)[0])
    np.testing.assert_allclose(energies, -ops.convert_to_numpy(model.realness(small.data(3)[0])), rtol=1e-5)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: toy(entropy_weight=0.0), ValueError, "`estimator` must be a network of images where `entropy_weight`"),
        (lambda: toy(penalty_weight=-1.0), ValueError, "`penalty_weight` must be a number at least 0"),
        (lambda: toy(entropy="jensen"), ValueError, "`entropy` must be one of .*Did you mean 'jensen_shannon'"),
        (lambda: toy(objective="margin"), ValueError, "`objective` must be one of"),
        (lambda: toy(estimator=np.zeros((2, 3))), ValueError, r"`estimator` must return encodings \(n, 2\)"),
        (lambda: small.shared("energy_gan").generate(2, sampler="mcmc"), ValueError, "`sampler` must be one of"),
        (
            lambda: small.build("energy_gan", False).compile(update="simultaneous"),
            ValueError,
            "`update` must be one of",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
