"""Self-modulated networks (Chen et al., 2018, arXiv:1810.01365): a backbone whose generator norms read the latents.

A shorthand for `modulation="self"`; the discriminator is that of the backbone.
"""

from keras_gans import checks
from keras_gans.layers.image_format import channels_last
from keras_gans.networks import dcgan, resnet
from keras_gans.networks.mapper import mapper as mapper

BACKBONES = {"dcgan": dcgan, "resnet": resnet}


@channels_last
def generator(image_shape, latent_dim, num_classes=0, *, backbone="dcgan", **options):
    """Returns the generator of `backbone` ("dcgan" or "resnet") with self-modulated norms.

    Labels, with `num_classes` > 0, enter by `z + E[y] + E'[y] * z` in the place of the latents z at every norm.
    `options` are those of the backbone's `generator`.
    """
    module = BACKBONES[checks.one_of("backbone", backbone, BACKBONES)]
    return module.generator(image_shape, latent_dim, num_classes, modulation="self", **options)


@channels_last
def discriminator(image_shape, units=1, num_classes=0, *, backbone="dcgan", **options):
    """Returns the discriminator of `backbone`; `options` are those of its `discriminator`."""
    module = BACKBONES[checks.one_of("backbone", backbone, BACKBONES)]
    return module.discriminator(image_shape, units, num_classes, **options)
