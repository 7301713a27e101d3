"""GAN, the original game (Goodfellow et al., 2014, arXiv:1406.2661), with four pairs of losses.

With C the discriminator's logit (higher = more real), x real, z ~ N(0, I), sp(t) = log(1 + exp(t)):

    non_saturating   discriminator: E sp(-C(x)) + E sp(C(G(z)))             generator: E sp(-C(G(z)))
    saturating       discriminator: the same                                generator: -E sp(C(G(z)))
    least_squares    discriminator: E (C(x) - b)^2 + E (C(G(z)) - a)^2      generator: E (C(G(z)) - c)^2
                     with targets (a, b, c) = (0, 1, 1)                     (LSGAN, arXiv:1611.04076)
    hinge            discriminator: E max(0, 1 - C(x)) + E max(0, 1 + C(G(z)))    generator: -E C(G(z))
                                                                            (arXiv:1705.02894, 1802.05957)

All losses are minimised. The optimal discriminator of the first two is C = log p(x)/q(x). label_smoothing s (one-sided,
arXiv:1606.03498) makes the reals' term of the first two (1 - s) E sp(-C(x)) + s E sp(C(x)), and moves
the real target of least squares by s towards the fake one.

Our choices: 1. the generator step draws fresh latents; 2. least squares without the factor 1/2 that some
libraries put on every square.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players
from keras_gans.games import sgan


@keras.saving.register_keras_serializable("keras_gans")
class GAN(AdversarialModel):
    """Generator against discriminator, trained in turns: `critic_steps` discriminator steps, then one generator step.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) logits, higher = more real, no sigmoid.
        latent_dim: Integer, length of a latent vector.
        loss: `"non_saturating"` (default), `"saturating"`, `"least_squares"` or `"hinge"`.
        targets: For `least_squares`: (fake, real, generator) targets (a, b, c), default (0, 1, 1);
            (-1, 1, 0) is the Pearson chi-square choice of the paper.
        label_smoothing: Float in [0, 0.5), default 0; refused for hinge, which has no labels.
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown loss (the nearest is suggested) or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("gan", image_shape=(32, 32, 1), latent_dim=64, loss="hinge")
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=10)

    Reference: Goodfellow et al., 2014, arXiv:1406.2661. Default optimisers: DCGAN (arXiv:1511.06434), Adam with
    learning rate 2e-4 and betas (0.5, 0.999); for hinge those of SNGAN, betas (0, 0.9).
    """

    logs = ("discriminator_loss", "generator_loss", "real_score", "fake_score")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        loss="non_saturating",
        targets=sgan.TARGETS,
        label_smoothing=0.0,
        **kwargs,
    ):
        self.loss_name = checks.one_of("loss", loss, sgan.LOSSES)
        if not isinstance(targets, (list, tuple)) or len(targets) != 3:
            raise ValueError(
                f"`targets` must be three numbers (fake, real, generator). {checks.received(targets=targets)}"
            )
        self.targets = tuple(checks.number("targets", target) for target in targets)
        self.label_smoothing = checks.number("label_smoothing", label_smoothing, minimum=0, below=0.5)
        if self.label_smoothing and loss == "hinge":
            raise ValueError(
                "`label_smoothing` does not go with loss='hinge': a margin has no label to smooth. "
                f"{checks.received(label_smoothing=label_smoothing)}"
            )
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def discriminator_loss(self, real_logits, fake_logits):
        """Returns the scalar loss of the discriminator, the mean over the batch of logits (n, 1)."""
        return sgan.discriminator_loss(real_logits, fake_logits, self.loss_name, self.targets, self.label_smoothing)

    def generator_loss(self, fake_logits):
        """Returns the scalar loss of the generator."""
        return sgan.generator_loss(fake_logits, self.loss_name, self.targets)

    def critic_terms(self, real_logits, fake_logits, reals, fakes, latents):
        scores = {"real_score": mean(real_logits), "fake_score": mean(fake_logits)}
        return self.discriminator_loss(real_logits, fake_logits), scores

    def generator_terms(self, real_logits, fake_logits, latents):
        return self.generator_loss(fake_logits), {}

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def gradient_ratio(self):
        return {"saturating": "constant", "non_saturating": "per_sample"}.get(self.loss_name)

    def default_optimizers(self):
        beta_1, beta_2 = (0.0, 0.9) if self.loss_name == "hinge" else (0.5, 0.999)
        return {player: keras.optimizers.Adam(2e-4, beta_1=beta_1, beta_2=beta_2) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, loss="non_saturating", penalties=(), **knobs):
        """Spectral normalisation for hinge, no batch norm with penalties."""
        normalization = "spectral" if loss == "hinge" else None if penalties else "batch"
        return two_players(latent_dim, normalization=normalization)

    def get_config(self):
        knobs = {"loss": self.loss_name, "targets": self.targets, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **knobs}
