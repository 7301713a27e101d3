"""Where samples come from: noise with the spectrum of the data, Langevin dynamics, MALA, rejection by a discriminator.

`mala`, `langevin` and `rejection` draw from any trained two-player variant.
"""

from keras_gans.samplers.latent import Samples, langevin, mala, rejection

__all__ = ["Samples", "langevin", "mala", "rejection"]
