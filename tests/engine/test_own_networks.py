"""Networks of the user's own: subclassed models, layers that are never called, ends that no loss expects."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_gans as kg
from tests.laws import small

IMAGES, LABELS = small.data()


@keras.saving.register_keras_serializable("test_own_networks")
class Generator(keras.Model):
    """Without classes it has a layer that it never calls."""

    def __init__(self, classes=0, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.dense, self.shape_of_image = layers.Dense(64, activation="tanh"), layers.Reshape(small.SHAPE)
        self.embedding = layers.Embedding(max(classes, 1), 4)

    def call(self, inputs, training=False):
        if self.classes:
            latents, labels = inputs
            inputs = ops.concatenate([latents, self.embedding(labels)], axis=-1)
        return self.shape_of_image(self.dense(inputs))

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable("test_own_networks")
class Discriminator(Generator):
    def __init__(self, classes=0, **kwargs):
        super().__init__(classes, **kwargs)
        self.flatten, self.score = layers.Flatten(), layers.Dense(1)

    def call(self, inputs, training=False):
        images, labels = inputs if self.classes else (inputs, None)
        hidden = self.dense(self.flatten(images))
        if labels is not None:
            hidden = ops.concatenate([hidden, self.embedding(labels)], axis=-1)
        return self.score(hidden)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("classes", [0, small.CLASSES])
def test_subclassed_networks_do_what_functional_ones_do(classes, eager, tmp_path):
    model = kg.GAN(Generator(classes), Discriminator(classes), latent_dim=4, num_classes=classes)
    model.compile(run_eagerly=eager)
    data = (IMAGES, LABELS) if classes else (IMAGES,)
    average = kg.callbacks.WeightMovingAverage(0.9)
    before = small.weights(model)
    model.fit(*data, batch_size=4, verbose=0, callbacks=[average])
    losses = model.train_on_batch(*data)
    assert any(small.moved(before, small.weights(model))) and np.all(np.isfinite(losses))
    assert np.all(np.isfinite(model.evaluate(*data, verbose=0))) and np.all(np.isfinite(model.test_on_batch(*data)))
    assert model.image_shape == small.SHAPE and model.generate(3, average=True).shape == (3, *small.SHAPE)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.generate(4, seed=0), model.generate(4, seed=0))


def ending(*last):
    return keras.Sequential([keras.Input(small.SHAPE), layers.Flatten(), *last])


def of_operation():
    image = keras.Input(small.SHAPE)
    return keras.Model(image, ops.sigmoid(layers.Dense(1)(layers.Flatten()(image))))


def gan(discriminator, **options):
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(64, activation="tanh"), layers.Reshape(small.SHAPE)])
    return kg.GAN(generator, discriminator, latent_dim=4, **options)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("discriminator", "words"),
    [
        (ending(layers.Dense(1, activation="sigmoid")), "ends in a sigmoid"),
        (ending(layers.Dense(1), layers.Activation("tanh")), "ends in a tanh"),
        (ending(layers.Dense(1), layers.ReLU(), layers.Reshape((1,))), "ends in a relu"),
        (keras.Sequential([keras.Input(small.SHAPE), ending(layers.Dense(1, "sigmoid"))]), "ends in a sigmoid"),
        (of_operation(), "ends in a sigmoid"),
        (ending(layers.Dense(1), layers.LeakyReLU()), None),
        (ending(layers.Dense(1)), None),
    ],
)
def test_a_discriminator_that_ends_in_a_sigmoid_is_told(discriminator, words):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gan(discriminator)
    told = [str(each.message) for each in caught if "`discriminator`" in str(each.message)]
    assert bool(told) == (words is not None) and all(words in sentence for sentence in told)


def plain(score, reals, fakes, weights, step=0):
    return ops.mean(score(reals))


class WithoutConfig:
    def __call__(self, *arguments, **options):
        return 0.0


class Unlike(layers.Layer):
    def __init__(self, strength, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "options",
    [{"penalties": [each]} for each in (plain, lambda *_, **__: 0.0, WithoutConfig(), print)]
    + [{"augmentation": Unlike(1.0)}],
)
def test_what_a_saved_model_could_not_be_loaded_with_is_refused(options):
    (argument,) = options
    with pytest.raises((ValueError, TypeError), match=f"`{argument}` must .*Received"):
        gan(ending(layers.Dense(1)), **options)


@pytest.mark.one_backend
def test_a_registered_function_is_a_penalty(tmp_path):
    penalty = keras.saving.register_keras_serializable("test_own_networks")(plain)
    model = gan(ending(layers.Dense(1)), penalties=[penalty])
    model.compile()
    model.fit(IMAGES, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").penalties == (penalty,)
