"""Metrics of generative models: exact, on arrays of features; and `evaluate`, which does the whole job."""

from keras_gans.metrics.classifier import Classifier
from keras_gans.metrics.evaluation import evaluate
from keras_gans.metrics.fid_inception import FIDInception
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
from keras_gans.metrics.latents import Smoothness, interpolation_smoothness, latent_correlation
from keras_gans.metrics.manifold import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from keras_gans.metrics.neighbours import NearestNeighbours, nearest_neighbours
from keras_gans.metrics.networks import Network, Pixels, RandomProjection
from keras_gans.metrics.reconstruction import ReconstructionScores, reconstruction_scores

__all__ = [
    "Classifier",
    "DensityCoverage",
    "FIDInception",
    "InceptionScore",
    "KernelDistance",
    "Moments",
    "Network",
    "PerClassFrechetDistance",
    "Pixels",
    "PrecisionRecall",
    "RandomProjection",
    "ReconstructionScores",
    "Statistics",
    "density_coverage",
    "evaluate",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "load_statistics",
    "per_class_frechet_distance",
    "precision_recall",
    "reconstruction_scores",
    "save_statistics",
    "NearestNeighbours",
    "Smoothness",
    "interpolation_smoothness",
    "latent_correlation",
    "nearest_neighbours",
]
