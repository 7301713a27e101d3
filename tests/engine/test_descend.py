"""One optimiser step of one player: its own network moves, everything of the others stays, statistics included."""

import keras
import numpy as np
from keras import ops

import keras_gans as kg
from keras_gans.engine import descend
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


def test_it_returns_what_the_loss_function_returns_an_empty_dict_included():
    model = build(None)
    assert float(descend(lambda: ops.zeros(()), model, "generator")) == 0
    loss, extras = descend(lambda: (ops.zeros(()), {}), model, "generator")
    assert float(loss) == 0 and extras == {}
    _, extras = descend(lambda: (ops.zeros(()), {"one": ops.ones(())}), model, "generator")
    assert float(extras["one"]) == 1
