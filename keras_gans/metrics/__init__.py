"""Metrics of generative models on feature arrays: exact, in float64 where it matters, without a backend."""

from keras_gans.metrics.frechet import (
    Moments,
    PerClassFrechetDistance,
    Statistics,
    frechet_distance,
    load_statistics,
    per_class_frechet_distance,
    save_statistics,
)
from keras_gans.metrics.inception import InceptionScore, inception_score
from keras_gans.metrics.kernel import KernelDistance, kernel_distance
from keras_gans.metrics.manifold import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from keras_gans.metrics.reconstruction import ReconstructionScores, reconstruction_scores

__all__ = [
    "DensityCoverage",
    "InceptionScore",
    "KernelDistance",
    "Moments",
    "PerClassFrechetDistance",
    "PrecisionRecall",
    "ReconstructionScores",
    "Statistics",
    "density_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "load_statistics",
    "per_class_frechet_distance",
    "precision_recall",
    "reconstruction_scores",
    "save_statistics",
]
