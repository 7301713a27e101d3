"""Adversarial training: the published values, and the steps that follow with a pencil."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.regularization import small

TRAIN = kg.regularization.adversarial_training


def spied(model):
    """Returns a list that receives the perturbation of every step of a wrapped model, a dict of arrays."""
    found, regularizer = [], kg.engine.wrapped_by(model)[-1]
    prepare = regularizer.prepare

    def spy(*arguments):
        deltas = prepare(*arguments)
        found.append({key: keras.ops.convert_to_numpy(delta) for key, delta in deltas.items()})
        return deltas

    regularizer.prepare = spy
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epsilon": 0.5, "clean_weight": 0}, 1.76314572),
        ({"epsilon": 0.5}, 2.69724282),
        ({"kind": "fgsm", "epsilon": 0.1, "clean_weight": 0}, 1.15937708),
        ({"epsilon": 0.5, "clean_weight": 0.5, "adversarial_weight": 2.0}, 0.5 * 0.93409710 + 2.0 * 1.76314572),
    ],
)
def test_losses_have_their_check_values(options, expected):
    model = TRAIN(small.logistic(), **options)
    np.testing.assert_allclose(small.loss_of(model, small.X, small.Y), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "delta", "expected"),
    [
        ({"kind": "fgm", "epsilon": 0.5}, None, 0.89102146),
        ({"kind": "pgd", "norm": "l2", "step_size": 0.2, "epsilon": 0.5, "steps": 1}, None, 0.50029366),
        ({"kind": "pgd", "norm": "l2", "step_size": 0.2, "epsilon": 0.5, "steps": 2}, None, 0.74648082),
        (
            {"kind": "pgd", "norm": "l2", "step_size": 0.2, "epsilon": 0.5, "steps": 3},
            (-0.46601301, 0.18119567),
            0.90594368,
        ),
        ({"kind": "pgd", "step_size": 0.04, "epsilon": 0.1, "steps": 3}, (-0.1, 0.1), 0.43632817),
    ],
)
def test_pgd_climbs_and_stays_in_the_ball(options, delta, expected):
    model, x, y = small.tanh_network()
    found = spied(TRAIN(model, clean_weight=0, **options))
    np.testing.assert_allclose(small.loss_of(model, x, y), expected, rtol=1e-6)
    if delta is not None:
        np.testing.assert_allclose(found[0]["inputs/0"], [delta], atol=1e-6)


def test_the_matrix_of_an_embedding_shares_one_perturbation():
    model = TRAIN(small.text(rate=0.1), on="tokens/embeddings", epsilon=0.5, clean_weight=0)
    found = spied(model)
    np.testing.assert_allclose(small.loss_of(model, small.TOKENS, small.LABELS), 1.11872529, rtol=1e-6)
    gradient = [
        [-0.22759980, 0.45519959],
        [0.06292344, -0.12584689],
        [-0.05087645, 0.10175291],
        [0.06292344, -0.12584689],
    ]
    np.testing.assert_allclose(found[0]["tokens/embeddings"], 0.5 * np.array(gradient) / 0.55816127, atol=1e-6)
    # One step of SGD with rate 0.1 on the perturbed loss alone, from the weights as they were.
    matrix = [[0.12736225, 0.14527549], [0.29326363, -0.38652726], [-0.49305524, 0.58611048], [0.69326363, 0.81347274]]
    np.testing.assert_allclose(model.get_weights()[0], matrix, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1][:, 0], (0.98587284, -1.97974597), atol=1e-6)


@pytest.mark.parametrize("by_object", [False, True])
def test_looked_up_vectors_are_perturbed_for_each_example(by_object):
    model = small.text()
    found = spied(TRAIN(model, on=model.get_layer("tokens") if by_object else "tokens", epsilon=0.5, clean_weight=0))
    np.testing.assert_allclose(small.loss_of(model, small.TOKENS, small.LABELS), 1.19936322, rtol=1e-6)
    np.testing.assert_allclose(found[0]["tokens/0/0"][0, 0], (-0.12909944, 0.25819889), atol=1e-6)


@pytest.mark.parametrize("pooled_with_mask", [True, False])  # False: the loss depends on the padding's vectors
def test_padding_is_left_alone(pooled_with_mask):
    model = small.text(mask_zero=True, pooled_with_mask=pooled_with_mask)
    found = spied(TRAIN(model, on="tokens", epsilon=0.5))
    small.loss_of(model, small.TOKENS, small.LABELS)
    delta = found[0]["tokens/0/0"]
    assert np.all(delta[small.TOKENS == 0] == 0) and np.all(delta[small.TOKENS != 0] != 0)
    np.testing.assert_allclose(np.sqrt((delta**2).sum((1, 2))), 0.5, rtol=1e-6)


def test_one_step_is_the_hand_derived_one():
    """Clean and perturbed loss of w.x: both gradients are taken at the same weights, delta is a constant."""
    rate, epsilon, (clean, adversarial) = 0.1, 0.5, (0.7, 1.3)
    model = TRAIN(small.logistic(rate), epsilon=epsilon, clean_weight=clean, adversarial_weight=adversarial)
    w, b = np.array([1.0, -2.0, 0.5]), 0.1
    small.loss_of(model, small.X, small.Y)

    def slopes(x):
        return 1 / (1 + np.exp(-(x @ w + b))) - small.Y[:, 0]

    delta = epsilon * np.sign(slopes(small.X))[:, None] * w / np.linalg.norm(w)
    moved = small.X + delta
    gradient = clean * slopes(small.X) @ small.X / 2 + adversarial * slopes(moved) @ moved / 2
    np.testing.assert_allclose(model.get_weights()[0][:, 0], w - rate * gradient, rtol=1e-5)
    bias = clean * slopes(small.X).mean() + adversarial * slopes(moved).mean()
    np.testing.assert_allclose(model.get_weights()[1], [b - rate * bias], rtol=1e-5)


def test_a_small_step_is_a_gradient_penalty():
    """The gradient at x + epsilon g is that of L + epsilon |g|^2 / 2 but for epsilon^2 (w.x = 6, y = 1)."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    w, x = np.array([0.5, -1.0, 2.0]), np.array([[1.0, 2.0, 3.0]])
    model.set_weights([w[:, None]])
    model.compile(keras.optimizers.SGD(1.0), lambda y, z: keras.ops.square(z - y) / 2, run_eagerly=True)
    norm = 3.5 * np.linalg.norm(w)
    TRAIN(model, epsilon=1e-3 * norm, clean_weight=0)
    small.loss_of(model, x, np.array([[1.0]]))
    gradient = w - model.get_weights()[0][:, 0]
    np.testing.assert_allclose(gradient, (3.52453216, 7.02443569, 10.57975363), rtol=1e-6)


