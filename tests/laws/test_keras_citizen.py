"""Every variant is a whole Keras model: data, callbacks, checkpoints, precision and resuming, on this backend."""

import contextlib
import csv
import os

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.conftest import BACKEND
from tests.laws import small

if BACKEND == "tensorflow":
    import tensorflow as tf

variants = pytest.mark.parametrize("name", small.VARIANTS, scope="module")  # all laws of a variant in a row
typical_variants = pytest.mark.parametrize("name", small.TYPICAL, scope="module")


def forms_of_data(images):
    """Returns every way to hand the same batches of 4 to `fit`."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return (images[i * 4 : (i + 1) * 4],)

    forms = {
        "array": images,
        "tuple": (images,),
        "floats": images.astype("float32") / 127.5 - 1,
        "py_dataset": Batches(),
        "generator": (images[i : i + 4] for i in (0, 4, 8)),
    }
    if BACKEND == "tensorflow":
        forms["tensor"] = tf.constant(images)
        forms["tf_data"] = tf.data.Dataset.from_tensor_slices(images).batch(4)
        forms["tf_data_tuples"] = tf.data.Dataset.from_tensor_slices((images,)).batch(4)
    if BACKEND == "torch":
        import torch

        forms["tensor"] = torch.from_numpy(images)
        forms["torch_loader"] = torch.utils.data.DataLoader(images, batch_size=4)
    return forms


@typical_variants
def test_a_shared_model_comes_back_as_it_was_built(name):
    built = small.build(name)
    expected, weights = small.everything(built), small.weights(built)
    model = small.shared(name)
    small.spoil(model)
    spoilt = small.weights(model)
    assert len(spoilt) > len(weights) or any(small.moved(weights, spoilt))
    assert model.steps_into_epoch == 1
    assert small.shared(name) is model
    small.assert_same(expected, small.everything(model))
    assert (model.steps_into_epoch, model.resume_at, model._initial_epoch) == (0, 0, None)
    assert all(float(mean.count) == 0 for mean in model.means)
    other = small.shared(name, seed=2)
    assert other is model and any(small.moved(weights, small.weights(model)))
    small.assert_same(small.everything(small.build(name, seed=2)), small.everything(other))


@typical_variants
def test_every_form_of_data_trains_to_the_same_weights_and_the_last_batch_may_be_uneven(name):
    images, _ = small.data()
    before, results = small.weights(small.shown(small.shared(name), images)), {}
    forms = forms_of_data(images)
    if name in small.ARRAYS_ONLY:
        for form in ("py_dataset", "generator"):
            with pytest.raises(TypeError, match="`x` must be an array of images.* Received: a dataset"):
                small.shared(name).fit(forms[form], verbose=0)
        forms = {form: forms[form] for form in ("array", "tuple", "floats")}
    elif small.eagerly(name):  # TensorFlow traces a step per type of data; a variant sees the same tensors of all
        forms = {form: forms[form] for form in ("array", "floats", "tf_data")}
    for form, value in forms.items():
        model = small.shared(name)
        arrays = form in ("array", "tuple", "floats", "tensor")
        model.fit(value, batch_size=4 if arrays else None, shuffle=False, verbose=0)
        results[form] = small.weights(model)
        assert any(small.moved(before, results[form]))
        assert all(np.isfinite(weight).all() for weight in results[form])
    for form in results:
        small.assert_same(results["array"], results[form], atol=1e-6)


@pytest.mark.parametrize("name", small.typical(small.CONDITIONAL))
def test_conditional_models_take_pairs_in_every_form(name):
    images, labels = small.data()
    results = []
    for arguments in [(images, labels), ((images, labels),)]:
        model = small.shared(name, num_classes=small.CLASSES)
        model.fit(*arguments, batch_size=4, shuffle=False, verbose=0)
        results.append(small.weights(model))
    small.assert_same(*results)
    assert model.generate(5, labels=[0, 1, 2, 0, 1]).shape == (5, *small.SHAPE)
    assert model.predict([np.zeros((2, *model.latent_shape), "float32"), np.array([0, 2])], verbose=0).shape == (
        2,
        *small.SHAPE,
    )
    assert all(np.isfinite(v) for v in model.evaluate(images, labels, return_dict=True, verbose=0).values())


@variants
def test_several_steps_per_execution_are_the_same_steps(name):
    images, _ = small.data(18)
    single, multiple = small.shared(name), small.build(name)
    single.fit(images, batch_size=4, verbose=0)
    multiple.compile(steps_per_execution=2)
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="steps_per_execution"):
            multiple.fit(images, batch_size=4, verbose=0)
        return
    multiple.fit(images, batch_size=4, verbose=0)
    small.assert_same(small.weights(single), small.weights(multiple), atol=1e-6)


@variants
def test_evaluate_reports_losses_and_validation_leaves_training_as_it_is(name):
    images, _ = small.data(16)
    plain = small.shared(name)
    plain.fit(images[:12], batch_size=4, epochs=2, verbose=0)
    expected = small.weights(plain)
    validated = small.shared(name)
    history = validated.fit(images[:12], batch_size=4, epochs=2, validation_data=(images[12:],), verbose=0).history
    small.assert_same(expected, small.weights(validated))
    training = (*validated.training_logs, "penalty")  # a penalty is part of training alone
    evaluated = {log for log in validated.all_logs() if log not in training}
    assert {f"val_{log}" for log in evaluated} <= set(history)
    before = small.weights(validated)
    results = validated.evaluate(images, batch_size=4, return_dict=True, verbose=0)
    assert set(results) == {*evaluated, "loss"}
    assert all(np.isfinite(value) for value in results.values())
    assert not any(small.moved(before, small.weights(validated)))
    split = small.shared(name).fit(images, batch_size=4, validation_split=0.25, verbose=0).history
    np.testing.assert_allclose(split["loss"][0], history["loss"][0], rtol=1e-6)


@variants
def test_predict_and_generate_give_images_of_the_promised_range(name):
    model = small.shared(name)
    latents = model.latents_for(5, seed=0)
    predicted = model.predict(latents, batch_size=2, verbose=0)
    assert predicted.dtype == "float32" and np.abs(predicted).max() <= 1
    pictures = model.decode(latents)
    assert pictures.dtype == "uint8"
    np.testing.assert_array_equal(pictures, np.rint((predicted + 1) * 127.5).astype("uint8"))
    np.testing.assert_array_equal(model.generate(70, seed=3), model.generate(70, seed=3))
    assert (model.generate(4, seed=3) != model.generate(4, seed=4)).any()


@typical_variants
def test_a_saved_model_is_loaded_whole_and_goes_on_as_if_it_had_never_stopped(name, tmp_path):
    images, _ = small.data()
    model = small.shared(name, decay=0.2)
    average = kg.callbacks.WeightMovingAverage(0.2)
    model.fit(images, batch_size=4, epochs=2, callbacks=[average], verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    small.assert_same(small.everything(model), small.everything(loaded))
    np.testing.assert_array_equal(model.generate(4, seed=0), loaded.generate(4, seed=0))
    assert loaded.optimizer.get_config()["players"].keys() == model.optimizer.get_config()["players"].keys()
    for each in (model, loaded):
        each.fit(images, batch_size=4, epochs=2, verbose=0)
    small.assert_same(small.everything(model), small.everything(loaded))
    assert os.listdir(tmp_path) == ["model.keras"]


@typical_variants
def test_weights_are_loaded_with_the_optimisers_state(name, tmp_path):
    images, _ = small.data()
    model, other = small.shared(name), small.build(name, seed=2)
    model.fit(images, batch_size=4, verbose=0)
    model.save_weights(tmp_path / "state.weights.h5")
    other.load_weights(tmp_path / "state.weights.h5")
    small.assert_same(small.everything(model), small.everything(other))
    assert os.listdir(tmp_path) == ["state.weights.h5"]


@typical_variants
def test_model_checkpoint_saves_files_that_load(name, tmp_path):
    images, _ = small.data()
    model = small.shared(name)
    saving = [
        keras.callbacks.ModelCheckpoint(tmp_path / "epoch_{epoch}.keras", monitor="loss", save_best_only=False),
        keras.callbacks.ModelCheckpoint(tmp_path / "last.weights.h5", save_weights_only=True),
    ]
    model.fit(images, batch_size=4, epochs=2, callbacks=saving, verbose=0)
    small.assert_same(small.everything(model), small.everything(keras.models.load_model(tmp_path / "epoch_2.keras")))
    other = small.build(name, seed=2)
    other.load_weights(tmp_path / "last.weights.h5")
    small.assert_same(small.everything(model), small.everything(other))


class Kill(keras.callbacks.Callback):
    """Ends the process of training, as far as the model is concerned, in the middle of an epoch."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@typical_variants
