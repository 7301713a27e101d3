"""IGN: check values of losses, gradients and noise; one step with a pencil; and the laws that every variant keeps."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_gans as kg
from keras_gans.engine import implicit, value_and_gradients
from keras_gans.engine.fitting import to_floats
from keras_gans.networks import dcgan, mlp
from keras_gans.samplers import spectrum
from keras_gans.variants import ign
from keras_gans.variants.ign import IGN
from tests.laws import small

A, B = 0.8, 0.1
PAPER = {"clamp": None, "reconstruction_weight": 1, "idempotence_weight": 1, "tightness_weight": 0.1}
X = np.array([[0.5, -0.4], [-0.9, 0.2]], "float32")
Z = np.array([[1.3, -0.7], [0.4, -1.8]], "float32")


@keras.saving.register_keras_serializable("tests")
class Squash(keras.layers.Layer):
    """y -> tanh(a y + b)."""

    def build(self, shape):
        self.a = self.add_weight(shape=(), initializer="ones", name="a")
        self.b = self.add_weight(shape=(), initializer="zeros", name="b")

    def call(self, y):
        return ops.tanh(self.a * y + self.b)


def toy(compile=False, **knobs):
    """Returns an IGN with f(y) = tanh(a y + b) on points of the plane."""
    network = keras.Sequential([keras.Input((2,)), Squash()], name="toy")
    network.layers[-1].a.assign(A)
    network.layers[-1].b.assign(B)
    model = IGN(network, noise="gaussian", **knobs)
    if compile:
        model.sample_latents = lambda count, training=True: ops.convert_to_tensor(Z)
        model.compile(optimizer=keras.optimizers.SGD(0.01))
    return model


def slopes(**knobs):
    """Returns the loss, what is observed and the gradient with respect to (a, b) of one batch."""
    model = toy(**knobs)
    x, z = ops.convert_to_tensor(X), ops.convert_to_tensor(Z)
    loss, observed, gradients = value_and_gradients(lambda: model.objective(x, z), model.network.trainable_variables)
    return (
        float(loss),
        {name: float(value) for name, value in observed.items()},
        [float(gradient) for gradient in gradients],
    )


def weighted(reconstruction, idempotence, tightness, **knobs):
    return slopes(
        reconstruction_weight=reconstruction, idempotence_weight=idempotence, tightness_weight=tightness, **knobs
    )


def test_drifts_have_the_check_values():
    expected = {
        "l2": ([0.01755037, 0.06232983], [0.03409766, 0.05662492], [0.15432410, 0.43090092]),
        "l1": ([0.11068239, 0.20158375], [0.18455143, 0.16929526], [0.37775085, 0.46569866]),
    }
    for distance, (reconstruction, frozen, source) in expected.items():
        model = toy(distance=distance)
        f = lambda y: model.mapped(ops.convert_to_tensor(y))  # noqa: B023, E731
        np.testing.assert_allclose(
            ops.convert_to_numpy(model.distances(f(X), ops.convert_to_tensor(X))), reconstruction, 1e-5
        )
        np.testing.assert_allclose(ops.convert_to_numpy(model.distances(f(f(Z)), f(Z))), frozen, 1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(model.distances(f(Z), ops.convert_to_tensor(Z))), source, 1e-5)


@pytest.mark.parametrize(
    "distance, reconstruction, outer, inner",
    [
        ("l2", (-0.14665302, 0.21938836), (-0.18692389, 0.15601248), (0.06514709, -0.02044297)),
        ("l1", (-0.30350930, 0.44956597), (-0.46186267, 0.05420491), (0.16610673, 0.03661990)),
    ],
)
def test_each_term_moves_the_application_it_should(distance, reconstruction, outer, inner):
    knobs = {"distance": distance, "clamp": None}
    np.testing.assert_allclose(weighted(1, 0, 0, **knobs)[2], reconstruction, rtol=2e-5)
    np.testing.assert_allclose(weighted(0, 1, 0, **knobs)[2], inner, rtol=1e-4)  # the outer application is frozen
    np.testing.assert_allclose(weighted(0, 0, 1, **knobs)[2], -np.array(outer), rtol=2e-5)  # the inner one is


@pytest.mark.parametrize(
    "distance, knobs, gradient",
    [
        ("l2", PAPER, (-0.06281354, 0.18334415)),
        ("l1", PAPER, (-0.09121630, 0.48076538)),
        ("l2", {"clamp": None}, (-1.16280886, 3.58887668)),
        ("l1", {"clamp": None}, (-1.59339473, 9.58820508)),
        ("l2", {}, (-1.39129191, 3.74425965)),
        ("l1", {}, (-2.10797578, 9.70769876)),
        ("l2", {"clamp": "real_mean"}, (-1.35385920, 3.74833322)),
        ("l1", {"clamp": "real_mean"}, (-2.06395400, 9.64343063)),
    ],
)
def test_the_loss_has_the_check_gradients(distance, knobs, gradient):
    np.testing.assert_allclose(slopes(distance=distance, **knobs)[2], gradient, rtol=2e-5)


@pytest.mark.parametrize(
    "distance, clamp, tightness, logged",
    [
        ("l2", "real", 0.03661941, 1.61447914),
        ("l1", "real", 0.14358046, 6.30217715),
        ("l2", "real_mean", 0.03830645, 1.61026154),
        ("l1", "real_mean", 0.14950885, 6.28735619),
        ("l2", "source", 0.04516683, 1.59311058),
        ("l1", "source", 0.17217394, 6.23069345),
        ("l2", None, 0.04536129, 20 * 0.03994010 + 17.5 * 0.04536129),
    ],
)
def test_the_clamps_have_the_check_values(distance, clamp, tightness, logged):
    loss, observed, _ = slopes(distance=distance, clamp=clamp)
    assert observed["tightness"] == pytest.approx(tightness, rel=1e-5)
    assert loss + 20 * observed["idempotence"] == pytest.approx(logged, rel=1e-5)
    assert ("clamp_level" in observed) == (clamp is not None)


def test_the_differentiated_value_is_that_of_the_two_other_terms():
    assert weighted(1, 1, 0.1, distance="l2", clamp=None)[0] == pytest.approx(0.03540397, rel=1e-5)


def test_a_level_of_several_yardsticks_switches_tightness_off_and_a_yardstick_of_zero_is_harmless():
    model = toy(clamp_ratio=1.5)
    frozen, zeros = ops.convert_to_tensor([0.5, 0.5]), ops.zeros((2,))
    tightness, level = model.clamped(frozen, ops.convert_to_tensor([0.01, 10.0]), zeros)
    np.testing.assert_allclose(ops.convert_to_numpy(tightness), [0.015, 0.5], rtol=1e-3)
    np.testing.assert_allclose(ops.convert_to_numpy(level), [0.5 / 0.015, 0.5 / 15], rtol=1e-5)
    tightness, level = model.clamped(frozen, zeros, zeros)
    assert np.isfinite(ops.convert_to_numpy(level)).all()


def test_one_step_is_the_hand_derived_one():
    """L1 by the chain rule, written out: y = f(z), v = f(y), and the same for the real x."""
    model = toy(compile=True, reconstruction_weight=3.0, idempotence_weight=2.0, tightness_weight=0.5)
    history = model.fit(X, batch_size=2, shuffle=False, verbose=0).history
    x, z = X.astype("float64"), Z.astype("float64")
    fx, y = np.tanh(A * x + B), np.tanh(A * z + B)
    v = np.tanh(A * y + B)
    rec, drift = np.abs(fx - x).mean(1), np.abs(v - y).mean(1)  # per sample
    slope = 1 / np.cosh(drift / (1.5 * rec)) ** 2 / 4  # of the clamp; 4 entries in the batch

    def derivative(of):  # of = 1 for b, the argument for a
        real = (np.sign(fx - x) * (1 - fx**2) * of(x)).sum() / 4
        outer = np.sign(v - y) * (1 - v**2) * of(y)
        inner = np.sign(v - y) * ((1 - v**2) * A - 1) * (1 - y**2) * of(z)
        return 3 * real + 2 * inner.sum() / 4 - 0.5 * (slope[:, None] * outer).sum()

    expected = A - 0.01 * derivative(lambda t: t), B - 0.01 * derivative(np.ones_like)
    moved = [float(ops.convert_to_numpy(variable)) for variable in model.network.trainable_variables]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    assert abs(moved[0] - A) > 1e-4 and abs(moved[1] - B) > 1e-4
    logged = 3 * rec.mean() + 2 * drift.mean() - 0.5 * np.mean(1.5 * rec * np.tanh(drift / (1.5 * rec)))
    assert history["network_loss"][0] == pytest.approx(logged, rel=1e-5) == history["loss"][0]
    assert history["idempotence"][0] == pytest.approx(drift.mean(), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(ign.DISTANCES), st.sampled_from(ign.CLAMPS))
def test_a_projection_has_no_idempotence_loss(seed, distance, clamp):
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(3, 2)))
    dense = keras.layers.Dense(3, use_bias=False)
    model = IGN(keras.Sequential([keras.Input((3,)), dense]), noise="gaussian", distance=distance, clamp=clamp)
    dense.kernel.assign(basis @ basis.T)
    x, z = (ops.convert_to_tensor(rng.normal(size=(4, 3)).astype("float32")) for _ in range(2))
    _, observed = model.objective(x, z)
    assert float(observed["idempotence"]) < 1e-6
    assert float(observed["tightness"]) < 1e-6 < float(observed["reconstruction"])


# Noise ------------------------------------------------------------------------------------------------------

TINY = np.array(
    [[[0.5, -0.2, 0.1], [0.8, -0.4, 0.6]], [[0.1, 0.3, -0.5], [0.4, 0.2, 0.6]], [[-0.3, -0.1, 0.7], [-0.9, 0, 0.2]]]
)
E = np.array([[[0.3, -1.1, 0.5], [0.9, 0.2, -0.7]], [[-0.4, 0.6, 1.2], [0.1, -0.8, 0.35]]])


def test_the_spectrum_has_the_check_values():
    statistics = spectrum.spectrum(TINY[..., None])[..., 0]
    expected = [
        [[0.7, -0.05, -0.05], [-0.3, 0.15, 0.15]],
        [[0.78740079, 1.17686023, 1.17686023], [0.96263527, 0.22730303, 0.22730303]],
        [[0, 0.54848276, -0.54848276], [0, -0.37527767, 0.37527767]],
        [[0, 0.64161255, 0.64161255], [0, 0.65701344, 0.65701344]],
    ]
    np.testing.assert_allclose(statistics, expected, rtol=1e-5, atol=1e-7)
    assert np.argwhere(spectrum.self_conjugate(2, 3)[..., 0]).tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize(
    "hermitian, expected",
    [
        (True, [[0.09054424, 0.51318620, 0.14756555], [-0.14467050, -0.17751728, 0.50711203]]),
        (False, [[0.14713739, 0.41670106, 0.18745754], [-0.10376936, -0.17581107, 0.46450467]]),
    ],
)
def test_spectrum_noise_has_the_check_values(hermitian, expected):
    statistics = ops.convert_to_tensor(spectrum.spectrum(TINY[..., None]))
    normal = ops.convert_to_tensor(E[:, None, :, :, None].astype("float32"))
    noise = ops.convert_to_numpy(spectrum.spectrum_noise(statistics, normal, hermitian))
    np.testing.assert_allclose(noise[0, ..., 0], expected, rtol=1e-5, atol=1e-6)


def test_exact_noise_has_the_power_of_the_data_and_the_real_part_half_of_it():
    rng = np.random.default_rng(0)
    images = np.cumsum(rng.normal(size=(200, 4, 6, 2)), axis=2)
    statistics = ops.convert_to_tensor(spectrum.spectrum(images))
    normal = ops.convert_to_tensor(rng.normal(size=(2, 4000, 4, 6, 2)).astype("float32"))
    power = np.abs(np.fft.fft2(images - images.mean(0), axes=(1, 2))) ** 2
    real = spectrum.self_conjugate(4, 6)[..., 0]
    for hermitian, ratio in ((True, 1.0), (False, 0.5)):
        noise = ops.convert_to_numpy(spectrum.spectrum_noise(statistics, normal, hermitian))
        np.testing.assert_allclose(noise.mean(0), images.mean(0), atol=0.35)
        ratios = (np.abs(np.fft.fft2(noise - noise.mean(0), axes=(1, 2))) ** 2).mean(0) / power.mean(0)
        np.testing.assert_allclose(ratios[~real], ratio, rtol=0.15)
        np.testing.assert_allclose(ratios[real], 1.0, rtol=0.15)


@pytest.mark.parametrize("noise", ["spectrum", "spectrum_real_part"])
def test_noise_for_points_has_their_mean_and_deviation(noise):
    points = (np.random.default_rng(0).normal(size=(1000, 3)) * [0.2, 1.0, 5.0] + [1.0, -2.0, 30.0]).astype("float32")
    model = IGN(mlp.autoencoder((3,), 2, width=4, depth=1), noise=noise)
    model.adapt(points)
    latents = model.latents_for(4000, seed=1)
    assert latents.shape == (4000, 3)
    np.testing.assert_allclose((latents.mean(0) - points.mean(0)) / points.std(0), 0.0, atol=0.06)
    np.testing.assert_allclose(latents.std(0) / points.std(0), 1.0, atol=0.06)


@pytest.mark.parametrize("shape", [(5, 4, 1), (8, 8, 3)])
def test_noise_before_adapt_is_white(shape):
    normal = np.random.default_rng(0).normal(size=(2, 3000, *shape)).astype("float32")
    statistics = ops.convert_to_tensor(spectrum.white_spectrum(shape))
    noise = ops.convert_to_numpy(spectrum.spectrum_noise(statistics, ops.convert_to_tensor(normal))).reshape(3000, -1)
    np.testing.assert_allclose(np.cov(noise.T), np.eye(noise.shape[1]), atol=0.12)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.1)


# A whole Keras model ------------------------------------------------------------------------------------------


def build(seed=1, compile=True, **knobs):
    keras.utils.set_random_seed(seed)
    model = IGN(mlp.autoencoder(small.SHAPE, small.LATENT_DIM, width=8, depth=1), **knobs)
    if compile:
        model.compile(run_eagerly=small.EAGER)  # the laws have it compiled
    return model


def test_fit_measures_the_spectrum_of_the_training_images_once():
    images, _ = small.data(16)
    model = build()
    model.fit(images, batch_size=4, validation_split=0.25, verbose=0)
    expected = spectrum.spectrum(to_floats(images[:12]))
    np.testing.assert_array_equal(ops.convert_to_numpy(model.statistics), expected)
    model.fit(images[:4], batch_size=4, verbose=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.statistics), expected)
    model.adapt(to_floats(images), limit=3)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.statistics), spectrum.spectrum(to_floats(images[[0, 8, 15]])), rtol=1e-5, atol=1e-5
    )


def test_a_dataset_needs_adapt_first():
    images, _ = small.data()
    with pytest.raises(ValueError, match=r"`adapt\(images\)` must be called before `fit` on a dataset"):
        build().fit((images[i : i + 4] for i in (0, 4, 8)), verbose=0)
    with pytest.raises(ValueError, match="`adapt` has no use for noise='gaussian'"):
        build(noise="gaussian").adapt(images)
    with pytest.raises(TypeError, match="`images` must be an array. Received: generator"):
        build().adapt(image for image in images)


def test_the_three_kinds_of_noise_differ():
    images, _ = small.data()
    drawn = {}
    for noise in spectrum.NOISES:
        model = build(noise=noise)
        model.fit(images, batch_size=5, verbose=0)
        drawn[noise] = model.latents_for(200, seed=0)
        assert drawn[noise].shape == (200, *small.SHAPE) and drawn[noise].dtype == "float32"
    data_std = to_floats(images).std()
    assert abs(drawn["spectrum"].std() / data_std - 1) < 0.1
    assert drawn["spectrum_real_part"].std() < 0.9 * data_std
    assert abs(drawn["gaussian"].std() - 1) < 0.1


def test_training_noise_is_fresh_at_every_step_and_evaluation_has_its_own():
    model = build()
    model.adapt(small.data()[0])
    drawn = [ops.convert_to_numpy(model.sample_latents(2, training)) for training in (True, True, False, False)]
    assert len(np.unique(np.concatenate(drawn).reshape(8, -1), axis=0)) == 8
    images, _ = small.data(16)
    plain, validated = build(), build()
    plain.fit(images[:12], batch_size=4, epochs=2, verbose=0)
    history = validated.fit(images[:12], batch_size=4, epochs=2, validation_data=(images[12:],), verbose=0).history
    small.assert_same(small.weights(plain), small.weights(validated))
    assert {f"val_{log}" for log in (*validated.logs, "loss")} <= set(history)
    results = validated.evaluate(images, batch_size=4, return_dict=True, verbose=0)
    assert set(results) == {*validated.logs, "loss"} and np.isfinite(list(results.values())).all()


@pytest.mark.parametrize("clamp, noise", [("real", "spectrum"), (None, "gaussian")])
def test_a_saved_model_is_loaded_whole_and_goes_on_as_if_it_had_never_stopped(clamp, noise, tmp_path):
    images, _ = small.data()
    model = build(clamp=clamp, noise=noise)
    average = kg.callbacks.WeightMovingAverage(0.9, networks=("network",))
    model.fit(images, batch_size=4, epochs=2, callbacks=[average], verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    small.assert_same(small.everything(model), small.everything(loaded))
    np.testing.assert_array_equal(model.generate(4, seed=0), loaded.generate(4, seed=0))
    for each in (model, loaded):
        each.fit(images[:8], batch_size=4, epochs=2, verbose=0)
    small.assert_same(small.everything(model), small.everything(loaded))
    again = IGN.from_config(model.get_config())
    assert again.get_config() == model.get_config()


def test_generate_decode_project_and_drift():
    model = build()
    images, _ = small.data(5)
    pictures = model.generate(70, seed=3)
    assert pictures.shape == (70, *small.SHAPE) and pictures.dtype == "uint8"
    np.testing.assert_array_equal(pictures, model.generate(70, seed=3))
    assert (pictures[:4] != model.generate(4, seed=4)).any()
    latents = model.latents_for(70, seed=3)
    once = model.predict(latents, batch_size=2, verbose=0)
    np.testing.assert_array_equal(pictures, np.rint((once + 1) * 127.5).astype("uint8"))
    np.testing.assert_array_equal(model.decode(latents, steps=2), model.generate(70, seed=3, steps=2))
    twice = model.predict(once, verbose=0)
    np.testing.assert_array_equal(model.decode(latents, steps=2), np.rint((twice + 1) * 127.5).astype("uint8"))

    floats = to_floats(images)
    expected = model.predict(floats, verbose=0)
    np.testing.assert_array_equal(model.project(images), np.rint((expected + 1) * 127.5).astype("uint8"))
    np.testing.assert_array_equal(model.project(floats), model.project(images))
    np.testing.assert_allclose(model.drift(images), np.abs(expected - floats).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(model.drift(floats), model.drift(images), rtol=1e-5)


def test_training_lowers_the_drift_of_real_images():
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(256, 1)) * [0.5, 0.5] + rng.normal(size=(256, 2)) * 0.02).astype("float32")
    model = IGN(mlp.autoencoder((2,), 1, width=32, depth=2), noise="gaussian", distance="l2")
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    before = model.drift(points).mean()
    model.fit(points, batch_size=64, epochs=40, verbose=0)
    outside = np.array([[1.0, -1.0], [-1.0, 1.0]], "float32")
    assert model.drift(points).mean() < before / 5
    assert model.drift(outside).min() > 5 * model.drift(points).mean()
    moved = model.generate(200, seed=0, steps=2)
    assert np.abs(moved[:, 0] - moved[:, 1]).mean() < 0.25  # noise has 1.13


def images_to_images():
    return mlp.autoencoder((8, 8, 1), 2, width=4)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "network, arguments, error, words",
    [
        (lambda: None, {}, TypeError, "`network` must be a keras.Model. Received: network=None"),
        (lambda: mlp.discriminator((8, 8, 1), 3), {}, ValueError, r"same shape. Received: .*to \(None, 3\)"),
        (images_to_images, {"num_classes": 3}, ValueError, "`num_classes` must be 0: IGN has no"),
        (images_to_images, {"distance": "l3"}, ValueError, "`distance` must be one of .*Did you mean 'l"),
        (images_to_images, {"clamp": "reel"}, ValueError, "`clamp` must be one of .*Did you mean 'real'"),
        (images_to_images, {"noise": "spectral"}, ValueError, "`noise` must be one of .*Did you mean 'spectrum'"),
        (images_to_images, {"tightness_weight": -1}, ValueError, "`tightness_weight` must be a number at least 0"),
        (images_to_images, {"clamp_ratio": 0}, ValueError, "`clamp_ratio` must be a number greater than 0"),
        (images_to_images, {"latent_shape": (4, 4, 1)}, ValueError, "`network` must accept inputs of shape"),
        (lambda: keras.Sequential([keras.layers.Dense(1)]), {}, ValueError, "`latent_shape` must be given"),
    ],
)
def test_bad_arguments_are_refused(network, arguments, error, words):
    with pytest.raises(error, match=words):
        IGN(network(), **arguments)


def test_a_network_with_dropout_is_refused_and_named():
    dropout = keras.layers.Dropout(0.5, name="some_dropout")
    inner = keras.Sequential([keras.Input((8, 8, 1)), dropout, keras.layers.Conv2D(1, 3, padding="same")])
    with pytest.raises(ValueError, match="The layer 'some_dropout' is random"):
        IGN(keras.Sequential([keras.Input((8, 8, 1)), inner]))


def test_wrong_images_labels_and_numbers_are_refused():
    images, labels = small.data()
    model = build()
    with pytest.raises(ValueError, match=r"`images` must have shape \(n, 8, 8, 1\)"):
        model.fit(images[:, :4], verbose=0)
    for call in (
        lambda: model.fit(images, labels),
        lambda: model.fit((images, labels)),
        lambda: model.generate(2, [0, 1]),
    ):
        with pytest.raises(ValueError, match="`labels` were given to an unconditional model"):
            call()
    with pytest.raises(ValueError, match="`n` must be a positive integer"):
        model.generate(0)
    with pytest.raises(ValueError, match="`steps` must be a positive integer"):
        model.generate(1, steps=0)
    with pytest.raises(TypeError, match="has no argument `optimiser`. Did you mean 'optimizer'"):
        model.compile(optimiser="adam")


def test_a_network_that_does_not_tell_its_shape_needs_latent_shape():
    model = IGN(keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")]), latent_shape=(4, 4, 1))
    model.compile()
    model.fit(np.zeros((4, 4, 4, 1), "uint8"), verbose=0)
    assert model.image_shape == model.get_config()["latent_shape"] == (4, 4, 1)


@pytest.mark.parametrize("shape", [(8, 12, 3), (28, 28, 1)])
def test_convolutional_autoencoders_keep_the_shape_and_meet_in_a_code(shape):
    network = dcgan.autoencoder(shape, latent_dim=5, width=4)
    assert network.output_shape == (None, *shape) and network.name == "autoencoder"
    assert network.get_layer("encoder").output_shape == (None, 5)
    assert network.get_layer("decoder").input_shape == (None, 5)
    model = IGN(network)
    model.compile()
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype="uint8")
    assert np.isfinite(model.fit(images, batch_size=4, verbose=0).history["loss"]).all()
    assert model.generate(2, seed=0).shape == (2, *shape)


# Without the game -------------------------------------------------------------------------------------------


def test_every_real_draws_its_nearest_fake_and_the_others_get_no_gradient():
    reals = ops.convert_to_tensor(np.array([[0.0], [1.0]], "float32"))
    fakes = keras.Variable(np.array([[0.2], [0.9], [-0.5]], "float32"))
    indices, weight, matched = implicit.nearest(reals, ops.convert_to_tensor(fakes))
    assert ops.convert_to_numpy(indices).tolist() == [0, 1] and float(weight) == float(matched) == 1.0

    def attraction():
        return ops.mean(ops.square(ops.take(fakes.value, indices, axis=0) - reals))

    loss, _, (slopes,) = value_and_gradients(attraction, [fakes])
    assert float(loss) == pytest.approx(0.025, rel=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(slopes)[:, 0], [0.2, -0.1, 0.0], rtol=1e-5)


def test_candidates_within_epsilon_of_a_real_are_left_out():
    reals = ops.convert_to_tensor(np.array([[0.0], [1.0]], "float32"))
    fakes = ops.convert_to_tensor(np.array([[0.2], [0.9], [-0.5], [1.4]], "float32"))
    indices, weight, _ = implicit.nearest(reals, fakes, epsilon=0.3)
    assert ops.convert_to_numpy(indices).tolist() == [2, 3] and float(weight) == 1.0
    _, weight, _ = implicit.nearest(reals, fakes, epsilon=0.6)
    assert float(weight) == 0.0


def test_one_step_without_the_game_is_the_hand_derived_one():
    weights = {"reconstruction_weight": 3.0, "generation_weight": 2.0, "idempotence_weight": 0.5, "pool": 2}
    model = toy(compile=True, mode="imle", distance="l2", **weights)
    pool = np.concatenate([Z, [[0.6, -0.5], [-1.5, 0.3]]]).astype("float32")
    model.sample_latents = lambda count, training=True: ops.convert_to_tensor(pool)
    logs = model.fit(X, batch_size=2, shuffle=False, verbose=0).history
    x, z = X.astype("float64"), pool.astype("float64")
    f = lambda y: np.tanh(A * y + B)  # noqa: E731
    rho = ((f(z)[None] - x[:, None]) ** 2).sum(-1).argmin(1)
    assert rho.tolist() == [2, 3]
    near, fresh = z[rho], z[:2]
    once, twice = f(fresh), f(f(fresh))

    def derivative(of):  # of = 1 for b, the argument for a; means over 4 entries
        real = 2 * (f(x) - x) * (1 - f(x) ** 2) * of(x)
        made = 2 * (f(near) - x) * (1 - f(near) ** 2) * of(near)
        again = 2 * (twice - once) * ((1 - twice**2) * of(once) - (1 - once**2) * of(fresh))
        return (3 * real + 2 * made + 0.5 * again).mean()

    expected = A - 0.01 * derivative(lambda t: t), B - 0.01 * derivative(np.ones_like)
    moved = [float(ops.convert_to_numpy(variable)) for variable in model.network.trainable_variables]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    terms = [np.mean((f(x) - x) ** 2), np.mean((f(near) - x) ** 2), np.mean((twice - once) ** 2)]
    assert logs["network_loss"][0] == pytest.approx(np.dot([3, 2, 0.5], terms), rel=1e-5) == logs["loss"][0]
    assert logs["generation"][0] == pytest.approx(terms[1], rel=1e-5) and logs["matched"][0] == 1.0


def test_without_the_game_it_is_a_whole_model_too(tmp_path):
    images, _ = small.data(9)
    model = build(mode="imle", noise="gaussian", epsilon=0.1, pool=3)
    logs = model.fit(images, batch_size=4, epochs=2, validation_data=(images,), verbose=0).history
    assert {f"val_{log}" for log in model.all_logs()} <= set(logs) and np.isfinite(logs["loss"]).all()
    assert "tightness" not in logs and "generation" in logs
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert (loaded.mode, loaded.pool, loaded.epsilon, loaded.generation_weight) == ("imle", 3, 0.1, 20.0)
    for each in (model, loaded):
        each.fit(images, batch_size=4, verbose=0)
    small.assert_same(small.everything(model), small.everything(loaded))
    for name, value, words in (("mode", "imel", "Did you mean 'imle'"), ("pool", 0, "positive"), ("epsilon", -1, "0")):
        with pytest.raises(ValueError, match=f"`{name}` must be .*{words}"):
            build(compile=False, **{name: value})