def test_weights_of_examples_reach_the_perturbed_loss():
    model = TRAIN(small.logistic(), epsilon=0.5, clean_weight=0)
    loss = small.loss_of(model, small.X, small.Y, sample_weight=np.array([2.0, 0.5]))
    np.testing.assert_allclose(loss, (2.0 * 1.94924060 + 0.5 * 1.57705083) / 2, rtol=1e-6)
    np.testing.assert_allclose(small.loss_of(model, small.X, small.Y, class_weight={0: 0.5, 1: 2.0}), loss, rtol=1e-6)


@pytest.mark.parametrize("clean_weight", [0.0, 0.25, 1.0])
def test_what_regularises_weights_counts_once(clean_weight):
    model = small.logistic()
    model.get_layer("dense").kernel.regularizer = keras.regularizers.L2(0.1)
    plain = clean_weight * 0.93409710 + 1.76314572
    TRAIN(model, epsilon=0.5, clean_weight=clean_weight)
    np.testing.assert_allclose(small.loss_of(model, small.X, small.Y), plain + 0.1 * 5.25, rtol=1e-6)


def test_random_starts_stay_in_the_ball_and_repeat_with_their_step():
    def first_two(seed):
        model, x, y = small.tanh_network()
        options = {"steps": 2, "norm": "l2", "step_size": 0.05, "random_start": True, "seed": seed}
        found = spied(TRAIN(model, "pgd", epsilon=0.3, **options))
        model.fit(np.repeat(x, 2, 0), np.repeat(y, 2, 0), batch_size=1, verbose=0)
        return [each["inputs/0"] for each in found]

    once, again, other = first_two(1), first_two(1), first_two(2)
    np.testing.assert_array_equal(once, again)
    assert np.all(np.linalg.norm(once, axis=-1) <= 0.3 + 1e-6)
    assert not np.allclose(once[0], once[1]) and not np.allclose(once, other)
