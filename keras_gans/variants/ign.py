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

The frozen outer f needs no copy of the weights: with A = delta(f(z)), all live, and B = delta(y') at y' = sg f(z),

    loss = reconstruction_weight E delta(x) + idempotence_weight E (A - B) - tightness_weight E c tanh(B / c)

has the same gradient, for A - B, whose value is 0, moves the inner application alone: by dB/dy' df(z)/dtheta, which is
how it is computed, from one outer application in place of two. f must be one function: no dropout.

Without the game (`mode="imle"`), after the abstract of NAIGN (Al-Jaff et al., 2025, arXiv:2511.02614),

    loss = reconstruction_weight E delta(x) + generation_weight E d(y_rho(i), x_i) + idempotence_weight E d(f(sg y), y)

with y = f(z), y_rho(i) the nearest to x_i of `pool` fresh fakes per real; see docs/toy_modes.md for what it covers.

Noise has the spectrum of the data, mean and deviation at every frequency (`keras_gans/samplers/spectrum.py`).

Our choices: 1. the yardstick c gets no gradient; 2. `"spectrum"`, since the real part alone, as in public code, loses
half of the power of all frequencies but those with k = -k; 3. what is logged as loss has B in the place of A - B, as in
the paper; 4. before `adapt` the spectrum is that of white noise N(0, 1); 5. all of `mode="imle"` but its idea.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import GenerativeModel, Implicit, Part, called, checked_network, descend, mean
from keras_gans.engine.building import refuse_random_layers, self_map_shape
from keras_gans.engine.gradients import input_gradients, value_and_input_pullback
from keras_gans.games import idempotence
from keras_gans.samplers.spectrum import SpectrumNoise

DISTANCES = ("l1", "l2")
CLAMPS = ("real", "real_mean", "source", None)


@keras.saving.register_keras_serializable("keras_gans")
class IGN(SpectrumNoise, Implicit, GenerativeModel):
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
        noise: `"spectrum"` (default; of points, mean and deviation), `"spectrum_real_part"`, or `"gaussian"`, N(0, 1).
        mode: `"adversarial"` (default), the paper's game, or `"imle"`, without tightness.
        generation_weight, pool, epsilon: Of `"imle"`: the weight of the nearest fakes, default 20; candidates per real,
            an integer, default 8; and the root mean squared difference below which they are left out, default 0.

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
        **kwargs,
    ):
        self.clamp = checks.one_of("clamp", clamp, CLAMPS)
        super().__init__(**kwargs)
        self.distance = checks.one_of("distance", distance, DISTANCES)
        self.reconstruction_weight = checks.number("reconstruction_weight", reconstruction_weight, minimum=0)
        self.idempotence_weight = checks.number("idempotence_weight", idempotence_weight, minimum=0)
        self.tightness_weight = checks.number("tightness_weight", tightness_weight, minimum=0)
        self.clamp_ratio = checks.number("clamp_ratio", clamp_ratio, above=0)
        self.network = checked_network("network", network)
        self.latent_shape = self_map_shape("network", network, "latent_shape", latent_shape)
        refuse_random_layers("network", network)
        self.prepare_noise(noise)
        self.finish_building()

    @property
    def image_shape(self):
        return self.latent_shape

    def all_logs(self):
        return super().all_logs() if self.clamp or self.mode == "imle" else self.logs[:-1]

    # Losses -----------------------------------------------------------------------------------------------

    def distances(self, first, second):
        """Returns d (n,): the mean over all pixels of the absolute (l1) or squared (l2) difference of two images."""
        return idempotence.distances(first, second, self.distance)

    def clamped(self, frozen, reconstruction, source):
        """Returns `(c tanh(B / c), B / c)`, (n,) or scalars, of drifts and distances (n,), or `(B, None)`."""
        checks.same_shape(frozen=frozen, reconstruction=reconstruction, source=source)
        if self.clamp is None:
            return frozen, None
        if self.clamp == "real_mean":
            frozen, reference = mean(frozen), mean(reconstruction)
        else:
            reference = {"real": reconstruction, "source": source}[self.clamp]
        return idempotence.clamped(frozen, reference, self.clamp_ratio)

    # Training ---------------------------------------------------------------------------------------------

    def mapped(self, images, training=True):
        """Returns f(images), float32."""
        return ops.cast(called(self.network, images, training), "float32")

    def _sloped(self, images):
        """Returns delta (n,) of images and its gradient at them, which has none itself, of one application."""
        again, pullback = value_and_input_pullback(self.mapped, images)
        slopes = input_gradients(lambda pair: self.distances(pair[0], pair[1]), ops.stack([again, images]))
        return self.distances(again, images), ops.stop_gradient(pullback(slopes[0]) + slopes[1])

    def objective(self, images, latents, training=True):
        """Returns `(loss, {"reconstruction": ..., ...})` of one batch."""
        fakes = self.mapped(latents, training)
        held = ops.stop_gradient(fakes)
        reconstruction = self.distances(self.mapped(images, training), images)
        frozen, slopes = self._sloped(held) if training else (self.distances(self.mapped(held, False), held), 0.0)
        inner = ops.sum(slopes * (fakes - held), axis=tuple(range(1, len(fakes.shape))))  # A - B
        still = ops.stop_gradient(frozen)
        tightness, level = self.clamped(frozen, reconstruction, self.distances(held, latents))
        observed = {
            "reconstruction": mean(reconstruction),
            "idempotence": mean(frozen),
            "tightness": mean(tightness),
            **({} if level is None else {"clamp_level": mean(level)}),
        }
        weights = self.reconstruction_weight, self.idempotence_weight, self.tightness_weight
        return idempotence.network_loss(reconstruction, still + inner, still, tightness, weights), observed

    def train_step(self, data):
        if self.mode == "imle":
            return self.imle_step(data)
        images, _ = self.batch(data)
        latents = self.sample_latents(ops.shape(images)[0])
        loss, observed = descend(self.objective, self, "network", images, latents)
        return self.report(network_loss=loss + self.idempotence_weight * observed["idempotence"], **observed)

    def observed_losses(self, images, labels, latents):
        if self.mode == "imle":
            return super().observed_losses(images, labels, latents)
        loss, observed = self.objective(images, latents, training=False)
        return {"network_loss": loss + self.idempotence_weight * observed["idempotence"], **observed}

    def default_optimizers(self):
        return {"network": keras.optimizers.Adam(1e-4, beta_1=0.5, beta_2=0.999)}

    # Inference --------------------------------------------------------------------------------------------

    def fake(self, latents, labels=None, training=True):
        return self.mapped(latents, training)

    def decode(self, latents, labels=None, steps=1, average=False):
        """Returns the images (uint8) made of noise (n, h, w, c) by `steps` applications; 2 repair many artefacts."""
        images = self.checked_latents(latents)
        self.labels_for(len(images), labels)
        call = self.averaged_call("mapped", lambda images: self.mapped(images, training=False), average)
        for _ in range(checks.positive_integer("steps", steps)):
            images = self.compiled_call(*call, images)
        return self.to_pictures(images)

    def project(self, images, steps=1):
        """Returns images, uint8 or float as for `fit`, moved onto the learned set by `steps` applications: repaired."""
        return self.decode(self.as_floats(images), steps=steps)

    def drift(self, images):
        """Returns how far the network moves each image, float32 (n,): low for images like those of the training."""

        def drifts(images):
            return self.distances(self.mapped(images, training=False), images)

        return self.compiled_call("drift", drifts, self.as_floats(images))

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        del knobs
        return {"network": Part("autoencoder", latent_dim, {})}

    def get_config(self):
        knobs = ("distance", "reconstruction_weight", "idempotence_weight", "tightness_weight", "clamp", "clamp_ratio")
        own = {name: getattr(self, name) for name in ("latent_shape", *knobs, "noise")}
        return {**super().get_config(), **own}