def test_a_killed_run_resumes_exactly(name, tmp_path):
    images, _ = small.data()
    straight = small.shared(name, decay=0.2)
    straight.fit(images, batch_size=4, epochs=4, callbacks=[kg.callbacks.WeightMovingAverage(0.2)], verbose=0)
    expected = small.everything(straight)
    for kind in (keras.callbacks.BackupAndRestore, kg.callbacks.Checkpoint):

        def callbacks(folder=tmp_path / kind.__name__, kind=kind):
            return [kg.callbacks.WeightMovingAverage(0.2), kind(folder)]

        killed = small.shared(name, decay=0.2)
        with pytest.raises(KeyboardInterrupt):
            killed.fit(images, batch_size=4, epochs=4, callbacks=[*callbacks(), Kill(8)], verbose=0)
        resumed = small.shared(name, seed=7, copy=1, decay=0.2)  # it has gone through nothing of this
        history = resumed.fit(images, batch_size=4, epochs=4, callbacks=callbacks(), verbose=0)
        assert history.epoch == [2, 3], kind
        small.assert_same(expected, small.everything(resumed))


@typical_variants
def test_learning_rate_scheduler_changes_every_players_rate(name):
    images, _ = small.data()
    model = small.shared(name)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch < 1 else 0.0)
    history = model.fit(images, batch_size=4, callbacks=[schedule], verbose=0).history
    assert {f"learning_rate_{player}" for player in model.players} <= set(history)
    before = small.weights(model)
    history = model.fit(images, batch_size=4, epochs=2, initial_epoch=1, callbacks=[schedule], verbose=0).history
    assert all(history[f"learning_rate_{player}"] == [0.0] for player in model.players)
    assert not any(small.moved(before, small.weights(model)))


