"""Cascading rejection (CR): several complementary scores of one feature vector (Sinha et al., 2019, arXiv:1911.10979).

An ordinary critic sees its features v only along one direction. Here each level scores what the levels before left
over, with D_i(x) the score of level i = 1..N (higher = more real):

    v_1 = v;   D_i = <v_i, w_i>;   v_(i+1) = v_i - <v_i, w_i> / |w_i|^2 w_i       (`layers/cascading_rejection.py`)
    L_D = sum_i a_i L_D^base(D_i(x), D_i(G(z)))        L_G = sum_i a_i L_G^base(D_i(G(z)))

with a base loss of the SGAN family: hinge (default), non_saturating, least_squares (targets 0, 1, 1). Losses are
averaged over levels, not scores.

Only an article by another author and the abstract of the paper were available to us. Our choices, not the paper's:
1. N = 4; 2. equal weights a_i = 1/N, normalised to sum 1; 3. the conditional form, a projection critic at each level;
4. no bias per level.
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players
from keras_gans.games import sgan

BASES = ("hinge", "non_saturating", "least_squares")


@keras.saving.register_keras_serializable("keras_gans")
class CascadingRejectionGAN(AdversarialModel):
    """A GAN whose discriminator ends in a `CascadingRejection` layer: N scores per image.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, levels) scores, higher = more real, for example the features of
            a network followed by `keras_gans.layers.CascadingRejection(levels)`.
        latent_dim: Integer, length of a latent vector.
        levels: Number of scores, default 4 [ours]; 1 is the base GAN.
        base: `"hinge"` (default), `"non_saturating"` or `"least_squares"`.
        level_weights: None for equal weights, or one non-negative number per level; they are normalised to sum 1.
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown base, weights that do not fit the levels, or a discriminator of another width.

    Example:
        >>> model = keras_gans.create("cascading_rejection_gan", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Sinha et al., 2019, arXiv:1911.10979. Default optimisers: SNGAN's (arXiv:1802.05957), Adam with
    learning rate 2e-4 and betas (0, 0.9).
    """

    def __init__(self, generator, discriminator, latent_dim, levels=4, base="hinge", level_weights=None, **kwargs):
        self.levels = checks.positive_integer("levels", levels)
        self.base = checks.one_of("base", base, BASES)
        self.level_weights = self._normalized(level_weights)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def _normalized(self, weights):
        if weights is None:
            return [1.0 / self.levels] * self.levels
        weights = np.asarray(weights, "float64")
        if weights.shape != (self.levels,) or (weights < 0).any() or not 0 < weights.sum() < np.inf:
            raise ValueError(
                f"`level_weights` must be {self.levels} non-negative numbers, one per level, that are not all 0. "
                f"{checks.received(level_weights=weights.tolist())}"
            )
        return (weights / weights.sum()).tolist()

    def _units(self):
        return self.levels

    def all_logs(self):
        names = [f"level_{i + 1}" for i in range(self.levels)]
        losses = [f"{name}_{side}" for name in names for side in ("discriminator", "generator")]
        return (*super().all_logs(), *losses, *(f"{name}_score_difference" for name in names))

    def judge(self, outputs):
        return ops.sum(outputs * ops.convert_to_tensor(self.level_weights, "float32"), axis=-1)

    def level_losses(self, real_scores, fake_scores):
        """Returns the discriminator's base loss of each level, a list of N scalars, from scores (n, N)."""
        checks.same_shape(real_scores=real_scores, fake_scores=fake_scores)
        levels = range(self.levels)
        return [sgan.discriminator_loss(real_scores[:, i], fake_scores[:, i], self.base) for i in levels]

    def generator_level_losses(self, fake_scores):
        """Returns the generator's base loss of each level, a list of N scalars, from scores (n, N)."""
        return [sgan.generator_loss(fake_scores[:, i], self.base) for i in range(self.levels)]

    def weighted(self, losses):
        """Returns the weighted sum over levels."""
        return sum(weight * loss for weight, loss in zip(self.level_weights, losses, strict=True))

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the discriminator."""
        return self.weighted(self.level_losses(real_scores, fake_scores))

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator."""
        return self.weighted(self.generator_level_losses(fake_scores))

    def observe(self, real_scores, fake_scores):
        """Returns the losses and the score difference of every level."""
        observed = {}
        for i, loss in enumerate(self.level_losses(real_scores, fake_scores)):
            observed[f"level_{i + 1}_discriminator"] = loss
            observed[f"level_{i + 1}_score_difference"] = mean(real_scores[:, i]) - mean(fake_scores[:, i])
        return observed

    def observe_generator(self, fake_scores):
        """Returns the generator's loss of every level."""
        losses = self.generator_level_losses(fake_scores)
        return {f"level_{i + 1}_generator": loss for i, loss in enumerate(losses)}

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        return self.discriminator_loss(real_scores, fake_scores), self.observe(real_scores, fake_scores)

    def generator_terms(self, real_scores, fake_scores, latents):
        return self.generator_loss(fake_scores), self.observe_generator(fake_scores)

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.9) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, levels=4, **knobs):
        """Spectral normalisation, and a head of `levels` levels."""
        del knobs
        return two_players(latent_dim, units=levels, normalization="spectral", head="cascading_rejection")

    def get_config(self):
        knobs = {"levels": self.levels, "base": self.base, "level_weights": self.level_weights}
        return {**super().get_config(), **knobs}
