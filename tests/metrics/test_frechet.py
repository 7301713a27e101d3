"""The Frechet distance: check values, closed forms, degenerate covariances, scales, streaming, and files."""

import os

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_gans.metrics import frechet
from keras_gans.metrics.frechet import (
    Moments,
    Statistics,
    frechet_distance,
    load_statistics,
    per_class_frechet_distance,
    save_statistics,
)

pytestmark = pytest.mark.one_backend

X = np.array([[0.0, 0], [2, 0], [0, 4], [2, 4]])
Y = np.array([[1.0, 1], [3, 1], [1, 2], [3, 6], [2, 5]])
KIND = {"feature_network": "judge", "network_digest": "ab", "resizer": "none", "data_digest": "cd"}


def moments(features):
    return Moments().update(features)


def by_matrix_root(x, y):
    a, b = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(a @ b).real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a + b - 2 * root)


def by_qr(x, y):
    """The nuclear norm of R_x R_y^T, for any number of rows."""
    a, b = ((s - s.mean(0)) / np.sqrt(len(s) - 1) for s in (x, y))
    root = scipy.linalg.svdvals(np.linalg.qr(a, "r") @ np.linalg.qr(b, "r").T).sum()
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.sum(a * a) + np.sum(b * b) - 2 * root


def sets(n=60, m=80, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), rng.normal(size=(m, d)) * rng.uniform(0.5, 2, d) + 0.3


def test_distance_of_given_moments():
    real = Statistics(mean=[0, 0], covariance=np.diag([1, 4]))
    fake = Statistics(mean=[1, -1], covariance=[[2, 1], [1, 3]])
    expected = 12 - 2 * np.sqrt(14 + 2 * np.sqrt(20))
    np.testing.assert_allclose(expected, 2.419964110714583, rtol=1e-13)
    np.testing.assert_allclose(frechet_distance(real=real, fake=fake), expected, rtol=1e-13)


def test_check_value_of_small_sets():
    np.testing.assert_allclose(moments(X).covariance, np.diag([4 / 3, 16 / 3]), rtol=1e-14)
    np.testing.assert_allclose(moments(Y).covariance, [[1, 1], [1, 5.5]], rtol=1e-14)
    for real in (X, moments(X)):
        for fake in (Y, moments(Y)):
            np.testing.assert_allclose(frechet_distance(real=real, fake=fake), 2.208213801351082, rtol=1e-12)


def test_check_value_of_rank_deficient_sets_on_every_route():
    e = np.eye(4)
    x, y = e[:3], np.stack([e[3], e[2], e[0] + e[1]])
    for real, fake in [(x, y), (moments(x), y), (x, moments(y))]:
        np.testing.assert_allclose(frechet_distance(real=real, fake=fake), 1.2897439060651925, rtol=1e-12)
    np.testing.assert_allclose(frechet_distance(real=moments(x), fake=moments(y)), 1.2897439060651925, rtol=1e-7)


def test_one_dimension_is_the_textbook_formula():
    x, y = np.array([[0.0], [1], [5]]), np.array([[2.0], [2.5], [9], [4]])
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    np.testing.assert_allclose(frechet_distance(real=x, fake=y), expected, rtol=1e-12)


def test_distance_equals_the_general_matrix_root():
    x, y = sets()
    np.testing.assert_allclose(frechet_distance(real=x, fake=y), by_matrix_root(x, y), rtol=1e-9)


@pytest.mark.parametrize("n, m", [(20, 30), (20, 200), (200, 20), (200, 300), (64, 63)])
def test_routes_agree_below_and_above_the_dimension(n, m):
    x, y = sets(n, m, d=64)
    expected = by_qr(x, y)
    np.testing.assert_allclose(frechet_distance(real=x, fake=y), expected, rtol=1e-6)
    np.testing.assert_allclose(frechet_distance(real=moments(x), fake=moments(y)), expected, rtol=1e-6)


def test_few_rows_lose_no_digits():
    x, y = sets(20, 30, d=64)
    np.testing.assert_allclose(frechet_distance(real=x, fake=y), by_qr(x, y), rtol=1e-12)


