"""What holds for every wrapper: at 0 it is not there, it keeps what Keras keeps, and it goes without a trace."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from tests.regularization import small
from tests.regularization.test_adversarial import spied

R = kg.regularization
AT_ZERO = {
    "fgm": lambda model: R.adversarial_training(model, epsilon=0),
    "pgd": lambda model: R.adversarial_training(model, "pgd", epsilon=0.1, adversarial_weight=0),
    "penalty": lambda model: R.gradient_penalty(model, weight=0),
    "noise": lambda model: R.noise(model, std=0),
    "agreement": lambda model: R.noise(model, consistency="kl", weight=0),
    "vat": lambda model: R.virtual_adversarial_training(model, epsilon=0),
}
FAINT = {
    "fgm": lambda model: R.adversarial_training(model, epsilon=0.3, adversarial_weight=1e-30),
    "pgd": lambda model: R.adversarial_training(model, "pgd", "norm", 0.3, steps=2, adversarial_weight=1e-30),
    "penalty": lambda model: R.gradient_penalty(model, weight=1e-30),
    "agreement": lambda model: R.noise(model, "norm", consistency="mse", weight=1e-30),
    "vat": lambda model: R.virtual_adversarial_training(model, weight=1e-30),
}


def trained(model, **options):
    x, y = small.table()
    return model.fit(x, y, **{"batch_size": 6, "epochs": 1, "shuffle": False, "verbose": 0, **options}).history


@pytest.mark.one_backend  # the step is Keras's own; the next test asks it of the three
@pytest.mark.parametrize("name", AT_ZERO)
def test_at_zero_a_model_trains_bit_for_bit_like_a_plain_one(name):
    plain, wrapped = small.with_state(), AT_ZERO[name](small.with_state())
    assert trained(plain) == trained(wrapped)
    small.assert_same(plain, wrapped)


def test_at_zero_a_compiled_model_trains_bit_for_bit_like_a_plain_one():
    plain, wrapped = small.with_state(eager=False), small.with_state(eager=False)
    for name in ("fgm", "penalty", "noise", "vat"):
        AT_ZERO[name](wrapped)
    assert trained(plain) == trained(wrapped)
    small.assert_same(plain, wrapped)


@pytest.mark.parametrize(
    "name", [n if n in ("fgm", "vat") else pytest.param(n, marks=pytest.mark.one_backend) for n in FAINT]
)
def test_other_passes_leave_statistics_seeds_and_metrics_alone(name):
    """At a weight of 1e-30 all passes are run, and what they add vanishes in float32: the rest must be a plain step."""
    plain, wrapped = small.with_state(), FAINT[name](small.with_state())
    assert trained(plain) == trained(wrapped)
    small.assert_same(plain, wrapped, atol=1e-20)


@pytest.mark.one_backend
def test_several_wrappers_add_up():
    """The sum of what each adds alone: every one sees the clean loss, not that of the others."""
    wraps = [
        lambda model: R.adversarial_training(model, epsilon=0.3),
        lambda model: R.gradient_penalty(model, on="last/kernel", weight=0.5),
        lambda model: R.noise(model, on="first", std=0.2, consistency="mse"),
        lambda model: R.virtual_adversarial_training(model, epsilon=0.5),
    ]
    losses, stacked, plain = [], small.with_state(), small.loss_of(small.with_state(), *small.table())
    for wrap in wraps:
        losses.append(small.loss_of(wrap(small.with_state()), *small.table()) - plain)
        wrap(stacked)
    np.testing.assert_allclose(small.loss_of(stacked, *small.table()), plain + sum(losses), rtol=1e-5)
    assert min(losses) > 1e-4


@pytest.mark.one_backend
def test_dropout_masks_differ_between_the_passes_only_if_asked():
    def losses(**options):
        model = small.with_state(dropout=0.8)
        model.get_layer("first").kernel.regularizer = None
        R.adversarial_training(model, epsilon=1e-6, **options)
        return small.loss_of(model, *small.table())

    plain = small.with_state(dropout=0.8)
    plain.get_layer("first").kernel.regularizer = None
    clean = small.loss_of(plain, *small.table())
    np.testing.assert_allclose(losses(), 2 * clean, rtol=1e-5)
    assert abs(losses(fresh_dropout=True) - 2 * clean) > 0.01


@pytest.mark.one_backend
@pytest.mark.parametrize("compiled_before", [True, False])
def test_undo_leaves_nothing(compiled_before):
    x, y = small.table()
    model, plain = small.with_state(), small.with_state()
    before = {name: value for name, value in vars(model).items() if name != "train_function"}
    if not compiled_before:
        model.compiled = False
    R.adversarial_training(model, epsilon=0.3)
    model.compiled = True
    assert R.undo(model) is model
    assert {name: value for name, value in vars(model).items() if name != "train_function"} == before
    assert model.train_step.__func__ is type(model).train_step
    trained(model), trained(plain)
    small.assert_same(model, plain)


class Subclassed(keras.Model):
    """Takes a table and tokens by name, returns a class and a number."""

    def __init__(self):
        super().__init__()
        self.tokens = keras.layers.Embedding(5, 3, mask_zero=True, name="tokens")
        self.pooled = keras.layers.GlobalAveragePooling1D(name="pooled")
        self.hidden = keras.layers.Dense(4, "tanh", name="hidden")
        self.kind = keras.layers.Dense(3, "softmax", name="kind")
        self.size = keras.layers.Dense(1, name="size")

    def call(self, inputs):
        hidden = self.hidden(ops.concatenate([inputs["table"], self.pooled(self.tokens(inputs["tokens"]))], -1))
        return {"kind": self.kind(hidden), "size": self.size(hidden)}


def several():
    x, y = small.table()
    tokens = np.random.default_rng(1).integers(0, 5, (len(x), 3)).astype("int32")
    return {"table": x, "tokens": tokens}, {"kind": y, "size": x.sum(-1, keepdims=True)}


@pytest.mark.parametrize("on", ["inputs", "tokens", pytest.param("hidden", marks=pytest.mark.one_backend)])
def test_several_inputs_and_outputs_of_a_subclass_that_is_compiled_and_built_later(on):
    model = Subclassed()
    R.adversarial_training(model, on=on, epsilon=0.1)
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model.compile("sgd", losses, metrics={"kind": ["accuracy"]}, run_eagerly=on != "inputs")
    x, y = several()
    history = model.fit(x, y, batch_size=6, verbose=0, validation_data=(x, y)).history
    assert history.keys() >= {"loss", "kind_loss", "size_loss", "kind_accuracy", "val_loss"}
    # The parts and the validation are those of the clean pass: the perturbed one is in the sum alone.
    assert history["loss"][0] > 1.5 * (history["kind_loss"][0] + history["size_loss"][0])
    np.testing.assert_allclose(history["val_loss"][0], model.evaluate(x, y, verbose=0)[0], rtol=1e-5)


def test_a_compiled_step_is_the_eager_one_and_several_go_into_one_execution():
    eager, compiled = (R.adversarial_training(small.with_state(e, "sgd"), "pgd", epsilon=0.3, steps=2) for e in (1, 0))
    if keras.backend.backend() != "torch":  # Keras has no `steps_per_execution` there
        compiled.steps_per_execution = 2
    trained(eager), trained(compiled)
    for a, b in zip(small.values_of(eager), small.values_of(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_mixed_precision_scales_the_loss_and_keeps_the_weights_finite():
    keras.config.set_dtype_policy("mixed_float16")
    model = small.with_state()
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    R.adversarial_training(model, "pgd", epsilon=0.3, steps=2)
    before = model.get_weights()
    assert np.isfinite(trained(model, epochs=2)["loss"]).all()
    assert all(np.isfinite(each).all() for each in model.get_weights())
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_files_and_clones_are_plain_and_resume(tmp_path):
    model = R.adversarial_training(small.with_state(dropout=0.0), epsilon=0.3)  # Keras saves no seeds
    trained(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert kg.engine.wrapped_by(again) == () and type(again) is keras.Sequential
    again.run_eagerly = True
    R.adversarial_training(again, epsilon=0.3)
    trained(model), trained(again)
    small.assert_same(model, again)
    assert kg.engine.wrapped_by(keras.models.clone_model(model)) == ()


@pytest.mark.parametrize("average_first", [True, pytest.param(False, marks=pytest.mark.one_backend)])
def test_a_moving_average_goes_on(average_first):
    plain, model = small.with_state(), small.with_state()
    if average_first:
        average = kg.engine.attach(model, kg.engine.WeightAverage(0.9))
    R.adversarial_training(model, epsilon=0.3, adversarial_weight=1e-30)
    if not average_first:
        average = kg.engine.attach(model, kg.engine.WeightAverage(0.9))
    expected = kg.engine.attach(plain, kg.engine.WeightAverage(0.9))
    trained(model), trained(plain)
    assert int(ops.convert_to_numpy(average.steps)) == 2
    for (_, a), (_, b) in zip(average.pairs(), expected.pairs(), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


def test_train_on_batch_and_callbacks_see_a_plain_model():
    model, seen = R.adversarial_training(small.with_state(), epsilon=0.3), []
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(set(logs)))
    trained(model, callbacks=[log])
    x, y = small.table()
    assert set(model.train_on_batch(x, y, return_dict=True)) == {"loss", "accuracy"} == set.union(*seen)


def test_masks_reach_the_metrics():
    """Padding does not count in the accuracy of a wrapped model."""

    def tagger():
        keras.utils.set_random_seed(2)
        inputs = keras.Input((3,), dtype="int32")
        x = keras.layers.Embedding(4, 2, mask_zero=True)(inputs)
        x = keras.layers.Dropout(0.0, name="behind")(x)
        model = keras.Model(inputs, keras.layers.Dense(2)(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.0), loss, metrics=["accuracy"], run_eagerly=True)
        return model

    tokens, labels = np.array([[1, 2, 0], [3, 0, 0]]), np.array([[1, 0, 1], [1, 1, 1]])
    wrapped = kg.regularization.adversarial_training(tagger(), on="behind", epsilon=0.5)
    plain, found = (each.fit(tokens, labels, verbose=0).history["accuracy"][0] for each in (tagger(), wrapped))
    assert found == plain


def test_padding_behind_another_layer_is_left_alone():
    """The loss depends on every position: what is not moved is known from the mask that dropout has handed on."""
    inputs = keras.Input((3,), dtype="int32")
    x = keras.layers.Embedding(4, 2, mask_zero=True)(inputs)
    x = keras.layers.Dropout(0.0, name="behind")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(ops.mean(x, axis=1)))
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    perturbations = spied(kg.regularization.adversarial_training(model, on="behind", epsilon=0.5))
    tokens = np.array([[1, 2, 0], [3, 0, 0]])
    model.fit(tokens, np.ones((2, 1)), shuffle=False, verbose=0)
    (delta,) = perturbations[0].values()
    assert ((np.abs(delta).sum(-1) > 0) == (tokens != 0)).all()


def test_a_weight_of_0_takes_unlabelled_examples_too():
    model = kg.regularization.virtual_adversarial_training(small.softmax(0.1), weight=0.0)
    x, y = np.ones((4, 2), "float32"), np.zeros(4, "int32")
    assert np.isfinite(model.fit(kg.regularization.beside(x, y, x), verbose=0).history["loss"]).all()


def test_outputs_may_be_infinite_on_purpose():
    """A second output, without a loss, is -inf; the loss is finite, at the perturbed point as well."""

    @keras.saving.register_keras_serializable("tests")
    class Infinite(keras.layers.Layer):
        def call(self, x):
            return ops.full_like(x, -np.inf)

    inputs = keras.Input((2,))
    model = keras.Model(inputs, [keras.layers.Dense(2)(inputs), Infinite()(inputs)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), [loss, None], run_eagerly=True)
    kg.regularization.adversarial_training(model, epsilon=0.1)
    y = np.array([0, 1, 0, 1])
    assert np.isfinite(model.fit(np.ones((4, 2), "float32"), [y, y], verbose=0).history["loss"]).all()


def test_the_direction_is_that_of_the_loss_alone():
    """A regulariser of the perturbed matrix has a gradient by it, too; the perturbation is that without it."""
    found = []
    for regularizer in (None, keras.regularizers.L2(10.0)):
        model = small.text()
        model.get_layer("tokens").embeddings.regularizer = regularizer
        spied_ = spied(kg.regularization.adversarial_training(model, on="tokens/embeddings", epsilon=0.5))
        model.fit(small.TOKENS, small.LABELS, verbose=0)
        found.append(spied_[0]["tokens/embeddings"])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


def test_an_own_train_step_of_an_object_is_refused_and_kept():
    model = small.logistic()
    own = model.train_step = lambda data: {"loss": 0.0}
    with pytest.raises(TypeError, match="must train by the train step of Keras"):
        kg.regularization.noise(model)
    assert model.train_step is own
    with pytest.raises(TypeError, match="`model` must be a keras.Model"):
        kg.regularization.undo("model")


def test_several_answers_of_yes_or_no_are_no_distribution():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", run_eagerly=True)
    x = np.ones((4, 2), "float32")
    with pytest.raises(ValueError, match="must have one output for a binary cross-entropy"):
        kg.attack(model, x)
    kg.regularization.virtual_adversarial_training(model)
    with pytest.raises(ValueError, match=r"must have one output.*\(4, 5\)"):
        model.fit(x, np.ones((4, 5), "float32"), verbose=0)


def test_beside_takes_lists_and_refuses_other_shapes():
    batches = kg.regularization.beside(np.zeros((3, 2)), [0, 1, 2], np.ones((5, 2)), 2, 4)
    x, y = batches[0]
    assert x["unlabelled"].shape == (4, 2) and y.shape == (2,)
    with pytest.raises(ValueError, match="`unlabelled` must hold examples of the shapes of `x`"):
        kg.regularization.beside(np.zeros((3, 2)), [0, 1, 2], np.ones((5, 3)))
