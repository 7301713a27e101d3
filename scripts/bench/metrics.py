#!/usr/bin/env python
"""Times the metrics against the peers' own code on the same features, interleaved, by CPU seconds.

10,000 x 2048 features of each side (5,000 with --small), like those of a network; the inception score on 50,000 x 1008
logits; KID on 100 subsets of 1,000. A peer that is not installed is left out and named: torch-fidelity and prdc need
`pip install --no-deps torch-fidelity prdc` beside PyTorch, clean-fid's root is scipy's. `--memory` measures instead the
peak memory of PRDC, ours and the peer's, and of `kg.metrics.evaluate` with the shipped classifier on 50,000 generated
images of 32x32.

usage: python scripts/bench/metrics.py [--threads 1] [--turns 3] [--small] [--memory]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import unittest.mock

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--turns", type=int, default=3)
parser.add_argument("--small", action="store_true", help="half the rows")
parser.add_argument("--memory", action="store_true", help="peak memory of a whole evaluation")
parser.add_argument("--peak", choices=["ours", "prdc", "evaluate"], help=argparse.SUPPRESS)
parser.add_argument("--only", default="", help="contests whose names contain this")
arguments = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when the libraries are loaded
    os.environ[variable] = str(arguments.threads)

import keras_gans as kg  # noqa: E402
from keras_gans import metrics  # noqa: E402

import numpy as np  # noqa: E402


def module_of(name):
    """Returns a peer's module, or None; what torch-fidelity imports and does not need here is stood in for."""
    stubs = (
        "torchvision",
        "torchvision.datasets",
        "torchvision.transforms",
        "torchvision.transforms.functional",
        "tqdm",
    )
    stubs = {each: unittest.mock.MagicMock() for each in stubs if each not in sys.modules}
    if "tqdm" in stubs:
        stubs["tqdm"].tqdm = lambda values, **options: values
    sys.modules.update(stubs)
    try:
        return __import__(name, fromlist=["x"])
    except ImportError as error:
        print(f"{name}: left out, {error}")
        return None
    finally:
        for each in stubs:
            sys.modules.pop(each, None)


def timed(function):
    """Returns `(CPU seconds, result)`."""
    begun = time.process_time()
    result = function()
    return time.process_time() - begun, result


def contest(name, ours, peers):
    """Runs ours and the peers in turns and prints the medians."""
    if arguments.only not in name:
        return
    runners = {"keras_gans": ours, **{peer: run for peer, run in peers.items() if run is not None}}
    found = {runner: [] for runner in runners}
    for _ in range(arguments.turns):
        for runner, run in runners.items():
            seconds, value = timed(run)
            found[runner].append(seconds)
            print(f"  {name}: {runner} {seconds:.2f} s, {value}", flush=True)
    own = statistics.median(found["keras_gans"])
    for runner, seconds in found.items():
        print(
            f"{name:28} {runner:24} {statistics.median(seconds):8.2f} CPU s   {own / statistics.median(seconds):5.2f}x"
        )


def gaussians(*sides):
    """Returns `(mean, covariance)` of each set of features, in float64."""
    return [(side.mean(axis=0, dtype=np.float64), np.cov(side, rowvar=False, dtype=np.float64)) for side in sides]


def scipy_root(real, fake):
    """Returns the distance of two `(mean, covariance)` by a general matrix root, as clean-fid does."""
    import scipy.linalg

    difference = real[0] - fake[0]
    root = scipy.linalg.sqrtm(real[1] @ fake[1]).real
    return float(difference @ difference + np.trace(real[1]) + np.trace(fake[1]) - 2 * np.trace(root))


