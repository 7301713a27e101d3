"""The private names of Keras still are what the package takes them for."""

import keras
import numpy as np
import pytest

from keras_gans.engine import private_keras


def nested():
    layers = keras.layers.Dense(2, name="first"), keras.layers.Dropout(0.5, name="d")
    inner = keras.Sequential([keras.Input((3,)), *layers])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1, name="last")])
    model.compile("sgd", "mse")
    return model


def test_layers_of_finds_nested_layers_behind_what_holds_them():
    model = nested()
    names = [layer.name for layer in private_keras.layers_of(model)]
    assert names[0] == model.name and {"first", "d", "last"} < set(names)
    assert names.index(model.layers[0].name) < min(names.index("first"), names.index("d"))
    direct = [layer.name for layer in private_keras.layers_of(model, recursive=False, include_self=False)]
    assert "first" not in direct and "last" in direct


def test_seeds_and_random_layers_are_known():
    layers = {layer.name: layer for layer in private_keras.layers_of(nested())}
    assert private_keras.is_random(layers["d"]) and not private_keras.is_random(layers["first"])
    assert private_keras.is_seed(keras.random.SeedGenerator(1).state)


@pytest.mark.parametrize("steps", [None, 3])
def test_an_optimiser_tells_its_variables_and_calls(steps):
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=steps)
    weight = keras.Variable(np.zeros(2, "float32"))
    optimizer.build([weight])
    assert private_keras.trained_variables(optimizer) == [weight]
    assert {v.path for v in private_keras.own_variables(optimizer)} == {v.path for v in optimizer.variables}
    for _ in range(3):
        optimizer.apply([keras.ops.ones(2)], [weight])
    assert int(private_keras.raw_iterations(optimizer)) == 3
    assert int(keras.ops.convert_to_numpy(optimizer.iterations)) == 3 // (steps or 1)
    private_keras.count_step(optimizer)
    assert int(private_keras.raw_iterations(optimizer)) == 4


def test_fit_begins_at_the_epoch_that_a_callback_says():
    model, begun = nested(), []

    class Later(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            private_keras.begin_at_epoch(self.model, 2)

        def on_epoch_begin(self, epoch, logs=None):
            begun.append(epoch)

    model.fit(np.zeros((4, 3)), np.zeros((4, 1)), epochs=4, verbose=0, callbacks=[Later()])
    assert begun == [2, 3]
    private_keras.begin_at_epoch(model, None)
    model.fit(np.zeros((4, 3)), np.zeros((4, 1)), epochs=1, verbose=0)


def test_the_mean_called_loss_is_made_by_compile_and_can_be_taken_away():
    model = nested()
    assert "loss" in [metric.name for metric in model.metrics]
    private_keras.forget_loss_tracker(model)
    assert "loss" not in [metric.name for metric in model.metrics]


def test_fit_says_by_the_known_name_that_the_validation_data_are_prepared():
    seen = []

    class Watched(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def evaluate(self, *arguments, **options):
            seen.append(options)
            return super().evaluate(*arguments, **options)

    model = Watched()
    model.compile("sgd", "mse")
    data = np.zeros((4, 3)), np.zeros((4, 1))
    model.fit(*data, validation_data=data, epochs=1, verbose=0)
    assert seen[0][private_keras.USES_PREPARED_DATA] is True


def test_variables_are_read_in_their_own_dtype_inside_the_scope():
    read = {}

    class Reads(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(), name="w")

        def call(self, x):
            read["cast"] = keras.backend.standardize_dtype(keras.ops.convert_to_tensor(self.w).dtype)
            with private_keras.full_precision_variables():
                read["own"] = keras.backend.standardize_dtype(keras.ops.convert_to_tensor(self.w).dtype)
            return x

    Reads(dtype="mixed_bfloat16")(np.zeros((1, 1), "float32"))
    assert read == {"cast": "bfloat16", "own": "float32"}


def test_a_plain_attribute_is_not_tracked():
    model = nested()
    before = len(model.variables)
    private_keras.plain_setattr(model, "extra", [keras.Variable(np.zeros(2))])
    assert len(model.variables) == before and len(model.extra) == 1


def test_fit_takes_what_keras_makes_of_a_dataset_in_its_place():
    model, data = nested(), (np.zeros((4, 3), "float32"), np.zeros((4, 1), "float32"))
    adapter = private_keras.data_adapter(data[0], y=data[1], batch_size=2)
    assert adapter.num_batches == 2 and callable(adapter.get_tf_dataset)
    assert np.isfinite(model.fit(adapter, epochs=2, verbose=0).history["loss"]).all()


def test_a_step_finds_state_losses_and_masks():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization(name="norm")])
    inner.trainable = False
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    names = [variable.name for variable in private_keras.state_of(model)]
    assert sorted(names) == ["moving_mean", "moving_variance", "seed_generator_state"]  # no frozen kernel
    model.compile("sgd", "mse")
    x, y = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")
    outputs = private_keras.called(model, x, training=False)
    loss = private_keras.data_loss(model, y, outputs, None)
    whole = private_keras.whole_loss(model, x, y, outputs, None, training=False)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss), keras.ops.convert_to_numpy(whole))
    private_keras.track_loss(model, loss, 2)
    np.testing.assert_allclose(model.get_metrics_result()["loss"], keras.ops.convert_to_numpy(loss), rtol=1e-6)
    masked = keras.layers.Embedding(3, 2, mask_zero=True)(np.array([[0, 1]]))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(private_keras.mask_of(masked)), [[False, True]])


def test_models_with_a_step_or_loss_of_their_own_are_known():
    class Own(keras.Sequential):
        def train_step(self, *arguments):
            return super().train_step(*arguments)

        def compute_loss(self, *arguments, **options):
            return super().compute_loss(*arguments, **options)

    assert private_keras.has_own_step(Own()) and private_keras.has_own_loss(Own())
    assert not private_keras.has_own_step(nested()) and not private_keras.has_own_loss(nested())
