"""`generate` costs what its rows cost, and what is compiled never outlives what it was compiled for."""

import threading

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine.backend import module as backend
from tests.conftest import BACKEND
from tests.laws import small


def rows_seen(model):
    """Counts the rows with which the generator is called, by replacing `fake`."""
    seen, original = [], model.fake

    def fake(latents, labels=None, training=True):
        seen.append(latents.shape[0])
        return original(latents, labels, training)

    model.fake = fake
    return seen


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow relaxes the shape after the second one")
def test_few_images_are_not_computed_as_many():
    model = small.build("gan", compile=False)
    seen = rows_seen(model)
    for count in (1, 3, 64, 70):
        assert model.generate(count, seed=0).shape == (count, *small.SHAPE)
    assert seen == ([1, 4, 64, 8] if BACKEND == "jax" else [1, 3, 64, 64, 6])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="shapes are TensorFlow's business here")
def test_any_number_of_images_needs_two_traces():
    model = small.build("gan", compile=False)
    seen = rows_seen(model)
    for count in (1, 3, 5, 64, 70, 2):
        assert model.generate(count, seed=0).shape == (count, *small.SHAPE)
    assert len(seen) <= 3 and seen[0] == 1 and seen[-1] is None


def test_fewer_images_are_the_first_of_many():
    model = small.build("gan", compile=False)
    many = model.generate(70, seed=5).astype(int)
    for count in (1, 5, 64):
        assert np.abs(model.generate(count, seed=5) - many[:count]).max() <= 1


def other_weights(model):
    generator = small.build("gan", seed=9, compile=False).generator
    model.generator.set_weights(generator.get_weights())


def another_network(model):
    model.generator = small.build("gan", seed=9, compile=False).generator


def adapted(model):
    layer = next(layer for layer in reversed(model.generator.layers) if isinstance(layer, keras.layers.Dense))
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))


def quantised(model):
    model.generator.quantize("int8")


@pytest.mark.parametrize("change", [other_weights, another_network, adapted, quantised])
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_generate_follows_every_change_of_the_network(change):
    model = small.build("gan", compile=False)
    latents = model.latents_for(8, seed=0)
    before = model.decode(latents)
    change(model)
    if BACKEND == "jax" and change is quantised:
        pytest.skip("Keras quantises no model whose call is traced by another function on JAX")
    after = model.decode(latents)
    expected = model.to_pictures(ops.convert_to_numpy(model.generator(ops.convert_to_tensor(latents), training=False)))
    assert np.abs(after.astype(int) - expected).max() <= 1
    assert (after != before).any()


def test_first_calls_of_several_threads_compile_once(monkeypatch):
    compiled, original = [], backend.compiled

    def counting(model, fn):
        compiled.append(fn)
        return original(model, fn)

    monkeypatch.setattr(backend, "compiled", counting)
    model, found = small.build("gan", compile=False), []
    threads = [threading.Thread(target=lambda: found.append(model.generate(3, seed=1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compiled) == 1 and len(found) == 8
    assert all((each == found[0]).all() for each in found)


def test_encode_and_the_other_compiled_calls_take_any_number_of_rows():
    images, _ = small.data(5)
    model = small.build("o_gan", compile=False)
    whole = model.encode(images)
    np.testing.assert_allclose(model.encode(images[:1]), whole[:1], rtol=1e-4, atol=1e-5)
    assert kg.create("ign", small.SHAPE, network="mlp", noise="gaussian").drift(images[:3]).shape == (3,)


@pytest.mark.parametrize("name", ["gan", "o_gan", "ign"])
def test_the_average_is_read_without_touching_the_model(name):
    images, _ = small.data(8)
    model = small.build(name)
    average = kg.callbacks.WeightMovingAverage(0.9, warmup=None)
    model.fit(images, batch_size=4, epochs=3, callbacks=[average], verbose=0)
    raw, before = model.generate(5, seed=0), small.everything(model)
    averaged = model.generate(5, seed=0, average=True)
    small.assert_same(before, small.everything(model))
    with average.applied():
        expected = model.generate(5, seed=0)
    assert np.abs(averaged.astype(int) - expected).max() <= 1 and (averaged != raw).any()
    np.testing.assert_array_equal(model.generate(5, seed=0), raw)
    model.fit(images, batch_size=4, callbacks=[average], verbose=0)  # what was compiled reads the new average
    with average.applied():
        later = model.generate(5, seed=0)
    assert np.abs(model.generate(5, seed=0, average=True).astype(int) - later).max() <= 1


def test_an_average_that_is_not_there_and_unknown_outputs_are_refused():
    model = small.build("gan", compile=False)
    with pytest.raises(ValueError, match="has no moving average: `average` must be False.*average=True"):
        model.generate(1, average=True)
    with pytest.raises(ValueError, match="`output` must be one of 'array', 'pil'"):
        model.generate(1, output="PNG")
    with pytest.raises(TypeError, match="GAN.generate has no argument `steps`. It takes average=."):
        model.generate(1, steps=2)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_pictures_come_as_pillow_has_them(channels, mode):
    model = kg.create("gan", (8, 8, channels), latent_dim=4, network="mlp", network_options={"width": 8})
    pictures, arrays = model.generate(3, seed=0, output="pil"), model.generate(3, seed=0)
    assert [picture.mode for picture in pictures] == [mode] * 3
    np.testing.assert_array_equal(np.stack([np.asarray(picture) for picture in pictures]).reshape(arrays.shape), arrays)
    points = kg.create("gan", (2,), latent_dim=4, network="mlp", network_options={"width": 8})
    with pytest.raises(ValueError, match="`output` must be 'array': the model makes points"):
        points.generate(1, output="pil")


@pytest.mark.one_backend("tensorflow")
@pytest.mark.parametrize("num_classes", [0, small.CLASSES])
def test_the_exported_model_computes_what_predict_does(num_classes, tmp_path):
    import tensorflow as tf

    model = small.build("gan", num_classes=num_classes, compile=False)
    model.export(tmp_path / "exported", verbose=False)
    latents, labels = model.latents_for(5, 0), model.labels_for(5)
    inputs = [latents, labels] if num_classes else latents
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(loaded.serve(inputs), model.predict(inputs, verbose=0), atol=1e-6)
