"""Which networks suit a variant, said without building them."""

from typing import NamedTuple


class Part(NamedTuple):
    """A network that suits a variant: what `keras_gans.create` builds with `builder(image_shape, size, **options)`.

    Args:
        builder: Function of a module of `keras_gans.networks`: `"generator"`, `"discriminator"` or `"autoencoder"`.
        size: Length of a latent vector, or the number of values per image of a discriminator.
        options: Options that the variant prefers where the builder has them.
    """

    builder: str
    size: int
    options: dict


def two_players(latent_dim, units=1, **options):
    """Returns the blueprint of a generator and a discriminator with `units` outputs and these preferred options."""
    generator, discriminator = Part("generator", latent_dim, {}), Part("discriminator", units, options)
    return {"generator": generator, "discriminator": discriminator}
