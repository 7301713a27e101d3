"""GAN-QP, the quadratic-potential GAN (Su, 2018, arXiv:1811.07296): a critic without a Lipschitz constraint.

With T the critic's score (higher = more real), x real, z ~ N(0, I), D_i = T(x_i) - T(G(z_i)) for the i-th pair and
d_i the distance of x_i and G(z_i) per pixel:

    critic:     min over T  E [-D + D^2 / (2 lam d)]
    generator:  min over G  E D,  that is -E T(G(z))

The quadratic term bounds the optimal score difference by lam d, pair by pair; it is a constant for the generator,
which must not be pulled towards an unrelated real image. Distances: l1 mean |x - G(z)|; l2 its root mean square;
mse the mean square.

Our choices: 1. critic steps see fresh reals and fresh latents, the generator step draws fresh latents and reuses
the last reals; 2. the one-argument critic only (the paper finds no gain in a critic of pairs).
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players
from keras_gans.games import quadratic_potential


@keras.saving.register_keras_serializable("keras_gans")
class GANQP(AdversarialModel):
    """A Wasserstein-like GAN whose critic is held by a quadratic term instead of a constraint.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) unbounded scores, higher = more real.
        latent_dim: Integer, length of a latent vector.
        distance: `"l1"` (default), `"l2"` (root mean square) or `"mse"`, averaged over the pixels of a pair.
        lam: Scale of the scores, default 10; the published results do not depend on it.
        critic_steps: Critic steps per generator step, default 2 (published code).
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown distance (the nearest is suggested) or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("gan_qp", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Su, 2018, arXiv:1811.07296. Default optimisers: Adam, learning rate 2e-4, betas (0.5, 0.999).
    """

    logs = ("discriminator_loss", "generator_loss", "score_difference", "normalized_difference")

    def __init__(self, generator, discriminator, latent_dim, distance="l1", lam=10.0, critic_steps=2, **kwargs):
        self.distance = checks.one_of("distance", distance, quadratic_potential.DISTANCES)
        self.lam = checks.number("lam", lam, above=0)
        super().__init__(generator, discriminator, latent_dim, critic_steps=critic_steps, **kwargs)

    def distances(self, reals, fakes):
        """Returns the distance (n,) of each pair per pixel, at least 1e-6, without a gradient."""
        return quadratic_potential.pixel_distances(reals, fakes, self.distance)

    def discriminator_loss(self, real_scores, fake_scores, distances):
        """Returns the scalar loss of the critic from scores (n, 1) and distances (n,)."""
        checks.same_shape(real_scores=real_scores, fake_scores=fake_scores)
        return quadratic_potential.critic_loss((real_scores - fake_scores)[:, 0], distances, self.lam)

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator, -E T(G(z)): it differs from E D by a constant."""
        return -mean(fake_scores)

    def observe(self, real_scores, fake_scores, distances):
        """Returns what is logged: E D, and E D / (lam d), which lives in [-1, 1] at the critic's optimum."""
        difference = (real_scores - fake_scores)[:, 0]
        normalized = difference / (self.lam * distances)
        return {"score_difference": mean(difference), "normalized_difference": mean(normalized)}

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        distances = self.distances(reals, fakes)
        loss = self.discriminator_loss(real_scores, fake_scores, distances)
        return loss, self.observe(real_scores, fake_scores, distances)

    def generator_terms(self, real_scores, fake_scores, latents):
        return self.generator_loss(fake_scores), {}

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, penalties=(), **knobs):
        """Batch norm as published, none with penalties; no last bias, whose gradient is 0."""
        del knobs
        return two_players(latent_dim, normalization=None if penalties else "batch", use_output_bias=False)

    def get_config(self):
        return {**super().get_config(), "distance": self.distance, "lam": self.lam}
