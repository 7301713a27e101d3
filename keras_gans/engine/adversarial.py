"""A generator against a discriminator: what the two-player variants share beside their losses and their step.

A variant writes `Game`: the two losses as functions of the discriminator's outputs, so that training, evaluation and
simultaneous updates play one and the same game, its own penalty if it has one, and what is known of it.
"""

import logging

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import simultaneous
from keras_gans.engine.asking import for_score
from keras_gans.engine.blueprints import two_players
from keras_gans.engine.building import (
    checked_augmentation,
    checked_network,
    given,
    output_shape,
    refuse_unsavable,
    warn_of_bounded_scores,
)
from keras_gans.engine.calls import called, collected
from keras_gans.engine.model import GenerativeModel
from keras_gans.engine.private_keras import plain_setattr
from keras_gans.engine.score import Score

logger = logging.getLogger("keras_gans")


class Game:
    """What a two-player variant says of its game. The outputs are the discriminator's, (n, units), float32."""

    relativistic = False  # whether the generator's loss looks at the outputs on reals, too
    penalty = None  # the variant's own penalty: a method with the arguments of `keras_gans.penalties.Penalty.__call__`

    def critic_terms(self, real_outputs, fake_outputs, reals, fakes, latents):
        """Returns `(loss, {log: value})` of the discriminator, without penalties.

        Args:
            real_outputs, fake_outputs: The discriminator's outputs (n, units) on reals and fakes.
            reals, fakes: The images (n, ...), the fakes without a gradient to the generator.
            latents: The latents (n, latent_dim) of the fakes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define critic_terms().")

    def generator_terms(self, real_outputs, fake_outputs, latents):
        """Returns `(loss, {log: value})` of the generator.

        Args:
            real_outputs: As for `critic_terms`; None in training where the game is not `relativistic`.
            fake_outputs, latents: As for `critic_terms`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define generator_terms().")

    def judge(self, outputs):
        """Returns one score (n,) per image from the discriminator's outputs (n, units): higher = more real."""
        return outputs[:, 0]

    def gradient_ratio(self):
        """Returns what is known of b_i / a_i, the slopes of the two losses in the score of fake i.

        `"constant"`: always -1. `"per_sample"`: finite and never 0/0 for any scores. None: neither.
        """
        return None

    def after_discriminator_step(self):
        """Called after every step of the discriminator; nothing by default."""

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """Returns `{network: Part}`: the networks that suit a variant with these knobs."""
        del knobs
        return two_players(latent_dim)


