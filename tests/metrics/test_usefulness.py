"""What generated images are worth to a classifier: the arms, the intervals, the changes, and what is refused."""

import numpy as np
import pytest

import keras_gans as kg
from keras_gans.metrics.usefulness import ARMS, Usefulness, _Classifier
from tests.laws import small

pytestmark = pytest.mark.one_backend


def stripes(count, seed=0, noise=20.0):
    """Returns uint8 images (n, 8, 8, 1) of 3 classes, bars at one of three heights, and their classes."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    images = draw.normal(60.0, noise, (count, 8, 8, 1))
    for place in range(3):
        images[labels == place, 2 + 2 * place] += 120.0
    return np.clip(images, 0, 255).astype("uint8"), labels


class Perfect:
    """Stands for a model whose images are those of the data; without classes, or of wrong ones."""

    image_shape, latents_for = (8, 8, 1), None

    def __init__(self, num_classes=3, shifted=0):
        self.num_classes, self.shifted = num_classes, shifted

    def generate(self, n, labels=None, seed=None):
        images, found = stripes(4 * n, seed=seed + 1)
        if labels is None:
            return images[:n]
        found = (found + self.shifted) % 3
        return np.stack([images[np.flatnonzero(found == label)[place % 9]] for place, label in enumerate(labels)])


def test_the_interval_is_that_of_student_s_t_and_the_table_shows_it():
    values = np.array([[0.5, 0.6, 0.7]])
    found = Usefulness((100,), {"reals": values}, 100, "made for the classes of the reals", 40, 10)
    assert found.interval("reals", 100) == pytest.approx((0.6, 0.6 - 0.248414, 0.6 + 0.248414), abs=1e-5)  # t = 4.30265
    table = str(found).splitlines()
    assert "40 real images" in table[0] and "3 classifiers of 10 steps" in table[0]
    assert table[-1].split() == ["100", "60.0", "[35.2,", "84.8]"]
    with pytest.raises(ValueError, match="`arm` must be one of 'reals'"):
        found.interval("real", 100)


def test_changes_move_every_pixel_by_the_same_and_mirror_half():
    images = np.arange(64, dtype="uint8").reshape(1, 8, 8, 1).repeat(400, axis=0)
    changed = _Classifier((8, 8, 1), 3, 1, True)._changed(images, np.random.default_rng(0))[..., 0].astype(int)
    slopes = np.sign(np.diff(changed[:, 4], axis=1).sum(axis=1))
    assert 0.4 < (slopes < 0).mean() < 0.6  # rising rows fall where they are mirrored
    middles = changed[slopes > 0][:, 4, 4]
    assert {*middles} == {36 + 8 * down + right for down in (-1, 0, 1) for right in (-1, 0, 1)}
    kept = _Classifier((8, 8, 1), 3, 1, False)._changed(images, np.random.default_rng(0))[..., 0].astype(int)
    assert (np.diff(kept[:, 4], axis=1) >= 0).all()


def test_fakes_of_wrong_classes_teach_wrong_classes():
    images, labels = stripes(200)
    told = []
    about = {"sizes": [40], "repeats": 2, "steps": 15, "flip": False, "progress": told.append}
    found = kg.metrics.usefulness(Perfect(shifted=1), images, labels, **about)
    assert set(found.accuracies) == set(ARMS) and told == [*range(1, 11)] and found.tested == 40
    assert "made for the classes of the reals" in str(found)
    assert found.interval("reals", 40)[0] > 0.8 and found.interval("fakes alone", 40)[0] < 0.4


def test_fakes_without_classes_are_labelled_by_a_classifier_of_the_reals():
    images, labels = stripes(90)
    about = {"sizes": (40,), "repeats": 2, "steps": 15, "flip": False}
    found = kg.metrics.usefulness(Perfect(0), images[40:], labels[40:], images[:40], labels[:40], **about)
    assert "labelled by a classifier of the reals" in str(found)
    assert found.interval("fakes alone", 40)[0] > 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": [0, 1]}, r"`labels` must be integers of at least 0, one per image, of shape \(12,\)"),
        ({"labels": np.full(12, 5)}, r"`labels` must be in 0\.\.2"),
        ({"images": np.zeros((12, 8, 8, 1))}, "`images` must be uint8"),
        ({"test_images": small.data(12)[0]}, "`test_images` and `test_labels` must be given together"),
        ({"sizes": (100,)}, "`sizes` must be an integer from 2 to 10"),
        ({"fakes": 3, "sizes": (4,)}, "`fakes` must be an integer of at least 4"),
        ({"repeats": 1}, "`repeats` must be an integer of at least 2"),
        ({"model": None}, "`model` must be a model of keras_gans"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words):
    images, labels = small.data(12)
    arguments = {"model": Perfect(), "images": images, "labels": labels, **arguments}
    with pytest.raises((TypeError, ValueError), match=words):
        kg.metrics.usefulness(**arguments)
