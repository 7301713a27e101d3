"""DiffAugment: check values, derivatives of both orders, draws per sample, and a place in every train step."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_gans as kg
from keras_gans.engine import input_gradients, value_and_gradients
from keras_gans.layers import DiffAugment
from keras_gans.layers import diff_augment as functions
from tests.conftest import BACKEND
from tests.layers.conftest import as_array

RAMP = (np.arange(12).reshape(1, 2, 2, 3) / 6 - 1).astype("float32")
SQUARE = np.arange(1, 17, dtype="float32").reshape(1, 4, 4, 1)


def images(count=3, size=8, channels=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, size, size, channels)).astype("float32")


def numbers(layer, count, seed=0):
    return ops.convert_to_tensor(np.random.default_rng(seed).uniform(size=(count, layer.numbers + 1)).astype("float32"))


def integer(*values):
    return ops.convert_to_tensor(np.array(values, "int32"))


def test_color_has_the_check_values():
    u = ops.convert_to_tensor(np.array([0.8, 0.25, 0.1], "float32"))
    x = functions.brightness(ops.convert_to_tensor(RAMP), u[:1])
    np.testing.assert_allclose(as_array(x), RAMP + 0.3, rtol=1e-5)
    x = functions.saturation(x, u[1:2])
    expected = [-0.61666667, -0.53333333, -0.45, -0.11666667, -0.03333333, 0.05]
    expected += [0.38333333, 0.46666667, 0.55, 0.88333333, 0.96666667, 1.05]
    np.testing.assert_allclose(as_array(x).ravel(), expected, rtol=1e-5)
    x = functions.contrast(x, u[2:])
    expected = [-0.28333333, -0.23333333, -0.18333333, 0.01666667, 0.06666667, 0.11666667]
    expected += [0.31666667, 0.36666667, 0.41666667, 0.61666667, 0.66666667, 0.71666667]
    np.testing.assert_allclose(as_array(x).ravel(), expected, rtol=1e-5)
    np.testing.assert_allclose(as_array(functions.color(ops.convert_to_tensor(RAMP), u[None])).ravel(), expected, 1e-5)


def test_saturation_leaves_gray_images_as_they_are():
    x = images(channels=1)
    u = ops.convert_to_tensor(np.array([0.0, 0.3, 1.0], "float32"))
    np.testing.assert_array_equal(as_array(functions.saturation(ops.convert_to_tensor(x), u)), x)


def test_each_sample_has_its_own_level():
    x = images()
    u = np.array([0.1, 0.5, 0.9], "float32")
    outputs = as_array(functions.contrast(ops.convert_to_tensor(x), ops.convert_to_tensor(u)))
    np.testing.assert_allclose(outputs.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(outputs.std((1, 2, 3)), x.std((1, 2, 3)) * (u + 0.5), rtol=1e-5)


def test_translation_has_the_check_values():
    moved = functions.translate(ops.convert_to_tensor(np.repeat(SQUARE, 2, 0)), integer(1, 0), integer(-1, 2))
    np.testing.assert_array_equal(as_array(moved)[0, ..., 0], [[0, 5, 6, 7], [0, 9, 10, 11], [0, 13, 14, 15], [0] * 4])
    np.testing.assert_array_equal(as_array(moved)[1, ..., 0], [[4 * i + 3, 4 * i + 4, 0, 0] for i in range(4)])


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=4, max_size=4))
def test_translation_is_padding_and_cropping(shifts):
    x = images(2, size=5)
    moved = as_array(functions.translate(ops.convert_to_tensor(x), integer(*shifts[:2]), integer(*shifts[2:])))
    padded = np.pad(x, [[0, 0], [6, 6], [6, 6], [0, 0]])
    for i, (down, right) in enumerate(zip(shifts[:2], shifts[2:], strict=True)):
        np.testing.assert_array_equal(moved[i], padded[i, 6 + down : 11 + down, 6 + right : 11 + right])


def erased(size, top, left):
    kept = as_array(functions.erase(ops.ones((1, size, size, 1)), integer(top), integer(left)))[0, ..., 0]
    return {tuple(map(int, pixel)) for pixel in np.argwhere(kept == 0)}


def test_cutout_has_the_check_values():
    assert erased(4, 0, 0) == {(0, 0)}
    assert erased(4, 2, 3) == {(1, 2), (1, 3), (2, 2), (2, 3)}
    assert erased(4, 4, 4) == {(3, 3)}
    assert erased(5, 4, 0) == {(row, column) for row in (3, 4) for column in (0, 1)}
    assert [functions.cut_size(side) for side in (32, 28, 5)] == [16, 14, 3]


def test_the_mean_erased_area_is_less_than_a_quarter():
    centres = np.arange(33)
    top, left = (integer(*side.ravel()) for side in np.meshgrid(centres, centres))
    kept = as_array(functions.erase(ops.ones((33 * 33, 32, 32, 1)), top, left))
    assert 1 - kept.mean(dtype="float64") == pytest.approx(0.18646694, abs=1e-7)


@pytest.mark.parametrize("size, shift, centres", [(28, 4, 29), (32, 4, 33), (64, 8, 65), (4, 1, 5), (5, 1, 5)])
def test_uniform_numbers_reach_every_shift_and_every_centre(size, shift, centres, monkeypatch):
    found = {}
    monkeypatch.setattr(functions, "translate", lambda x, *pair: found.update(shift=[as_array(v) for v in pair]))
    monkeypatch.setattr(functions, "erase", lambda x, *pair: found.update(centre=[as_array(v) for v in pair]))
    u = np.linspace(0, 1, 400, endpoint=False, dtype="float32")
    u[-1] = np.nextafter(np.float32(1), np.float32(0))
    u = ops.convert_to_tensor(np.stack([u, u[::-1]], axis=1))
    functions.translation(ops.ones((1, size, size, 1)), u)
    functions.cutout(ops.ones((1, size, size, 1)), u)
    for values in found["shift"]:
        drawn, counts = np.unique(values, return_counts=True)
        np.testing.assert_array_equal(drawn, np.arange(-shift, shift + 1))
        assert counts.max() - counts.min() <= 2
    for values in found["centre"]:
        np.testing.assert_array_equal(np.unique(values), np.arange(centres))


def test_the_policy_is_applied_in_its_order():
    x = ops.convert_to_tensor(images())
    first, second = DiffAugment("color, translation"), DiffAugment("translation,color")
    u = numbers(first, 3)
    other = ops.concatenate([u[:, 3:5], u[:, :3], u[:, 5:]], axis=1)  # the same parameters
    assert first.policy == "color,translation"
    np.testing.assert_allclose(
        as_array(first.augment(x, u)), as_array(functions.translation(functions.color(x, u[:, :3]), u[:, 3:5]))
    )
    assert np.abs(as_array(first.augment(x, u)) - as_array(second.augment(x, other))).max() > 0.01


def test_the_gradient_of_each_part_is_what_the_definition_says():
    x = ops.convert_to_tensor(images(2, size=4))

    def slopes(fn):
        return as_array(input_gradients(fn, x))

    seen = slopes(lambda x: functions.translate(x, integer(1, 0), integer(-1, 2)))
    expected = np.zeros((2, 4, 4))
    expected[0, 1:, :3], expected[1, :, 2:] = 1, 1
    np.testing.assert_array_equal(seen, np.repeat(expected[..., None], 3, -1))
    mask = as_array(functions.erase(ops.ones((2, 4, 4, 3)), integer(0, 2), integer(4, 3)))
    np.testing.assert_array_equal(slopes(lambda x: functions.erase(x, integer(0, 2), integer(4, 3))), mask)
    # Color is affine: its derivative along v is the chain on v without the brightness.
    u, v, weights = numbers(DiffAugment("color"), 2)[:, :3], images(2, 4, seed=1), images(2, 4, seed=2)
    along = as_array(functions.contrast(functions.saturation(ops.convert_to_tensor(v), u[:, 1]), u[:, 2]))
    slope = slopes(lambda x: functions.color(x, u) * ops.convert_to_tensor(weights))
    np.testing.assert_allclose(np.sum(slope * v), np.sum(along * weights), rtol=1e-4)


def test_a_gradient_penalty_goes_through_the_augmentation():
    """R1 of C(T(x)), with C cubic so that its slope depends on x, against differences of a parameter."""
    layer = DiffAugment()
    x, u = ops.convert_to_tensor(images(2)), numbers(layer, 2)
    scale = keras.Variable(0.7)

    def penalty():
        slopes = input_gradients(lambda x: ops.sum((scale * layer.augment(x, u)) ** 3, axis=(1, 2, 3)), x * scale)
        return ops.sum(ops.square(slopes))

    _, _, (gradient,) = value_and_gradients(penalty, [scale])
    ends = []
    for step in (1e-2, -1e-2):
        scale.assign(0.7 + step)
        ends.append(float(ops.convert_to_numpy(penalty())))
    np.testing.assert_allclose(float(gradient), (ends[0] - ends[1]) / 2e-2, rtol=5e-3)


def test_two_calls_and_two_samples_get_different_draws_and_a_seed_repeats_them():
    x = np.repeat(images(1), 6, axis=0)
    layer, same = DiffAugment(seed=3), DiffAugment(seed=3)
    first, second = as_array(layer(x)), as_array(layer(x))
    assert len(np.unique(first.reshape(6, -1), axis=0)) == 6
    assert (first != second).any()
    np.testing.assert_array_equal(as_array(same(x)), first)
    np.testing.assert_array_equal(as_array(same(x)), second)


def test_p_is_the_probability_that_a_sample_is_augmented():
    x = images(500, size=4)
    np.testing.assert_array_equal(as_array(DiffAugment("color", p=0)(x)), x)
    changed = (as_array(DiffAugment("color", p=0.3, seed=0)(x)) != x).any((1, 2, 3))
    assert 0.2 < changed.mean() < 0.4
    layer = DiffAugment("translation", p=0.5)
    u = ops.convert_to_tensor(np.array([[0.9, 0.9, 0.49], [0.9, 0.9, 0.51]], "float32"))
    outputs = as_array(layer.augment(ops.convert_to_tensor(x[:2]), u))
    assert (outputs[0] != x[0]).any() and (outputs[1] == x[1]).all()


def test_nothing_is_clipped_and_the_layer_stays_in_float32(mixed_bfloat16):
    x = images(8)
    outputs = DiffAugment("translation", seed=0)(x)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert set(as_array(outputs).ravel()) <= {0.0, *x.ravel()}  # moved, not rounded
    assert np.abs(as_array(DiffAugment("color", seed=0)(x))).max() > 1.1


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"policy": "color,translate"}, ValueError, "`policy` must be one of .*Did you mean 'translation'"),
        ({"policy": ""}, ValueError, "`policy` must be one of"),
        ({"policy": ["color"]}, TypeError, "`policy` must be a string such as 'color,translation,cutout'"),
        ({"p": 1.5}, ValueError, "`p` must be a number at least 0 and at most 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        DiffAugment(**arguments)


def test_points_are_refused():
    with pytest.raises(ValueError, match=r"DiffAugment needs images .*Received: images.shape=\(3, 2\)"):
        DiffAugment()(np.zeros((3, 2), "float32"))


def small_gan(**knobs):
    keras.utils.set_random_seed(1)
    model = kg.create("gan", (8, 8, 3), 4, network="mlp", network_options={"width": 8, "depth": 1}, **knobs)
    model.compile()
    return model


def test_a_model_with_augmentation_and_r1_trains_saves_and_goes_on(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype="uint8")
    model = small_gan(augmentation=DiffAugment(seed=5), penalties=[kg.penalties.R1(1.0)])
    model.fit(data, batch_size=4, verbose=0)  # the last batch is smaller
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.augmentation.get_config() == model.augmentation.get_config()
    for each in (model, loaded):
        history = each.fit(data, batch_size=4, verbose=0).history
        assert np.isfinite(list(history.values())).all()
    for a, b in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(as_array(a), as_array(b))
    before = as_array(model.augmentation.seeds.state)
    model.evaluate(data, verbose=0)  # what is measured is not augmented
    np.testing.assert_array_equal(as_array(model.augmentation.seeds.state), before)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch compiles nothing here")
def test_the_compiled_step_draws_afresh_at_every_step():
    data = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype="uint8"), 4, axis=0)
    model = small_gan(augmentation=DiffAugment("translation,cutout", seed=5))
    model.compile(generator_optimizer=keras.optimizers.SGD(0.0), discriminator_optimizer=keras.optimizers.SGD(0.0))
    scores = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: scores.append(logs["real_score"]))
    for _ in range(3):
        model.fit(data, batch_size=4, callbacks=[record], verbose=0)
    assert len({float(score) for score in scores}) == 3
