"""The whole evaluation: repeatable, honest about what it measured, and right about better and worse models."""

import json

import keras
import numpy as np
import pytest

import keras_gans as kg
from keras_gans.metrics import Network, Pixels, RandomProjection, evaluate
from tests.laws import small

IMAGES, LABELS = small.data(60)


def test_the_record_is_json_is_repeated_exactly_and_names_everything():
    model = small.shared("gan")
    record = evaluate(model, IMAGES, samples=40, seed=3)  # 8x8: the random projection
    assert record == evaluate(model, IMAGES, samples=40, seed=3) == json.loads(json.dumps(record))
    assert set(record["scores"]) == {
        *("frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"),
    }
    assert record["samples"] == 40 and record["data"]["images"] == 60 and record["features"]["dimension"] == 256
    assert record["scores"] != evaluate(model, IMAGES, samples=40, seed=4)["scores"]
    before = record["model"]["sha256"]
    model.generator.trainable_variables[0].assign(0 * model.generator.trainable_variables[0])
    assert evaluate(model, IMAGES, samples=40)["model"]["sha256"] != before


def test_the_scores_are_those_of_the_features(monkeypatch):
    model = small.shared("gan")
    monkeypatch.setattr(kg.metrics.evaluation, "CHUNK", 7)  # chunks never matter
    done = []
    record = evaluate(model, IMAGES, "pixels", seed=1, progress=done.append)
    fakes = model.decode(model.latents_for(60, 1))
    sets = {"real": IMAGES.reshape(60, -1) / 127.5 - 1, "fake": fakes.reshape(60, -1) / 127.5 - 1}
    assert record["scores"]["frechet_distance"] == pytest.approx(kg.metrics.frechet_distance(**sets), rel=1e-6)
    assert record["scores"]["recall"] == kg.metrics.precision_recall(**sets).recall
    assert done == [7, 14, 21, 28, 35, 42, 49, 56, 60]


class Remembering:
    """Stands for a model that has learnt the data, with some noise."""

    image_shape, num_classes, networks = small.SHAPE, 0, ("generator",)
    dtype_policy = keras.dtype_policies.DTypePolicy("float32")

    def __init__(self, level):
        self.level, self.generator = level, keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    def latents_for(self, n, seed):
        return np.arange(n)

    def labels_for(self, n, labels):
        return labels

    def decode(self, latents, labels):
        noise = np.random.default_rng(0).normal(size=(len(latents), *self.image_shape))
        return np.clip(IMAGES[latents] + self.level * noise, 0, 255).astype("uint8")


@pytest.mark.one_backend
def test_noise_is_worse():
    found = [evaluate(Remembering(level), IMAGES)["scores"]["frechet_distance"] for level in (0, 20, 60, 120)]
    assert found[0] < 1e-6 and found == sorted(found)


@pytest.mark.one_backend
def test_a_conditional_model_gets_the_labels_of_the_data():
    model, seen = small.build("gan", num_classes=small.CLASSES), []
    decode = model.decode
    object.__setattr__(model, "decode", lambda latents, labels: seen.append(labels) or decode(latents, labels))
    evaluate(model, IMAGES, labels=LABELS, samples=70)
    np.testing.assert_array_equal(seen[0], np.resize(LABELS, 70))


def test_a_network_of_the_user_gives_the_features_whatever_the_batch_size():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 3), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input(small.SHAPE), *layers])
    features = Network(model, batch_size=7)(IMAGES)
    np.testing.assert_allclose(features, Network(model)(IMAGES), rtol=1e-5, atol=1e-6)
    record = evaluate(small.shared("gan"), IMAGES, model)
    assert record["features"] == {"name": model.name, "sha256": Network(model).digest, "dimension": 3}


@pytest.mark.one_backend
def test_features_have_their_formulas():
    np.testing.assert_allclose(Pixels()(IMAGES)[3], IMAGES[3].ravel() / 127.5 - 1)
    weights = np.random.default_rng(5).normal(size=(64, 9)) / 8
    np.testing.assert_allclose(RandomProjection(9, seed=5)(IMAGES), np.maximum(Pixels()(IMAGES) @ weights, 0))


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"images": IMAGES / 255.0}, "`images` must be uint8"),
        ({"images": IMAGES[:, :4]}, r"`images` must have shape \(n, 8, 8, 1\)"),
        ({"images": IMAGES[:4]}, "`images` must hold at least 8 images"),
        ({"samples": 2}, "`samples` must be an integer of at least 8"),
        ({"features": "randon"}, "`features` must be one of 'auto', .*Did you mean 'random'"),
        ({"features": 3}, "`features` must be one of .* a keras.Model, or a callable"),
    ],
)
def test_bad_input_is_refused_with_words(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        evaluate(small.shared("gan"), **{"images": IMAGES, **arguments})
