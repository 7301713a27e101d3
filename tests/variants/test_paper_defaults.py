"""The papers' optimisers, one row per variant, and defaults of the shared parts that a wrong line would change."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine.private_keras import layers_of
from tests.laws import small

# class, learning rates (discriminator, generator), and the other settings that are not Keras's own
ADAM_HALF = {"beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-7}
ADAM_ZERO = {"beta_1": 0.0, "beta_2": 0.9, "epsilon": 1e-7}
OPTIMIZERS = {
    ("cascading_rejection_gan", ()): ("Adam", (2e-4, 2e-4), ADAM_ZERO),
    ("energy_based_model", ()): ("ClippedAdam", (3e-4,), {"beta_1": 0.0, "beta_2": 0.999, "epsilon": 1e-7}),
    ("energy_gan", ()): ("Adam", (1e-4, 1e-4, 1e-4), {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-7}),
    ("f_gan", ()): ("Adam", (2e-4, 2e-4), ADAM_HALF),
    ("gan", ()): ("Adam", (2e-4, 2e-4), ADAM_HALF),
    ("gan", (("loss", "hinge"),)): ("Adam", (2e-4, 2e-4), ADAM_ZERO),
    ("gan_qp", ()): ("Adam", (2e-4, 2e-4), ADAM_HALF),
    ("glann", ()): ("Adam", (1e-3, 1e-2, 1e-3), ADAM_HALF),  # decoder, codes, mapper
    ("ign", ()): ("Adam", (1e-4,), ADAM_HALF),
    ("invertible_resnet", ()): ("Adamax", (3e-3,), {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
    ("likelihood_ratio_gan", ()): ("Adam", (2e-4, 2e-4), ADAM_HALF),
    ("likelihood_ratio_gan", (("member", "B3"),)): ("Adam", (1e-4, 2e-4), ADAM_HALF),
    ("o_gan", ()): ("RMSprop", (1e-4, 1e-4), {"rho": 0.99, "momentum": 0.0, "epsilon": 1e-14, "centered": False}),
    ("r3gan", ()): ("Adam", (2e-4, 2e-4), {"beta_1": 0.0, "beta_2": 0.99, "epsilon": 1e-8}),
    ("rsgan", ()): ("Adam", (2e-4, 2e-4), ADAM_HALF),
    ("wgan", ()): ("RMSprop", (5e-5, 5e-5), {"rho": 0.99, "momentum": 0.0, "epsilon": 1e-16, "centered": False}),
    ("wgan_div", ()): ("Adam", (2e-4, 2e-4), ADAM_HALF),
    ("wgan_gp", ()): ("Adam", (1e-4, 1e-4), ADAM_ZERO),
}
CRITIC_STEPS = {"energy_gan": 5, "wgan": 5, "wgan_gp": 5, "gan_qp": 2}  # 1 for all others


def test_the_table_names_every_variant():
    assert {name for name, _ in OPTIMIZERS} == set(kg.list_models())


@pytest.mark.parametrize(("name", "knobs"), OPTIMIZERS)
def test_the_default_optimisers_are_those_of_the_paper(name, knobs):
    kind, rates, settings = OPTIMIZERS[name, knobs]
    model = small.build(name, compile=False, **dict(knobs))
    found = model.default_optimizers()
    assert list(found) == list(model.players)
    for rate, optimizer in zip(rates, found.values(), strict=True):
        config = optimizer.get_config()
        assert type(optimizer).__name__ == kind
        assert float(config["learning_rate"]) == pytest.approx(rate)
        assert {key: config[key] for key in settings} == pytest.approx(settings)
        assert config["clipnorm"] is config["weight_decay"] is config["global_clipnorm"] is None


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize(("name", "gradient", "rate"), [("wgan", 1e-6, 5e-5), ("o_gan", 1e-5, 1e-4)])
def test_small_gradients_move_a_network_as_published(name, gradient, rate, player):
    """The update of a constant gradient is the learning rate, however small the gradient."""
    optimizer = small.build(name, compile=False).default_optimizers()[player]
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    for _ in range(350):  # until its mean square holds the gradient's
        before = float(ops.convert_to_numpy(weight.value)[0])
        optimizer.apply([ops.full((1,), gradient)], [weight])
    step = float(ops.convert_to_numpy(weight.value)[0]) - before
    assert step == pytest.approx(-rate, rel=0.05)


@pytest.mark.parametrize("name", small.TWO_PLAYERS)
def test_the_critic_takes_as_many_steps_as_in_the_paper(name):
    model = kg.create(name, small.SHAPE, latent_dim=4, network="mlp", network_options={"width": 4})
    assert model.critic_steps == model.batches_per_step == CRITIC_STEPS.get(name, 1)


def test_mixing_weights_are_uniform_between_0_and_1():
    weights = ops.convert_to_numpy(small.build("wgan_gp", compile=False).mixing_weights(20_000))
    assert weights.shape == (20_000,) and weights.min() >= 0 and weights.max() < 1
    heights, _ = np.histogram(weights, 10, (0, 1))
    assert np.abs(heights / 2000 - 1).max() < 0.12


def test_the_judge_of_a_cascade_weights_its_levels():
    model = small.build("cascading_rejection_gan", levels=3, level_weights=(1, 2, 5), compile=False)
    scores = ops.convert_to_tensor(np.array([[1.0, 10.0, 100.0], [0.5, 0.0, -8.0]], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(model.judge(scores)), [65.125, -4.9375], rtol=1e-6)


@pytest.mark.parametrize("critic_steps", [1, 2])
@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_every_weight_of_a_wgan_critic_is_clipped_after_its_steps(update, critic_steps):
    model = small.build("wgan", compile=False, clip=0.01, critic_steps=critic_steps)
    model.compile(update=update, discriminator_optimizer=keras.optimizers.SGD(1.0))
    images, _ = small.data(8)
    model.fit(images, batch_size=4, verbose=0)
    weights = np.concatenate([np.ravel(ops.convert_to_numpy(v)) for v in model.discriminator.trainable_variables])
    assert np.abs(weights).max() <= 0.01 * (1 + 1e-6) and np.mean(np.abs(weights) > 0.00999) > 0.1


@pytest.mark.parametrize("name", kg.list_models())
def test_a_blueprint_names_builders_that_exist_and_the_networks_of_the_variant(name):
    variant = kg.registry.get(name)
    parts = variant.blueprint(16)
    assert tuple(parts) == variant.networks
    for part in parts.values():
        assert kg.networks.having(part.builder) and part.size >= 1


@pytest.mark.one_backend
@pytest.mark.parametrize("network", ["dcgan", "resnet", "r3", "mlp"])
@pytest.mark.parametrize("name", small.TWO_PLAYERS)
def test_a_discriminator_has_spectral_norm_where_the_variant_wants_it_and_only_there(name, network):
    width = {"r3": {"width": 8}, "mlp": {"width": 4, "depth": 1}}.get(network, {"width": 4})
    shape = (8, 8, 1) if network == "mlp" else (16, 16, 1)
    wanted = kg.registry.get(name).blueprint(4)["discriminator"].options.get("normalization") == "spectral"
    possible = network in ("dcgan", "resnet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = kg.create(name, shape, 4, network=network, network_options=width)
    layers = layers_of(model.discriminator)
    assert any(isinstance(layer, kg.layers.SpectralNormalization) for layer in layers) == (wanted and possible)
    told = [str(each.message) for each in caught if "has no spectral normalisation" in str(each.message)]
    assert len(told) == (wanted and not possible)
    if told:
        assert repr(network) in told[0] and repr(name) in told[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kg.create(name, shape, 4, network, network_options=width, penalties=[kg.penalties.R1(1.0)])
