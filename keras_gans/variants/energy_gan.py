"""Energy GAN: the critic as an energy, whose negative phase is sampled by a generator of high entropy (MEG).

Kumar, Ozair, Goyal, Courville and Bengio, 2019, arXiv:1901.08508. With the energy U = -score (low = real), x real,
z ~ N(0, I), y = G(z), z' another draw:

    energy      min over U     E U(x) - E U(y) + penalty_weight E |grad U(x)|^2      at the reals alone
                hinge          E relu(1 + U(x)) + E relu(1 - U(y))                   + the same penalty
    generator   min over G     E U(y) + entropy_weight L
    entropy     reconstruction L = E |z - E(y)|^2                                    E an encoder, with which G lowers L
                jensen_shannon L = E softplus(-S(y, z)) + E softplus(S(y, z'))       S a network of pairs, likewise

Fitting G to exp(-U) is to minimise E U(y) - H(y). For a deterministic G the entropy H(y) is, but for a constant, the
mutual information of y and z, of which both -L are lower bounds. G and its estimator, E or S, move from the same
weights. `energy(images)` is low for images like the data, and the samplers move latents by it.

Our choices: 1. the penalty is the full squared norm with weight 0.1, as in the paper; the published code averages it
over the pixels; 2. z' is drawn anew, where the code permutes the batch; its loss is half of `jensen_shannon`; 3. the
five energy steps come before the generator's, as in all variants here.
"""

import keras
from keras import ops

from keras_gans import checks, samplers
from keras_gans.engine import AdversarialModel, Energy, Part, called, descend, input_gradients, mean, two_players
from keras_gans.engine.building import estimator_of_entropy
from keras_gans.engine.inference import in_form
from keras_gans.engine.private_keras import plain_setattr

OBJECTIVES = ("energy_difference", "hinge")
BOUNDS = ("reconstruction", "jensen_shannon")
SAMPLERS = ("generator", "mala", "langevin", "rejection")


