"""Images to train on, as uint8 arrays of shape (n, h, w, c) or as a folder read one image at a time.

Importing this package needs NumPy and Pillow only; Keras is imported when a set has to be downloaded.
"""

from keras_gans.data.arrays import to_size
from keras_gans.data.datasets import list_datasets, load
from keras_gans.data.image_folder import ImageFolder

__all__ = ["ImageFolder", "ParallelDataset", "list_datasets", "load", "to_size"]


def __getattr__(name):
    if name == "ParallelDataset":  # needs Keras
        from keras_gans.data.parallel import ParallelDataset

        return ParallelDataset
    raise AttributeError(f"module 'keras_gans.data' has no attribute {name!r}")
