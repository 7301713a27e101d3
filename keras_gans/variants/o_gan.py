"""O-GAN, the orthogonal GAN whose discriminator is also an encoder (Su, 2019, arXiv:1903.01931).

The discriminator E maps an image to a vector of n = latent_dim entries, which is taken apart into

    avg(v)  the mean of the n entries: the real/fake score (higher = more real)
    std(v)  their population standard deviation: free
    N(v)    (v - avg(v)) / std(v): the encoding

and, with z ~ N(0, I), the correlation across the n entries of one sample, rho(z, v) = mean_k N(z)_k N(v)_k.
Both players minimise -correlation_weight * C with C = E rho(z, E(G(z))), beside a GAN on the scores:
with D_i = avg(E(x_i)) - avg(E(G(z_i))) and d_i the mean squared pixel distance of x_i and G(z_i),

    gan_qp (published)   discriminator: E [-D + D^2 / (2 lam d)] - correlation_weight C
                         generator:     -E avg(E(G(z)))          - correlation_weight C
    non_saturating, saturating, least_squares, hinge: the losses of `gan.py` on the scores, minus the same C.

rho does not change under v -> a v + b, so the encoding leaves the mean free for the game (n >= 3).

Our choices: 1. higher score = more real (the paper's text and code have it the other way round);
2. alternating updates with fresh latents (published: one simultaneous step); 3. lam = 2 with the mean
squared distance, which is the coefficient 0.25 of the published code; 4. no batch norm in E, so that
`encode` computes what training computed.
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, tap

BASES = ("gan_qp", "non_saturating", "saturating", "least_squares", "hinge")
EPSILON = 1e-8  # on squared norms; centred vectors of a working model have norms of order 1


def correlation(first, second):
    """Returns the Pearson correlation (n,) of two tensors (n, d) across the d entries of each row."""
    first = first - ops.mean(first, axis=-1, keepdims=True)
    second = second - ops.mean(second, axis=-1, keepdims=True)
    norms = ops.sum(ops.square(first), axis=-1) * ops.sum(ops.square(second), axis=-1)
    return ops.sum(first * second, axis=-1) / ops.sqrt(ops.maximum(norms, EPSILON))


def standardize(values):
    """Returns N(values): each row of (n, d) with mean 0 and population standard deviation 1."""
    values = values - ops.mean(values, axis=-1, keepdims=True)
    return values / ops.sqrt(ops.maximum(ops.mean(ops.square(values), axis=-1, keepdims=True), EPSILON))


@keras.saving.register_keras_serializable("keras_gans")
class OGAN(AdversarialModel):
    """A GAN with an encoder at no extra network: `generate`, `encode`, `reconstruct`, `interpolate`.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, latent_dim), a linear last layer.
        latent_dim: Integer of at least 3.
        base: Loss on the scores: `"gan_qp"` (default, as published), `"non_saturating"`, `"saturating"`,
            `"least_squares"` or `"hinge"`.
        correlation_weight: Weight of the correlation for both players, default 0.5 (published at 128 pixels;
            1.0 at 256). 0 gives the base GAN.
        lam: Scale of the quadratic term of `gan_qp`, default 2.
        critic_steps: Discriminator steps per generator step, default 1.
        num_classes: 0, or the number of classes of a conditional model.

    Raises:
        ValueError: For an unknown base, latent_dim < 3, or a discriminator that does not return latent_dim values.

    Example:
        >>> model = keras_gans.create("o_gan", image_shape=(32, 32, 1), latent_dim=64)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)
        >>> model.reconstruct(images[:8])

    Reference: Su, 2019, arXiv:1903.01931; GAN-QP arXiv:1811.07296. Default optimisers: the published code's,
    RMSprop with learning rate 1e-4 and rho 0.99.
    """

    averaged = ("generator", "discriminator")  # the encoder, too, is used after training
    logs = ("discriminator_loss", "generator_loss", "score_difference", "latent_correlation", "encoding_std")
    minimum_latent_dim = 3

    def __init__(self, generator, discriminator, latent_dim, base="gan_qp", correlation_weight=0.5, lam=2.0, **kwargs):
        self.base = checks.one_of("base", base, BASES)
        self.correlation_weight = checks.number("correlation_weight", correlation_weight, minimum=0)
        self.lam = checks.number("lam", lam, above=0)
        super().__init__(generator, discriminator, latent_dim, units=latent_dim, **kwargs)

    @classmethod
    def discriminator_units(cls, latent_dim, **knobs):
        return latent_dim

    def judge(self, outputs):
        return ops.mean(outputs, axis=-1)

    def discriminator_loss(self, real_encodings, fake_encodings, latents, distances=None):
        """Returns the scalar loss of the discriminator.

        Args:
            real_encodings: (n, latent_dim), E(x).
            fake_encodings: (n, latent_dim), E(G(z)) with the fakes held fixed.
            latents: (n, latent_dim), the z of these fakes.
            distances: (n,), mean squared pixel distances; used by `gan_qp` only.
        """
        checks.same_shape(real_encodings=real_encodings, fake_encodings=fake_encodings, latents=latents)
        real, fake = ops.mean(real_encodings, axis=-1), ops.mean(fake_encodings, axis=-1)  # (n,)
        if self.base == "gan_qp":
            difference = real - fake
            game = mean(-difference + ops.square(difference) / (2.0 * self.lam * distances))
        elif self.base == "least_squares":
            game = mean(ops.square(real - 1.0)) + mean(ops.square(fake))
        elif self.base == "hinge":
            game = mean(ops.relu(1.0 - real)) + mean(ops.relu(1.0 + fake))
        else:
            game = mean(ops.softplus(-real)) + mean(ops.softplus(fake))
        return game - self.correlation_weight * mean(correlation(latents, fake_encodings))

    def generator_loss(self, fake_encodings, latents):
        """Returns the scalar loss of the generator; arguments as in `discriminator_loss`."""
        checks.same_shape(fake_encodings=fake_encodings, latents=latents)
        fake = ops.mean(fake_encodings, axis=-1)
        if self.base == "least_squares":
            game = mean(ops.square(fake - 1.0))
        elif self.base == "non_saturating":
            game = mean(ops.softplus(-fake))
        elif self.base == "saturating":
            game = -mean(ops.softplus(fake))
        else:
            game = -mean(fake)
        return game - self.correlation_weight * mean(correlation(latents, fake_encodings))

    def distances(self, reals, fakes):
        """Returns the mean squared pixel distance (n,) of each pair, at least 1e-6, without a gradient."""
        axes = tuple(range(1, len(fakes.shape)))
        return ops.stop_gradient(ops.maximum(ops.mean(ops.square(reals - fakes), axis=axes), 1e-6))

    def observe(self, real_encodings, fake_encodings, latents):
        """Returns what is logged beside the losses: score difference, latent correlation, std of the encodings."""
        for name, encodings in (("real", real_encodings), ("fake", fake_encodings)):
            tap(self, f"{name}_mean", ops.mean(encodings, axis=-1))
            tap(self, f"{name}_std", ops.std(encodings, axis=-1))
            tap(self, f"{name}_direction", standardize(encodings))
        return {
            "score_difference": mean(real_encodings) - mean(fake_encodings),
            "latent_correlation": mean(correlation(latents, fake_encodings)),
            "encoding_std": mean(ops.std(fake_encodings, axis=-1)),
        }

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))

            def critic_objective(reals=reals, labels=labels, latents=latents, fakes=fakes):
                real_encodings, fake_encodings = self.score(reals, labels), self.score(fakes, labels)
                distances = self.distances(reals, fakes)
                loss = self.discriminator_loss(real_encodings, fake_encodings, latents, distances)
                loss, extras = self.penalized(loss, reals, fakes, labels)
                return loss, {**self.observe(real_encodings, fake_encodings, latents), **extras}

            d_loss, observed = descend(critic_objective, self, "discriminator")

        latents = self.sample_latents(ops.shape(reals)[0])

        def generator_objective():
            return self.generator_loss(self.score(self.fake(latents, labels), labels), latents)

        g_loss = descend(generator_objective, self, "generator")
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed)

    def play(self, real_outputs, fake_outputs, reals, fakes, latents):
        distances = self.distances(reals, fakes)
        d_loss = self.discriminator_loss(real_outputs, fake_outputs, latents, distances)
        observed = self.observe(real_outputs, fake_outputs, latents)
        return d_loss, self.generator_loss(fake_outputs, latents), observed

    def encode(self, images, labels=None):
        """Returns the encodings N(E(x)) of images.

        Args:
            images: uint8 or float images (n, h, w, c), as for `fit`.
            labels: Integer labels (n,) of a conditional model.

        Returns:
            float32 array (n, latent_dim); each row has mean 0 and standard deviation 1.
        """
        images, labels = self.images_for_encoding(images, labels)

        def standardized_scores(images, labels):
            images, _ = self.batch((images, labels) if labels is not None else (images,))
            return standardize(self.score(images, labels, training=False))

        return self.compiled_call(f"encode_{images.dtype}", standardized_scores, images, labels)

    def images_for_encoding(self, images, labels):
        """Checks images and labels and returns them as NumPy arrays."""
        arrays = self._arrays(images, labels)
        if arrays is None:
            raise TypeError(
                f"`images` must be an array (n, height, width, channels). Received: {type(images).__name__}."
            )
        return arrays if len(arrays) == 2 else (arrays[0], None)

    def reconstruct(self, images, labels=None, truncation=1.0):
        """Returns G(truncation * N(E(x))) as uint8 images: the same content, not the same pixels.

        Args:
            images: uint8 or float images (n, h, w, c).
            labels: Integer labels (n,) of a conditional model.
            truncation: Scale of the encodings, above 0: 1 in the paper, 0.9 in the published sampling code.
        """
        truncation = checks.number("truncation", truncation, above=0)
        encodings = self.encode(images, labels)
        return self.decode(truncation * encodings, self.labels_for(len(encodings), labels))

    def interpolate(self, a, b, steps=8, labels=None, renormalize=False):
        """Returns the images on the straight lines between the encodings of `a` and of `b`.

        Args:
            a, b: Images (n, h, w, c), or one image (h, w, c) each.
            steps: Images per line, both ends included; at least 2.
            labels: Integer labels (n,) of a conditional model, used for both ends.
            renormalize: Whether every point is standardised again. The midpoint of two encodings has standard
                deviation sqrt((1 + rho) / 2) < 1, off the shell on which the generator was trained. Default
                False, as in the paper.

        Returns:
            uint8 array (n, steps, h, w, c), or (steps, h, w, c) for single images.
        """
        steps = checks.positive_integer("steps", steps, minimum=2)
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            raise ValueError(f"`a` and `b` must have the same shape. Received: a.shape={a.shape}, b.shape={b.shape}.")
        single = a.ndim == len(self.image_shape)
        if single:
            a, b = a[None], b[None]
        start, end = self.encode(a, labels)[:, None], self.encode(b, labels)[:, None]  # (n, 1, d)
        weights = np.linspace(0.0, 1.0, steps, dtype="float32")[None, :, None]
        points = (1.0 - weights) * start + weights * end  # (n, steps, d)
        if renormalize:
            points = ops.convert_to_numpy(standardize(ops.convert_to_tensor(points)))
        labels = None if labels is None else np.repeat(np.asarray(labels), steps)
        images = self.decode(points.reshape(-1, self.latent_dim), labels)
        images = images.reshape(len(points), steps, *images.shape[1:])
        return images[0] if single else images

    def default_optimizers(self):
        return {player: keras.optimizers.RMSprop(1e-4, rho=0.99) for player in self.players}

    @classmethod
    def network_options(cls, **knobs):
        """Returns the options of the networks: no batch norm in the discriminator, which is also the encoder."""
        del knobs
        return {"generator": {}, "discriminator": {"normalization": None}}

    def get_config(self):
        knobs = {"base": self.base, "correlation_weight": self.correlation_weight, "lam": self.lam}
        return {**super().get_config(), **knobs}
