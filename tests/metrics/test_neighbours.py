"""Copies of training images are found; a model that makes new ones is not accused."""

import numpy as np
import pytest

import keras_gans as kg
from keras_gans.metrics import nearest_neighbours

pytestmark = pytest.mark.one_backend

TRAIN, HELD_OUT = [[0, 0], [1, 0], [0, 3], [4, 4]], [[0.5, 0.5], [3, 3], [1, 2]]
FAKE = [[0, 0], [1, 0.2], [0.6, 2], [5, 5.5]]


def arrays(**lists):
    return {name: np.array(value, float) for name, value in lists.items()}


def test_the_check_values():
    found = nearest_neighbours(**arrays(train=TRAIN, fake=FAKE, held_out=HELD_OUT))
    np.testing.assert_allclose(found.distances, [0, 0.2, 1.16619037896906, 1.802775637731995], atol=1e-15)
    np.testing.assert_array_equal(found.indices, [0, 1, 2, 3])
    assert (found.copied, found.authenticity) == (0.5, 0.0)
    assert found.z == pytest.approx(-0.7071067811865475, rel=1e-12)
    np.testing.assert_array_equal(found.closest(2), [0, 1])
    assert not found.mirrored.any()


def gaussian(seed, n=400, d=8):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_new_samples_are_not_accused_and_copies_are():
    train, held_out = gaussian(0), gaussian(1)
    new = nearest_neighbours(train=train, held_out=held_out, fake=gaussian(2))
    assert new.copied < 0.04 and abs(new.z) < 3 and new.authenticity > 0.3
    copies = nearest_neighbours(train=train, held_out=held_out, fake=train[:200] + 1e-3)
    assert copies.copied == 1.0 and copies.z < -10 and copies.authenticity == 0.0
    far = nearest_neighbours(train=train, held_out=held_out, fake=gaussian(2) + 5)
    assert far.z > 10 and far.copied == 0.0


def test_mirrored_copies_are_found():
    train, fake = gaussian(0), gaussian(2)
    mirrored = fake.copy()
    mirrored[7] = train[33]
    found = nearest_neighbours(train=train, held_out=gaussian(1), fake=fake, mirrored=mirrored)
    assert found.distances[7] == 0 and found.indices[7] == 33 and found.mirrored[7] and found.closest(1)[0] == 7


@pytest.mark.parametrize("offset", [0, 1000])
def test_blocks_and_offsets_never_matter(monkeypatch, offset):
    train, fake, held_out = (gaussian(seed, 60).astype(np.float32) + offset for seed in range(3))
    whole = nearest_neighbours(train=train, fake=fake, held_out=held_out)
    direct = np.linalg.norm(fake[:, None].astype(float) - train[None], axis=-1)
    np.testing.assert_allclose(whole.distances, direct.min(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(whole.indices, direct.argmin(axis=1))
    monkeypatch.setattr(kg.metrics.pairwise, "BLOCK", 7)
    parts = nearest_neighbours(train=train, fake=fake, held_out=held_out)
    np.testing.assert_array_equal(parts.distances, whole.distances)


def test_bad_input_is_refused_with_words():
    good = arrays(train=TRAIN, fake=FAKE, held_out=HELD_OUT)
    with pytest.raises(ValueError, match="held_out"):
        nearest_neighbours(**{**good, "held_out": np.zeros((3, 5))})
    with pytest.raises(ValueError, match="`mirrored` must have the 4 rows of `fake`"):
        nearest_neighbours(**good, mirrored=np.zeros((3, 2)))
    bad = np.array(FAKE, float)
    bad[2, 0] = np.nan
    with pytest.raises(ValueError, match="row 2"):
        nearest_neighbours(**{**good, "fake": bad})
