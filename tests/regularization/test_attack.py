"""Attacks on a classifier: values, balls, ranges, and what they say."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.regularization import small

IMAGES = np.random.default_rng(0).uniform(0.1, 0.9, (10, 4, 4, 1)).astype("float32")


def classifier(activation=None, units=3):
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation),
        ]
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "fgm", "epsilon": 0.5}, (0.3 - 0.5 * 0.96680, -0.2 + 0.5 * 0.25550)),
        (
            {"kind": "pgd", "norm": "l2", "step_size": 0.2, "epsilon": 0.5, "steps": 3},
            (0.3 - 0.46601301, -0.2 + 0.18119567),
        ),
        ({"kind": "pgd", "step_size": 0.04, "epsilon": 0.1, "steps": 3}, (0.2, -0.1)),
    ],
)
def test_images_move_to_the_check_values(options, expected):
    model, x, y = small.tanh_network()
    found = kg.attack(model, x, y, random_start=False, clip=None, **options)
    np.testing.assert_allclose(found.images, [expected], atol=1e-5)


@pytest.mark.parametrize(("kind", "norm"), [("fgsm", None), ("fgm", None), ("pgd", "l2"), ("pgd", "linf")])
def test_changes_stay_in_ball_and_range_and_lower_the_accuracy(kind, norm):
    model = classifier()
    weights = model.get_weights()
    labels = kg.attack(model, IMAGES, epsilon=0).before
    found = kg.attack(model, IMAGES, labels, kind, epsilon=0.6, norm=norm, batch_size=4)
    assert found.clip == (0.0, 1.0) and 0 <= found.images.min() and found.images.max() <= 1
    assert (found.linf if norm == "linf" or kind == "fgsm" else found.l2).max() <= 0.6 + 1e-6
    assert found.succeeded.mean() > 0.3 and np.array_equal(found.succeeded, found.after != labels)
    outputs = keras.ops.convert_to_numpy(model(found.images)).argmax(-1)
    np.testing.assert_array_equal(found.after, outputs)
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_targeted_attack_aims_at_a_class():
    model = classifier()
    found = kg.attack(model, IMAGES, kind="pgd", epsilon=3.0, norm="l2", targeted=2)
    assert np.all(found.after == 2) and found.succeeded.all() and np.array_equal(found.changed, found.before != 2)
    assert "towards a class" in str(found)


@pytest.mark.parametrize(("activation", "units"), [("softmax", 3), ("sigmoid", 1), (None, 1)])
def test_outputs_are_read_by_their_activation_or_loss(activation, units):
    model, logits = classifier(activation, units), classifier(None, units)
    if units == 1:
        model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=activation is None))
        logits.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    first, second = (kg.attack(each, IMAGES, kind="fgm", epsilon=0.2) for each in (model, logits))
    np.testing.assert_array_equal(first.before, second.before)
    np.testing.assert_allclose(first.images, second.images, atol=1e-4)


def test_robust_accuracy_counts_what_no_restart_breaks():
    model = classifier()
    labels = kg.attack(model, IMAGES, epsilon=0).before
    assert kg.robust_accuracy(model, IMAGES, labels, epsilon=0) == 1.0
    one, five = (kg.robust_accuracy(model, IMAGES, labels, epsilon=0.05, restarts=n, steps=3) for n in (1, 5))
    assert 0.0 <= five <= one < 1.0
    assert kg.robust_accuracy(model, IMAGES, (labels + 1) % 3, epsilon=0.0) == 0.0


def test_the_figure_shows_each_image_its_change_and_what_is_seen(tmp_path):
    found = kg.attack(classifier(), IMAGES, epsilon=0.1)
    figure = found.figure(tmp_path / "attack.png", count=3, names=["cat", "dog", "bird"])
    assert (tmp_path / "attack.png").stat().st_size > 1000 and len(figure.axes) == 9
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == [["cat", "dog", "bird"][i] for i in found.before[:3]] and "±0.1" in titles[3]
    with pytest.raises(ValueError, match="images"):
        kg.attack(small.softmax(), np.ones((2, 2)), epsilon=0.1).figure()


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((None, IMAGES), {}, "`model` must be a keras.Model"),
        ((0, IMAGES), {"epsilon": -1}, "`epsilon` must be a number at least 0"),
        ((0, IMAGES), {"kind": "pdg"}, "`kind` must be one of 'fgm', 'fgsm', 'pgd'. Did you mean 'pgd'"),
        ((0, IMAGES), {"kind": "fgm", "norm": "linf"}, "`norm` must be 'l2' for kind='fgm'"),
        ((0, IMAGES, np.full(10, 3)), {}, "`labels` must be integers in 0..2"),
        ((0, IMAGES, np.zeros(9, int)), {}, "`labels` must be one class for each of 10 images"),
        ((0, IMAGES), {"targeted": 7}, "`targeted` must be integers in 0..2"),
        ((0, IMAGES), {"clip": (1, 0)}, "`clip` must be (low, high)"),
        ((0, np.array(["a"])), {}, "`images` must be numbers"),
        ((0, IMAGES * np.nan), {"epsilon": 0.1}, "must be finite at every point. It is not at example 0"),
    ],
)
def test_bad_input_gets_a_sentence(arguments, options, words):
    arguments = (classifier(), *arguments[1:]) if arguments[0] == 0 else arguments
    with pytest.raises((TypeError, ValueError)) as error:
        kg.attack(*arguments, **options)
    assert words in str(error.value)


@pytest.mark.one_backend
def test_a_model_that_is_no_classifier_is_refused():
    model = classifier()
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="`model` must be a classifier"):
        kg.attack(model, IMAGES)
    with pytest.raises(ValueError, match="`y` must be the true classes"):
        kg.robust_accuracy(model, IMAGES, None)
