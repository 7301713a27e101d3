"""Gradient normalisation: check values, the bound, both players' second-order gradients, and a whole model."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import input_gradients, value_and_gradients
from keras_gans.layers import GradientNormalized
from keras_gans.layers.gradient_normalization import normalized_score
from tests.layers.conftest import as_array

REALS = np.array([[1, 2], [-0.5, 0.3]], "float32")
FAKES = np.array([[0.2, -1], [1.5, 0.8]], "float32")
REAL_SCORES, FAKE_SCORES = [-0.35141517, 0.63427172], [0.68829489, -0.47710469]


def critic(activation=None):
    """Returns the critic of the check values."""
    hidden = keras.layers.Dense(3)
    activation = activation or keras.layers.LeakyReLU(negative_slope=0.2)
    model = keras.Sequential([keras.Input((2,)), hidden, activation, keras.layers.Dense(1)])
    kernel = np.array([[0.6, -0.4], [1, 0.3], [-0.2, 0.9]]).T
    weights = (kernel, [0.1, -0.2, 0.05], [[0.7], [-1.1], [0.4]], [0.3])
    model.set_weights([np.array(weight) for weight in weights])
    return model


def norms(fn, points):
    return np.linalg.norm(as_array(input_gradients(fn, ops.convert_to_tensor(points))), axis=1)


def test_the_scores_have_the_check_values():
    raw, model = critic(), GradientNormalized(critic())
    np.testing.assert_allclose(as_array(raw(REALS))[:, 0], [-0.594, 0.5574], rtol=1e-5)
    np.testing.assert_allclose(norms(raw, REALS), [1.09630835, 0.32140317], rtol=1e-5)
    np.testing.assert_allclose(norms(raw, FAKES), [0.33004848, 0.80006250], rtol=1e-5)
    np.testing.assert_allclose(as_array(model(REALS))[:, 0], REAL_SCORES, rtol=1e-5)
    np.testing.assert_allclose(as_array(model(FAKES))[:, 0], FAKE_SCORES, rtol=1e-5)
    gran = GradientNormalized(critic(), form="gran", epsilon=1e-3)
    np.testing.assert_allclose(as_array(gran(REALS))[:, 0], [-0.54136794, 1.71764266], rtol=1e-5)


def test_the_gradient_of_a_piecewise_linear_critic_is_bounded_by_one():
    model = GradientNormalized(critic())
    np.testing.assert_allclose(norms(model, REALS), [0.42066228, 0.13375718], rtol=1e-4)
    points = np.random.default_rng(0).normal(size=(200, 2)).astype("float32") * 3
    raw, n = as_array(critic()(points))[:, 0], norms(critic(), points)
    np.testing.assert_allclose(norms(model, points), (n / (n + np.abs(raw))) ** 2, rtol=1e-3)
    assert norms(model, points).max() <= 1 + 1e-5


def test_the_losses_have_the_check_values():
    model = GradientNormalized(critic())
    reals, fakes = model(REALS), model(FAKES)
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    hinge = kg.GAN(generator, model, latent_dim=2, loss="hinge")
    assert as_array(ops.mean(fakes) - ops.mean(reals)) == pytest.approx(-0.03583318, abs=1e-6)
    assert as_array(hinge.discriminator_loss(reals, fakes)) == pytest.approx(1.96416682, rel=1e-5)


def test_a_dead_critic_is_finite_and_shapes_are_checked():
    zeros = ops.zeros((2, 1))
    for form in ("gn", "gran"):
        model = critic()
        for variable in model.trainable_variables:
            variable.assign(np.zeros(variable.shape))
        model = GradientNormalized(model, form)
        loss, _, gradients = value_and_gradients(
            lambda model=model: ops.sum(model(ops.convert_to_tensor(REALS))), model.trainable_variables
        )
        assert all(np.isfinite(as_array(gradient)).all() for gradient in (loss, *gradients))
    with pytest.raises(ValueError, match="one and the same shape"):
        normalized_score(zeros, zeros[:, 0])


@pytest.mark.parametrize("form", ["gn", "gran"])
def test_gradients_of_both_players_are_of_second_order(form):
    """Against differences, with a smooth critic, of the critic's weights and of a parameter of the fakes."""
    model = GradientNormalized(critic(keras.layers.Activation("tanh")), form, epsilon=0.1)
    model(REALS)
    shift = keras.Variable([0.3, -0.2])

    def loss():
        return ops.mean(ops.softplus(-model(ops.convert_to_tensor(FAKES) + shift.value, training=True)))

    variables = [*model.trainable_variables, shift]
    _, _, gradients = value_and_gradients(loss, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        value, found = as_array(variable), np.zeros(variable.shape)
        for i in np.ndindex(*variable.shape):
            ends = []
            for step in (3e-3, -3e-3):
                moved = value.copy()
                moved[i] += step
                variable.assign(moved)
                ends.append(float(ops.convert_to_numpy(loss())))
            variable.assign(value)
            found[i] = (ends[0] - ends[1]) / 6e-3
        np.testing.assert_allclose(as_array(gradient), found, rtol=2e-2, atol=5e-4)
        assert np.abs(found).max() > 1e-2


@pytest.mark.parametrize("num_classes", [0, 3])
def test_a_gan_with_it_trains_saves_and_goes_on(num_classes, tmp_path):
    mlp, shape = kg.networks.mlp, (8, 8, 1)
    discriminator = mlp.discriminator(shape, num_classes=num_classes, width=8, depth=1)
    model = kg.GAN(
        mlp.generator(shape, 4, num_classes, width=8, depth=1),
        GradientNormalized(discriminator),
        latent_dim=4,
        loss="hinge",
        num_classes=num_classes,
    )
    model.compile(generator_optimizer=keras.optimizers.SGD(0.05), discriminator_optimizer=keras.optimizers.SGD(0.05))
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (8, *shape), dtype="uint8"), rng.integers(0, 3, 8)
    data = (images, labels) if num_classes else images
    before = [as_array(variable) for variable in model.trainable_variables]
    history = model.fit(data, batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(list(history.values())).all() and max(np.abs(history["real_score"])) < 1
    moved = [np.abs(as_array(v) - b).max() for v, b in zip(model.trainable_variables, before, strict=True)]
    assert min(moved) > 0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.discriminator.form == "gn"
    for each in (model, loaded):
        each.fit(data, batch_size=4, verbose=0)
    for a, b in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(as_array(a), as_array(b))
    assert np.isfinite(
        list(model.evaluate(*(data if num_classes else (data,)), return_dict=True, verbose=0).values())
    ).all()


def test_scores_are_float32_under_mixed_precision(mixed_bfloat16):
    model = GradientNormalized(kg.networks.mlp.discriminator((2,), width=4, depth=1))
    assert keras.backend.standardize_dtype(model(REALS).dtype) == "float32"


def test_critics_that_mix_samples_or_are_random_are_refused():
    dcgan = kg.networks.dcgan
    with pytest.raises(ValueError, match="The layer 'norm_1' mixes the samples of a batch.*normalization=None"):
        GradientNormalized(dcgan.discriminator((16, 16, 1), width=4))
    with pytest.raises(ValueError, match="The layer 'minibatch_std' mixes"):
        GradientNormalized(dcgan.discriminator((8, 8, 1), width=4, normalization=None, minibatch_std=True))
    drop = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5, name="drop"), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="The layer 'drop' is random"):
        GradientNormalized(drop)
    with pytest.raises(TypeError, match="`critic` must be a keras.Model"):
        GradientNormalized(keras.layers.Dense(1))
    with pytest.raises(ValueError, match="`form` must be one of 'gn', 'gran'"):
        GradientNormalized(critic(), form="gnn")
    with pytest.raises(ValueError, match=r"`critic` must return one score per image.*\(None, 3\)"):
        GradientNormalized(kg.networks.mlp.discriminator((2,), 3, width=4))(REALS)