def test_dead_features_change_nothing():
    x, y = sets()
    dead = [np.concatenate([s, np.zeros((len(s), 3))], axis=1) for s in (x, y)]
    expected = frechet_distance(real=x, fake=y)
    np.testing.assert_allclose(frechet_distance(real=dead[0], fake=dead[1]), expected, rtol=1e-8)


def test_constant_sets_are_their_squared_distance_apart():
    x, y = np.zeros((5, 3)), np.ones((7, 3))
    assert frechet_distance(real=x, fake=y) == 3.0
    assert frechet_distance(real=moments(x), fake=moments(x)) == 0.0


@pytest.mark.parametrize("n", [4, 100])
def test_distance_of_a_set_to_itself_is_zero(n):
    x, _ = sets(n, d=24)
    assert 0 <= frechet_distance(real=x, fake=x) < 1e-5 * np.trace(np.cov(x.T))
    shuffled = np.random.default_rng(3).permutation(x)
    assert 0 <= frechet_distance(real=x, fake=shuffled) < 1e-5 * np.trace(np.cov(x.T))


@pytest.mark.parametrize("n", [10, 80])
@pytest.mark.parametrize("scale", [1e-120, 0.003, 1e120])
def test_distance_scales_with_the_square(scale, n):
    x, y = sets(n, n + 1, d=24)
    expected = frechet_distance(real=x, fake=y)
    np.testing.assert_allclose(frechet_distance(real=scale * x, fake=scale * y) / scale**2, expected, rtol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_distance_ignores_side_order_shift_and_rotation(seed):
    x, y = sets(30, 40, d=5, seed=seed)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    expected = frechet_distance(real=x, fake=y)
    np.testing.assert_allclose(frechet_distance(real=y, fake=x), expected, rtol=1e-8)
    moved = [rng.permutation(s) @ rotation + 100 for s in (x, y)]
    np.testing.assert_allclose(frechet_distance(real=moved[0], fake=moved[1]), expected, rtol=1e-8)


def test_common_offset_in_float32_costs_nothing():
    x, y = (np.round(s * 64) / 64 for s in sets())  # exact in float32 after the shift
    shifted = [(s + 4096).astype(np.float32) for s in (x, y)]
    np.testing.assert_allclose(frechet_distance(real=shifted[0], fake=shifted[1]), frechet_distance(real=x, fake=y))


def test_noise_raises_the_distance_monotonically():
    rng = np.random.default_rng(0)
    real, fresh, noise = rng.normal(size=(3, 5000, 16))  # enough for the bias to be far below the first step
    distances = [frechet_distance(real=real, fake=fresh + level * noise) for level in (0, 0.2, 0.5, 1, 2)]
    assert distances == sorted(distances) and distances[-1] > 20 * distances[0]


def test_collapse_is_far_from_the_data():
    rng = np.random.default_rng(0)
    real, fresh = rng.normal(size=(2, 500, 16))
    collapsed = real[:1] + 0.01 * fresh
    assert frechet_distance(real=real, fake=collapsed) > 20 * frechet_distance(real=real, fake=fresh)


def test_moments_keep_the_digits_below_a_large_offset():
    values = np.array([[1000003.0], [1000001], [1000004], [1000002], [1000005]])
    for features in (values, values.astype(np.float32)):
        assert moments(features).mean == 1000003 and moments(features).covariance == 2.5


@pytest.mark.parametrize("batch", [1, 7, 256, 1024, 3000])
def test_moments_do_not_depend_on_the_batch_size_at_all(batch):
    rows = np.random.default_rng(0).normal(3, 2, size=(2500, 4)).astype(np.float32)
    streamed = Moments()
    for start in range(0, len(rows), batch):
        streamed.update(rows[start : start + batch])
    np.testing.assert_array_equal(streamed.covariance, moments(rows).covariance)
    np.testing.assert_array_equal(streamed.mean, moments(rows).mean)
    np.testing.assert_allclose(streamed.covariance, np.cov(rows.T.astype(np.float64)), rtol=1e-12)
    assert streamed.count == 2500


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_merged_moments_are_those_of_the_whole(sizes, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(rng.normal() * 100, 1, size=(n, 3)) for n in [*sizes, 2]]
    merged = Moments()
    for part in parts:
        merged.merge(moments(part))
    whole = np.concatenate(parts)
    assert merged.count == len(whole)
    np.testing.assert_allclose(merged.mean, whole.mean(0), rtol=1e-10)
    np.testing.assert_allclose(merged.covariance, np.cov(whole.T), rtol=1e-9, atol=1e-9)


def test_reading_moments_changes_nothing_and_the_buffer_may_be_reused():
    buffer = X.copy()
    streamed = Moments().update(buffer)
    streamed.mean[:] = 7
    buffer[:] = Y[:4]
    assert streamed.count == 4 and (streamed.mean == X.mean(0)).all()
    np.testing.assert_allclose(streamed.update(buffer).mean, np.concatenate([X, Y[:4]]).mean(0))


def test_per_class_distance_is_the_distance_of_each_class():
    x, y = sets(60, 90)
    a, b = np.arange(60) % 3 * 5, np.arange(90) % 3 * 5
    result = per_class_frechet_distance(real=x, fake=y, real_labels=a, fake_labels=b[:, None])
    assert result.classes == (0, 5, 10) and result.real_counts == (20,) * 3 and result.fake_counts == (30,) * 3
    np.testing.assert_allclose(result.distances[1], frechet_distance(real=x[a == 5], fake=y[b == 5]), rtol=1e-12)
    np.testing.assert_allclose(result.mean, np.mean(result.distances))


def test_per_class_distance_sees_exchanged_labels():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)) + 3 * (np.arange(200) % 2)[:, None]
    y = rng.normal(size=(200, 4)) + 3 * (np.arange(200) % 2)[:, None]
    labels = np.arange(200) % 2
    right = per_class_frechet_distance(real=x, fake=y, real_labels=labels, fake_labels=labels).mean
    wrong = per_class_frechet_distance(real=x, fake=y, real_labels=labels, fake_labels=1 - labels).mean
    assert wrong > 20 * right


