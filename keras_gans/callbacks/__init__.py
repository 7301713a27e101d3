"""What every variant shares during `fit`: moving averages, inspection, sample grids, exact checkpoints."""

from keras_gans.callbacks.checkpoint import Checkpoint
from keras_gans.callbacks.evaluate import Evaluate
from keras_gans.callbacks.health import Health
from keras_gans.callbacks.inspection import Inspect, inspect
from keras_gans.callbacks.moving_average import WeightMovingAverage
from keras_gans.callbacks.sample_grid import SampleGrid

__all__ = ["Checkpoint", "Evaluate", "Health", "Inspect", "SampleGrid", "WeightMovingAverage", "inspect"]
