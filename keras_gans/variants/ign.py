"""IGN, the idempotent generative network: one network that maps noise to images and images to themselves.

Shocher et al., 2023, arXiv:2311.01462. With f the network, x real, z noise of the shape of x, d a distance per sample,
sg(.) the identity without gradient and delta(y) = d(f(y), y) the drift of y (low = real, so that -delta is a score):

    reconstruction   E delta(x)                          real images are fixed points
    idempotence      E delta'(f(z)),  outer f frozen     f(z) moves onto the set of fixed points
    tightness        E delta(sg f(z))                    is maximised: the set is kept small
    loss = reconstruction_weight rec + idempotence_weight idem - tightness_weight E c tanh(delta(sg f(z)) / c)

The tanh stops a fake that drifts much more than its yardstick c from dominating; c = clamp_ratio times

    "real"       delta(x_i) of the real image beside it            "source"   d(f(z_i), z_i)
    "real_mean"  the batch mean of delta(x), against that of delta(sg f(z)): one number for the batch

The frozen outer f needs no copy of the weights. With A = delta(f(z)), everything live, and B = delta(sg f(z)),

    loss = reconstruction_weight E delta(x) + idempotence_weight E (A - B) - tightness_weight E c tanh(B / c)

has the same gradient: A depends on the weights through both applications of f and B through the outer one only, so that
A - B, whose value is 0, leaves the inner one. That needs an f that computes the same function each time: no dropout.

Noise has the spectrum of the data (mean and standard deviation of the real and imaginary part at every frequency):

    W = s_re e1 + j s_im e2,  e1, e2 ~ N(0, 1)
    "spectrum"            S = m + (W(k) + conj W(-k)) / sqrt 2,  / 2 where k = -k;  z = ifft2(S), which is real
    "spectrum_real_part"  S = m + W;  z = Re ifft2(S)

Our choices: 1. the yardstick c gets no gradient; 2. `"spectrum"`, since the real part alone, as in public code, loses
half of the power of all frequencies but those with k = -k; 3. what is logged as loss has B in the place of A - B, as in
the paper; 4. before `adapt` the spectrum is that of white noise N(0, 1).
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import GenerativeModel, descend, mean, standard_normal

DISTANCES = ("l1", "l2")
CLAMPS = ("real", "real_mean", "source", None)
NOISES = ("spectrum", "spectrum_real_part", "gaussian")
SMALLEST_YARDSTICK = 1e-6


def spectrum(images):
    """Returns m_re, s_re, m_im, s_im of images (n, h, w, c) at every frequency, float32 (4, h, w, c)."""
    frequencies = np.fft.fft2(np.asarray(images, "float64"), axes=(1, 2))
    parts = (frequencies.real, frequencies.imag)
    return np.stack([f(part, axis=0) for part in parts for f in (np.mean, np.std)]).astype("float32")


def to_floats(images):
    """Returns an array of images as float32 in [-1, 1]."""
    return images.astype("float32") / 127.5 - 1.0 if images.dtype == "uint8" else images.astype("float32")


def self_conjugate(height, width):
    """Returns a bool array (h, w, 1): the frequencies k with k = -k, whose value is real for a real image."""
    rows, columns = (2 * np.arange(side) % side == 0 for side in (height, width))
    return (rows[:, None] & columns[None])[:, :, None]


def white_spectrum(shape):
    """Returns the statistics (4, h, w, c) of independent N(0, 1) pixels."""
    real = self_conjugate(*shape[:2])
    power = shape[0] * shape[1]
    deviations = np.sqrt(np.where(real, power, power / 2.0)), np.sqrt(np.where(real, 0.0, power / 2.0))
    zeros = np.zeros(shape)
    return np.stack([zeros, deviations[0] + zeros, zeros, deviations[1] + zeros]).astype("float32")


def spectrum_noise(statistics, normal, hermitian=True):
    """Returns noise (n, h, w, c) with a given spectrum.

    Args:
        statistics: (4, h, w, c), as `spectrum` returns them.
        normal: (2, n, h, w, c), the numbers e1 and e2.
        hermitian: Whether the spectrum is made that of a real image, or the real part is taken instead.
    """
    real, imaginary = statistics[1] * normal[0], statistics[3] * normal[1]
    if hermitian:
        height, width = statistics.shape[1:3]
        opposite = [ops.roll(ops.flip(part, (1, 2)), (1, 1), (1, 2)) for part in (real, imaginary)]  # at -k
        weight = ops.convert_to_tensor(np.where(self_conjugate(height, width), 0.5, np.sqrt(0.5)).astype("float32"))
        real, imaginary = weight * (real + opposite[0]), weight * (imaginary - opposite[1])
    parts = statistics[0] + real, statistics[2] + imaginary
    noise, _ = ops.ifft2(tuple(ops.transpose(part, (0, 3, 1, 2)) for part in parts))
    return ops.transpose(noise, (0, 2, 3, 1))


@keras.saving.register_keras_serializable("keras_gans")
class IGN(GenerativeModel):
    """One network as generator and critic: `generate`, `project` images onto the learned set, `drift` of images.

    Args:
        network: `keras.Model`, images (n, h, w, c) -> images of the same shape in [-1, 1], without dropout or any other
            random layer; an autoencoder with a bottleneck and no skip connections, or the identity is a solution.
        latent_shape: Shape of one noise image; needed only where the network does not tell its input shape.
        distance: `"l1"` (default), the mean absolute difference per sample, or `"l2"`, the mean squared one.
        reconstruction_weight, idempotence_weight, tightness_weight: At least 0, defaults 20, 20, 2.5. Keep the last
            below the first divided by `clamp_ratio`.
        clamp: Yardstick of the tightness: `"real"` (default), `"real_mean"`, `"source"`, or None for no clamp.
        clamp_ratio: Fakes that drift more than this many times the yardstick count less and less; default 1.5.
        noise: `"spectrum"` (default), `"spectrum_real_part"`, or `"gaussian"` for N(0, 1).

    Raises:
        ValueError: For unknown names, a network of another shape or with a random layer, or num_classes > 0.

    Example:
        >>> network = keras_gans.networks.dcgan.autoencoder((32, 32, 1), latent_dim=128)
        >>> model = keras_gans.IGN(network)
        >>> model.compile()
        >>> model.fit(images, batch_size=256, epochs=100)
        >>> model.generate(16, steps=2)

    `fit` on arrays measures the spectrum first (`adapt`); before `fit` on a dataset, call `adapt` yourself.

    Reference: Shocher, Dravid, Gandelsman, Mosseri, Rubinstein and Efros, 2023, arXiv:2311.01462. Default optimiser:
    Adam, learning rate 1e-4, betas (0.5, 0.999).
    """

    networks = ("network",)
    players = ("network",)
    logs = ("network_loss", "reconstruction", "idempotence", "tightness", "clamp_level")
    conditional = False

    def __init__(
        self,
        network,
        latent_shape=None,
        distance="l1",
        reconstruction_weight=20.0,
        idempotence_weight=20.0,
        tightness_weight=2.5,
        clamp="real",
        clamp_ratio=1.5,
        noise="spectrum",
        num_classes=0,
        **kwargs,
    ):
        self.clamp = checks.one_of("clamp", clamp, CLAMPS)
        super().__init__(num_classes=num_classes, **kwargs)
        if self.num_classes:
            raise ValueError(
                f"`num_classes` must be 0: an IGN has no conditional form. {checks.received(num_classes=num_classes)}"
            )
        self.distance = checks.one_of("distance", distance, DISTANCES)
        self.reconstruction_weight = checks.number("reconstruction_weight", reconstruction_weight, minimum=0)
        self.idempotence_weight = checks.number("idempotence_weight", idempotence_weight, minimum=0)
        self.tightness_weight = checks.number("tightness_weight", tightness_weight, minimum=0)
        self.clamp_ratio = checks.number("clamp_ratio", clamp_ratio, above=0)
        self.noise = checks.one_of("noise", noise, NOISES)
        self.network = network
        self.latent_shape = self._checked_shape(network, latent_shape)
        if self.noise != "gaussian":
            if len(self.latent_shape) != 3:
                raise ValueError(
                    f"`noise` must be 'gaussian' for points, which have no spectrum. {checks.received(noise=noise)}"
                )
            self.statistics = self.add_weight(
                shape=(4, *self.latent_shape),
                initializer=lambda shape, dtype=None: ops.convert_to_tensor(white_spectrum(shape[1:])),
                dtype="float32",
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
                name="spectrum",
            )
            self.adapted = self._counter("adapted", 0)
        self.finish_building()

    def _checked_shape(self, network, latent_shape):
        """Calls the network symbolically (which builds it) and returns the shape of one image."""
        if not isinstance(network, keras.Model):
            raise TypeError(f"`network` must be a keras.Model. {checks.received(network=network)}")
        known = getattr(network, "inputs", None)
        shape = tuple(latent_shape or (known[0].shape[1:] if known else ()))
        if not shape or None in shape:
            raise ValueError(
                "`latent_shape` must be given, since the network does not tell the shape of its input. "
                f"{checks.received(latent_shape=latent_shape)}"
            )
        try:
            outputs = tuple(network(keras.KerasTensor((None, *shape))).shape)
        except Exception as error:
            raise ValueError(
                f"`network` must accept inputs of shape {(None, *shape)}. Keras says: {str(error).splitlines()[0]}"
            ) from error
        if outputs != (None, *shape):
            raise ValueError(
                "`network` must map images to images of the same shape. "
                f"Received: a network from {(None, *shape)} to {outputs}."
            )
        for layer in reversed(list(network._flatten_layers())):  # the innermost first
            if any(variable.name == "seed_generator_state" for variable in layer.non_trainable_variables):
                raise ValueError(
                    f"`network` must compute the same function every time. The layer {layer.name!r} is random: build "
                    "the network without dropout."
                )
        return shape

    @property
    def image_shape(self):
        return self.latent_shape

    def all_logs(self):
        return self.logs if self.clamp else self.logs[:-1]

    # Losses -----------------------------------------------------------------------------------------------

    def distances(self, first, second):
        """Returns d (n,): the mean over all pixels of the absolute (l1) or squared (l2) difference of two images."""
        checks.same_shape(first=first, second=second)
        differences = ops.abs(first - second) if self.distance == "l1" else ops.square(first - second)
        return ops.mean(differences, axis=tuple(range(1, len(first.shape))))

    def clamped(self, frozen, reconstruction, source):
        """Returns `(tightness, level)`: c tanh(B / c), and B / c, the more above 1 the less the fake counts.

        Args:
            frozen: (n,), B, the drifts of the held fakes.
            reconstruction: (n,), the drifts of the real images.
            source: (n,), the distances of the fakes from their noise.

        Returns:
            Two tensors (n,), scalars for `clamp="real_mean"`; without a clamp `(B, None)`.
        """
        checks.same_shape(frozen=frozen, reconstruction=reconstruction, source=source)
        if self.clamp is None:
            return frozen, None
        if self.clamp == "real_mean":
            frozen, reference = mean(frozen), mean(reconstruction)
        else:
            reference = {"real": reconstruction, "source": source}[self.clamp]
        yardstick = ops.stop_gradient(ops.maximum(self.clamp_ratio * reference, SMALLEST_YARDSTICK))
        level = frozen / yardstick
        return yardstick * ops.tanh(level), level

    def network_loss(self, reconstruction, live, frozen, tightness):
        """Returns the scalar that is differentiated, from the drifts of one batch, all (n,).

        Args:
            reconstruction: delta(x).
            live: A = delta(f(z)).
            frozen: B = delta(sg f(z)).
            tightness: c tanh(B / c), (n,) or scalar.
        """
        checks.same_shape(reconstruction=reconstruction, live=live, frozen=frozen)
        return (
            self.reconstruction_weight * mean(reconstruction)
            + self.idempotence_weight * mean(live - frozen)
            - self.tightness_weight * mean(tightness)
        )

    # Training ---------------------------------------------------------------------------------------------

    def mapped(self, images, training=True):
        """Returns f(images), float32."""
        return ops.cast(self.network(images, training=training), "float32")

    def objective(self, images, latents, training=True):
        """Returns `(loss, {"reconstruction": ..., ...})` of one batch."""
        fakes = self.mapped(latents, training)
        held = ops.stop_gradient(fakes)
        reconstruction = self.distances(self.mapped(images, training), images)
        live = self.distances(self.mapped(fakes, training), fakes)
        frozen = self.distances(self.mapped(held, training), held)
        tightness, level = self.clamped(frozen, reconstruction, self.distances(held, latents))
        observed = {
            "reconstruction": mean(reconstruction),
            "idempotence": mean(frozen),
            "tightness": mean(tightness),
            **({} if level is None else {"clamp_level": mean(level)}),
        }
        return self.network_loss(reconstruction, live, frozen, tightness), observed

    def train_step(self, data):
        images, _ = self.batch(data)
        latents = self.sample_latents(ops.shape(images)[0])
        loss, observed = descend(lambda: self.objective(images, latents), self, "network")
        return self.report(network_loss=loss + self.idempotence_weight * observed["idempotence"], **observed)

    def observed_losses(self, images, labels, latents):
        loss, observed = self.objective(images, latents, training=False)
        return {"network_loss": loss + self.idempotence_weight * observed["idempotence"], **observed}

    def default_optimizers(self):
        return {"network": keras.optimizers.Adam(1e-4, beta_1=0.5, beta_2=0.999)}

    def compile(self, optimizer=None, run_eagerly=False, steps_per_execution=1, jit_compile="auto", **unknown):
        """See `GenerativeModel.compile`: the paper's optimiser unless `optimizer` says otherwise."""
        super().compile(
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            optimizer=optimizer,
            **unknown,
        )

    def fit(self, x=None, y=None, **kwargs):
        """Trains the model; see `GenerativeModel.fit`. The first time, arrays are given to `adapt`.

        Raises:
            ValueError: If `x` is a dataset and `adapt` was never called.
        """
        if self.noise != "gaussian" and not int(ops.convert_to_numpy(self.adapted.value)):
            arrays = self._arrays(x, y)
            if arrays is None:
                raise ValueError(
                    "`adapt(images)` must be called before `fit` on a dataset, with an array of about 1000 of its "
                    "images: the noise takes its spectrum from them. Or build the model with noise='gaussian'."
                )
            split = kwargs.get("validation_split", 0.0) if kwargs.get("validation_data") is None else 0.0
            self.adapt(arrays[0][: len(arrays[0]) - int(len(arrays[0]) * split)])
        return super().fit(x, y, **kwargs)

    def adapt(self, images, limit=1000):
        """Measures the spectrum of images, which is saved with the model and from which the noise is drawn.

        Args:
            images: Array (n, h, w, c) as for `fit`.
            limit: At most so many images are used, at equal distances in the array.
        """
        if self.noise == "gaussian":
            raise ValueError("`adapt` has no use for noise='gaussian', which does not look at the data.")
        images = self._pictures(images)
        rows = np.linspace(0, len(images) - 1, min(len(images), checks.positive_integer("limit", limit)))
        images = images[np.rint(rows).astype(int)]
        self.statistics.assign(spectrum(to_floats(images)))
        self.adapted.assign(1)

    def _pictures(self, images):
        """Checks images and returns them as a NumPy array."""
        arrays = self._arrays(images, None)
        if arrays is None:
            raise TypeError(f"`images` must be an array. Received: {type(images).__name__}.")
        return arrays[0]

    # Noise and inference ----------------------------------------------------------------------------------

    def sample_latents(self, count, training=True):
        """Returns noise (count, h, w, c): the one place where training noise is drawn."""
        return self.colored(self.draw_normal(self._normal_shape(count), training))

    def _normal_shape(self, count):
        return (count, *self.latent_shape) if self.noise == "gaussian" else (2, count, *self.latent_shape)

    def colored(self, normal):
        """Returns noise (n, h, w, c) made of N(0, 1) numbers, (2, n, h, w, c), or (n, h, w, c) for gaussian noise."""
        if self.noise == "gaussian":
            return normal
        return spectrum_noise(ops.convert_to_tensor(self.statistics), normal, self.noise == "spectrum")

    def latents_for(self, n, seed=None):
        """Returns n noise images as a float32 NumPy array; an integer `seed` fixes them."""
        normal = ops.convert_to_tensor(standard_normal(self._normal_shape(n), seed))
        return ops.convert_to_numpy(self.colored(normal))

    def labels_for(self, n, labels=None):
        """Returns None: the model is unconditional, and labels are refused."""
        return None if labels is None else checks.labels(np.asarray(labels), n, 0)

    def call(self, inputs, training=False):
        """Returns f(inputs) for noise or images (n, h, w, c) in [-1, 1]: what `predict` computes."""
        return self.mapped(inputs, training=training)

    def generate(self, n, labels=None, seed=None, steps=1):
        """Returns n generated images.

        Args:
            n: Number of images, at least 1.
            labels: None; there for the sake of the other models.
            seed: Integer that fixes the noise; default: the global seed of Keras.
            steps: How often the network is applied, default 1; 2 repairs many artefacts.

        Returns:
            uint8 array (n, height, width, channels); float32 (n, d) for a model of points.
        """
        n = checks.positive_integer("n", n)
        return self.decode(self.latents_for(n, seed), self.labels_for(n, labels), steps)

    def decode(self, latents, labels=None, steps=1):
        """Returns the images (uint8) made of given noise (n, h, w, c) by `steps` applications of the network."""
        self.labels_for(len(latents), labels)
        images = latents
        for _ in range(checks.positive_integer("steps", steps)):
            images = self.compiled_call("mapped", lambda images: self.mapped(images, training=False), images)
        return self.to_pictures(images)

    def project(self, images, steps=1):
        """Returns images moved onto the learned set: repaired, if they were damaged or of another kind.

        Args:
            images: uint8 or float images (n, h, w, c), as for `fit`.
            steps: How often the network is applied, default 1.

        Returns:
            uint8 array of the same shape; float32 for a model of points.
        """
        images = self._pictures(images)
        return self.decode(to_floats(images), steps=steps)

    def drift(self, images):
        """Returns how far the network moves each image, float32 (n,): low for images like those of the training."""

        def drifts(images):
            images, _ = self.batch((images,))
            return self.distances(self.mapped(images, training=False), images)

        images = self._pictures(images)
        return self.compiled_call(f"drift_{images.dtype}", drifts, images)

    @classmethod
    def network_options(cls, **knobs):
        """Returns the options of the network: what its builder prefers."""
        del knobs
        return {"network": {}}

    def get_config(self):
        return {
            **super().get_config(),
            "latent_shape": self.latent_shape,
            "distance": self.distance,
            "reconstruction_weight": self.reconstruction_weight,
            "idempotence_weight": self.idempotence_weight,
            "tightness_weight": self.tightness_weight,
            "clamp": self.clamp,
            "clamp_ratio": self.clamp_ratio,
            "noise": self.noise,
        }
