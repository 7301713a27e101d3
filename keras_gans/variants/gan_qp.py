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
from keras_gans.engine import AdversarialModel, descend, mean

DISTANCES = ("l1", "l2", "mse")


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
        self.distance = checks.one_of("distance", distance, DISTANCES)
        self.lam = checks.number("lam", lam, above=0)
        super().__init__(generator, discriminator, latent_dim, critic_steps=critic_steps, **kwargs)

    def distances(self, reals, fakes):
        """Returns the distance (n,) of each pair per pixel, at least 1e-6, without a gradient."""
        axes = tuple(range(1, len(fakes.shape)))
        gaps = ops.stop_gradient(reals - fakes)
        if self.distance == "l1":
            distances = ops.mean(ops.abs(gaps), axis=axes)
        else:
            distances = ops.mean(ops.square(gaps), axis=axes)
            distances = ops.sqrt(distances) if self.distance == "l2" else distances
        return ops.maximum(distances, 1e-6)

    def discriminator_loss(self, real_scores, fake_scores, distances):
        """Returns the scalar loss of the critic from scores (n, 1) and distances (n,)."""
        checks.same_shape(real_scores=real_scores, fake_scores=fake_scores)
        difference = (real_scores - fake_scores)[:, 0]
        return mean(-difference + ops.square(difference) / (2.0 * self.lam * distances))

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator, -E T(G(z)): it differs from E D by a constant."""
        return -mean(fake_scores)

    def observe(self, real_scores, fake_scores, distances):
        """Returns what is logged: E D, and E D / (lam d), which lives in [-1, 1] at the critic's optimum."""
        difference = (real_scores - fake_scores)[:, 0]
        normalized = difference / (self.lam * distances)
        return {"score_difference": mean(difference), "normalized_difference": mean(normalized)}

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            fakes = ops.stop_gradient(self.fake(self.sample_latents(ops.shape(reals)[0]), labels))

            def critic_objective(reals=reals, labels=labels, fakes=fakes):
                real_scores, fake_scores = self.score(reals, labels), self.score(fakes, labels)
                distances = self.distances(reals, fakes)
                loss = self.discriminator_loss(real_scores, fake_scores, distances)
                loss, extras = self.penalized(loss, reals, fakes, labels)
                return loss, {**self.observe(real_scores, fake_scores, distances), **extras}

            d_loss, observed = descend(critic_objective, self, "discriminator")

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss = descend(lambda: self.generator_loss(self.score(self.fake(latents, labels), labels)), self, "generator")
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed)

    def play(self, real_outputs, fake_outputs, reals, fakes, latents):
        distances = self.distances(reals, fakes)
        d_loss = self.discriminator_loss(real_outputs, fake_outputs, distances)
        return d_loss, self.generator_loss(fake_outputs), self.observe(real_outputs, fake_outputs, distances)

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def network_options(cls, **knobs):
        """Returns the options of the networks: batch norm as published, none with penalties."""
        normalization = None if knobs.get("penalties") else "batch"
        return {"generator": {}, "discriminator": {"normalization": normalization, "use_output_bias": False}}

    def get_config(self):
        return {**super().get_config(), "distance": self.distance, "lam": self.lam}