@keras.saving.register_keras_serializable("keras_gans")
class EnergyGAN(Energy, AdversarialModel):
    """A GAN whose critic is an energy and whose generator keeps its entropy.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) unbounded scores, higher = more real: minus the energy. No layer
            that couples the samples of a batch.
        estimator: `keras.Model`, images -> (n, latent_dim), of the entropy; for `"jensen_shannon"` it may also be a
            network of pairs, `[images, latents]` -> (n, 1), into which one of images is built otherwise. None where
            `entropy_weight` is 0.
        latent_dim: Length of a latent vector.
        objective: `"energy_difference"` (default) or `"hinge"`.
        entropy: Bound of the entropy, `"reconstruction"` (default) or `"jensen_shannon"`.
        entropy_weight: At least 0, default 1.
        penalty_weight: At least 0, default 0.1.
        critic_steps: Energy steps per generator step, default 5.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model; all networks take the labels, too.

    Raises:
        ValueError: For unknown names, negative weights, an estimator where there is no use for one or none where it is
            needed, networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("energy_gan", image_shape=(32, 32, 3), latent_dim=128)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)
        >>> model.energy(images)

    Reference: Kumar et al., 2019, arXiv:1901.08508. Default optimisers: Adam, learning rate 1e-4, betas (0.5, 0.9).
    """

    networks = ("generator", "discriminator", "estimator")
    players = ("discriminator", "generator", "estimator")
    logs = ("discriminator_loss", "generator_loss", "estimator_loss", "energy_difference")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        estimator=None,
        objective="energy_difference",
        entropy="reconstruction",
        entropy_weight=1.0,
        penalty_weight=0.1,
        critic_steps=5,
        **kwargs,
    ):
        self.objective = checks.one_of("objective", objective, OBJECTIVES)
        self.entropy = checks.one_of("entropy", entropy, BOUNDS)
        self.entropy_weight = checks.number("entropy_weight", entropy_weight, minimum=0)
        self.penalty_weight = checks.number("penalty_weight", penalty_weight, minimum=0)
        if (estimator is None) != (self.entropy_weight == 0):
            raise ValueError(
                "`estimator` must be a network of images where `entropy_weight` is above 0, and None where it is 0. "
                f"{checks.received(estimator=estimator, entropy_weight=entropy_weight)}"
            )
        if estimator is None:  # a game of two players
            plain_setattr(self, "networks", self.networks[:2])
            plain_setattr(self, "players", self.players[:2])
            plain_setattr(self, "logs", tuple(name for name in self.logs if name != "estimator_loss"))
        else:
            plain_setattr(self, "updates", ("alternating",))
        plain_setattr(self, "_given", estimator)
        super().__init__(generator, discriminator, latent_dim, critic_steps=critic_steps, **kwargs)

    def finish_building(self):
        sizes, pairs = (self.image_shape, self.latent_dim, self.num_classes), self.entropy == "jensen_shannon"
        self.estimator = None if self._given is None else estimator_of_entropy(self._given, *sizes, pairs)
        super().finish_building()

    # Losses -----------------------------------------------------------------------------------------------

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the energy U = -score from scores (n, 1), without penalties."""
        checks.same_shape(real_scores=real_scores, fake_scores=fake_scores)
        if self.objective == "hinge":
            return mean(ops.relu(1.0 - real_scores)) + mean(ops.relu(1.0 + fake_scores))
        return mean(fake_scores) - mean(real_scores)

    def generator_loss(self, fake_scores):
        """Returns the mean energy of fakes, from scores (n, 1)."""
        return -mean(fake_scores)

    def entropy_loss(self, fakes, latents, others, labels=None, training=True):
        """Returns L of fakes (n, ...), their latents (n, latent_dim), as many others, and the fakes' labels or None."""
        inputs = [fakes] if labels is None else [fakes, labels]

        def estimated(*more):
            together = [*inputs, *more]
            outputs = called(self.estimator, together if len(together) > 1 else fakes, training)
            return ops.cast(outputs, "float32")

        if self.entropy == "jensen_shannon":
            return mean(ops.softplus(-estimated(latents))) + mean(ops.softplus(estimated(others)))
        return mean(ops.sum(ops.square(latents - estimated()), axis=-1))

    def penalty(self, score, reals, fakes, weights, step):
        """Returns penalty_weight E |grad U(x)|^2 at the reals."""
        slopes = input_gradients(score, reals)
        return self.penalty_weight * mean(ops.sum(ops.square(slopes), axis=tuple(range(1, len(slopes.shape)))))

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        loss = self.discriminator_loss(real_scores, fake_scores)
        return loss, {"energy_difference": mean(real_scores) - mean(fake_scores)}

    def generator_terms(self, real_scores, fake_scores, latents):
        return self.generator_loss(fake_scores), {}

    def generator_objective(self, reals, latents, labels, others=None):
        fakes = self.fake(latents, labels)
        loss = self.generator_loss(self.score(fakes, labels))
        if self.estimator is None:
            return loss, {}
        bound = self.entropy_loss(fakes, latents, others, labels)
        return loss + self.entropy_weight * bound, {"fakes": ops.stop_gradient(fakes)}

    # Training ---------------------------------------------------------------------------------------------

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        others = self.sample_latents(ops.shape(reals)[0]) if self.entropy == "jensen_shannon" else latents
        g_loss, made = descend(self.generator_objective, self, "generator", reals, latents, labels, others)
        if self.estimator is not None:  # on the same fakes: both move from the same weights
            loss = descend(self.entropy_loss, self, "estimator", made["fakes"], latents, others, labels)
            observed = {**observed, "estimator_loss": loss}
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed)

    def observed_losses(self, images, labels, latents):
        observed = super().observed_losses(images, labels, latents)
        if self.estimator is None:
            return observed
        fakes = self.fake(latents, labels, training=False)
        loss = self.entropy_loss(fakes, latents, ops.roll(latents, 1, axis=0), labels, training=False)
        loss_of_generator = observed["generator_loss"] + self.entropy_weight * loss
        return {**observed, "generator_loss": loss_of_generator, "estimator_loss": loss}

    def gradient_ratio(self):
        return "constant" if self.objective == "energy_difference" else None

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(1e-4, beta_1=0.5, beta_2=0.9) for player in self.players}

    def generate(self, n, labels=None, seed=None, *, sampler="generator", average=False, output="array", **options):
        """Returns n generated images; see `GenerativeModel.generate`.

        Args:
            n, labels, seed, average, output: As there.
            sampler: `"generator"` (default), or `"mala"`, `"langevin"`, `"rejection"` of `keras_gans.samplers`.
            **options: Of the sampler, such as `steps=200`.

        Raises:
            ValueError: For an unknown sampler; the nearest is suggested.
        """
        if checks.one_of("sampler", sampler, SAMPLERS) == "generator":
            return super().generate(n, labels, seed, average=average, output=output, **options)
        found = getattr(samplers, sampler)(self, n, labels=labels, seed=seed, average=average, **options)
        return in_form(found.images, output)

    @classmethod
    def blueprint(cls, latent_dim, entropy="reconstruction", entropy_weight=1.0, **knobs):
        """No batch norm in the energy (per-sample gradients), no last bias (no gradient)."""
        del knobs
        parts = two_players(latent_dim, normalization=None, use_output_bias=False)
        units = latent_dim if entropy == "reconstruction" else max(64, latent_dim)
        return {**parts, **({"estimator": Part("discriminator", units, {})} if entropy_weight else {})}

    def get_config(self):
        knobs = ("objective", "entropy", "entropy_weight", "penalty_weight")
        return {**super().get_config(), **{name: getattr(self, name) for name in knobs}}
