"""The doctor flags forced failures early, and is silent on healthy runs."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.optimizers import SGD, Adam

import keras_gans as kg
from keras_gans.callbacks import health
from keras_gans.callbacks.health import diversity, nearest_distances, overlap
from tests.laws import small

IMAGES, _ = kg.data.load("digits", image_size=8)
ADAM = {"beta_1": 0.5}


def run(name, steps, optimizers=()):
    keras.utils.set_random_seed(0)
    options = {"network": "mlp", "network_options": {"width": 64, "depth": 2}}
    model = kg.create(name, (8, 8, 1), latent_dim=8, **options)
    arguments = map(model.optimizer_argument, ("generator", "discriminator"))
    model.compile(**dict(zip(arguments, optimizers, strict=False)))
    doctor = kg.callbacks.Health(IMAGES, every=25, warmup=100)
    model.fit(IMAGES, batch_size=32, steps_per_epoch=steps, verbose=0, callbacks=[doctor])
    return doctor


def run_shared(steps, callbacks=()):
    """Does the same with a smaller model that is compiled once, where only what the doctor says of it is asked."""
    doctor = kg.callbacks.Health(IMAGES, every=25, warmup=100)
    options = {"batch_size": 32, "steps_per_epoch": steps, "verbose": 0}
    small.shared("gan").fit(IMAGES, callbacks=[*callbacks, doctor], **options)
    return doctor


def kinds(doctor):
    return [finding.kind for finding in doctor.findings]


# The steps of all are the same on every backend (tests/backends): one shows that the doctor reads them rightly there.
# Hundreds of steps are quicker where they are compiled.
compiled = pytest.mark.one_backend("tensorflow")
OTHERS = [
    pytest.param(name, marks=compiled) for name in ("o_gan", "rsgan", "r3gan", "cascading_rejection_gan", "wgan_gp")
]


@pytest.mark.parametrize("name", ["gan", *OTHERS])
def test_a_healthy_run_has_no_findings(name):
    doctor = run(name, 250)
    assert kinds(doctor) == [] and len(doctor.looks) == 10


def test_a_generator_that_a_learning_rate_has_broken_collapses():
    doctor = run("gan", 300, [SGD(10.0), Adam(1e-3, **ADAM)])
    assert "collapse" in kinds(doctor)
    finding = next(finding for finding in doctor.findings if finding.kind == "collapse")
    assert finding.step <= 300 and "mode collapse: generated images differ" in finding.sentence
    assert len(set(kinds(doctor))) == len(doctor.findings)  # each once


@compiled
@pytest.mark.parametrize("name", ["gan", "rsgan"])
def test_a_discriminator_that_is_too_strong_is_seen(name):
    doctor = run(name, 200, [Adam(1e-5, **ADAM), Adam(5e-3, **ADAM)])
    assert kinds(doctor) == ["saturation"] and doctor.findings[0].step <= 200
    assert "try a lower discriminator learning rate" in doctor.findings[0].sentence


class Poison(keras.callbacks.Callback):
    """Writes NaN into a weight of the generator after a step, as often as wanted."""

    def __init__(self, step, times=1):
        super().__init__()
        self.step, self.left = step, times

    def on_train_batch_end(self, batch, logs=None):
        if batch >= self.step and self.left:
            self.left -= 1
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            weight = (self.model.generator if hasattr(self.model, "generator") else self.model).trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan, "float32"))


def test_nan_goes_back_to_the_last_good_state_and_training_goes_on():
    doctor = run_shared(120, callbacks=[Poison(60)])
    assert kinds(doctor) == ["nan"]
    assert "is not finite: the training went back to the state of step 50" in doctor.findings[0].sentence
    assert all(np.isfinite(weight).all() for weight in small.weights(doctor.model))
    assert doctor.looks[-1]["step"] == 100 and np.isfinite(doctor.looks[-1]["generator_gradient"])


def test_training_stops_when_nan_comes_again_and_again():
    doctor = run_shared(120, callbacks=[Poison(30, times=90)])
    assert kinds(doctor) == ["nan"] and doctor.model.stop_training
    assert all(np.isfinite(weight).all() for weight in small.weights(doctor.model))


def test_any_model_is_watched_for_nan():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    doctor = kg.callbacks.Health(every=2)
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[Poison(5), doctor])
    assert kinds(doctor) == ["nan"]
    assert all(np.isfinite(ops.convert_to_numpy(weight)).all() for weight in model.weights)


def test_copies_of_training_images_are_found(monkeypatch):
    images = IMAGES / 127.5 - 1.0
    doctor = run_shared(25)
    monkeypatch.setattr(type(doctor._vitals), "__call__", lambda self, *inputs: {**VITALS, "fakes": images[:256]})
    doctor._step = 100
    for _ in range(doctor.patience):
        doctor.look()
    assert kinds(doctor) == ["copying"] and "100% of the generated images" in doctor.findings[0].sentence


VITALS = {"discriminator_gradient": 1.0, "generator_gradient": 1.0}


@pytest.mark.parametrize("gradient, kind", [(1e-12, "vanishing"), (1e6, "exploding")])
def test_gradients_that_vanish_or_explode_are_found(gradient, kind, monkeypatch):
    doctor = run_shared(100)
    fakes = np.random.default_rng(0).uniform(-1, 1, (256, 8, 8, 1))
    found = {**VITALS, "generator_gradient": gradient, "fakes": fakes}
    monkeypatch.setattr(type(doctor._vitals), "__call__", lambda self, *inputs: dict(found))
    for _ in range(doctor.patience):
        doctor.look()
    assert kinds(doctor) == [kind] and "the gradient of the generator" in doctor.findings[0].sentence


def test_training_is_the_same_with_and_without_the_doctor():
    images, _ = small.data(16)
    plain = small.shared("o_gan")
    plain.fit(images, batch_size=4, verbose=0)
    expected, watched = small.everything(plain), small.shared("o_gan", copy=1)
    watched.fit(images, batch_size=4, verbose=0, callbacks=[kg.callbacks.Health(images, every=1)])
    small.assert_same(expected, small.everything(watched))


def test_a_conditional_model_and_the_ign_are_examined_too():
    images, labels = small.data(16)
    model = small.shared("gan", num_classes=small.CLASSES)
    doctor = kg.callbacks.Health(images, labels, every=2)
    model.fit(images, labels, batch_size=4, verbose=0, callbacks=[doctor])
    assert len(doctor.looks) == 2 and doctor.looks[0]["discriminator_gradient"] > 0
    doctor = kg.callbacks.Health(images, every=2)
    small.shared("ign").fit(images, batch_size=4, verbose=0, callbacks=[doctor])
    assert doctor.looks[0]["network_gradient"] > 0 and "overlap" not in doctor.looks[0]


@pytest.mark.one_backend
def test_the_measures_have_their_closed_forms():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 3, 2))
    pairs = [np.mean((images[i] - images[j]) ** 2) for i in range(6) for j in range(6) if i != j]
    np.testing.assert_allclose(diversity(images), np.sqrt(np.mean(pairs)))
    assert overlap([1, 2], [0, 0.5]) == 0 and overlap([0], [1, 2]) == 1 and overlap([1], [1]) == 0.5
    distances = nearest_distances(images[:2], images)
    np.testing.assert_allclose(distances, 0, atol=1e-6)
    own = nearest_distances(images, images, exclude_same=True)
    pairs = np.sqrt(((images[:, None] - images[None]) ** 2).mean((2, 3))) + np.where(np.eye(6), np.inf, 0)
    brute = pairs.min(1)
    np.testing.assert_allclose(own, brute)


@pytest.mark.one_backend
def test_a_copy_is_found_wherever_its_image_stands(monkeypatch):
    monkeypatch.setattr(health, "CHUNK", 4)
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1), dtype="uint8")
    floats = images / 127.5 - 1
    np.testing.assert_allclose(nearest_distances(floats[[9, 0, 5]], images), 0, atol=1e-6)
    brute = np.sqrt(((floats[:, None] - floats[None]) ** 2).mean((2, 3, 4))) + np.where(np.eye(10), np.inf, 0)
    np.testing.assert_allclose(nearest_distances(images[:6], images, exclude_same=True), brute.min(1)[:6], rtol=1e-6)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "options, words",
    [
        ({"every": 0}, "`every` must be a positive integer"),
        ({"images": IMAGES[:4]}, "`images` must hold at least 8 images"),
        ({"sample": 2}, "`sample` must be an integer of at least 8"),
    ],
)
def test_bad_arguments_are_refused_with_words(options, words):
    with pytest.raises(ValueError, match=words):
        kg.callbacks.Health(**options)
