"""Images to train on: uint8 arrays (n, h, w, c), folders, HDF5 files, and datasets loaded by several processes.

Importing this package needs NumPy, h5py and Pillow only; Keras is imported for `ParallelDataset` and for downloads.
"""

from keras_gans.data.arrays import to_size
from keras_gans.data.datasets import list_datasets, load
from keras_gans.data.hdf5 import HDF5Images, pack
from keras_gans.data.image_folder import ImageFolder

__all__ = ["HDF5Images", "ImageFolder", "ParallelDataset", "list_datasets", "load", "pack", "to_size"]


def __getattr__(name):
    if name == "ParallelDataset":  # needs Keras
        from keras_gans.data.parallel import ParallelDataset

        return ParallelDataset
    raise AttributeError(f"module 'keras_gans.data' has no attribute {name!r}")
