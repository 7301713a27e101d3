"""The mapper of GLANN (Hoshen, Li and Malik, 2018, arXiv:1812.08985): noise to the codes of a decoder.

    dense(width) without bias -> batch norm, ReLU, `depth` times -> dense without bias

Every variant of networks offers it, since it is the same for all decoders. As in the authors' code, the squared weights
of the dense layers are lowered with weight 5e-6, what a weight decay of 1e-5 in the gradient is.
"""

import keras

from keras_gans import checks
from keras_gans.networks import conditioning

DECAY = 1e-5


def mapper(image_shape, latent_dim, *, noise_dim=32, width=128, depth=2):
    """Returns the network from noise (n, noise_dim) to codes (n, latent_dim), not normalised.

    Args:
        image_shape: shape of the images that the decoder makes of the codes; the mapper does not depend on it.
        latent_dim: positive integer, length of a code.
        noise_dim: positive integer, length of a noise vector. Default 32.
        width: units of each hidden layer. Default 128.
        depth: number of hidden layers. Default 2.

    Raises:
        ValueError, TypeError: an argument that is no positive integer.
    """
    del image_shape
    latent_dim, noise_dim = checks.size("latent_dim", latent_dim), checks.size("noise_dim", noise_dim)
    width, depth = checks.size("width", width), checks.size("depth", depth)
    inputs = x = keras.Input((noise_dim,), name="noise")
    for index in range(depth):
        x = _dense(width, f"hidden_{index}")(x)
        x = conditioning.batch_norm(f"norm_{index}")(x)
        x = keras.layers.ReLU(name=f"relu_{index}")(x)
    return keras.Model(inputs, _dense(latent_dim, "to_codes", dtype="float32")(x), name="mapper")


def _dense(units, name, **options):
    decay = keras.regularizers.L2(DECAY / 2.0)
    return keras.layers.Dense(units, use_bias=False, kernel_regularizer=decay, name=name, **options)
