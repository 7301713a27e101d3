"""GLANN, generative latent nearest neighbours (Hoshen, Li and Malik, 2018, arXiv:1812.08985): GLO, IMLE, no critic.

With G the decoder ("generator"), z_i the learned code of image x_i, bar the projection to the unit sphere, delta a
distance of images, T the mapper and e ~ N(0, I):

    GLO     min over G, z   E_i delta(G(bar z_i), x_i)                                  (arXiv:1707.05776)
    IMLE    min over T      E_i |z_i - T(e_rho(i))|^2,   rho(i) = argmin_j |z_i - T(e_j)|^2   (arXiv:1809.09087)

In the second stage G and z stay as they are, and rho is a constant: at the beginning of every epoch `pool` noises per
code are drawn and mapped, and each code takes the nearest. A new image is G(bar T(e)). Every training image has a code
and every code a noise: no mode is left out, none is weighed; 23 of a grid of 25 had a fifth of their share (one seed).

As in the authors' code: no gradient passes through the length of a code; all codes are projected after every epoch;
both rates of the first stage are halved every tenth of it (at least 20 epochs), that of the mapper every 50 epochs.

Our choices: 1. the distance, a Laplacian pyramid and 0.1 times the squared error, where theirs is of VGG features;
2. the moments of the optimisers are kept from epoch to epoch; 3. the mapper is matched as it will be sampled, with the
moving averages of its batch norm; 4. the squared error is summed over a code's entries, where theirs is the mean;
5. a new image is encoded by Adam on its code, from the best of 64 mapped noises.
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import (
    Coded,
    GenerativeModel,
    Part,
    Staged,
    called,
    checked_network,
    descend,
    mean,
    output_shape,
    projected,
    standard_normal,
)
from keras_gans.engine.batches import count
from keras_gans.games import image_distances
from keras_gans.samplers import matching

MAPPER_HALVES = 50  # epochs between two halvings of its rate


@keras.saving.register_keras_serializable("keras_gans")
class GLANN(Coded, Staged, GenerativeModel):
    """A decoder of learned codes and a mapper from noise to them: `generate`, `encode`, `reconstruct`, `interpolate`.

    One `fit` goes through both stages. The codes belong to its images, an array, and are saved with the model.

    Args:
        generator: `keras.Model`, codes (n, latent_dim) -> images (n, h, w, c) in [-1, 1]: the decoder.
        mapper: `keras.Model`, noise (n, noise_dim) -> (n, latent_dim).
        latent_dim: Integer of at least 2, length of a code.
        noise_dim: Integer, length of the mapper's noise, default 32.
        glo_epochs: Epochs of the first stage; all later ones are of the second. Default None: four fifths of the
            `epochs` of the first `fit`, as published, at least one.
        distance: `"laplacian"` (default), `"l1"`, `"l2"`, a `keras.Model` whose outputs on images are compared, or a
            function (a, b) -> (n,) of images in [-1, 1].
        projection: `"sphere"` (default), codes of length 1, or `"ball"`, of length at most 1 (as in GLO).
        pool: Noises drawn per code and epoch of the second stage, default 2.
        epsilon: Mapped noises closer than this to a code are not matched (RS-IMLE, arXiv:2409.17439); default 0.
        halve_every: Epochs after which the rates of the first stage are halved; default None, a
            tenth of the stage, at least 20.
        encode_steps: Adam steps by which a new image is encoded, default 100: our choice.

    Raises:
        ValueError, TypeError: For networks of other shapes, or values outside these ranges.

    Example:
        >>> model = keras_gans.create("glann", image_shape=(32, 32, 1), latent_dim=64, noise_dim=32)
        >>> model.compile()
        >>> model.fit(images, batch_size=128, epochs=250)
        >>> model.generate(16)

    Reference: Hoshen, Li and Malik, 2018, arXiv:1812.08985. Default optimisers: Adam, betas (0.5, 0.999), learning rate
    1e-2 for the codes and 1e-3 for both networks.
    """

    networks = averaged = ("generator", "mapper")
    players = ("generator", "codes", "mapper")
    stages = ("glo", "imle")
    logs = ("generator_loss", "mapper_loss", "matched")
    conditional = False
    minimum_latent_dim = 2

    def __init__(
        self,
        generator,
        mapper,
        latent_dim,
        noise_dim=32,
        glo_epochs=None,
        distance="laplacian",
        projection="sphere",
        pool=2.0,
        epsilon=0.0,
        halve_every=None,
        encode_steps=100,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.prepare_codes(latent_dim, noise_dim, projection, encode_steps)
        self.glo_epochs = None if glo_epochs is None else checks.positive_integer("glo_epochs", glo_epochs)
        self.halve_every = None if halve_every is None else checks.positive_integer("halve_every", halve_every)
        self.pool = checks.number("pool", pool, minimum=1)
        self.epsilon = checks.number("epsilon", epsilon, minimum=0)
        self.generator = checked_network("generator", generator)
        self.mapper = checked_network("mapper", mapper)
        shape = output_shape("mapper", mapper, (None, self.noise_dim), inputs="noise")
        if shape != (None, self.latent_dim):
            raise ValueError(
                f"`mapper` must return codes of shape (n, {self.latent_dim}). Received: mapper output shape {shape}."
            )
        self._image_shape = output_shape("generator", generator, (None, self.latent_dim), inputs="codes")[1:]
        self.distance = image_distances.checked(distance, self.image_shape)
        self.glo_begin, self.glo_end = self._counter("glo_begin", 0), self._counter("glo_end", 0)
        self.finish_building()

    @property
    def image_shape(self):
        return tuple(self._image_shape)

    # The two stages ---------------------------------------------------------------------------------------

    def decoded(self, codes, training=True):
        """Returns G(bar z), float32, of codes (n, latent_dim)."""
        return ops.cast(called(self.generator, projected(codes, self.projection), training), "float32")

    def mapped(self, noises, training=True):
        """Returns T(e), float32 (n, latent_dim), not projected."""
        return ops.cast(called(self.mapper, noises, training), "float32")

    def distances(self, codes, images, training=True):
        """Returns delta(G(bar z), x) of pairs, (n,)."""
        return image_distances.named(self.distance)(self.decoded(codes, training), images)

    def glo_objective(self, rows, images):
        return mean(self.distances(ops.take(self.codes.table, rows, axis=0), images))

    def glo_step(self, data):
        images, _ = self.batch((data[0],))
        loss = descend(self.glo_objective, self, ("generator", "codes"), data[1], images)
        return self.report(generator_loss=loss)

    def imle_objective(self, rows):
        codes = ops.stop_gradient(ops.take(self.codes.table, rows, axis=0))
        return mean(ops.sum(ops.square(codes - self.mapped(ops.take(self.codes.noises, rows, axis=0))), axis=-1))

    def imle_step(self, data):
        loss = descend(self.imle_objective, self, "mapper", data[1])
        return self.report(mapper_loss=loss, matched=ops.convert_to_tensor(self.codes.matched))

    def match(self):
        """Draws new noises and gives every code the one mapped nearest to it: the beginning of an IMLE epoch."""
        shape = (int(np.ceil(self.pool * self.codes.count)), self.noise_dim)
        noises = standard_normal(shape, [count(self.data_seed), count(self.epochs_done), 1])
        outputs = self.compiled_call("map", lambda each: self.mapped(each, training=False), noises, batch_size=4096)
        nearest, _ = matching.match(self.codes.values(), outputs, self.epsilon)
        self.codes.noises.assign(noises[nearest])
        self.codes.matched.assign(len(np.unique(nearest)) / self.codes.count)

    def begin_training(self, arrays, epochs):
        arrays = super().begin_training(arrays, epochs)
        if not count(self.glo_end):
            self.glo_begin.assign(count(self.epochs_done))
            self.glo_end.assign(count(self.epochs_done) + (self.glo_epochs or max(1, 4 * epochs // 5)))
        return arrays

    def begin_epoch(self, start):
        self.codes.require_given()
        epoch, begin, end = (count(each) for each in (self.epochs_done, self.glo_begin, self.glo_end))
        if not start:
            self.codes.project()  # where the file of a last step came between
        if epoch < end and not start:
            self.halve_rates(("generator", "codes"), epoch - begin, end - begin, self.halve_every)
        elif not start:
            self.halve_rates(("mapper",), epoch - end, None, MAPPER_HALVES)
            self.match()
        self.enter("glo" if epoch < end else "imle")

    def end_epoch(self):
        self.codes.project()

    def forget(self):
        super().forget()
        self.glo_end.assign(0)

    def default_optimizers(self):
        rates = {"generator": 1e-3, "codes": 1e-2, "mapper": 1e-3}
        return {player: keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.999) for player, rate in rates.items()}

    def fake(self, latents, labels=None, training=True):
        return self.decoded(self.mapped(latents, training), training)

    def observed_losses(self, images, labels, latents):
        """Returns the losses of images whose codes are found, not learned, and matched with the noise of the batch."""
        codes = self.encodings(images)
        gaps = ops.expand_dims(codes, 1) - ops.expand_dims(self.mapped(latents, training=False), 0)
        squares = ops.sum(ops.square(gaps), axis=-1)  # (n, n)
        taken = ops.one_hot(ops.argmin(squares, axis=1), ops.shape(squares)[1])
        return {
            "generator_loss": mean(self.distances(codes, images, training=False)),
            "mapper_loss": mean(ops.min(squares, axis=1)),
            "matched": mean(ops.max(taken, axis=0)),
        }

    @classmethod
    def blueprint(cls, latent_dim, noise_dim=32, **knobs):
        del knobs
        mapper = Part("mapper", latent_dim, {"noise_dim": noise_dim})
        return {"generator": Part("generator", latent_dim, {}), "mapper": mapper}

    def get_config(self):
        own = {name: getattr(self, name) for name in ("glo_epochs", "pool", "epsilon", "halve_every")}
        distance = self.distance
        own["distance"] = distance if isinstance(distance, str) else keras.saving.serialize_keras_object(distance)
        return {**super().get_config(), **own}
