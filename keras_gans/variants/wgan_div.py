"""WGAN-div, the Wasserstein divergence GAN (Wu et al., 2018, arXiv:1712.01026).

With D the critic's score (higher = more real), x real, z ~ N(0, I) and r some law between and around both:

    critic:     min over D  E D(G(z)) - E D(x) + k E_r |grad D|^p
    generator:  min over G  -E D(G(z))

The penalised dual is itself a symmetric divergence: there is no target norm to tune. Points of r (`sampling`):
interpolated (e x + (1 - e) G(z)), mix (the mean of the penalties at x and at G(z)), real, fake.

Our choices: 1. `interpolated` by default; 2. |grad|^p as (sum of squares)^(p/2) in float32.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, input_gradients, mean, two_players
from keras_gans.penalties import interpolate, squared_norms

SAMPLINGS = ("interpolated", "mix", "real", "fake")


@keras.saving.register_keras_serializable("keras_gans")
class WGANDiv(AdversarialModel):
    """A Wasserstein GAN held by a power of the critic's gradient norm.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) unbounded scores, higher = more real, without batch norm.
        latent_dim: Integer, length of a latent vector.
        k: Weight of the penalty, at least 0, default 2.
        p: Power of the gradient norm, above 1, default 6.
        sampling: `"interpolated"` (default), `"mix"`, `"real"` or `"fake"`.
        critic_steps: Critic steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown sampling, a negative k, p <= 1, a critic with batch norm, or wrong networks.

    Example:
        >>> model = keras_gans.create("wgan_div", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Wu et al., 2018, arXiv:1712.01026. Default optimisers: Adam, learning rate 2e-4, betas (0.5, 0.999).
    """

    logs = ("discriminator_loss", "generator_loss", "wasserstein")

    def __init__(self, generator, discriminator, latent_dim, k=2.0, p=6.0, sampling="interpolated", **kwargs):
        self.k = checks.number("k", k, minimum=0)
        self.p = checks.number("p", p, above=1)
        self.sampling = checks.one_of("sampling", sampling, SAMPLINGS)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

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
        """Returns k E_r |grad D|^p at the points of `sampling`, one e of `weights` (n,) per sample."""

        def powers(points):
            return mean(ops.power(squared_norms(input_gradients(score, points)) + 1e-12, self.p / 2.0))

        if self.sampling == "mix":
            return self.k * (powers(reals) + powers(fakes)) / 2.0
        points = {"real": reals, "fake": fakes}.get(self.sampling)
        return self.k * powers(interpolate(reals, fakes, weights) if points is None else points)

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
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """No batch norm (per-sample gradients), no last bias (no gradient)."""
        del knobs
        return two_players(latent_dim, normalization=None, use_output_bias=False)

    def get_config(self):
        return {**super().get_config(), "k": self.k, "p": self.p, "sampling": self.sampling}