def test_per_class_distance_warns_of_rank_deficient_classes():
    x = np.random.default_rng(0).normal(size=(8, 512))
    with pytest.warns(UserWarning, match="4 samples for 512 features"):
        per_class_frechet_distance(real=x, fake=x, real_labels=[0, 1] * 4, fake_labels=[0, 1] * 4)


def test_statistics_file_gives_back_everything(tmp_path):
    path = tmp_path / "real.npz"
    save_statistics(path, moments(X), **KIND, details={"split": "train"})
    loaded = load_statistics(path, resizer="none")
    np.testing.assert_array_equal(loaded.mean, moments(X).mean)
    np.testing.assert_array_equal(loaded.covariance, moments(X).covariance)
    assert loaded.count == 4 and loaded.details == {"split": "train"}
    assert {name: getattr(loaded, name) for name in KIND} == KIND
    assert set(loaded.versions) == {"keras_gans", "numpy", "scipy", "python"}
    np.testing.assert_allclose(frechet_distance(real=loaded, fake=Y), 2.208213801351082, rtol=1e-12)
    assert os.listdir(tmp_path) == ["real.npz"]


def test_statistics_of_others_with_mean_and_covariance_only_are_read(tmp_path):
    np.savez(tmp_path / "ttur.npz", mu=X.mean(0), sigma=np.cov(X.T))
    loaded = load_statistics(tmp_path / "ttur.npz")
    assert loaded.count is None and loaded.feature_network is None
    np.testing.assert_allclose(frechet_distance(real=loaded, fake=Y), 2.208213801351082, rtol=1e-12)


@pytest.mark.parametrize("field", frechet.KIND)
def test_statistics_of_different_kinds_are_not_compared(tmp_path, field):
    for name, kind in (("a", KIND), ("b", {**KIND, field: "other"}), ("c", {**KIND, "data_digest": "other"})):
        save_statistics(tmp_path / name, moments(X), **kind)
    a, b, c = (load_statistics(tmp_path / name) for name in "abc")
    assert frechet_distance(real=a, fake=c) == pytest.approx(0, abs=1e-7)  # other data of the same kind
    with pytest.raises(ValueError, match=f"their `{field}` differs.*'other'"):
        frechet_distance(real=a, fake=b)
    with pytest.raises(ValueError, match=f"their `{field}` is 'other'"):
        load_statistics(tmp_path / "b", **{field: KIND[field]})


