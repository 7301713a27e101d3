"""KID, inception score, precision, recall, density, coverage, reconstruction: check values, brute force, meaning."""

import numpy as np
import pytest

import keras_gans as kg
from keras_gans.metrics import density_coverage, inception_score, kernel_distance, precision_recall
from keras_gans.metrics import reconstruction_scores as scores_of

pytestmark = pytest.mark.one_backend

RNG = np.random.default_rng(0)
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])


@pytest.fixture(autouse=True)
def fresh_numbers():
    """Each test draws the same numbers, alone and among others."""
    global RNG
    RNG = np.random.default_rng(0)


def column(*values):
    return np.array(values, "float64")[:, None]


# Kernel distance --------------------------------------------------------------------------------------------


def mmd_by_hand(x, y):
    def kernel(u, v):
        return (u @ v.T / u.shape[1] + 1) ** 3

    n, m = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    return (
        (xx.sum() - np.trace(xx)) / (n * (n - 1))
        + (yy.sum() - np.trace(yy)) / (m * (m - 1))
        - 2 * kernel(x, y).sum() / (n * m)
    )


def test_the_full_estimate_has_its_published_value():
    x, y = np.array([[1, 0], [0, 1], [1, 1.0]]), np.array([[0, 0], [2, 1], [1, 2], [1, -1.0]])
    assert kernel_distance(real=x, fake=y, estimator="full").mean == pytest.approx(-25 / 12, rel=1e-12)


def test_subsets_and_blocks_are_means_of_the_unbiased_estimate(monkeypatch):
    monkeypatch.setattr(kg.metrics.kernel, "BLOCK", 7)  # several blocks of rows
    x, y = RNG.normal(size=(40, 5)), RNG.normal(size=(30, 5)) + 0.3
    full = kernel_distance(real=x, fake=y, estimator="full")
    assert full.mean == pytest.approx(mmd_by_hand(x, y), rel=1e-10) and np.isnan(full.std)
    rng = np.random.default_rng(3)
    values = []
    for _ in range(4):
        chosen = rng.choice(40, 10, replace=False), rng.choice(30, 10, replace=False)
        values.append(mmd_by_hand(x[chosen[0]], y[chosen[1]]))
    found = kernel_distance(real=x, fake=y, subsets=4, subset_size=10, seed=3)
    np.testing.assert_allclose((found.mean, found.std), (np.mean(values), np.std(values)), rtol=1e-10)
    blocks = kernel_distance(real=x, fake=y, estimator="blocks", subset_size=15, seed=1)
    orders = np.random.default_rng(1)
    first, second = orders.permutation(40), orders.permutation(30)
    values = [mmd_by_hand(x[first[i : i + 15]], y[second[i : i + 15]]) for i in (0, 15)]
    np.testing.assert_allclose((blocks.mean, blocks.std), (np.mean(values), np.std(values)), rtol=1e-10)


def test_features_in_float32_give_the_same_kernel_distance_to_its_rounding():
    x, y = RNG.normal(size=(2, 300, 64)).astype("float32")
    found = kernel_distance(real=x, fake=y + np.float32(0.1), estimator="full").mean
    expected = mmd_by_hand(x.astype("float64"), y.astype("float64") + np.float32(0.1))
    assert found == pytest.approx(expected, abs=1e-6) and found != expected


@pytest.mark.parametrize("dtype, scale", [("float16", 100.0), ("float32", 1e8), ("float64", 1e8)])
def test_features_whose_cubes_are_large_keep_their_kernel_distance(dtype, scale):
    x, y = (scale * RNG.normal(size=(2, 60, 8))).astype(dtype)
    found = kernel_distance(real=x, fake=y, estimator="full").mean
    assert found == pytest.approx(mmd_by_hand(x.astype("float64"), y.astype("float64")), rel=1e-3)


@pytest.mark.parametrize("offset", [0.0, 1.0, 30.0, 1000.0])
def test_a_common_offset_costs_no_digits(offset):
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(size=(200, 16)) + offset + shift for shift in (0.0, 0.3))
    narrow = [side.astype("float32") for side in (real, fake)]
    expected = kernel_distance(
        real=narrow[0].astype("float64"), fake=narrow[1].astype("float64"), estimator="full"
    ).mean
    found = kernel_distance(real=narrow[0], fake=narrow[1], estimator="full").mean
    assert found == pytest.approx(expected, rel=2e-3)


def test_halves_of_one_set_are_at_distance_zero_in_the_mean():
    data = RNG.normal(size=(4000, 8))
    found = kernel_distance(real=data[:2000], fake=data[2000:], estimator="blocks", subset_size=100)
    assert abs(found.mean) < 3 * found.std / np.sqrt(20)


