"""What every variant shares during `fit`: moving averages, sample grids, exact checkpoints."""

from keras_gans.callbacks.checkpoint import Checkpoint
from keras_gans.callbacks.moving_average import WeightMovingAverage
from keras_gans.callbacks.sample_grid import SampleGrid

__all__ = ["Checkpoint", "SampleGrid", "WeightMovingAverage"]
