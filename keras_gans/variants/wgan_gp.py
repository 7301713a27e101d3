"""WGAN-GP, the Wasserstein GAN with gradient penalty (Gulrajani et al., 2017, arXiv:1704.00028), and WGAN-LP.

With D the critic's score (higher = more real), x real, z ~ N(0, I), and x^ = e x + (1 - e) G(z) with one e ~ U(0, 1)
per sample:

    critic:     min over D  E D(G(z)) - E D(x) + penalty_weight E (|grad D(x^)| - 1)^2
    generator:  min over G  -E D(G(z))

one_sided (WGAN-LP, arXiv:1709.08894): max(0, |grad D(x^)| - 1)^2 instead. The norm runs over all pixels of a sample.
The un-penalised E D(x) - E D(G(z)) is logged as `wasserstein`.

Our choices: 1. critic steps see fresh reals and latents, the generator step fresh latents.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, input_gradients, mean, two_players
from keras_gans.penalties import gradient_norms, interpolate


@keras.saving.register_keras_serializable("keras_gans")
class WGANGP(AdversarialModel):
    """A Wasserstein GAN whose critic has gradient norms near 1 between reals and fakes.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) unbounded scores, higher = more real, without batch norm.
        latent_dim: Integer, length of a latent vector.
        penalty_weight: At least 0, default 10.
        one_sided: Whether only norms above 1 are penalised (WGAN-LP), default False.
        critic_steps: Critic steps per generator step, default 5.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For a negative weight, a critic with batch norm, or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("wgan_gp", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Gulrajani et al., 2017, arXiv:1704.00028. Default optimisers: Adam, learning rate 1e-4, betas (0, 0.9).
    """

    logs = ("discriminator_loss", "generator_loss", "wasserstein")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        penalty_weight=10.0,
        one_sided=False,
        critic_steps=5,
        **kwargs,
    ):
        self.penalty_weight = checks.number("penalty_weight", penalty_weight, minimum=0)
        self.one_sided = bool(one_sided)
        super().__init__(generator, discriminator, latent_dim, critic_steps=critic_steps, **kwargs)

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the critic without the penalty."""
        return mean(fake_scores) - mean(real_scores)

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator."""
        return -mean(fake_scores)

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        loss = self.discriminator_loss(real_scores, fake_scores)
        return loss, {"wasserstein": -loss}

    def generator_terms(self, real_scores, fake_scores, latents):
        return self.generator_loss(fake_scores), {}

    def penalty(self, score, reals, fakes, weights, step):
        """Returns penalty_weight E (|grad D(x^)| - 1)^2, one e of `weights` (n,) per sample."""
        points = interpolate(reals, fakes, weights)  # x^ = e x + (1 - e) G(z)
        excess = gradient_norms(input_gradients(score, points)) - 1.0
        return self.penalty_weight * mean(ops.square(ops.relu(excess) if self.one_sided else excess))

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def gradient_ratio(self):
        return "constant"

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """No batch norm (per-sample gradients), no last bias (no gradient)."""
        del knobs
        return two_players(latent_dim, normalization=None, use_output_bias=False)

    def get_config(self):
        return {**super().get_config(), "penalty_weight": self.penalty_weight, "one_sided": self.one_sided}
