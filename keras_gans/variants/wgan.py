"""WGAN, the Wasserstein GAN with weight clipping (Arjovsky et al., 2017, arXiv:1701.07875).

With D the critic's score (higher = more real), x real, z ~ N(0, I):

    critic:     min over D  E D(G(z)) - E D(x),  then every weight of D is clipped to [-c, c]
    generator:  min over G  -E D(G(z))

For the best critic with Lipschitz constant K, E D(x) - E D(G(z)) is K times the Wasserstein-1 distance: it is logged
as `wasserstein`. Clipping is the crude way to bound K; `wgan_gp.py` and `gan_qp.py` are the better ones.

Our choices: 1. the weights are clipped after each critic step (the original code clips before; equivalent but for the
first step); 2. always `critic_steps` critic steps, without the original's 100 at the start; 3. RMSprop as the original
code's library has it, rho 0.99 and the root before epsilon: Keras puts epsilon 1e-7 under the root, where it outweighs
the squared gradients of a clipped critic (1e-5) and leaves a twentieth of the step; here it is 1e-16.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players


@keras.saving.register_keras_serializable("keras_gans")
class WGAN(AdversarialModel):
    """A GAN that estimates the Wasserstein distance with a critic of clipped weights.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) unbounded scores, higher = more real.
        latent_dim: Integer, length of a latent vector.
        clip: Bound c of every critic weight, above 0, default 0.01.
        critic_steps: Critic steps per generator step, default 5.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For a clip that is not positive or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("wgan", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Arjovsky et al., 2017, arXiv:1701.07875. Default optimisers: RMSprop, learning rate 5e-5, rho
    0.99, epsilon 1e-16 under the root.
    """

    logs = ("discriminator_loss", "generator_loss", "wasserstein")

    def __init__(self, generator, discriminator, latent_dim, clip=0.01, critic_steps=5, **kwargs):
        self.clip = checks.number("clip", clip, above=0)
        super().__init__(generator, discriminator, latent_dim, critic_steps=critic_steps, **kwargs)

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the critic."""
        return mean(fake_scores) - mean(real_scores)

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator."""
        return -mean(fake_scores)

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        loss = self.discriminator_loss(real_scores, fake_scores)
        return loss, {"wasserstein": -loss}

    def generator_terms(self, real_scores, fake_scores, latents):
        return self.generator_loss(fake_scores), {}

    def after_discriminator_step(self):
        """Clips every weight of the critic to [-c, c]."""
        for variable in self.discriminator.trainable_variables:
            variable.assign(ops.clip(variable.value, -self.clip, self.clip))

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)
            self.after_discriminator_step()

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def gradient_ratio(self):
        return "constant"

    def default_optimizers(self):
        return {player: keras.optimizers.RMSprop(5e-5, rho=0.99, epsilon=1e-16) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, penalties=(), **knobs):
        """Batch norm but with penalties; no last bias, whose gradient is 0."""
        del knobs
        return two_players(latent_dim, normalization=None if penalties else "batch", use_output_bias=False)

    def get_config(self):
        return {**super().get_config(), "clip": self.clip}
