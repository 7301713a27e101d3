"""One optimiser step of one player: its own network moves, everything of the others stays, statistics included."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import descend
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import plain_setattr
from tests.laws import small


def state(network):
    return [np.array(ops.convert_to_numpy(variable.value)) for variable in network.variables]


def build(normalization):
    options = {"width": 2, "discriminator": {"normalization": normalization}}
    model = kg.create("gan", (16, 16, 1), 4, network_options=options)
    model.compile()
    return model


def test_a_generator_step_leaves_the_discriminators_statistics_alone():
    latents = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(6, 4)).astype("float32"))
    for normalization in ("batch", "spectral"):
        model = build(normalization)
        generator, discriminator = state(model.generator), state(model.discriminator)
        descend(lambda model=model: ops.mean(model.score(model.fake(latents, None), None)), model, "generator")
        assert not any(small.moved(discriminator, state(model.discriminator))), normalization
        assert any(small.moved(generator, state(model.generator)))
        images = ops.convert_to_tensor(np.zeros((6, 16, 16, 1), "float32") + 0.5)
        generator = state(model.generator)
        descend(lambda model=model, images=images: ops.mean(model.score(images, None)), model, "discriminator")
        assert not any(small.moved(generator, state(model.generator)))
        moved = small.moved(discriminator, state(model.discriminator))
        assert any(moved[i] for i, v in enumerate(model.discriminator.variables) if not v.trainable)


def test_weight_regularisers_are_part_of_the_loss():
    generator = kg.networks.mlp.generator((3,), 2, width=4, depth=1)
    dense = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.5), use_bias=False)
    discriminator = keras.Sequential([keras.Input((3,)), dense])
    model = kg.GAN(generator, discriminator, latent_dim=2)
    model.compile(discriminator_optimizer=keras.optimizers.SGD(0.1))
    before = np.array(ops.convert_to_numpy(dense.kernel.value))
    loss = descend(lambda: ops.zeros(()), model, "discriminator")
    np.testing.assert_allclose(float(loss), 0.5 * np.sum(before**2), rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(dense.kernel.value), 0.9 * before, rtol=1e-5)


@keras.saving.register_keras_serializable("test_descend")
class AddsLoss(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(0.5 * ops.sum(ops.square(inputs)))
        return inputs


def shifted(last):
    """Returns a GAN with G(z) = z + b and D(x) = w x, and `last` behind both."""
    ones = {"kernel_initializer": "ones", "bias_initializer": "ones"}
    generator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, **ones), *last()])
    discriminator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, **ones), *last()])
    model = kg.GAN(generator, discriminator, latent_dim=1)
    sgd = {f"{player}_optimizer": keras.optimizers.SGD(0.1) for player in model.players}
    model.compile(**sgd)
    return model


@pytest.mark.parametrize(
    "last",
    [
        lambda: [AddsLoss()],
        # Keras divides by the batch, here of two.
        lambda: [keras.layers.Activation("linear", activity_regularizer=keras.regularizers.L2(1.0))],
    ],
)
def test_what_layers_add_to_the_loss_counts_in_the_step_of_their_network_alone(last):
    images = np.array([[2.0], [3.0]], "float32")
    latents = ops.convert_to_tensor(np.array([[0.5], [-1.0]], "float32"))
    model = shifted(last)

    def critic():  # two calls of D, 0.5 sum (w x)^2 each; G is called, too, and adds nothing here
        fakes = ops.stop_gradient(model.fake(latents))
        return ops.mean(model.score(ops.convert_to_tensor(images))) + 0.0 * ops.mean(model.score(fakes))

    fakes = np.array([[1.5], [0.0]])
    loss = descend(critic, model, "discriminator")
    np.testing.assert_allclose(float(loss), images.mean() + 0.5 * (images**2).sum() + 0.5 * (fakes**2).sum(), rtol=1e-6)
    weight = 1 - 0.1 * (images.mean() + (images**2).sum() + (fakes**2).sum())
    np.testing.assert_allclose(ops.convert_to_numpy(model.discriminator.weights[0]), [[weight]], rtol=1e-5)

    loss = descend(lambda: 0.0 * ops.mean(model.score(model.fake(latents))), model, "generator")
    np.testing.assert_allclose(float(loss), 0.5 * (fakes**2).sum(), rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(model.generator.weights[1]), [1 - 0.1 * fakes.sum()], rtol=1e-5)
    before = small.weights(model)
    model.fit(images, batch_size=2, verbose=0)  # compiled, with what a penalty would call besides
    assert any(small.moved(before, small.weights(model)))


def test_a_simultaneous_step_refuses_layers_that_add_to_the_loss():
    model = shifted(lambda: [AddsLoss()])
    model.compile(update="simultaneous")
    with pytest.raises(ValueError, match="`update` must be 'alternating' for networks whose layers add to the loss"):
        model.fit(np.ones((4, 1), "float32"), verbose=0)


def test_it_returns_what_the_loss_function_returns_an_empty_dict_included():
    model = build(None)
    assert float(descend(lambda: ops.zeros(()), model, "generator")) == 0
    loss, extras = descend(lambda: (ops.zeros(()), {}), model, "generator")
    assert float(loss) == 0 and extras == {}
    _, extras = descend(lambda: (ops.zeros(()), {"one": ops.ones(())}), model, "generator")
    assert float(extras["one"]) == 1


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of graphs are TensorFlow's")
def test_several_steps_of_a_player_are_traced_once(monkeypatch):
    """And are the steps that one after the other would be: the same weights to the last bit."""
    images, _ = small.data(8)
    weights, calls = [], []
    for traced_once in (backend.traced_once, lambda key, step: step):
        monkeypatch.setattr(backend, "traced_once", traced_once)
        keras.utils.set_random_seed(2)
        model = small.build("wgan_gp", critic_steps=4)
        objective, count = model.critic_objective, []

        def counted(*arguments, objective=objective, count=count):
            count.append(1)
            return objective(*arguments)

        plain_setattr(model, "critic_objective", counted)
        for _ in range(2):
            model.train_on_batch(images)
        weights.append([keras.ops.convert_to_numpy(variable) for variable in model.variables])
        calls.append(len(count))
    assert calls == [1, 4]
    for once, each in zip(*weights, strict=True):
        np.testing.assert_array_equal(once, each)
