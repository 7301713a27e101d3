"""The public names of the package, which `import keras_gans` brings."""

from keras_gans import callbacks, data, layers, metrics, networks, penalties, schedules, zoo
from keras_gans.registry import create, list_models
from keras_gans.variants.cascading_rejection import CascadingRejectionGAN
from keras_gans.variants.f_gan import FGAN
from keras_gans.variants.gan import GAN
from keras_gans.variants.gan_qp import GANQP
from keras_gans.variants.ign import IGN
from keras_gans.variants.likelihood_ratio_gan import LikelihoodRatioGAN
from keras_gans.variants.o_gan import OGAN
from keras_gans.variants.r3gan import R3GAN
from keras_gans.variants.rsgan import RSGAN
from keras_gans.variants.wgan import WGAN
from keras_gans.variants.wgan_div import WGANDiv
from keras_gans.variants.wgan_gp import WGANGP
from keras_gans.zoo import from_preset, list_presets

__all__ = [
    "FGAN",
    "GAN",
    "GANQP",
    "IGN",
    "OGAN",
    "R3GAN",
    "RSGAN",
    "WGAN",
    "WGANGP",
    "CascadingRejectionGAN",
    "LikelihoodRatioGAN",
    "WGANDiv",
    "callbacks",
    "create",
    "data",
    "from_preset",
    "layers",
    "list_models",
    "list_presets",
    "metrics",
    "networks",
    "penalties",
    "schedules",
    "zoo",
]