def features(rows, seed):
    """Returns float32 features (rows, 2048) with the skew and the correlations of a network's."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(256, 2048)).astype(np.float32) / 16
    values = rng.normal(size=(rows, 256)).astype(np.float32) @ mixing
    values += 0.3 * rng.normal(size=(rows, 2048)).astype(np.float32) + 0.05 * seed
    return np.maximum(values, 0)


def contests():
    rows = 5000 if arguments.small else 10000
    real, fake = features(rows, 0), features(rows, 1)
    logits = (4 * np.random.default_rng(2).normal(size=(50000, 1008))).astype(np.float32)
    torch = module_of("torch")
    if torch is not None:
        torch.set_num_threads(arguments.threads)
    fid, kid, isc, prc = (module_of(f"torch_fidelity.metric_{name}") for name in ("fid", "kid", "isc", "prc"))
    prdc = module_of("prdc")

    def torch_distance(*sides):
        return fid.fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]

    def torch_fid():
        sides = [fid.fid_features_to_statistics(torch.from_numpy(side.astype(np.float64))) for side in (real, fake)]
        return torch_distance(*sides)

    def torch_kid():
        options = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None}
        options |= {"kid_kernel_poly_coef0": 1, "kid_subsets": 100, "kid_subset_size": 1000, "rng_seed": 0}
        sides = torch.from_numpy(real), torch.from_numpy(fake)
        return kid.kid_features_to_metric(*sides, verbose=False, **options)["kernel_inception_distance_mean"]

    def torch_prc():
        return prc.prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), verbose=False)

    def ours_prdc():
        return metrics.prdc(real=real, fake=fake, precision_k=5)

    def only(module, run):
        return None if module is None else run

    contest(
        "Frechet distance of features",
        lambda: metrics.frechet_distance(real=real, fake=fake),
        {
            "torch-fidelity": only(fid, torch_fid),
            "general root (clean-fid)": lambda: scipy_root(*gaussians(real, fake)),
        },
    )
    means, covariances = zip(*gaussians(real, fake), strict=True)
    ours = [metrics.Statistics(mean, covariance) for mean, covariance in zip(means, covariances, strict=True)]
    theirs = [{"mu": mean, "sigma": covariance} for mean, covariance in zip(means, covariances, strict=True)]
    contest(
        "Frechet distance of moments",
        lambda: metrics.frechet_distance(real=ours[0], fake=ours[1]),
        {
            "torch-fidelity": only(fid, lambda: torch_distance(*theirs)),
            "general root (clean-fid)": lambda: scipy_root(*zip(means, covariances, strict=True)),
        },
    )
    contest(
        "PRDC",
        ours_prdc,
        {"prdc": only(prdc, lambda: prdc.compute_prdc(real_features=real, fake_features=fake, nearest_k=5))},
    )
    contest(
        "precision and recall",
        lambda: metrics.precision_recall(real=real, fake=fake),
        {"torch-fidelity": only(prc, torch_prc)},
    )
    contest(
        "inception score",
        lambda: metrics.inception_score(logits=logits).mean,
        {"torch-fidelity": only(isc, lambda: isc.isc_features_to_metric(torch.from_numpy(logits)))},
    )
    contest(
        "KID",
        lambda: metrics.kernel_distance(real=real, fake=fake).mean,
        {"torch-fidelity": only(kid, torch_kid)},
    )


def peak(what):
    """Prints the peak memory of one computation in this process."""
    import resource

    def used():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    if what == "evaluate":
        model = kg.create("gan", (32, 32, 1), latent_dim=64, network_options={"width": 32})
        images = np.random.default_rng(0).integers(0, 256, (10000, 32, 32, 1), dtype=np.uint8)
        before = used()
        metrics.evaluate(model, images, samples=50000)
    else:
        prdc = module_of("prdc") if what == "prdc" else None
        rows = 5000 if arguments.small else 10000
        real, fake = features(rows, 0), features(rows, 1)
        before = used()
        if what == "ours":
            metrics.prdc(real=real, fake=fake, precision_k=5)
        elif prdc is not None:
            prdc.compute_prdc(real_features=real, fake_features=fake, nearest_k=5)
    print(f"{what:10} peak {used():7,.0f} MB, of which {before:,.0f} MB before it began", flush=True)


def memory():
    for what in ("ours", "prdc", "evaluate"):
        small = ["--small"] if arguments.small else []
        subprocess.run([sys.executable, __file__, "--peak", what, *small], check=True)


if __name__ == "__main__":
    if arguments.peak:
        peak(arguments.peak)
    elif arguments.memory:
        memory()
    else:
        contests()
