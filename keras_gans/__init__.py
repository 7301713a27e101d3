"""keras_gans: the GAN model zoo of Keras 3."""

import importlib
import importlib.util
import os
import sys

from keras_gans import machine
from keras_gans.version import __version__ as __version__

machine.prepare()  # acts only before TensorFlow is imported


def _starts_without_keras():
    """Returns whether this process is one of our own programs, which import what they use when they use it.

    `keras-gans --help` answers at once, and the workers of `ParallelDataset` never need Keras. Everywhere else
    importing the package imports all of it, so that Keras knows the classes of every saved model.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.current_process().name.startswith("keras_gans-data"):
        return True
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] if "-m" in sys.orig_argv else []
    return os.path.basename((sys.argv or [""])[0]) == "keras-gans" or module in (["keras_gans"], ["keras_gans.cli"])


if not _starts_without_keras():
    from keras_gans.public import *


def __getattr__(name):
    if not name.startswith("__"):
        if importlib.util.find_spec(f"keras_gans.{name}"):
            return importlib.import_module(f"keras_gans.{name}")
        public = importlib.import_module("keras_gans.public")
        if name in public.__all__:
            return getattr(public, name)
    raise AttributeError(f"module 'keras_gans' has no attribute {name!r}")
