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
from keras_gans.metrics.manifold import PRDC, DensityCoverage, PrecisionRecall, density_coverage, prdc, precision_recall
from keras_gans.metrics.neighbours import NearestNeighbours, nearest_neighbours
from keras_gans.metrics.networks import Network, Pixels, RandomProjection
from keras_gans.metrics.reconstruction import ReconstructionScores, reconstruction_scores
from keras_gans.metrics.usefulness import Usefulness, usefulness

__all__ = [
    "Classifier",
    "DensityCoverage",
    "FIDInception",
    "InceptionScore",
    "KernelDistance",
    "Moments",
    "NearestNeighbours",
    "Network",
    "PRDC",
    "PerClassFrechetDistance",
    "Pixels",
    "PrecisionRecall",
    "RandomProjection",
    "ReconstructionScores",
    "Smoothness",
    "Statistics",
    "Usefulness",
    "density_coverage",
    "evaluate",
    "frechet_distance",
    "inception_score",
    "interpolation_smoothness",
    "kernel_distance",
    "latent_correlation",
    "load_statistics",
    "nearest_neighbours",
    "per_class_frechet_distance",
    "prdc",
    "precision_recall",
    "reconstruction_scores",
    "save_statistics",
    "usefulness",
]
