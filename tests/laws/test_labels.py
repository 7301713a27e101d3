"""What is asked of images that are there takes their labels where a model is conditional; what does not fit is told."""

import numpy as np
import pytest
from keras import ops

from tests.laws import small

pytestmark = pytest.mark.one_backend
IMAGES, LABELS = small.data(3)
QUESTIONS = [  # (variant, question, whether it has an answer without labels, too)
    ("energy_based_model", lambda model, labels: model.energy(IMAGES, labels), True),
    ("energy_based_model", lambda model, labels: model.realness(IMAGES, labels), False),
    ("energy_based_model", lambda model, labels: model.restore(IMAGES, labels=labels, steps=1), False),
    ("energy_gan", lambda model, labels: model.energy(IMAGES, labels), True),
    ("energy_gan", lambda model, labels: model.realness(IMAGES, labels), False),
    ("energy_gan", lambda model, labels: model.decode(model.latents_for(3, seed=0), labels), True),
    ("invertible_resnet", lambda model, labels: model.log_likelihood(IMAGES, labels, terms=2).nats, True),
    ("invertible_resnet", lambda model, labels: model.encode(IMAGES, labels), False),
    ("invertible_resnet", lambda model, labels: model.interpolate(IMAGES, IMAGES, 2, labels), False),
]


def answer(question, model, labels):
    return np.asarray(ops.convert_to_numpy(question(model, labels)), "float64")


@pytest.mark.parametrize(("name", "question", "without"), QUESTIONS)
def test_a_conditional_model_is_asked_with_labels(name, question, without):
    model = small.shared(name, num_classes=small.CLASSES)
    np.testing.assert_array_equal(answer(question, model, 1), answer(question, model, [1, 1, 1]))
    if name != "invertible_resnet":  # whose classes are alike before training
        assert not np.array_equal(answer(question, model, 1), answer(question, model, [0, 1, 2]))
    for wrong, words in {(0, 1): r"\(3,\), one per image", (0, 1, 9): r"in 0\.\.2", "Dress": "names"}.items():
        with pytest.raises(ValueError, match=f"`labels` must .*{words}"):
            question(model, wrong)
    if without:
        assert np.isfinite(answer(question, model, None)).all()
    else:
        with pytest.raises(ValueError, match=r"`labels` are missing: the model is conditional \(num_classes=3\)"):
            question(model, None)


@pytest.mark.parametrize(("name", "question", "without"), QUESTIONS)
def test_a_model_without_classes_refuses_labels(name, question, without):
    with pytest.raises(ValueError, match="`labels` were given to an unconditional model"):
        question(small.shared(name), [0, 1, 2])


@pytest.mark.parametrize("name", ["energy_based_model", "energy_gan"])
def test_without_labels_the_energy_is_that_of_the_best_class(name):
    model = small.shared(name, num_classes=small.CLASSES)
    every = [model.energy(IMAGES, label) for label in range(small.CLASSES)]
    np.testing.assert_array_equal(model.energy(IMAGES), np.min(every, axis=0))
    bright = np.maximum(IMAGES, 200)  # which as floats could be taken for a range of 0..1
    assert np.isfinite(model.energy(bright)).all()


def test_a_conditional_energy_model_measures_the_spectrum_of_its_images():
    model = small.build("energy_based_model", num_classes=small.CLASSES, noise="spectrum")
    model.adapt(IMAGES)
    assert int(ops.convert_to_numpy(model.adapted.value)) == 1