@typical_variants
def test_reduce_on_plateau_changes_every_players_rate(name):
    images, _ = small.data()
    model = small.shared(name)
    rates = [float(optimizer.learning_rate) for optimizer in model.optimizer.optimizers]
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=1e9)
    model.fit(images, batch_size=4, epochs=2, callbacks=[plateau], verbose=0)
    halved = [float(optimizer.learning_rate) for optimizer in model.optimizer.optimizers]
    np.testing.assert_allclose(halved, np.array(rates) / 2, rtol=1e-6)


@typical_variants
def test_a_nan_of_either_player_ends_training(name):
    images, _ = small.data(40)
    for player in small.FIRST.get(name, small.shared(name).players):
        model = small.shown(small.shared(name), images)
        variable = getattr(model, player).trainable_variables[0]
        variable.assign(np.full(variable.shape, np.nan))
        steps = []
        count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs, steps=steps: steps.append(batch))
        model.fit(images, batch_size=4, callbacks=[keras.callbacks.TerminateOnNaN(), count], verbose=0)
        goes_back = hasattr(model, "rollbacks")  # by itself, to weights that are good
        assert steps == ([*range(10)] if goes_back else [0])


@typical_variants
def test_early_stopping_stops_and_restores(name):
    images, _ = small.data()
    model = small.shared(name)
    stop = keras.callbacks.EarlyStopping(
        monitor="generator_loss" if "generator_loss" in model.logs else "loss",
        mode="min",
        min_delta=1e9,
        patience=1,
        restore_best_weights=True,
    )
    after_first = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: after_first.append(small.weights(model)) if epoch == 0 else None
    )
    history = model.fit(images, batch_size=4, epochs=9, callbacks=[stop, keep], verbose=0)
    assert history.epoch == [0, 1]
    small.assert_same(after_first[0], small.weights(model))


@typical_variants
def test_csv_logger_writes_every_log(name, tmp_path):
    images, _ = small.data()
    model = small.shared(name)
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = model.fit(images, batch_size=4, epochs=2, callbacks=[logger], verbose=0).history
    with open(tmp_path / "log.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    logged = [log for log in (*model.all_logs(), "loss") if len(history.get(log, ())) == 2]  # in both epochs
    assert "loss" in logged and (name in small.FIRST or len(logged) == len(model.all_logs()) + 1)
    for log in logged:
        np.testing.assert_allclose([float(row[log]) for row in rows], history[log], rtol=1e-6)


@pytest.mark.one_backend("tensorflow")  # Keras writes TensorBoard files through TensorFlow
@typical_variants
def test_tensorboard_writes_its_files(name, tmp_path):
    images, _ = small.data()
    board = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1, write_graph=False)
    small.shared(name).fit(images, batch_size=4, callbacks=[board], verbose=0)
    (events,) = (tmp_path / "train").iterdir()
    content = events.read_bytes()
    assert b"epoch_learning_rate_" in content and b"epoch_loss" in content


