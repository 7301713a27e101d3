"""O-GAN, the orthogonal GAN whose discriminator is also an encoder (Su, 2019, arXiv:1903.01931).

The discriminator E maps an image to a vector of n = latent_dim entries, which is taken apart into

    avg(v)  the mean of the n entries: the real/fake score (higher = more real)
    std(v)  their population standard deviation: free
    N(v)    (v - avg(v)) / std(v): the encoding

and, with z ~ N(0, I), the correlation across the n entries of one sample, rho(z, v) = mean_k N(z)_k N(v)_k.
Both players minimise -correlation_weight * C with C = E rho(z, E(G(z))), beside a GAN on the scores:
with D_i = avg(E(x_i)) - avg(E(G(z_i))) and d_i the mean squared pixel distance of x_i and G(z_i),

    gan_qp (published)   discriminator: E [-D + D^2 / (2 lam d)] - correlation_weight C
                         generator:     -E avg(E(G(z)))          - correlation_weight C
    non_saturating, saturating, least_squares, hinge: the losses of `gan.py` on the scores, minus the same C.

rho does not change under v -> a v + b, so the encoding leaves the mean free for the game (n >= 3).

Our choices: 1. higher score = more real (the paper's text and code have it the other way round);
2. alternating updates with fresh latents (published: one simultaneous step); 3. lam = 2 with the mean
squared distance, which is the coefficient 0.25 of the published code; 4. no batch norm in E, so that
`encode` computes what training computed. The published optimiser adds epsilon 1e-7 to the root of the squared
gradients; Keras puts it under the root, where the same step asks for 1e-14.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, Encoder, descend, mean, tap, two_players
from keras_gans.games import quadratic_potential, sgan

BASES = ("gan_qp", *sgan.LOSSES)
EPSILON = 1e-8  # on squared norms; centred vectors of a working model have norms of order 1


def correlation(first, second):
    """Returns the Pearson correlation (n,) of two tensors (n, d) across the d entries of each row."""
    first = first - ops.mean(first, axis=-1, keepdims=True)
    second = second - ops.mean(second, axis=-1, keepdims=True)
    norms = ops.sum(ops.square(first), axis=-1) * ops.sum(ops.square(second), axis=-1)
    return ops.sum(first * second, axis=-1) / ops.sqrt(ops.maximum(norms, EPSILON))


def standardize(values):
    """Returns N(values): each row of (n, d) with mean 0 and population standard deviation 1."""
    values = values - ops.mean(values, axis=-1, keepdims=True)
    return values / ops.sqrt(ops.maximum(ops.mean(ops.square(values), axis=-1, keepdims=True), EPSILON))


@keras.saving.register_keras_serializable("keras_gans")
class OGAN(Encoder, AdversarialModel):
    """A GAN with an encoder at no extra network: `generate`, `encode`, `reconstruct`, `interpolate`.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, latent_dim), a linear last layer.
        latent_dim: Integer of at least 3.
        base: Loss on the scores: `"gan_qp"` (default, as published), `"non_saturating"`, `"saturating"`,
            `"least_squares"` or `"hinge"`.
        correlation_weight: Weight of the correlation for both players, default 0.5 (published at 128 pixels;
            1.0 at 256). 0 gives the base GAN.
        lam: Scale of the quadratic term of `gan_qp`, default 2.
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown base, latent_dim < 3, or a discriminator that does not return latent_dim values.

    Example:
        >>> model = keras_gans.create("o_gan", image_shape=(32, 32, 1), latent_dim=64)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)
        >>> model.reconstruct(images[:8])

    Reference: Su, 2019, arXiv:1903.01931; GAN-QP arXiv:1811.07296. Default optimisers: the published code's,
    RMSprop with learning rate 1e-4, rho 0.99 and epsilon 1e-14 under the root.
    """

    averaged = ("generator", "discriminator")  # the encoder, too, is used after training
    logs = ("discriminator_loss", "generator_loss", "score_difference", "latent_correlation", "encoding_std")
    minimum_latent_dim = 3

    def __init__(self, generator, discriminator, latent_dim, base="gan_qp", correlation_weight=0.5, lam=2.0, **kwargs):
        self.base = checks.one_of("base", base, BASES)
        self.correlation_weight = checks.number("correlation_weight", correlation_weight, minimum=0)
        self.lam = checks.number("lam", lam, above=0)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def _units(self):
        return self.latent_dim

    def judge(self, outputs):
        return ops.mean(outputs, axis=-1)

    def discriminator_loss(self, real_encodings, fake_encodings, latents, distances=None):
        """Returns the scalar loss of the discriminator.

        Args:
            real_encodings: (n, latent_dim), E(x).
            fake_encodings: (n, latent_dim), E(G(z)) with the fakes held fixed.
            latents: (n, latent_dim), the z of these fakes.
            distances: (n,), mean squared pixel distances; used by `gan_qp` only.
        """
        checks.same_shape(real_encodings=real_encodings, fake_encodings=fake_encodings, latents=latents)
        real, fake = ops.mean(real_encodings, axis=-1), ops.mean(fake_encodings, axis=-1)  # (n,)
        if self.base == "gan_qp":
            game = quadratic_potential.critic_loss(real - fake, distances, self.lam)
        else:
            game = sgan.discriminator_loss(real, fake, self.base)
        return game - self.correlation_weight * mean(correlation(latents, fake_encodings))

    def generator_loss(self, fake_encodings, latents):
        """Returns the scalar loss of the generator; arguments as in `discriminator_loss`."""
        checks.same_shape(fake_encodings=fake_encodings, latents=latents)
        fake = ops.mean(fake_encodings, axis=-1)
        game = -mean(fake) if self.base == "gan_qp" else sgan.generator_loss(fake, self.base)
        return game - self.correlation_weight * mean(correlation(latents, fake_encodings))

    def distances(self, reals, fakes):
        """Returns the mean squared pixel distance (n,) of each pair, at least 1e-6, without a gradient."""
        return quadratic_potential.pixel_distances(reals, fakes, "mse")

    def observe(self, real_encodings, fake_encodings, latents):
        """Returns what is logged beside the losses: score difference, latent correlation, std of the encodings."""
        for name, encodings in (("real", real_encodings), ("fake", fake_encodings)):
            tap(self, f"{name}_mean", ops.mean(encodings, axis=-1))
            tap(self, f"{name}_std", ops.std(encodings, axis=-1))
            tap(self, f"{name}_direction", standardize(encodings))
        return {
            "score_difference": mean(real_encodings) - mean(fake_encodings),
            "latent_correlation": mean(correlation(latents, fake_encodings)),
            "encoding_std": mean(ops.std(fake_encodings, axis=-1)),
        }

    def critic_terms(self, real_encodings, fake_encodings, reals, fakes, latents):
        distances = self.distances(reals, fakes)
        loss = self.discriminator_loss(real_encodings, fake_encodings, latents, distances)
        return loss, self.observe(real_encodings, fake_encodings, latents)

    def generator_terms(self, real_encodings, fake_encodings, latents):
        return self.generator_loss(fake_encodings, latents), {}

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def encodings(self, images, labels=None):
        """Returns N(E(x)): each row has mean 0 and standard deviation 1."""
        return standardize(self.score(images, labels, training=False))

    def renormalized(self, encodings):
        return standardize(encodings)

    def default_optimizers(self):
        return {player: keras.optimizers.RMSprop(1e-4, rho=0.99, epsilon=1e-14) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """No batch norm in the discriminator, which is also the encoder."""
        del knobs
        return two_players(latent_dim, units=latent_dim, normalization=None)

    def get_config(self):
        knobs = {"base": self.base, "correlation_weight": self.correlation_weight, "lam": self.lam}
        return {**super().get_config(), **knobs}
