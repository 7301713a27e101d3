"""The matcher of implicit maximum likelihood finds the nearest, exactly, whatever scale, ties and blocks."""

import numpy as np
import pytest

from keras_gans.samplers import matching

pytestmark = pytest.mark.one_backend

CODES = np.array([(0.6, 0.8), (-1.0, 0.0), (0.0, 1.0)])
MAPPED = np.array([(0.5, 0.5), (-0.8, 0.1), (1.0, -1.0), (0.2, 0.9), (-0.9, -0.3)])


def brute_force(queries, candidates):
    gaps = queries[:, None].astype("float64") - candidates[None].astype("float64")
    distances = np.einsum("ijk,ijk->ij", gaps, gaps)
    return distances.argmin(axis=1), distances.min(axis=1)


def test_the_check_values():
    indices, distances = matching.nearest(CODES, MAPPED)
    assert indices.tolist() == [0, 1, 3]
    np.testing.assert_allclose(distances, [0.10, 0.05, 0.05], rtol=1e-12)
    assert distances.mean() == pytest.approx(0.06666667, abs=1e-8)


@pytest.mark.parametrize("offset", [0.0, 1000.0])  # far from 0 the squares cancel in float32
@pytest.mark.parametrize("dimensions", [2, 64])
def test_it_is_brute_force(monkeypatch, dimensions, offset):
    monkeypatch.setattr(matching, "ROWS", 50)
    monkeypatch.setattr(matching, "COLUMNS", 70)
    rng = np.random.default_rng(0)
    queries = (offset + rng.normal(size=(120, dimensions))).astype("float32")
    candidates = (offset + rng.normal(size=(400, dimensions))).astype("float32")
    candidates[200:] = candidates[:200]  # the lower of two equal ones wins, in another block, too
    candidates[1] = candidates[0]
    indices, distances = matching.nearest(queries, candidates)
    expected, squares = brute_force(queries, candidates)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, squares, rtol=1e-12)
    assert indices.max() < 200 and 1 not in indices


def test_float32_does_not_decide():
    points = np.array([[1000.0, 1000.1], [1000.0, 1000.2]], "float32")
    indices, distances = matching.nearest(points[:1], points[1:])
    assert indices.tolist() == [0] and distances[0] == pytest.approx(0.01000733, rel=1e-5)
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(5, 64))
    close = queries[0] + 1e-6 * rng.normal(size=(30, 64))  # nearer to each other than float32 can tell
    np.testing.assert_array_equal(matching.nearest(queries, close)[0], brute_force(queries, close)[0])
    close = np.stack([points[0].astype("float64") + [step, 0.0] for step in (3e-8, 1e-8, 2e-8)])
    assert matching.nearest(points[:1], close)[0].tolist() == [1]


def test_a_collapsed_generator_is_matched_in_bounded_memory():
    queries = np.random.default_rng(0).normal(size=(40, 3))
    assert (matching.nearest(queries, np.ones((5000, 3)))[0] == 0).all()
    almost = 1.0 + 1e-7 * np.random.default_rng(1).normal(size=(5000, 3))
    np.testing.assert_array_equal(matching.nearest(queries, almost)[0], brute_force(queries, almost)[0])


def test_rows_that_are_not_finite_are_nearest_to_nothing():
    broken = np.array([[np.nan, 0.0], [np.inf, 1.0], [5.0, 5.0]])
    indices, distances = matching.nearest(CODES, broken)
    assert indices.tolist() == [2, 2, 2] and np.isfinite(distances).all()
    indices, distances = matching.nearest(CODES, broken[:2])
    assert indices.tolist() == [0, 0, 0] and np.isnan(distances).all()
    assert np.isnan(matching.nearest(broken[:1], CODES)[1]).all()


def test_outputs_closer_than_epsilon_are_left_out():
    indices, distances = matching.match(CODES, MAPPED, epsilon=0.3)  # squared 0.09: leaves 0, 2 and 4
    assert indices.tolist() == [0, 4, 0]
    np.testing.assert_allclose(distances, [0.10, 0.10, 0.50], rtol=1e-12)
    with pytest.raises(ValueError, match="`epsilon` must be smaller: all 5 outputs .* Received: epsilon=9"):
        matching.match(CODES, MAPPED, epsilon=9.0)
