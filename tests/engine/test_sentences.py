"""What a user gets wrong in Python is told in a sentence that names the argument, what is expected and what came."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.laws import small

pytestmark = pytest.mark.one_backend
IMAGES, _ = small.data(8)
FLOATS = (IMAGES / 127.5 - 1.0).astype("float32")


@pytest.fixture(scope="module")
def gan():
    return small.build("gan")


@keras.saving.register_keras_serializable("test_sentences")
class Listed(keras.Model):
    def call(self, x):
        return [x]


@keras.saving.register_keras_serializable("test_sentences")
class Mistaken(keras.Model):
    def call(self, x):
        raise RuntimeError("my own mistake")


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])
    return path


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda gan, _: gan.fit(IMAGES, callbacks="a"), "`callbacks` must be callbacks of Keras"),
        (lambda gan, _: gan.fit(IMAGES, callbacks=[keras.callbacks.History]), "`callbacks` must be callbacks of Keras"),
        (lambda gan, _: gan.fit(list(IMAGES)), "numpy.stack(images). Received: a list of 8, each of shape (8, 8, 1)"),
        (lambda gan, _: gan.fit(IMAGES, validation_data=IMAGES[:, :4]), "`validation_data`: `images` must have shape"),
        (lambda gan, _: gan.realness(IMAGES[:, :4]), "`images` must have shape (n, 8, 8, 1)"),
        (lambda gan, _: gan.realness(9 * FLOATS), "floats in [-1, 1]. Received: floats from"),
        (lambda gan, _: gan.fit(np.ma.masked_equal(IMAGES, 0)), "`images` must have no masked values"),
        (lambda gan, _: gan.decode(np.ma.masked_equal(np.zeros((2, 4)), 0)), "`latents` must have no masked values"),
        (lambda gan, _: gan.predict(FLOATS), "`x` must be latents of shape (n, 4), of which images are made."),
        (lambda gan, _: gan(FLOATS), "`x` must be latents of shape (n, 4)"),
        (
            lambda _, __: small.build("gan", num_classes=3).predict(FLOATS),
            "`x` must be [latents, labels] with latents of",
        ),
        (lambda _, __: kg.penalties.R1(std=0.1), "`std` is the length of the steps of estimate='noise'"),
        (lambda _, __: kg.create("r3gan", (8, 8, 1), network="mlp", std=0.1), "`std` is the length of the steps"),
        (lambda gan, _: kg.create("gan", (8, 8, 1), network="mlp", targets=5), "`targets` must be three numbers"),
        (lambda gan, _: kg.create("gann", (8, 8, 1)), "`variant` must be one of"),
        (lambda gan, _: kg.create("gan", (8, 8, 0)), "`image_shape[2]` must be a positive integer"),
        (lambda gan, _: kg.data.ParallelDataset({"a": 1}, 1), "which a dict is not"),
        (lambda gan, path: gan.save(path / "a"), "`filepath` must end in .keras"),
        (lambda gan, path: gan.save(path / "a.KERAS"), "`filepath` must end in .keras"),
        (lambda gan, path: [gan.save(path / "a.keras"), gan.save(path / "a.keras", overwrite=False)], "a.keras exists"),
        (lambda gan, path: [gan.save(path / "a.keras"), gan.load_weights(cut(path / "a.keras"))], "is cut short"),
        (lambda gan, path: [gan.save(path / "a.keras"), gan.save_to_preset(path / "a.keras")], "a.keras exists"),
        (lambda gan, _: kg.GAN(gan.generator, Listed(), 4), "`discriminator` must return one tensor. Received"),
        (lambda gan, _: kg.GAN(gan.generator, Mistaken(), 4), "my own mistake"),
    ],
)
def test_a_mistake_is_told(gan, tmp_path, call, words):
    with pytest.raises((TypeError, ValueError, FileExistsError)) as error:
        call(gan, tmp_path)
    assert words in str(error.value)


def test_a_player_that_is_frozen_stays_and_the_other_learns():
    model = small.build("gan")
    model.generator.trainable = False
    model.compile()
    before = [
        keras.ops.convert_to_numpy(v) for player in (model.generator, model.discriminator) for v in player.weights
    ]
    model.fit(FLOATS.astype(">f4"), batch_size=4, verbose=0)  # of a machine of the other byte order
    after = [keras.ops.convert_to_numpy(v) for player in (model.generator, model.discriminator) for v in player.weights]
    own = len(model.generator.weights)
    assert not any(small.moved(before[:own], after[:own])) and any(small.moved(before[own:], after[own:]))


def test_scores_are_those_of_the_images_whatever_their_type(gan):
    scores = [keras.ops.convert_to_numpy(keras.ops.stop_gradient(gan.realness(x))) for x in (IMAGES, FLOATS)]
    np.testing.assert_allclose(*scores, atol=1e-6)