# Inception score --------------------------------------------------------------------------------------------


def test_the_inception_score_has_its_published_values():
    logits = np.log(PROBABILITIES) + 3.0  # a constant does not matter
    found = inception_score(logits=logits, splits=1, shuffle=False)
    np.testing.assert_allclose(found, (1.358054601276307, 0.0), rtol=1e-12, atol=1e-15)
    found = inception_score(logits=logits, splits=2, shuffle=False)
    np.testing.assert_allclose(found, (1.177515345570022, 0.072209228425819), rtol=1e-12)


def test_saturated_logits_are_finite():
    logits = 1000.0 * np.eye(4)[[0, 1, 2, 3, 0, 1]]
    assert inception_score(logits=logits, splits=1).mean == pytest.approx(3.77976314968462, rel=1e-12)


@pytest.mark.parametrize("dtype, largest", [("float16", 6e4), ("float32", 3e38), ("float64", 1e308)])
def test_logits_as_large_as_their_type_allows_are_finite(dtype, largest):
    logits = np.where(np.eye(4, dtype=bool), largest, -largest).astype(dtype)
    assert inception_score(logits=logits, splits=1).mean == pytest.approx(4)  # four certain classes


def test_sorted_rows_are_shuffled_before_they_are_split():
    logits = 10.0 * np.eye(10)[np.repeat(np.arange(10), 100)]
    assert inception_score(logits=logits, shuffle=False).mean == pytest.approx(1.0, rel=1e-6)
    assert inception_score(logits=logits).mean > 8


# Precision, recall, density, coverage -----------------------------------------------------------------------

LINE = column(0, 1, 3, 6, 10, 11.5), column(2.2, 2.6, 2.9, 3.05, 17.2)
OTHER = column(0, 1, 3, 6, 10), column(0.5, 2.2, 7.1, 20, 9.9, 2.9)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("k, sets, expected", [(1, LINE, (0.8, 2 / 3, 1, 1 / 3)), (2, OTHER, (5 / 6, 1, 1.25, 1))])
def test_points_on_a_line_have_their_published_values(k, sets, expected, offset):
    real, fake = (points + offset for points in sets)
    found = (*precision_recall(real=real, fake=fake, k=k), *density_coverage(real=real, fake=fake, k=k))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("strict, expected", [(True, (0.5, 1, 0.5, 0.25)), (False, (1, 1, 2, 1))])
def test_ties_are_decided_exactly(strict, expected):
    sets = {"real": column(0, 1, 2, 3), "fake": column(1, 4), "k": 1, "strict": strict}
    np.testing.assert_allclose((*precision_recall(**sets), *density_coverage(**sets)), expected)


def test_a_set_against_itself_has_density_exactly_one():
    points = np.array([[0, 0], [1, 0], [0, 2], [3, 3], [5, 1], [4, 4.0]])
    sets = {"real": points, "fake": points[[3, 1, 5, 0, 2, 4]], "k": 2}
    assert (*precision_recall(**sets, strict=True), *density_coverage(**sets)) == (1, 1, 1, 1)
    assert density_coverage(**sets, strict=False).density == 1.5


