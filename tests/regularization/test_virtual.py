"""Virtual adversarial training: the power iteration's published values, a step by hand, and unlabelled examples."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from tests.regularization import small

VAT = kg.regularization.virtual_adversarial_training
X = np.array([[0.7, -1.2]], "float32")
W = np.array([[0.5, -0.2], [0.1, 0.3], [-0.4, 0.6]])
DIRECTION = (0.73415621, -0.67898061)


def begun(model, **options):
    """Returns the regulariser of a wrapped model whose first direction is (1, .5)."""
    regularizer = kg.engine.wrapped_by(VAT(model, **options))[0]
    regularizer.drawn = lambda tensor: ops.convert_to_tensor(np.tile([[1.0, 0.5]], (tensor.shape[0], 1)), "float32")
    return regularizer


def term_of(model, **options):
    regularizer = begun(model, **options)
    passes = kg.engine.Passes(model, ops.convert_to_tensor(X))
    prepared = regularizer.prepare(passes, model(X), {})
    return ops.convert_to_numpy(prepared[2]["inputs/0"])[0], float(
        ops.convert_to_numpy(regularizer.term(passes, prepared))
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"iterations": 0}, 0.00994267),
        ({"iterations": 1}, 0.08023291),
        ({"iterations": 3}, 0.08034903),
        ({"both_signs": True}, 0.10501883),
        ({"weight": 3.0}, 3 * 0.08023291),
    ],
)
def test_divergences_have_their_check_values(options, expected):
    found, value = term_of(small.softmax(), xi=0.01, **options)
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    if options.get("iterations", 1) == 1:
        sign = -1 if "both_signs" in options else 1
        np.testing.assert_allclose(found, sign * np.array(DIRECTION), atol=1e-3)


def test_the_default_probe_is_long_enough_for_float32():
    np.testing.assert_allclose(term_of(small.softmax())[0], DIRECTION, atol=1e-3)


def test_entropy_adds_that_of_the_predictions():
    p = np.array([0.61777645, 0.25624311, 0.12598044])
    without, with_entropy = (term_of(small.softmax(), entropy=flag)[1] for flag in (False, True))
    np.testing.assert_allclose(with_entropy - without, -(p * np.log(p)).sum(), rtol=1e-5)


@pytest.mark.parametrize("beside", [False, True])
def test_one_step_is_the_hand_derived_one(beside):
    """The clean branch is a constant: W moves by (p - y) x' and weight (q - p) (x + r)', q at x + r."""
    rate, weight = 0.1, 0.7
    model = small.softmax(rate)
    begun(model, weight=weight, xi=0.01)
    x = {"labelled": X, "unlabelled": X} if beside else X
    model.train_on_batch(x, np.array([0]))

    def softmax(z):
        return np.exp(z) / np.exp(z).sum()

    x, moved = X[0].astype("float64"), X[0] + np.array(DIRECTION)
    p, q = softmax(W @ x), softmax(W @ moved)
    gradient = np.outer(p - [1, 0, 0], x) + weight * np.outer(q - p, moved)
    np.testing.assert_allclose(model.get_weights()[0].T, W - rate * gradient, atol=3e-6)


@pytest.mark.one_backend
def test_unlabelled_examples_pull_at_the_weights_and_leave_the_metrics_alone():
    random = np.random.default_rng(0)
    x, y = small.table(8)
    unlabelled = random.normal(size=(20, 4)).astype("float32")
    model = VAT(small.with_state(), epsilon=0.5)
    plain = small.with_state()
    data = kg.regularization.beside(x, y, unlabelled, batch_size=4, unlabelled_batch_size=10)
    history = model.fit(data, verbose=0).history
    assert history.keys() == {"loss", "accuracy"}
    assert np.isfinite(history["loss"]).all()
    batch, labels = data[0]
    plain.train_on_batch(batch["labelled"], labels)
    again = VAT(small.with_state(), epsilon=0.5, weight=1e-30)
    again.train_on_batch(batch, labels)
    small.assert_same(plain, again, atol=1e-20)  # statistics are those of the labelled examples


@pytest.mark.parametrize("on", ["tokens", "head"])
def test_layers_are_perturbed_and_padding_is_left_alone(on):
    model = small.text(mask_zero=True)
    regularizer = kg.engine.wrapped_by(VAT(model, on=on, epsilon=0.5))[0]
    passes = kg.engine.Passes(model, ops.convert_to_tensor(small.TOKENS))
    found = regularizer.prepare(passes, model(small.TOKENS), {})[2]
    delta = ops.convert_to_numpy(found[f"{on}/0/0"])
    assert delta.shape == ((2, 3, 2) if on == "tokens" else (2, 1))
    np.testing.assert_allclose(np.sqrt((delta**2).reshape(2, -1).sum(1)), 0.5, rtol=1e-5)
    assert on == "head" or np.all(delta[small.TOKENS == 0] == 0)


@pytest.mark.one_backend
def test_a_pass_through_the_unlabelled_examples_meets_each_once():
    x, y, unlabelled = np.arange(3)[:, None], np.arange(3), np.arange(10, 17)[:, None]
    data = kg.regularization.beside(x, y, unlabelled, batch_size=2, unlabelled_batch_size=3, seed=4)
    batches = [data[i] for i in range(len(data))]
    seen = np.concatenate([batch["unlabelled"][:, 0] for batch, _ in batches])
    assert len(data) == 3 and sorted(seen[:7]) == list(range(10, 17))
    labelled = np.concatenate([labels for _, labels in batches])
    assert sorted(labelled[:3]) == sorted(labelled[3:]) == [0, 1, 2]
    assert all((batch["labelled"][:, 0] == labels).all() for batch, labels in batches)
    data.on_epoch_end()
    assert not np.array_equal(data[0][0]["unlabelled"], batches[0][0]["unlabelled"])
    with pytest.raises(ValueError, match="`x, y` must be arrays of one and the same length"):
        kg.regularization.beside(x, y[:2], unlabelled)


@pytest.mark.one_backend
def test_bad_input_gets_a_sentence():
    with pytest.raises(ValueError, match="`on` must be 'inputs' or a layer"):
        VAT(small.text(), on="tokens/embeddings")
    with pytest.raises(ValueError, match="`epsilon` must be a number at least 0"):
        VAT(small.softmax(), epsilon=-1)
    model = small.softmax()
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    with pytest.raises(ValueError, match="`model` must be a classifier"):
        VAT(model).fit(X, np.zeros((1, 3)), verbose=0)
