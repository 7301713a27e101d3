"""keras_gans: the GAN model zoo of Keras 3."""

import os
import sys

__version__ = "0.1.0"

# `keras-gans --help` answers at once: the command line imports Keras and the rest when a command needs them.
_IS_COMMAND_LINE = os.path.basename((sys.argv or [""])[0]) == "keras-gans" or "keras_gans.cli" in sys.orig_argv

if not _IS_COMMAND_LINE:
    from keras_gans import callbacks, data, layers, networks
    from keras_gans.registry import create, list_models
    from keras_gans.variants.gan import GAN
    from keras_gans.variants.o_gan import OGAN
    from keras_gans.variants.rsgan import RSGAN

__all__ = [
    "GAN",
    "OGAN",
    "RSGAN",
    "callbacks",
    "create",
    "data",
    "layers",
    "list_models",
    "networks",
]