def prdc_by_hand(real, fake, k):
    def distances(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    def radii(a):
        own = distances(a, a) + np.where(np.eye(len(a)), np.inf, 0)
        return np.sort(own, axis=1)[:, k - 1]

    r, s, between = radii(real), radii(fake), distances(fake, real)
    inside = between < r[None]
    return (
        (between <= r[None]).any(1).mean(),
        (between <= s[:, None]).any(0).mean(),
        inside.sum() / (k * len(fake)),
        inside.any(0).mean(),
    )


@pytest.mark.parametrize(
    "offset, scale", [(0.0, 1.0), (500.0, 0.05), (0.0, 1e-4), (3e4, 1.0), (0.0, 1e-25), (0.0, 1e25)]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks_in_float32_decide_like_brute_force_in_float64(offset, scale, dtype, monkeypatch):
    monkeypatch.setattr(kg.metrics.pairwise, "BLOCK", 33)
    real = (offset + scale * RNG.normal(size=(150, 24))).astype(dtype)
    fake = (offset + scale * (0.8 * RNG.normal(size=(130, 24)) + 0.1)).astype(dtype)
    fake[:5] = real[:5]
    for k in (3, 5):
        found = (*precision_recall(real=real, fake=fake, k=k), *density_coverage(real=real, fake=fake, k=k))
        np.testing.assert_array_equal(found, prdc_by_hand(real.astype("float64"), fake.astype("float64"), k))
    together = kg.metrics.prdc(real=real, fake=fake, precision_k=3, density_k=5)
    apart = *precision_recall(real=real, fake=fake, k=3), *density_coverage(real=real, fake=fake, k=5)
    assert together == apart


def test_the_few_smallest_are_found_also_among_ties():
    distances = np.array([[3, 1, 1, 1, 0], [5, 4, 3, 2, 1]], "float32")
    found = np.take_along_axis(distances, kg.metrics.pairwise.smallest(distances, 2), axis=1)
    assert np.sort(found, axis=1).tolist() == [[0, 1], [1, 2]]


def test_a_set_of_one_point_repeated_is_covered_by_its_copies():
    same = {"real": np.ones((40, 3)), "fake": np.ones((30, 3))}
    assert kg.metrics.prdc(**same) == (1, 1, 0, 0)  # balls of radius 0: their border is all of them


def test_collapse_keeps_precision_and_loses_recall():
    real, fresh = RNG.normal(size=(2, 400, 6))
    collapsed = real[:1] + 0.01 * fresh
    healthy = precision_recall(real=real, fake=fresh)
    found = precision_recall(real=real, fake=collapsed)
    assert found.precision > 0.95 and found.recall < 0.05 < healthy.recall
    assert density_coverage(real=real, fake=collapsed).coverage < 0.1


# Reconstruction ---------------------------------------------------------------------------------------------


def published_images():
    i, j = np.mgrid[:16, :16]
    a = (8 * i + 4 * j + 9 * ((i * j) % 7)) % 256
    b = np.clip(a + ((3 * i + 5 * j) % 11) - 5 + 10 * (i > 7), 0, 255)
    return a.astype("uint8")[None, ..., None], b.astype("uint8")[None, ..., None]


def test_reconstruction_scores_have_their_published_values():
    a, b = published_images()
    assert (a.sum(), b.sum()) == (28341, 29626)
    found = scores_of(images=a, reconstructions=b)
    np.testing.assert_allclose(found, (59.66796875, 30.373391072651682, 0.9798599797500196), rtol=1e-12)


def test_identical_images_have_the_capped_psnr():
    a, _ = published_images()
    np.testing.assert_allclose(scores_of(images=a, reconstructions=a), (0, 100, 1), atol=1e-12)


def test_psnr_is_averaged_over_images_and_channels_stay_apart():
    a, b = published_images()
    both = scores_of(images=np.concatenate([a, a]), reconstructions=np.concatenate([a, b]))
    one = scores_of(images=a, reconstructions=b)
    np.testing.assert_allclose(both, (one.mse / 2, (100 + one.psnr) / 2, (1 + one.ssim) / 2))
    colours = scores_of(images=np.concatenate([a, a], -1), reconstructions=np.concatenate([a, b], -1))
    assert colours.ssim == pytest.approx((1 + one.ssim) / 2)


# Bad input --------------------------------------------------------------------------------------------------

GOOD = RNG.normal(size=(10, 3))
PICTURES = np.zeros((2, 16, 16, 1), "uint8")
NAN = np.where(np.arange(30).reshape(10, 3) == 13, np.nan, GOOD)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: kernel_distance(real=GOOD, fake=GOOD), "`subset_size` must be at most the number of samples, 10"),
        (lambda: kernel_distance(real=GOOD, fake=GOOD, estimator="all"), "`estimator` must be one of"),
        (lambda: kernel_distance(real=GOOD, fake=GOOD[:1]), "`fake` must hold at least 2 samples"),
        (lambda: precision_recall(real=GOOD, fake=GOOD, k=10), "`k` must be less than the number of samples, 10"),
        (lambda: precision_recall(real=GOOD, fake=GOOD[:, :2]), "same dimension. Received: real has d=3, fake has d=2"),
        (lambda: density_coverage(real=NAN, fake=GOOD), "Received: nan in row 4 of real"),
        (lambda: inception_score(logits=GOOD, splits=11), "`splits` must be at most the number of rows, 10"),
        (lambda: inception_score(logits=GOOD[0]), r"`logits` must have shape \(n, d\)"),
        (lambda: scores_of(images=PICTURES / 1.0, reconstructions=PICTURES), "`images` must be uint8 in 0..255"),
        (lambda: scores_of(images=PICTURES, reconstructions=PICTURES[:1]), "must have one shape"),
        (lambda: scores_of(images=PICTURES[:, :8], reconstructions=PICTURES[:, :8]), "sides of at least 11 pixels"),
    ],
)
def test_bad_input_is_refused_with_words(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()
