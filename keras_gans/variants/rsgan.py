"""RSGAN, the relativistic standard GAN (Jolicoeur-Martineau, 2018, arXiv:1807.00734), and its averaged forms.

With C the discriminator's logit (higher = more real), x real, z ~ N(0, I), sp(t) = log(1 + exp(t)):

    pairwise (RSGAN)   discriminator: E sp(C(G(z)) - C(x))        generator: E sp(C(x) - C(G(z)))

and, with r = C(x) - E C(G(z)) and f = C(G(z)) - E C(x) relative to the other side's mean:

    averaged (RaSGAN)         discriminator: 1/2 [E sp(-r) + E sp(f)]
                              generator:     1/2 [E sp(r) + E sp(-f)]
    averaged_least_squares    discriminator: 1/2 [E (r - 1)^2 + E (f + 1)^2]
    (RaLSGAN)                 generator:     1/2 [E (r + 1)^2 + E (f - 1)^2]
    averaged_hinge (RaHinge)  discriminator: 1/2 [E max(0, 1 - r) + E max(0, 1 + f)]
                              generator:     1/2 [E max(0, 1 + r) + E max(0, 1 - f)]

All losses are minimised and none sees a common shift of C, so that scores are comparable only within a batch.

Our choices: 1. real and fake are paired by position in the batch; 2. every critic update sees fresh reals
and fresh latents, the generator step reuses the last reals; 3. the averaged forms carry the factor 1/2 of
the author's code, which the paper's formulas do not; 4. no gradient is stopped in the means.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players
from keras_gans.games import relativistic


@keras.saving.register_keras_serializable("keras_gans")
class RSGAN(AdversarialModel):
    """A GAN whose discriminator judges real against fake instead of each image alone.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) logits, higher = more real, no sigmoid; best without
            a last bias, whose true gradient is zero.
        latent_dim: Integer, length of a latent vector.
        form: `"pairwise"` (RSGAN, default), `"averaged"` (RaSGAN), `"averaged_least_squares"` (RaLSGAN) or
            `"averaged_hinge"` (RaHinge).
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown form (the nearest is suggested) or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("rsgan", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Jolicoeur-Martineau, 2018, arXiv:1807.00734. Default optimisers: its code's first setup, Adam with
    learning rate 2e-4 and betas (0.5, 0.999), spectral normalisation in the discriminator.
    """

    logs = ("discriminator_loss", "generator_loss", "score_difference")
    relativistic = True

    def __init__(self, generator, discriminator, latent_dim, form="pairwise", **kwargs):
        self.form = checks.one_of("form", form, relativistic.FORMS)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def discriminator_loss(self, real_logits, fake_logits):
        """Returns the scalar loss of the discriminator from two sets of logits (n, 1)."""
        return relativistic.discriminator_loss(real_logits, fake_logits, self.form)

    def generator_loss(self, real_logits, fake_logits):
        """Returns the scalar loss of the generator: the same game, sides exchanged."""
        return self.discriminator_loss(fake_logits, real_logits)

    def critic_terms(self, real_logits, fake_logits, reals, fakes, latents):
        return self.discriminator_loss(real_logits, fake_logits), {"score_difference": mean(real_logits - fake_logits)}

    def generator_terms(self, real_logits, fake_logits, latents):
        return self.generator_loss(real_logits, fake_logits), {}

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def gradient_ratio(self):
        return "per_sample" if self.form in ("pairwise", "averaged") else None

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """Spectral normalisation and no last bias in the discriminator."""
        del knobs
        return two_players(latent_dim, normalization="spectral", use_output_bias=False)

    def get_config(self):
        return {**super().get_config(), "form": self.form}
