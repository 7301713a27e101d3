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
from keras_gans.engine import AdversarialModel, descend, mean

LOSSES = ("non_saturating", "saturating", "least_squares", "hinge")


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
        targets=(0.0, 1.0, 1.0),
        label_smoothing=0.0,
        **kwargs,
    ):
        self.loss_name = checks.one_of("loss", loss, LOSSES)
        if len(tuple(targets)) != 3:
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
        if self.loss_name == "least_squares":
            fake_target, real_target, _ = self.targets
            real_target = (1.0 - self.label_smoothing) * real_target + self.label_smoothing * fake_target
            return mean(ops.square(real_logits - real_target)) + mean(ops.square(fake_logits - fake_target))
        if self.loss_name == "hinge":
            return mean(ops.relu(1.0 - real_logits)) + mean(ops.relu(1.0 + fake_logits))
        on_reals = mean(ops.softplus(-real_logits))
        if self.label_smoothing:
            on_fake_label = mean(ops.softplus(real_logits))
            on_reals = (1.0 - self.label_smoothing) * on_reals + self.label_smoothing * on_fake_label
        return on_reals + mean(ops.softplus(fake_logits))

    def generator_loss(self, fake_logits):
        """Returns the scalar loss of the generator."""
        if self.loss_name == "least_squares":
            return mean(ops.square(fake_logits - self.targets[2]))
        if self.loss_name == "hinge":
            return -mean(fake_logits)
        if self.loss_name == "saturating":
            return -mean(ops.softplus(fake_logits))
        return mean(ops.softplus(-fake_logits))

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            fakes = ops.stop_gradient(self.fake(self.sample_latents(ops.shape(reals)[0]), labels))

            def critic_objective(reals=reals, labels=labels, fakes=fakes):
                real_logits, fake_logits = self.score(reals, labels), self.score(fakes, labels)
                loss = self.discriminator_loss(real_logits, fake_logits)
                loss, extras = self.penalized(loss, reals, fakes, labels)
                return loss, {"real_score": mean(real_logits), "fake_score": mean(fake_logits), **extras}

            d_loss, scores = descend(critic_objective, self, "discriminator")

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss = descend(lambda: self.generator_loss(self.score(self.fake(latents, labels), labels)), self, "generator")
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **scores)

    def play(self, real_outputs, fake_outputs, reals, fakes, latents):
        observed = {"real_score": mean(real_outputs), "fake_score": mean(fake_outputs)}
        return self.discriminator_loss(real_outputs, fake_outputs), self.generator_loss(fake_outputs), observed

    def gradient_ratio(self):
        return {"saturating": "constant", "non_saturating": "per_sample"}.get(self.loss_name)

    def default_optimizers(self):
        beta_1, beta_2 = (0.0, 0.9) if self.loss_name == "hinge" else (0.5, 0.999)
        return {player: keras.optimizers.Adam(2e-4, beta_1=beta_1, beta_2=beta_2) for player in self.players}

    @classmethod
    def network_options(cls, loss="non_saturating", **knobs):
        """Returns the options of the networks: spectral normalisation for hinge, no batch norm with penalties."""
        normalization = "spectral" if loss == "hinge" else None if knobs.get("penalties") else "batch"
        return {"generator": {}, "discriminator": {"normalization": normalization}}

    def get_config(self):
        knobs = {"loss": self.loss_name, "targets": self.targets, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **knobs}
