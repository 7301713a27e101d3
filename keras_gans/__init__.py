"""keras_gans: the GAN model zoo of Keras 3."""

from keras_gans import callbacks, data, layers, networks
from keras_gans.registry import create, list_models
from keras_gans.variants.gan import GAN
from keras_gans.variants.o_gan import OGAN
from keras_gans.variants.rsgan import RSGAN

__version__ = "0.1.0"

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
