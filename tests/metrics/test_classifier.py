"""The shipped classifiers: as accurate as they say, and judges that see what is wrong."""

import importlib.resources

import keras
import numpy as np
import pytest

import keras_gans as kg
from keras_gans.metrics import Classifier, classifier, evaluate, frechet_distance

KINDS = tuple(classifier.KINDS)


@pytest.fixture(scope="module")
def gray():
    return Classifier("gray")


def test_digits_are_told_apart_as_well_as_is_said(gray):
    images, labels = kg.data.load("digits", "test")
    _, logits = gray.with_logits(images)
    accuracy = np.mean(logits.argmax(axis=1) - 10 == labels)
    assert accuracy == pytest.approx(gray.accuracy["digits"], abs=0.01) and accuracy > 0.97
    assert gray.accuracy["fashion_mnist"] > 0.9 and len(gray.classes) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_small_and_has_128_features(kind):
    judge, channels = Classifier(kind), classifier.KINDS[kind]["channels"]
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, channels), dtype=np.uint8)
    features, logits = judge.with_logits(images)
    assert features.shape == (5, 128) and logits.shape == (5, len(judge.classes)) and features.dtype == np.float64
    np.testing.assert_array_equal(judge(images), features)
    np.testing.assert_allclose(Classifier(kind, batch_size=2)(images), features, rtol=1e-4, atol=1e-5)
    place = importlib.resources.files("keras_gans.metrics") / "weights" / f"classifier_{kind}.npz"
    with importlib.resources.as_file(place) as path:
        assert path.stat().st_size < 2 * 2**20


@pytest.mark.one_backend
def test_the_ladder_noise_and_missing_classes_are_worse(gray):
    images, labels = kg.data.load("digits", "test")
    train = gray(kg.data.load("digits")[0][:600])
    noise = np.random.default_rng(0).normal(size=images.shape)
    found = [
        frechet_distance(real=train, fake=gray(np.clip(images + level * noise, 0, 255).astype(np.uint8)))
        for level in (0, 10, 30, 60)
    ]
    assert found == sorted(found) and found[3] > 10 * found[0]
    assert frechet_distance(real=train, fake=gray(images[labels < 8])) > 2 * found[0]


@pytest.mark.one_backend
def test_images_of_28_pixels_are_padded(gray):
    images = kg.data.load("digits", "test")[0][:4]
    np.testing.assert_array_equal(
        gray(images[:, 2:-2, 2:-2]), gray(np.pad(images[:, 2:-2, 2:-2], ((0, 0), (2, 2), (2, 2), (0, 0))))
    )


def test_folding_the_batch_norms_changes_nothing():
    keras.utils.set_random_seed(0)
    model = classifier.network(1, (4, 8), 3, "float32", kg.layers.BatchNormalization)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if "batch_normalization" in layer.name:
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    plain = classifier.network(1, (4, 8), 3, "float32")
    plain.set_weights(classifier.folded(model))
    images = rng.integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    for name, value in model.predict(images, verbose=0).items():
        np.testing.assert_allclose(plain.predict(images, verbose=0)[name], value, rtol=1e-4, atol=1e-5)


def test_evaluate_uses_it_for_images_that_it_takes():
    model = kg.create("gan", (32, 32, 1), latent_dim=4, network_options={"width": 4})
    images, _ = kg.data.load("digits", "test")
    record = evaluate(model, images[:50], samples=20)
    assert record["features"]["name"].startswith("classifier_gray_") and record["features"]["dimension"] == 128
    assert 1 <= record["scores"]["classifier_score"] <= 20


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "images", [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 16, 16, 1), np.uint8), np.zeros((2, 32, 32, 1))]
)
def test_other_images_are_refused(gray, images):
    with pytest.raises(ValueError, match=r"`images` must be uint8 \(n, 32, 32, 1\) for the classifier 'gray'"):
        gray(images)
    with pytest.raises(ValueError, match="`kind` must be one of 'gray', 'rgb'"):
        Classifier("grey")
