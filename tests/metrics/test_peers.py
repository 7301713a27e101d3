"""Equal to the peers' own code on the same features: torch-fidelity, prdc, and scipy's general matrix root."""

import numpy as np
import pytest
import scipy.linalg

from keras_gans import metrics
from tests.oracles import peers


def features(kind):
    """Returns (real, fake) of a kind."""
    rng = np.random.default_rng(0)
    if kind == "full rank":
        return rng.normal(size=(500, 24)), 0.7 * rng.normal(size=(400, 24)) + 0.3
    if kind == "rank deficient":
        basis = rng.normal(size=(5, 24))
        return rng.normal(size=(300, 5)) @ basis, (rng.normal(size=(300, 5)) + 0.5) @ basis
    if kind == "fewer than dimensions":
        return rng.normal(size=(30, 64)), rng.normal(size=(40, 64)) + 0.2
    maps = np.maximum(rng.normal(size=(2, 400, 64)), 0) ** 1.5  # like the features of a network
    return maps[0], 1.1 * maps[1]


KINDS = ("full rank", "rank deficient", "fewer than dimensions", "like a network's")


@pytest.mark.parametrize("kind", KINDS)
def test_frechet_distance(kind):
    peer = peers.torch_fidelity("metric_fid")
    import torch

    real, fake = features(kind)
    statistics = [peer.fid_features_to_statistics(torch.from_numpy(values)) for values in (real, fake)]
    expected = peer.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert metrics.frechet_distance(real=real, fake=fake) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["full rank", "like a network's"])
def test_frechet_distance_by_the_general_root(kind):
    real, fake = features(kind)
    covariances = [np.cov(values, rowvar=False) for values in (real, fake)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert metrics.frechet_distance(real=real, fake=fake) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_kernel_distance(kind):
    peer = peers.torch_fidelity("metric_kid")
    real, fake = features(kind)
    n = min(len(real), len(fake))
    real, fake = real[:n], fake[:n]  # the peer's estimator takes equal sizes
    options = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None}
    expected = peer.kernel_mmd(real, fake, kid_kernel_poly_coef0=1, **options)
    found = metrics.kernel_distance(real=real, fake=fake, estimator="full").mean
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("splits", [1, 7])
def test_inception_score(splits):
    peer = peers.torch_fidelity("metric_isc")
    import torch

    logits = 3 * np.random.default_rng(1).normal(size=(300, 20))
    expected = peer.isc_features_to_metric(torch.from_numpy(logits), splits=splits, shuffle=False)
    found = metrics.inception_score(logits=logits, splits=splits, shuffle=False)
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert found.std == pytest.approx(expected["inception_score_std"], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_precision_and_recall(kind):
    peer = peers.torch_fidelity("metric_prc")
    import torch

    real, fake = features(kind)
    # The peer takes the generated features first.
    expected = peer.prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), verbose=False)
    found = metrics.precision_recall(real=real, fake=fake)
    assert found.precision == pytest.approx(expected["precision"], rel=1e-6)
    assert found.recall == pytest.approx(expected["recall"], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_precision_recall_density_coverage(kind):
    compute = peers.prdc()
    real, fake = features(kind)
    expected = compute(real_features=real, fake_features=fake, nearest_k=5)
    found = {
        **metrics.precision_recall(real=real, fake=fake, k=5, strict=True)._asdict(),
        **metrics.density_coverage(real=real, fake=fake, k=5)._asdict(),
    }
    assert found == pytest.approx(expected, rel=1e-6)
