"""Backbones that every variant can use: plain functions that return a `keras.Model`.

Each module of `NETWORKS` offers `generator(image_shape, latent_dim, num_classes=0, **options)` and
`discriminator(image_shape, units=1, num_classes=0, **options)`, and the same `mapper`.
"""

from keras_gans import checks
from keras_gans.networks import dcgan, mlp, r3, resnet, self_mod

NETWORKS = {"dcgan": dcgan, "mlp": mlp, "r3": r3, "resnet": resnet, "self_mod": self_mod}


def get(network):
    """Returns the module with `generator` and `discriminator` called `network`; the error suggests the nearest name."""
    return NETWORKS[checks.one_of("network", network, NETWORKS)]


def having(builder):
    """Returns the names of the networks that have a builder, such as `"discriminator"` or `"autoencoder"`."""
    return [name for name, module in NETWORKS.items() if hasattr(module, builder)]


__all__ = ["NETWORKS", "dcgan", "get", "having", "mlp", "r3", "resnet", "self_mod"]
