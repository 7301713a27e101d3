"""R3GAN, relativistic pairing with both zero-centred penalties (Huang et al., 2025, arXiv:2501.05441).

With C the critic's logit (higher = more real), x real, z ~ N(0, I), sp(t) = log(1 + exp(t)):

    discriminator:  min over C  E sp(C(G(z)) - C(x)) + gamma/2 (R1 + R2)
                    R1 = E |grad C(x)|^2,  R2 = E |grad C(G(z))|^2, sums over pixels, at every step
    generator:      min over G  E sp(C(x) - C(G(z)))

The pairing resists mode dropping, the penalties make training locally convergent, and together they let the
normalisation and the tricks of style-based networks be dropped.

Our choices: 1. the generator step reuses the discriminator step's reals (the authors' code draws others); 2. the
non-saturating generator loss of the authors' code (the paper writes a zero-sum game: `saturating=True`); 3. what the
authors' code schedules in one place (learning rate, gamma, beta_2, half-life of the average) is a schedule given to
each of them, as in `recipe:r3gan_fashion_mnist`; by default all are constant.
"""

import keras
from keras import ops

from keras_gans import checks, schedules
from keras_gans.engine import AdversarialModel, descend, input_gradients, mean, two_players
from keras_gans.penalties import ESTIMATES, noise_std, squared_norms


@keras.saving.register_keras_serializable("keras_gans")
class R3GAN(AdversarialModel):
    """The 2025 baseline: a relativistic GAN with R1 and R2.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c).
        discriminator: `keras.Model`, images -> (n, 1) logits, higher = more real, without batch norm.
        latent_dim: Integer, length of a latent vector; 64 in the paper.
        gamma: Weight of R1 and R2, at least 0, default 1. It depends on data and resolution (published: 0.05 for
            CIFAR-10, 1 for stacked MNIST, 150 for faces at 256 pixels): search by factors of 10. Or a schedule of the
            step: `keras_gans.schedules.CosineBurnIn(1.0, 0.1, steps=2000)`.
        saturating: Whether the generator minimises the negative of the discriminator's game, default False.
        estimate: `"gradient"` (default, published), or `"noise"`: |grad C|^2 from one difference of scores along random
            directions, without second derivatives; see `keras_gans.penalties.ZeroCentred` for what that costs.
        std: Length of those differences in each pixel, with `estimate="noise"` only; default 0.01.
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For a negative gamma, a discriminator with batch norm, or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("r3gan", image_shape=(32, 32, 3), latent_dim=64, gamma=0.1)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    With the schedules of the authors over the first 5,000 steps:

        >>> from keras_gans.schedules import CosineBurnIn, ScheduledAdam
        >>> model = keras_gans.create("r3gan", (32, 32, 3), latent_dim=64, network="r3",
        ...                           gamma=CosineBurnIn(0.1, 0.01, 5000))
        >>> def adam():
        ...     return ScheduledAdam(2e-4, beta_1=0.0, beta_2=CosineBurnIn(0.9, 0.99, 5000), epsilon=1e-8)
        >>> model.compile(generator_optimizer=adam(), discriminator_optimizer=adam())
        >>> average = keras_gans.callbacks.WeightMovingAverage(half_life=CosineBurnIn(0, 8000, 5000))

    Reference: Huang et al., 2025, arXiv:2501.05441. Default optimisers: Adam, learning rate 2e-4, betas (0, 0.99).
    """

    logs = ("discriminator_loss", "generator_loss", "score_difference")
    relativistic = True

    def __init__(
        self, generator, discriminator, latent_dim, gamma=1.0, saturating=False, estimate="gradient", std=None, **kwargs
    ):
        self.gamma = schedules.number_or_schedule("gamma", gamma, minimum=0)
        self.saturating = bool(saturating)
        self.estimate = checks.one_of("estimate", estimate, ESTIMATES)
        self.std = noise_std(estimate, std)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def discriminator_loss(self, real_logits, fake_logits):
        """Returns the scalar loss of the discriminator without the penalties."""
        checks.same_shape(real_logits=real_logits, fake_logits=fake_logits)
        return mean(ops.softplus(fake_logits - real_logits))

    def generator_loss(self, real_logits, fake_logits):
        """Returns the scalar loss of the generator."""
        if self.saturating:
            return -self.discriminator_loss(real_logits, fake_logits)
        return self.discriminator_loss(fake_logits, real_logits)

    def critic_terms(self, real_logits, fake_logits, reals, fakes, latents):
        return self.discriminator_loss(real_logits, fake_logits), {"score_difference": mean(real_logits - fake_logits)}

    def generator_terms(self, real_logits, fake_logits, latents):
        return self.generator_loss(real_logits, fake_logits), {}

    def penalty(self, score, reals, fakes, weights, step):
        """Returns gamma/2 (R1 + R2) at the discriminator's `step`."""
        if self.estimate == "noise":
            r1, r2 = (mean(ops.square(score.slopes(images, self.std))) for images in (reals, fakes))
        else:
            r1, r2 = (mean(squared_norms(input_gradients(score, images))) for images in (reals, fakes))
        return schedules.at(self.gamma, step) / 2.0 * (r1 + r2)

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def gradient_ratio(self):
        return "constant" if self.saturating else "per_sample"

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.99, epsilon=1e-8) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """No normalisation in the discriminator, and no last bias."""
        del knobs
        return two_players(latent_dim, normalization=None, use_output_bias=False)

    def get_config(self):
        config = {**super().get_config(), "gamma": schedules.config_of(self.gamma), "saturating": self.saturating}
        return config if self.estimate == "gradient" else {**config, "estimate": self.estimate, "std": self.std}
