"""The whole evaluation of a model against images, as one record from which it can be repeated."""

import hashlib
import platform
import sys

import keras
import numpy as np

from keras_gans import checks
from keras_gans.metrics.fid_inception import FIDInception
from keras_gans.metrics.frechet import frechet_distance
from keras_gans.metrics.inception import inception_score
from keras_gans.metrics.kernel import kernel_distance
from keras_gans.metrics.latents import latent_correlation
from keras_gans.metrics.manifold import prdc
from keras_gans.metrics.networks import feature_network, weights_digest
from keras_gans.metrics.reconstruction import WINDOW, reconstruction_scores
from keras_gans.version import __version__

CHUNK = 1024  # images held at once


def evaluate(model, images, features="auto", labels=None, samples=None, seed=0, progress=None):
    """Returns the scores of a model against images, and everything needed to compute them again.

    Args:
        model: A model of the zoo that makes images.
        images: uint8 array (n, h, w, c), at least 8: the images it is compared with, all of them.
        features: `"auto"` (default: `"classifier"`, the shipped classifier of garments and digits or of photographs,
            for images of 28x28 or 32x32, else `"random"`), `"inception"` (the network of the published FID),
            `"random"` (a fixed random projection, honest but weak), `"pixels"`, a `keras.Model` that takes uint8
            images, or any feature network of `keras_gans.metrics`.
        labels: Integer labels (n,) of a conditional model: the generated images get them, in this order.
        samples: Number of generated images, default n. Compare models only at equal numbers.
        seed: Integer that fixes the latents and the subsets.
        progress: Callable that is told the number of images done after each chunk, or None.

    Returns:
        Dict for JSON: `scores` (`frechet_distance`, `kernel_distance`, `precision`, `recall`, `density`, `coverage`;
        with a network that has classes `classifier_score` or, with Inception, `inception_score`; of a model with an
        encoder `latent_correlation` and `reconstruction_mse`, `_psnr`, `_ssim`; of one with likelihoods `bits_per_dim`
        and the largest `inversion_error` of 1024 images), `samples`, `seed`, `features`,
        `data`, `model`, `precision` (the dtype policy of the model), `versions`.

    Raises:
        TypeError, ValueError: images of another type or shape, too few, labels that do not fit, an unknown network.
    """
    if not hasattr(model, "latents_for"):
        raise TypeError(f"`model` must be a model of keras_gans. Received: {type(model).__name__}.")
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"`images` must be uint8 in 0..255. Received: images.dtype={images.dtype.name}.")
    checks.images("images", images, model.image_shape)
    if len(images) < 8:
        raise ValueError(f"`images` must hold at least 8 images. Received: {len(images)}.")
    samples = checks.positive_integer("samples", len(images) if samples is None else samples, minimum=8)
    network = feature_network(features, images.shape[1:])
    if labels is not None:
        labels = checks.labels(labels, len(images), model.num_classes)
    wanted = None if labels is None else np.resize(labels, samples)
    latents, wanted = model.latents_for(samples, seed), model.labels_for(samples, wanted)
    told = progress or (lambda done: None)
    fake, real, logits = [], [], []
    for start in range(0, samples, CHUNK):
        part = slice(start, start + CHUNK)
        made = model.decode(latents[part], None if wanted is None else wanted[part])
        if hasattr(network, "with_logits"):
            found, classes = network.with_logits(made)
            logits.append(classes.astype(np.float32))
        else:
            found = network(made)
        fake.append(found.astype(np.float32))
        told(min(start + CHUNK, samples))
    for start in range(0, len(images), CHUNK):
        real.append(network(images[start : start + CHUNK]).astype(np.float32))
    sets = {"real": np.concatenate(real), "fake": np.concatenate(fake)}
    smallest = min(samples, len(images))
    kernel = kernel_distance(**sets, subset_size=min(1000, smallest), seed=seed)
    scores = {
        "frechet_distance": frechet_distance(**sets),
        "kernel_distance": kernel.mean,
        **prdc(**sets)._asdict(),
    }
    if logits:
        kind = "inception_score" if isinstance(network, FIDInception) else "classifier_score"
        splits = min(10, samples)
        scores[kind] = inception_score(logits=np.concatenate(logits), splits=splits, seed=seed).mean
    if hasattr(model, "encode"):
        scores["latent_correlation"] = latent_correlation(model, seed=seed)
    if hasattr(model, "reconstruct") and min(images.shape[1:3]) >= WINDOW:
        shown = slice(0, CHUNK)
        again = model.reconstruct(images[shown], *([] if labels is None else [labels[shown]]))
        found = reconstruction_scores(images=images[shown], reconstructions=again)
        scores |= {f"reconstruction_{name}": value for name, value in found._asdict().items()}
    if hasattr(model, "bits_per_dim"):
        scores["bits_per_dim"] = float(np.mean(model.bits_per_dim(images, labels, seed=seed)))
        scores["inversion_error"] = float(np.max(model.inversion_error(images[:CHUNK])))
    backend = keras.config.backend()
    return {
        "scores": scores,
        "samples": samples,
        "seed": seed,
        "features": {"name": network.name, "sha256": network.digest, "dimension": sets["real"].shape[1]},
        "data": {"images": len(images), "sha256": hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()},
        "model": {"class": type(model).__name__, "sha256": weights_digest(getattr(model, model.networks[0]))},
        "precision": model.dtype_policy.name,
        "versions": {
            "keras_gans": __version__,
            "keras": keras.__version__,
            backend: sys.modules[backend].__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
