"""Simultaneous updates: both players' gradients from one pass are those of the two losses, for every variant."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import simultaneous
from tests.laws import small

OF_TWO = {"energy_gan": {"entropy_weight": 0.0}}  # its estimator would be a third player
CASES = [(name, OF_TWO.get(name, {})) for name in small.TWO_PLAYERS] + [
    ("gan", {"loss": "saturating"}),
    ("gan", {"loss": "hinge"}),
    ("gan", {"loss": "least_squares"}),
    ("rsgan", {"form": "averaged"}),
    ("rsgan", {"form": "averaged_hinge"}),
    ("r3gan", {"saturating": True}),
    ("gan", {"penalties": [kg.penalties.R1(0.5)]}),
]
IMAGES = small.data(6)[0]


def build(name, knobs, update, rate=0.05):
    model = small.build(name, compile=False, **knobs)
    latents = np.random.default_rng(4).normal(size=(6, small.LATENT_DIM)).astype("float32")
    weights = np.random.default_rng(5).random(6).astype("float32")
    model.sample_latents = lambda count, training=True: ops.convert_to_tensor(latents)
    model.mixing_weights = lambda count: ops.convert_to_tensor(weights)
    rates = rate if isinstance(rate, tuple) else (rate, rate)
    optimizers = map(keras.optimizers.SGD, rates)
    model.compile(
        **dict(zip(map(model.optimizer_argument, ("generator", "discriminator")), optimizers, strict=True)),
        update=update,
        run_eagerly=small.eagerly(name) or small.EAGER and bool(knobs),  # of each variant one game is compiled
    )
    return model


def trained(model, rate=(0.05, 0.05)):
    """Trains one step at these rates of generator and discriminator; returns both players' weights and the logs."""
    for player, each in zip(("generator", "discriminator"), rate, strict=True):
        model.optimizer.of(player).learning_rate = each
    history = model.fit(IMAGES, batch_size=6, shuffle=False, verbose=0).history
    parts = [getattr(model, network).trainable_variables for network in ("generator", "discriminator")]
    return [[np.array(ops.convert_to_numpy(v.value)) for v in part] for part in parts], history


@pytest.mark.parametrize("name, knobs", CASES, ids=lambda case: str(case))
def test_both_players_take_the_steps_of_their_losses_from_the_same_weights(name, knobs):
    # An alternating step with the discriminator's rate 0 is the generator's step from the old weights, and the
    # discriminator's own step does not depend on the generator's rate: the two make up the simultaneous step.
    (generator, discriminator), logs = trained(build(name, knobs, "simultaneous"))
    model = build(name, knobs, "alternating")
    start = small.state(model)
    (expected_generator, _), _ = trained(model, rate=(0.05, 0.0))
    small.put_back(model, start)
    (_, expected_discriminator), expected_logs = trained(model, rate=(0.0, 0.05))
    small.assert_same(expected_generator, generator, rtol=1e-5, atol=1e-6)
    small.assert_same(expected_discriminator, discriminator, rtol=1e-5, atol=1e-6)
    assert logs["discriminator_loss"] == pytest.approx(expected_logs["discriminator_loss"], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    "name, knobs, expected",
    [
        ("gan", {"loss": "saturating"}, "constant_ratio"),
        ("gan", {}, "per_sample"),
        ("gan", {"loss": "hinge"}, "two_pullbacks"),
        ("gan", {"loss": "least_squares"}, "two_pullbacks"),
        ("rsgan", {}, "per_sample"),
        ("rsgan", {"form": "averaged"}, "per_sample"),
        ("rsgan", {"form": "averaged_hinge"}, "two_pullbacks"),
        ("wgan", {}, "constant_ratio"),
        ("wgan_gp", {}, "constant_ratio"),
        ("gan_qp", {}, "two_pullbacks"),
        ("o_gan", {}, "two_pullbacks"),
        ("cascading_rejection_gan", {}, "two_pullbacks"),
    ],
)
def test_the_library_chooses_the_cheapest_exact_form_and_says_which(name, knobs, expected, caplog):
    with caplog.at_level("INFO", logger="keras_gans"):
        assert simultaneous.form(build(name, knobs, "simultaneous")) == expected
    assert f"simultaneous updates, {expected}" in caplog.text


def test_a_discriminator_that_mixes_samples_gets_two_pullbacks_unless_the_ratio_is_constant():
    for loss, expected in [("non_saturating", "two_pullbacks"), ("saturating", "constant_ratio")]:
        model = kg.create("gan", (16, 16, 1), 4, network_options={"width": 2}, loss=loss)
        assert simultaneous.coupled_layers(model.discriminator) == ["norm_1"] and simultaneous.form(model) == expected


def test_a_ratio_that_is_too_large_falls_back_to_two_pullbacks():
    # A last bias of -200 makes sigma(f) zero in float32 for every fake: the ratio is 0/0, the exact gradient is not.
    def step(update, rate):
        model = build("gan", {}, update, rate)
        model.discriminator.trainable_variables[-1].assign([-200.0])
        model.fit(IMAGES, batch_size=6, shuffle=False, verbose=0)
        return [np.array(ops.convert_to_numpy(v.value)) for v in model.generator.trainable_variables]

    before = [
        np.array(ops.convert_to_numpy(v.value)) for v in build("gan", {}, "alternating").generator.trainable_variables
    ]
    after = step("simultaneous", 0.05)
    assert any(small.moved(before, after))
    small.assert_same(step("alternating", (0.05, 0.0)), after, rtol=1e-5, atol=1e-6)


def test_only_the_last_of_several_critic_steps_is_simultaneous():
    images = small.data(12)[0]
    results = []
    for update in ("simultaneous", "alternating"):
        model = build("gan_qp", {"critic_steps": 2}, update, rate=(0.0, 0.05))
        model.fit(images, batch_size=6, shuffle=False, verbose=0)
        results.append([np.array(ops.convert_to_numpy(v.value)) for v in model.discriminator.trainable_variables])
    small.assert_same(*results, rtol=1e-5, atol=1e-6)


def test_the_choice_is_saved_and_unknown_ones_are_refused(tmp_path):
    model = build("gan", {}, "simultaneous")
    model.fit(IMAGES, batch_size=6, verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").update == "simultaneous"
    with pytest.raises(ValueError, match="`update` must be one of .*Did you mean 'simultaneous'"):
        model.compile(update="simultanous")