@variants
def test_mixed_bfloat16_trains_with_float32_losses_and_images(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    images, _ = small.data()
    model = small.build(name, compile=False)
    model.compile(run_eagerly=small.eagerly(name))
    before = small.weights(small.shown(model, images))
    history = model.fit(images, batch_size=4, epochs=2, verbose=0).history
    assert all(small.moved(before, small.weights(model)))
    assert np.isfinite(history["loss"]).all()
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.predict(model.latents_for(1), verbose=0).dtype == "float32"


@pytest.mark.parametrize("name", [name for name in small.TYPICAL if name not in small.FLOAT32], scope="module")
def test_mixed_float16_scales_the_loss_of_every_player(name, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    images, _ = small.data(4)
    model = small.shown(small.build(name), images)
    before = small.weights(model)
    for player, optimizer in zip(model.players, model.optimizer.optimizers, strict=True):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer), player
    model.fit(images, batch_size=4, epochs=30 if name in small.FIRST else 6, verbose=0)  # scales fall to where they fit
    after = small.weights(model)
    assert all(small.moved(before, after)) and all(np.isfinite(weight).all() for weight in after)
    model.save(tmp_path / "model.keras")
    small.assert_same(small.everything(model), small.everything(keras.models.load_model(tmp_path / "model.keras")))

    # A loss scale that overflows float16 is halved, and that player skips the step while the others go on.
    player = model.players[-1]
    model.optimizer.of(player).dynamic_scale.assign(1e38)
    before = {p: [np.array(v) for v in getattr(model, p).trainable_variables] for p in model.players}
    scales = {p: float(model.optimizer.of(p).dynamic_scale) for p in model.players}
    model.fit(images, batch_size=4, verbose=0)
    np.testing.assert_allclose(float(model.optimizer.of(player).dynamic_scale), 5e37, rtol=1e-3)
    for p in set(model.players) - {*small.FIRST.get(name, ())}:  # its turn is over
        now = [np.array(v) for v in getattr(model, p).trainable_variables]
        skipped = float(model.optimizer.of(p).dynamic_scale) < scales[p]  # a sixth power may overflow by itself
        assert any(small.moved(before[p], now)) != skipped and (skipped or p != player)


@typical_variants
def test_keras_own_average_is_refused_and_ours_is_named(name):
    model = small.build(name)
    player = model.optimizer_argument(model.players[0])
    with pytest.raises(ValueError, match=f"`{player}` must not have use_ema=True.*WeightMovingAverage"):
        model.compile(**{player: keras.optimizers.Adam(1e-3, use_ema=True)})
    with pytest.raises(ValueError, match="WeightMovingAverage"):
        model.fit(small.data()[0], callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True)], verbose=0)


