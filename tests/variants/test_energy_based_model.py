"""Energy-based model: check values of losses and buffer, one step by hand, going back, restoring, resuming."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import value_and_gradients
from keras_gans.engine.optimizers import ClippedAdam
from tests.laws import small

REAL, SAMPLE = np.array([0.2, -0.1, 0.4], "float32"), np.array([0.5, 0.3, -0.2], "float32")
IMAGES = small.data(12)[0]


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def array(value):
    return ops.convert_to_numpy(value)


@pytest.mark.parametrize(
    ("objective", "weight", "expected"),
    [
        ("contrastive", 0.0, -0.03333333),
        ("contrastive", 1.0, 0.16333333),
        ("softplus", 0.0, 0.70161948),
        ("logsumexp", 0.0, 0.05718538),
    ],
)
def test_losses_have_their_check_values(objective, weight, expected):
    model = small.build("energy_based_model", compile=False, objective=objective, energy_weight=weight)
    assert float(model.energy_loss(tensor(REAL), tensor(SAMPLE))) == pytest.approx(expected, rel=1e-5)


def test_the_gradients_of_the_loss_have_their_check_values():
    model = small.build("energy_based_model", compile=False)
    energies = [keras.Variable(each) for each in (REAL, SAMPLE)]
    _, _, found = value_and_gradients(lambda: model.energy_loss(*map(ops.convert_to_tensor, energies)), energies)
    np.testing.assert_allclose(3 * array(found[0]), [0.46666667 * 3, 0.26666667 * 3, 0.6 * 3], rtol=1e-5)
    np.testing.assert_allclose(array(found[1]), [0, -0.13333333, -0.46666667], rtol=1e-5, atol=1e-7)


def test_the_buffer_stores_bytes_and_gives_intervals():
    model = small.build("energy_based_model", compile=False, buffer_size=12, restart_share=0.0)
    pixels = np.zeros((4, *small.SHAPE), "float32")
    pixels[:, 0, 0, 0] = [0, 0.5, 0.9999, 1.0]
    for _ in range(4):  # 16 in a ring of 12: the last four stand over the first
        model.store(tensor(pixels))
    assert array(model.buffer.value)[:4, 0, 0, 0].tolist() == [0, 127, 254, 255]
    assert int(array(model.buffer_filled.value)) == 12 and int(array(model.buffer_place.value)) == 4
    draws = iter([np.array([0.0, 0.3, 0.6]), np.full((3, *small.SHAPE), 0.5), np.full(3, 0.5)])
    model.draw_uniform = lambda shape: tensor(next(draws))
    starts, anew = model.starts(tensor(np.ones((3, *small.SHAPE))))
    assert not array(anew).any()
    first = array(model.buffer.value)[[0, 3, 7]]
    np.testing.assert_allclose(array(starts), (first + 0.5) / 256, rtol=1e-6)


def test_chains_start_anew_until_the_buffer_holds_more_than_a_batch():
    model = small.build("energy_based_model", compile=False, buffer_size=12, restart_share=0.0)
    fresh = tensor(np.full((4, *small.SHAPE), 0.25))
    assert array(model.starts(fresh)[1]).all()
    model.store(fresh)
    assert array(model.starts(fresh)[1]).all()
    model.store(fresh)
    assert not array(model.starts(fresh)[1]).any()
    always = small.build("energy_based_model", compile=False, buffer_size=12, restart_share=1.0)
    always.store(tensor(np.zeros((9, *small.SHAPE))))
    np.testing.assert_array_equal(array(always.starts(fresh)[0]), array(fresh))


def test_one_step_is_the_step_of_the_algorithm():
    # Three steps of two chains by hand, then plain descent on the contrastive loss of their ends.
    model = small.build("energy_based_model", compile=False, sampling_steps=3, gradient_clip=0.02, buffer_size=8)
    random = np.random.default_rng(0)
    normal = random.normal(size=(3, 2, *small.SHAPE)).astype("float32")
    model.draw_normal = lambda shape, training=True: tensor(normal)
    model.sample_latents = lambda count, training=True: tensor(np.full((2, *small.SHAPE), 0.5))
    model.draw_uniform = lambda shape: tensor(np.full(shape, 0.5))
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)

    x = tensor(np.full((2, *small.SHAPE), 0.75))
    for n in normal:
        x = x + 0.005 * tensor(n)
        variable = keras.Variable(x)
        slope = value_and_gradients(
            lambda v=variable: -ops.sum(model.network(2 * ops.convert_to_tensor(v) - 1)), [variable]
        )[2][0]
        x = tensor(np.clip(array(x) - 10 * np.clip(array(slope), -0.02, 0.02), 0, 1))
    reals = tensor((IMAGES[:2].astype("float32") + 0.5) / 256)

    def loss():
        real, sample = (-model.network(2 * each - 1, training=True) for each in (reals, x))
        return ops.mean(real) - ops.mean(sample) + ops.mean(real**2) + ops.mean(sample**2)

    variables = model.network.trainable_variables
    slopes = value_and_gradients(loss, variables)[2]
    expected = [np.array(v) - 0.1 * array(g) for v, g in zip(variables, slopes, strict=True)]
    model.fit(IMAGES[:2], batch_size=2, shuffle=False, verbose=0)
    small.assert_same(expected, small.weights(model), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(array(model.buffer.value)[:2], np.floor(255 * array(x)).astype("uint8"))


@pytest.mark.parametrize("damage", [1e4, np.nan])
def test_energies_that_run_away_send_the_model_back_and_fit_says_so(damage, caplog):
    model = small.build("energy_based_model", compile=False, keep_every=1)
    model.compile(run_eagerly=small.EAGER)
    model.fit(IMAGES, batch_size=4, verbose=0)
    kept = [array(each.value) for each in model._kept]
    rate = float(model.optimizer.learning_rate)
    for variable in model.network.trainable_variables:
        variable.assign(variable.value * damage)
    with caplog.at_level("WARNING", "keras_gans"):
        history = model.fit(IMAGES[:4], batch_size=4, verbose=0).history
    assert "ran away in epoch 1" in caplog.text and "the learning rate is now 0.00015" in caplog.text
    assert float(model.optimizer.learning_rate) == pytest.approx(rate / 2)
    assert int(array(model.rollbacks.value)) == history["rollbacks"][0] == 1
    assert int(array(model.buffer_filled.value)) == 0
    assert np.isfinite(history["loss"]).all()
    # From the kept weights on, one step with both sides alike: the squared energies alone are lowered.
    steps = [np.abs(a - array(v)).max() for a, v in zip(kept, model.network.variables, strict=True)]
    assert max(steps) < 5e-3
    caplog.clear()
    model.fit(IMAGES, batch_size=4, verbose=0)
    assert "ran away" not in caplog.text


def test_a_schedule_is_refused_since_it_cannot_be_halved():
    model = small.build("energy_based_model", compile=False)
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9)
    with pytest.raises(ValueError, match="`optimizer` must have a number as learning rate"):
        model.compile(optimizer=keras.optimizers.Adam(schedule))


def test_gradients_are_clipped_to_what_they_have_been():
    optimizer, weight = ClippedAdam(1.0, beta_1=0.0, beta_2=0.999), keras.Variable(np.zeros(3, "float32"))
    optimizer.build([weight])
    optimizer.apply([tensor([0.05, 5.0, np.nan])], [weight])  # v = 0: at most 0.1
    moments = 0.001 * np.array([0.05, 0.1, 0.0]) ** 2
    moved = -np.array([0.05, 0.1, 0.0]) / (np.sqrt(moments / 0.001) + 1e-7)
    np.testing.assert_allclose(array(weight.value), moved, rtol=1e-3, atol=1e-6)
    optimizer.apply([tensor([1.0, 0.2, 0.0])], [weight])  # bounds 3 sqrt(v / 0.001) + 0.1 = 0.25, 0.4, 0.1
    clipped = np.array([0.25, 0.2, 0.0])
    moments = 0.999 * moments + 0.001 * clipped**2
    moved = moved - clipped / (np.sqrt(moments / (1 - 0.999**2)) + 1e-7)
    np.testing.assert_allclose(array(weight.value), moved, rtol=1e-3, atol=1e-6)


def test_masked_pixels_are_restored_and_the_others_stay():
    model = small.shared("energy_based_model")
    mask = np.zeros(small.SHAPE[:2])
    mask[4:] = 1
    restored = model.restore(IMAGES, mask=mask)
    np.testing.assert_array_equal(restored[:, :4], IMAGES[:, :4])
    assert not np.array_equal(restored[:, 4:], IMAGES[:, 4:])
    for form in (mask[..., None], np.broadcast_to(mask[..., None], IMAGES.shape) > 0):
        np.testing.assert_array_equal(model.restore(IMAGES, mask=form), restored)
    assert model.restore(IMAGES, steps=1).shape == IMAGES.shape


def test_a_step_costs_a_part_of_what_a_generated_batch_costs():
    model = build(sampling_steps=20, generation_steps=80)
    assert model.passes_per_step == pytest.approx(24 / 80)


def test_noise_with_the_spectrum_of_the_data_is_learned_by_fit_and_saved(tmp_path):
    model = small.build("energy_based_model", compile=False, noise="spectrum")
    model.compile(run_eagerly=small.EAGER)
    model.fit(IMAGES, batch_size=4, verbose=0)
    latents = model.latents_for(200, seed=0)
    assert np.abs(latents).max() <= 1
    np.testing.assert_allclose(latents.mean(axis=0), IMAGES.mean(axis=0) / 127.5 - 1, atol=0.3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.generate(3, seed=0), model.generate(3, seed=0))


def test_chains_start_from_noise_or_from_the_buffer():
    model = small.shared("energy_based_model")
    with pytest.raises(ValueError, match="the buffer is empty until the model is trained"):
        model.generate(2, start="buffer")
    latents = model.latents_for(500, seed=0)
    assert -1 < latents.min() < -0.99 and latents.mean() == pytest.approx(0, abs=0.02)
    assert latents.std() == pytest.approx(1 / np.sqrt(3), abs=0.01)
    np.testing.assert_array_equal(model.generate(3, seed=4), model.decode(model.latents_for(3, seed=4)))
    start = np.rint(127.5 * (model.latents_for(3, seed=4) + 1)).astype("uint8")
    assert (model.energy(model.generate(3, seed=4, steps=5)) < model.energy(start) - 0.1).all()
    model.fit(IMAGES, batch_size=4, verbose=0)
    assert model.generate(2, start="buffer", seed=0, output="pil")[0].size == (8, 8)
    assert model.from_buffer(8, seed=1).shape == (8, *small.SHAPE)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: build(step_size=0), ValueError, "`step_size` must be a number greater than 0"),
        (lambda: build(buffer_size=10**13), ValueError, "`buffer_size` must be at most .* this machine has"),
        (lambda: build(restart_share=1.5), ValueError, "`restart_share` must be a number at least 0 and at most 1"),
        (lambda: build(objective="cd"), ValueError, "`objective` must be one of 'contrastive'"),
        (lambda: model().restore(IMAGES, mask=np.zeros((4, 4))), ValueError, r"`mask` must have shape \(8, 8\)"),
        (lambda: model().restore(IMAGES, mask=np.full((8, 8), 0.5)), ValueError, "`mask` must be 1 .* and 0 elsewhere"),
        (lambda: model().generate(2, start="buffers"), ValueError, "`start` must be one of .*Did you mean 'buffer'"),
        (lambda: model().decode(model().latents_for(1), steps=0), ValueError, "`steps` must be a positive integer"),
        (lambda: kg.EnergyBasedModel(keras.Sequential()), ValueError, "`image_shape` must be"),
        (lambda: kg.EnergyBasedModel(coupled()), ValueError, "`network` must treat samples independently.*'mixing'"),
        (
            lambda: kg.EnergyBasedModel(keras.Sequential([keras.Input(small.SHAPE), keras.layers.Flatten()])),
            ValueError,
            r"`network` must return one value per image",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def coupled():
    layers = [keras.layers.BatchNormalization(name="mixing"), keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(small.SHAPE), *layers])


def build(**knobs):
    return small.build("energy_based_model", compile=False, **knobs)


def model():
    return small.shared("energy_based_model")