def test_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "s.npz"
    save_statistics(path, moments(X), **KIND)
    with pytest.raises(TypeError):
        save_statistics(path, moments(Y), **KIND, details={"unwritable": object()})
    assert load_statistics(path).count == 4 and os.listdir(tmp_path) == ["s.npz"]


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_damaged_statistics_are_refused(tmp_path, content):
    path = tmp_path / "s.npz"
    save_statistics(path, moments(X), **KIND)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(OSError, match="s.npz is damaged or no file"):
        load_statistics(path)


def test_other_arrays_are_no_statistics(tmp_path):
    np.savez(tmp_path / "s.npz", x=X)
    np.savez(tmp_path / "t.npz", mu=X.mean(0), sigma=np.array([[object()]]), allow_pickle=True)
    for name in ("s.npz", "t.npz"):
        with pytest.raises(OSError, match="no file of feature statistics"):
            load_statistics(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no statistics file"):
        load_statistics(tmp_path / "absent.npz")
    with pytest.raises(TypeError, match="no argument `resize`. Did you mean 'resizer'"):
        load_statistics(tmp_path / "s.npz", resize="none")


@pytest.mark.parametrize(
    "fake, error, words",
    [
        (Y[:1], ValueError, "`fake` must hold at least 2 samples"),
        (np.array([[0, 1], [2, np.nan], [3, 4]]), ValueError, "nan in row 1 of fake"),
        (np.array([[0, 1], [2, 2], [-np.inf, 4]], np.float32), ValueError, "-inf in row 2 of fake"),
        (np.zeros((5, 3)), ValueError, "real has d=2, fake has d=3"),
        (np.zeros((5, 2, 1)), ValueError, "shape \\(n, d\\)"),
        (np.array([["a", "b"]] * 2), TypeError, "real numbers"),
        (Moments().update(Y[:1]), ValueError, "Moments of 1"),
        (np.array([[1e200, 0], [0, 1]]), ValueError, "too large"),
        (Statistics(mean=[0, 0], covariance=[[1, 3], [3, 1]]), ValueError, "negative eigenvalues"),
    ],
)
def test_bad_features_are_refused_with_words(fake, error, words):
    with pytest.raises(error, match=words):
        frechet_distance(real=X, fake=fake)


def test_other_bad_arguments_are_refused_with_words():
    with pytest.raises(ValueError, match="one label per row of `fake`"):
        per_class_frechet_distance(real=X, fake=Y, real_labels=[0] * 4, fake_labels=[0] * 4)
    with pytest.raises(TypeError, match="`real_labels` must be integers"):
        per_class_frechet_distance(real=X, fake=Y, real_labels=[0.0] * 4, fake_labels=[0] * 5)
    with pytest.raises(ValueError, match="class 7 only in `fake_labels`"):
        per_class_frechet_distance(real=X, fake=Y, real_labels=[0] * 4, fake_labels=[0, 0, 7, 7, 7])
    with pytest.raises(ValueError, match="1 of class 3"):
        per_class_frechet_distance(real=X, fake=Y, real_labels=[0, 0, 3, 3], fake_labels=[0, 0, 0, 0, 3])
    with pytest.raises(ValueError, match="dimension of the rows before, 2"):
        moments(X).update(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="cannot be merged"):
        moments(X).merge(moments(np.zeros((2, 3))))
    with pytest.raises(ValueError, match="at least 2 samples"):
        _ = moments(X[:1]).covariance
    with pytest.raises(ValueError, match="must be symmetric"):
        Statistics(mean=[0, 0], covariance=[[1, 0], [1, 1]])
    with pytest.raises(ValueError, match="covariance.shape"):
        Statistics(mean=[0, 0], covariance=np.eye(3))
    with pytest.raises(TypeError, match="`resizer` must be a string"):
        save_statistics("s.npz", moments(X), **{**KIND, "resizer": None})
