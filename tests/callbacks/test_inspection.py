"""Inspection: the values are those that the layers compute, every so many steps, and training does not notice."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.callbacks.inspection import summary
from keras_gans.engine import tap
from tests.conftest import BACKEND
from tests.laws import small

IMAGES, LABELS = small.data()
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 6)).astype("float32"), RNG.normal(size=(12, 1)).astype("float32")


def stock(**options):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")], name="inner")
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(1, name="last")(inner(keras.layers.Dense(4, name="first")(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", **options)
    return model


def test_the_values_are_the_outputs_of_the_layers_nested_ones_included():
    model = stock()
    found = kg.callbacks.inspect(model, X, ["first", "inner/deep"])
    assert list(found) == ["first", "inner/deep"]
    first = ops.convert_to_numpy(model.get_layer("first")(X))
    np.testing.assert_allclose(found["first"], first, rtol=1e-5, atol=1e-6)
    deep = ops.convert_to_numpy(model.get_layer("inner")(first))
    np.testing.assert_allclose(found["inner/deep"], deep, rtol=1e-5, atol=1e-6)
    assert set(kg.callbacks.inspect(model, X, "*")) >= {"first", "inner", "inner/deep", "last"}


def test_the_values_are_those_of_inference():
    model = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization(name="norm", epsilon=1e-7)])
    np.testing.assert_allclose(kg.callbacks.inspect(model, X, "norm")["norm"], X, rtol=1e-5)  # untrained: the identity
    np.testing.assert_array_equal(ops.convert_to_numpy(model.layers[0].moving_mean), 0)


# A look is a forward pass beside the step: PyTorch, which compiles for a minute, does so in the test of averages alone.
@pytest.mark.parametrize("jit", [False] if BACKEND == "torch" else [False, True])
def test_training_is_the_same_bit_for_bit_and_every_look_sees_the_present_weights(jit):
    plain, watched = stock(jit_compile=jit), stock(jit_compile=jit)
    kept = []

    class Keep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kept.append(ops.convert_to_numpy(self.model.get_layer("last")(self.model.get_layer("inner")(self.first()))))

        def first(self):
            return self.model.get_layer("first")(X)

    callback = kg.callbacks.Inspect(X, "last", every=2, keep=9)
    options = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    losses = [
        plain.fit(X, Y, **options).history["loss"],
        watched.fit(X, Y, callbacks=[callback, Keep()], **options).history["loss"],
    ]
    assert losses[0] == losses[1]
    small.assert_same(small.weights(plain), small.weights(watched))
    assert [entry["step"] for entry in callback.history["last"]] == [2, 4, 6] == list(callback.tensors)
    for step, tensors in callback.tensors.items():
        np.testing.assert_allclose(tensors["last"], kept[step - 1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(callback.history["last"][step // 2 - 1]["mean"], kept[step - 1].mean(), rtol=1e-4)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on PyTorch")
def test_several_steps_per_execution_are_counted():
    callback = kg.callbacks.Inspect(X, "last", every=2)
    stock(steps_per_execution=3).fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    assert [entry["step"] for entry in callback.history["last"]] == [3, 6]


@pytest.mark.parametrize("name", small.VARIANTS)
def test_every_variant_can_be_watched_and_trains_as_without(name):
    def new(copy):  # the watched one takes no step that was traced unwatched
        if not small.eagerly(name):
            return small.shared(name, copy=copy)
        model = small.build(name, compile=False)
        model.compile(run_eagerly=True)
        return model

    plain = new(copy=0)
    plain.fit(IMAGES, batch_size=4, verbose=0)
    expected, watched = small.everything(plain), new(copy=1)
    network = watched.networks[-1]
    callback = kg.callbacks.Inspect(IMAGES, [f"{network}/*", "*_loss"], every=1)
    watched.fit(IMAGES, batch_size=4, verbose=0, callbacks=[callback])
    small.assert_same(expected, small.everything(watched))
    assert {name for name in callback.history if name.endswith("_loss")} >= {f"{watched.players[0]}_loss"}
    assert any(name.startswith(f"{network}/") for name in callback.history)
    assert all(np.isfinite(entry["mean"]) for entries in callback.history.values() for entry in entries)


def test_the_discriminator_is_seen_on_the_images_and_on_the_fakes():
    model = small.shared("gan")
    model.fit(IMAGES, batch_size=4, verbose=0)
    found = kg.callbacks.inspect(model, IMAGES, "discriminator")
    fakes = model.decode(model.latents_for(len(IMAGES), 0)) / 127.5 - 1
    for name, images in (("discriminator", IMAGES / 127.5 - 1), ("discriminator[1]", fakes)):
        scores = ops.convert_to_numpy(model.score(images.astype("float32"), None, training=False))
        np.testing.assert_allclose(found[name], scores, rtol=1e-2, atol=1e-2)  # the fakes are rounded to 0..255


def test_a_conditional_model_is_watched_with_labels():
    model = small.shared("gan", num_classes=small.CLASSES)
    found = kg.callbacks.inspect(model, IMAGES, "*_loss", labels=LABELS)
    assert set(found) == {"discriminator_loss", "generator_loss"}


def test_layers_offer_attention_spectral_norms_residuals_and_directions():
    attention = kg.layers.SelfAttention(spectral=True, name="attention")
    layers = [keras.Input((4, 4, 8)), attention, keras.layers.GlobalAveragePooling2D()]
    features = keras.Sequential([*layers, kg.layers.CascadingRejection(3, name="head")])
    inputs = RNG.normal(size=(2, 4, 4, 8)).astype("float32")
    found = kg.callbacks.inspect(features, inputs, ["attention/*", "head/*"])
    np.testing.assert_allclose(found["attention/weights"].sum(-1), 1, rtol=1e-5)
    assert found["attention/query/spectral_norm"].shape == ()
    first = ops.convert_to_numpy(features.get_layer("head").direction(0))[0]
    np.testing.assert_allclose(found["head/rest_1"] @ first, 0, atol=1e-5)  # what is left is orthogonal to the level
    model = small.shared("o_gan")
    directions = kg.callbacks.inspect(model, IMAGES, "*_direction")
    np.testing.assert_allclose(directions["real_direction"], model.encode(IMAGES), rtol=1e-3, atol=1e-4)


def test_a_layer_of_the_user_offers_a_value_with_one_line():
    class Gated(keras.layers.Layer):
        def call(self, inputs):
            gate = tap(self, "gate", ops.sigmoid(inputs))
            return inputs * gate

    model = keras.Sequential([keras.Input((6,)), Gated(name="gated")])
    np.testing.assert_allclose(kg.callbacks.inspect(model, X, "*/gate")["gated/gate"], 1 / (1 + np.exp(-X)), rtol=1e-5)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "watch, words",
    [
        ("firrst", "Nothing called 'firrst' is computed by this model. Did you mean 'first'"),
        (["last", "inner/shallow"], "Nothing called 'inner/shallow'.*There are first, inner"),
        ([], "`watch` must be names"),
        ([3], "`watch` must be names"),
    ],
)
def test_a_name_that_nothing_has_is_refused(watch, words):
    with pytest.raises(ValueError, match=words):
        kg.callbacks.inspect(stock(), X, watch)


@pytest.mark.one_backend
def test_a_summary_counts_what_is_not_finite():
    found = summary(np.array([0.0, 3.0, -4.0, np.nan, np.inf]))
    expected = {"mean": -1 / 3, "min": -4, "max": 3, "norm": 5, "zeros": 0.2, "not_finite": 0.4}
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value)
    assert found["histogram"].sum() == 3
    assert np.isnan(summary(np.array([np.nan]))["mean"])


def test_files_hold_the_history_and_the_report_is_a_picture(tmp_path):
    callback = kg.callbacks.Inspect(X, ["first", "last"], every=1, keep=1, folder=tmp_path, tensorboard=tmp_path / "tb")
    stock().fit(X, Y, batch_size=4, verbose=0, callbacks=[callback])
    with np.load(tmp_path / "inspection.npz") as arrays:
        np.testing.assert_array_equal(arrays["last|step"], [1, 2, 3])
        np.testing.assert_allclose(arrays["last|mean"][-1], arrays["last|tensor|3"].mean(), rtol=1e-5)
    callback.save(tmp_path / "inspection.h5")
    import h5py

    with h5py.File(tmp_path / "inspection.h5") as file:
        np.testing.assert_array_equal(file["first|step"], [1, 2, 3])
    assert (tmp_path / "inspection.png").stat().st_size > 5000
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [event.step for event in events.Scalars("last/mean")] == [1, 2, 3]
    assert "last" in events.Tags()["histograms"]
    with pytest.raises(ValueError, match=r"must end in .npz or .h5"):
        callback.save(tmp_path / "inspection.txt")


@pytest.mark.one_backend
def test_a_report_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing to draw yet: the first look is after step 7"):
        kg.callbacks.Inspect(X, "last", every=7).report("never.png")


@pytest.mark.parametrize("watch", ["mha/attention", "mha/*"])
def test_the_matrix_of_a_stock_attention_is_seen_and_training_is_not_touched(watch):
    sequence = keras.Input((5, 6))
    outputs = keras.layers.MultiHeadAttention(2, 4, name="mha")(sequence, sequence)
    models = []
    for _ in range(2):
        model = keras.models.clone_model(keras.Model(sequence, keras.layers.Dense(1)(outputs)))
        model.compile("sgd", "mse")
        models.append(model)
    models[1].set_weights(models[0].get_weights())
    x, y = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32"), np.zeros((4, 5, 1), "float32")
    callback = kg.callbacks.Inspect(x[:2], watch, every=1, keep=9)
    losses = [
        model.fit(x, y, epochs=2, shuffle=False, verbose=0, callbacks=c).history["loss"]
        for model, c in zip(models, ([], [callback]), strict=True)
    ]
    assert losses[0] == losses[1]
    _, expected = models[1].get_layer("mha")(x[:2], x[:2], return_attention_scores=True)
    last = callback.tensors[max(callback.tensors)]["mha/attention"]
    assert last.shape == (2, 2, 5, 5)
    np.testing.assert_allclose(last, ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(last.sum(-1), 1, rtol=1e-5)