class AdversarialModel(Game, GenerativeModel):
    """A generator against a discriminator.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, height, width, channels) in [-1, 1], or
            points (n, d). Called on `[latents, labels]` when `num_classes > 0`.
        discriminator: `keras.Model`, images -> (n, 1) scores, higher = more real (without a sigmoid). Called
            on `[images, labels]` when `num_classes > 0`.
        latent_dim: Length of a latent vector.
        critic_steps: Discriminator updates per generator update.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, applied to all images the discriminator
            sees in training, real and generated, in both players' steps; or None.
        num_classes: 0, or the number of classes of a conditional model.
    """

    networks = ("generator", "discriminator")
    players = ("discriminator", "generator")
    logs: tuple[str, ...] = ("discriminator_loss", "generator_loss")
    updates = ("alternating", "simultaneous")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        critic_steps=1,
        penalties=(),
        augmentation=None,
        num_classes=0,
        **kwargs,
    ):
        plain_setattr(self, "penalties", checks.penalties(penalties))
        super().__init__(num_classes=num_classes, **kwargs)
        self.latent_dim = checks.positive_integer("latent_dim", latent_dim, minimum=self.minimum_latent_dim)
        self.critic_steps = checks.positive_integer("critic_steps", critic_steps)
        self.generator = checked_network("generator", generator)
        self.discriminator = checked_network("discriminator", discriminator)
        images = output_shape("generator", generator, (None, self.latent_dim), self.num_classes, "latents")
        plain_setattr(self, "_image_shape", images[1:])  # a subclassed network does not tell its own
        scores = output_shape("discriminator", discriminator, images, self.num_classes)
        units = self._units()
        if scores != (None, units):
            raise ValueError(
                f"`discriminator` must return {units} value{'s' * (units > 1)} per image, shape (n, {units}), for this "
                f"{type(self).__name__}. Received: discriminator output shape {scores}."
            )
        warn_of_bounded_scores("discriminator", discriminator)
        self.augmentation = checked_augmentation(augmentation, images)
        self._check_penalties()
        self.finish_building()

    def _units(self):
        """Returns how many values the discriminator gives per image."""
        return 1

    def _check_penalties(self):
        for penalty in self.penalties:
            refuse_unsavable("penalties", penalty)
        low = getattr(self.discriminator, "compute_dtype", "float32")
        estimates = [getattr(each, "estimate", None) for each in (self, *self.penalties)]
        if low in ("float16", "bfloat16") and "noise" in estimates:
            raise ValueError(
                "Penalties with estimate='noise' need a discriminator that computes in float32: the difference of two "
                f"scores is lost in the rounding of {low}. Received: a discriminator with compute_dtype={low!r}."
            )
        coupled = simultaneous.coupled_layers(self.discriminator) if self._is_penalized() else ()
        if coupled:
            raise ValueError(
                "A discriminator for `penalties` must treat samples independently, or the gradient is not that of one "
                f"sample. The layer {coupled[0]!r} mixes the samples of a batch: build the discriminator with "
                "normalization=None, 'layer' or 'spectral'."
            )

    def _is_penalized(self):
        return self.penalty is not None or bool(self.penalties)

    def all_logs(self):
        return (*self.logs, "penalty") if self._is_penalized() else self.logs

    @property
    def image_shape(self):
        return self._image_shape

    @property
    def latent_shape(self):
        return (self.latent_dim,)

    @property
    def batches_per_step(self):
        return self.critic_steps

    # The players ------------------------------------------------------------------------------------------

    def fake(self, latents, labels=None, training=True):
        """Returns generated float32 images in [-1, 1]."""
        return ops.cast(called(self.generator, given(latents, labels), training), "float32")

    def score(self, images, labels=None, training=True):
        """Returns the discriminator's float32 output (n, units) for images, augmented in training."""
        if training and self.augmentation is not None:
            images = self.augmentation(images)
        return ops.cast(called(self.discriminator, given(images, labels), training), "float32")

    def realness(self, images, labels=None):
        images, labels = for_score(self, images, labels)
        return self.judge(self.score(images, labels, training=False))

    # The step ---------------------------------------------------------------------------------------------

    def critic_batches(self, data):
        """Yields `critic_steps` pairs `(reals, labels)`: equal slices of the batch that `fit` hands over.

        Rows beyond a multiple of `critic_steps` are left out; a batch smaller than `critic_steps` repeats rows.
        """
        images, labels = self.batch(data)
        if self.critic_steps == 1:
            yield images, labels
            return
        total = ops.shape(images)[0]
        larger, smaller = (max, min) if isinstance(total, int) else (ops.maximum, ops.minimum)
        rows = larger(total // self.critic_steps, 1)
        for step in range(self.critic_steps):
            start = smaller(step * rows, total - rows)
            yield images[start : start + rows], None if labels is None else labels[start : start + rows]

    def critic_objective(self, reals, fakes, latents, labels):
        """Returns the discriminator's loss with all penalties and what is logged: what its step lowers.

        Args:
            reals, fakes: Images (n, ...) of this step, the fakes without a gradient to the generator.
            latents: The latents (n, latent_dim) of the fakes.
            labels: Labels (n,) of both, or None.
        """
        if not self._is_penalized():
            return self.critic_terms(self.score(reals, labels), self.score(fakes, labels), reals, fakes, latents)
        score = Score.of(self, labels)
        loss, observed = self.critic_terms(score.outputs(reals), score.outputs(fakes), reals, fakes, latents)
        penalty = self.penalized(score, reals, fakes)
        return loss + penalty, {**observed, "penalty": penalty}

    def generator_objective(self, reals, latents, labels):
        """Returns the generator's loss and what is logged: what its step lowers; arguments as `critic_objective`."""
        real_outputs = ops.stop_gradient(self.score(reals, labels)) if self.relativistic else None
        return self.generator_terms(real_outputs, self.score(self.fake(latents, labels), labels), latents)

    def penalized(self, score, reals, fakes):
        """Returns the sum of all penalties, the variant's own first, for a `Score` and the images of a step."""
        weights = self.mixing_weights(ops.shape(reals)[0])
        step = self.optimizer.of("discriminator").iterations
        own = () if self.penalty is None else (self.penalty,)
        with collected(None):
            return sum(penalty(score, reals, fakes, weights, step) for penalty in (*own, *self.penalties))

    def mixing_weights(self, count):
        """Returns weights (count,) from U(0, 1) for points between reals and fakes."""
        return keras.random.uniform((count,), seed=self.latent_seeds)

    def _compiled(self):
        if self.update == "simultaneous":
            logger.info("%s: simultaneous updates, %s", self.name, simultaneous.form(self))

    def _step(self):
        return simultaneous.train_step if self.update == "simultaneous" else super()._step()

    def observed_losses(self, images, labels, latents):
        fakes = self.fake(latents, labels, training=False)
        outputs = self.score(images, labels, training=False), self.score(fakes, labels, training=False)
        d_loss, observed = self.critic_terms(*outputs, images, fakes, latents)
        g_loss, more = self.generator_terms(*outputs, latents)
        return {"discriminator_loss": d_loss, "generator_loss": g_loss, **observed, **more}

    def get_config(self):
        config = {**super().get_config(), "latent_dim": self.latent_dim, "critic_steps": self.critic_steps}
        if self.penalties:
            config["penalties"] = [keras.saving.serialize_keras_object(penalty) for penalty in self.penalties]
        if self.augmentation is not None:
            config["augmentation"] = keras.saving.serialize_keras_object(self.augmentation)
        return config
