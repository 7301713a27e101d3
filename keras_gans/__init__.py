"""keras_gans: the GAN model zoo of Keras 3."""

import importlib.util
import os
import sys

from keras_gans import machine
from keras_gans.version import __version__ as __version__

machine.prepare()  # acts only before TensorFlow is imported

# `keras-gans --help` answers at once, so do the workers of `ParallelDataset`: there, what needs Keras is imported when
# it is used.
_process = sys.modules.get("multiprocessing.process")
_IS_WORKER = _process is not None and _process.current_process().name.startswith("keras_gans-data")
_IS_COMMAND_LINE = os.path.basename((sys.argv or [""])[0]) == "keras-gans" or "keras_gans.cli" in sys.orig_argv

if not (_IS_WORKER or _IS_COMMAND_LINE):
    from keras_gans.public import *


def __getattr__(name):
    if not name.startswith("__"):
        if importlib.util.find_spec(f"keras_gans.{name}"):
            return importlib.import_module(f"keras_gans.{name}")
        public = importlib.import_module("keras_gans.public")
        if name in public.__all__:
            return getattr(public, name)
    raise AttributeError(f"module 'keras_gans' has no attribute {name!r}")