@contextlib.contextmanager
def optimised_graphs():
    """Turns TensorFlow's graph optimiser on, which is off in the tests."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@variants
def test_running_eagerly_takes_the_same_steps(name):
    images, _ = small.data()
    as_users_have_it = BACKEND == "tensorflow" and name in small.COMPILED
    compiled = small.build(name) if as_users_have_it else small.shared(name)
    eager = small.build(name, compile=False)
    eager.compile(run_eagerly=True)
    with optimised_graphs() if as_users_have_it else contextlib.nullcontext():
        compiled.fit(images, batch_size=4, verbose=0)
    eager.fit(images, batch_size=4, verbose=0)
    small.assert_same(small.weights(compiled), small.weights(eager), rtol=1e-4, atol=1e-6)


@typical_variants
def test_clipping_and_accumulation_of_an_optimiser_are_respected(name):
    images, _ = small.data(8)
    model = small.build(name, compile=False)
    arguments = [model.optimizer_argument(player) for player in model.players]
    clipped = {argument: keras.optimizers.SGD(1.0, clipnorm=1e-3) for argument in arguments}
    model.compile(**clipped, run_eagerly=small.eagerly(name))
    before = small.weights(small.shown(model, images[:4]))
    model.fit(images[:4], batch_size=4, verbose=0)
    lengths = [np.linalg.norm(a - b) for a, b in zip(before, small.weights(model), strict=True)]
    assert max(lengths) <= 1.01e-3 and max(lengths) > 0.99e-3

    model = small.build(name, compile=False)
    accumulating = {argument: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2) for argument in arguments}
    model.compile(**accumulating, run_eagerly=small.eagerly(name))
    before = small.weights(small.shown(model, images))
    model.fit(images, batch_size=8, verbose=0)
    assert not any(small.moved(before, small.weights(model)))
    model.fit(images, batch_size=8, epochs=small.EPOCHS.get(name, 1), verbose=0)
    assert any(small.moved(before, small.weights(model)))


@pytest.mark.one_backend
@variants
def test_summary_shows_every_network(name, capsys):
    model = small.shared(name)
    model.summary()
    shown = capsys.readouterr().out
    assert all(getattr(model, network).name in shown for network in model.networks)


@variants
def test_only_the_player_with_a_learning_rate_moves(name):
    images, _ = small.data()
    model = small.build(name, compile=False)
    still = {model.optimizer_argument(player): keras.optimizers.SGD(0.0) for player in model.players}
    model.compile(**still, run_eagerly=small.eagerly(name))
    start = small.state(small.shown(model, images))
    for moving in model.players:
        small.put_back(model, start)
        model.optimizer.of(moving).learning_rate = 0.01
        before = {p: [np.array(v) for v in getattr(model, p).trainable_variables] for p in model.players}
        model.fit(images, batch_size=4, epochs=small.EPOCHS.get(name, 1), verbose=0)
        for p in model.players:
            now = [np.array(v) for v in getattr(model, p).trainable_variables]
            assert any(small.moved(before[p], now)) == (p == moving)


@variants
def test_the_second_epoch_does_not_trace_again(name):
    images, _ = small.data(8)
    model = small.build(name)
    calls = []
    original = model.report
    model.report = lambda **values: (calls.append(1), original(**values))[1]
    model.fit(images, batch_size=4, epochs=small.EPOCHS.get(name, 1), verbose=0)
    traced = len(calls)
    model.fit(images, batch_size=4, epochs=2 * small.EPOCHS.get(name, 1), verbose=0)
    assert len(calls) == (3 * traced if BACKEND == "torch" else traced)


@variants
def test_compile_picks_graph_mode_on_cpu_and_xla_on_gpu(name):
    # XLA is slower on a CPU with TensorFlow; JAX compiles always; PyTorch runs eagerly.
    expected = BACKEND == "jax"
    if BACKEND == "tensorflow":
        expected = bool(tf.config.list_physical_devices("GPU"))
    assert bool(small.shared(name).jit_compile) == expected


@variants
def test_config_describes_the_model(name):
    model = small.shared(name)
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [v.shape for v in again.variables] == [v.shape for v in model.variables]


@variants
def test_twenty_steps_stay_finite_and_running_means_are_means(name):
    images, _ = small.data(80)
    model = small.shared(name)
    seen = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(float(logs["loss"])))
    history = model.fit(images, batch_size=4, callbacks=[record], verbose=0).history
    assert len(seen) == 20 and np.isfinite(seen).all()
    np.testing.assert_allclose(history["loss"][0], seen[-1], rtol=1e-5)


@typical_variants
def test_the_average_follows_its_recurrence_and_leaves_training_alone(name):
    images, _ = small.data(20)
    plain, averaged = small.shared(name), small.shared(name, decay=0.08)
    network = plain.networks[0]
    plain.fit(images, batch_size=4, shuffle=False, verbose=0)
    callback = kg.callbacks.WeightMovingAverage(0.08)
    trajectory = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: trajectory.append(present()))

    def present():
        if BACKEND == "jax":
            averaged.jax_state_sync()
        return [np.array(v) for v in getattr(averaged, network).trainable_variables]

    expected = present()
    averaged.fit(images, batch_size=4, shuffle=False, callbacks=[callback, record], verbose=0)
    small.assert_same(small.weights(plain), small.weights(averaged))
    for n, theta in enumerate(trajectory, start=1):
        keep = min(0.08, n / (n + 50))  # 0.08 from the fifth step on
        expected = [keep * mean + (1 - keep) * new for mean, new in zip(expected, theta, strict=True)]
    raw = small.weights(averaged)
    assert callback.average is averaged.averages[0] and network in averaged.averages[0].networks
    with callback.applied(averaged):
        small.assert_same(expected, present(), rtol=1e-5, atol=1e-6)
    small.assert_same(raw, small.weights(averaged))
