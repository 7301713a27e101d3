"""How close reconstructions are to their images: MSE, PSNR and SSIM (Wang et al., 2004) on uint8 values."""

import typing

import numpy as np
import scipy.ndimage

PEAK = 255.0
BEST_PSNR = 100.0  # of identical images, whose own would be infinite
WINDOW, DEVIATION = 11, 1.5


class ReconstructionScores(typing.NamedTuple):
    """Means over the images: `mse` in squared grey levels, `psnr` in decibels, `ssim` in [-1, 1]."""

    mse: float
    psnr: float
    ssim: float


def _windowed(values):
    """Returns the Gaussian means (n, h - 10, w - 10, c) of whole windows."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offsets / DEVIATION) ** 2)
    weights /= weights.sum()
    for axis in (1, 2):
        values = scipy.ndimage.correlate1d(values, weights, axis=axis, mode="constant")
    edge = WINDOW // 2
    return values[:, edge:-edge, edge:-edge]


def structural_similarity(first, second):
    """Returns the SSIM (n,) of pairs of float64 images (n, h, w, c) with values 0..255."""
    low, contrast = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean_1, mean_2 = _windowed(first), _windowed(second)
    variance_1, variance_2 = _windowed(first**2) - mean_1**2, _windowed(second**2) - mean_2**2
    covariance = _windowed(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + low) / (mean_1**2 + mean_2**2 + low)
    structure = (2 * covariance + contrast) / (variance_1 + variance_2 + contrast)
    return (luminance * structure).mean(axis=(1, 2, 3))


def reconstruction_scores(*, images, reconstructions):
    """Returns the mean squared error, the mean of the images' PSNR, and the mean SSIM.

    Args:
        images: uint8 array (n, h, w, c), sides of at least 11 pixels (the window of SSIM).
        reconstructions: uint8 array of the same shape.

    Returns:
        `ReconstructionScores`.

    Raises:
        TypeError, ValueError: for other types, shapes or sizes.

    Reference: SSIM: Wang et al., 2004, with a Gaussian window of 11 pixels and standard deviation 1.5.
    """
    images, reconstructions = np.asarray(images), np.asarray(reconstructions)
    for name, array in (("images", images), ("reconstructions", reconstructions)):
        if array.dtype != np.uint8:
            raise TypeError(f"`{name}` must be uint8 in 0..255. Received: {name}.dtype={array.dtype.name}.")
    if images.ndim != 4 or images.shape != reconstructions.shape or not len(images):
        raise ValueError(
            "`images` and `reconstructions` must have one shape (n, height, width, channels). "
            f"Received: {images.shape} and {reconstructions.shape}."
        )
    if min(images.shape[1:3]) < WINDOW:
        raise ValueError(f"`images` must have sides of at least {WINDOW} pixels. Received: {images.shape}.")
    errors, ratios, similarities = [], [], []
    for start in range(0, len(images), 256):
        first, second = (each[start : start + 256].astype(np.float64) for each in (images, reconstructions))
        error = ((first - second) ** 2).mean(axis=(1, 2, 3))
        with np.errstate(divide="ignore"):
            ratio = 10 * np.log10(PEAK**2 / error)
        errors.append(error)
        ratios.append(np.minimum(ratio, BEST_PSNR))
        similarities.append(structural_similarity(first, second))
    return ReconstructionScores(*(float(np.concatenate(each).mean()) for each in (errors, ratios, similarities)))
