"""Energy-based model trained by short-run Langevin sampling from a replay buffer (IGEBM).

Du and Mordatch, 2019, arXiv:1903.08689. With U(x) the energy, low on data (-U is this library's score, high = real),
x+ data, x- samples of the model without a gradient, one network and no generator:

    contrastive  min over U  E U(x+) - E U(x-) + alpha E [U(x+)^2 + U(x-)^2]            (default)
    softplus                 E softplus(U(x+) - U(x-)), in pairs                         + the same squares
    logsumexp                E U(x+) - sum_b w_b U(x-_b),  w = softmax(-U(x-)), constant + the same squares

    x-: each from the buffer, or fresh from U(0, 1) with probability `restart_share`; then K times
        x <- x + sigma n;  x <- clip(x - s clip(dU/dx, -c, c), 0, 1)        and into the buffer, over the oldest

Pixels are in [0, 1] here, so that s, sigma and c are those of the paper's code: a step moves a pixel by at most s c.
Both squares are added; a public text subtracts the second, which has no lower bound. At a stationary point
U(x-) - U(x+) is at most 1 / alpha.

Our choices: 1. when the mean size of the energies passes `energy_limit`, or they are not finite, the network goes back
to the weights of at most `keep_every` steps before, the learning rate is halved, the buffer is emptied, and `fit` says
so; 2. outside of training chains run without the noise of their steps, so that an image is a function of its start;
3. `noise="spectrum"`: all uniform noise looks alike from afar, and its chains end in a few modes.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import (
    Energy,
    GenerativeModel,
    Part,
    called,
    checked_network,
    coupled_layers,
    descend,
    given,
    mean,
)
from keras_gans.engine.asking import for_score
from keras_gans.engine.building import score_input_shape
from keras_gans.engine.optimizers import ClippedAdam
from keras_gans.engine.private_keras import plain_setattr
from keras_gans.engine.recovery import Recovery
from keras_gans.samplers.replay import ReplayBuffer
from keras_gans.samplers.short_run import ShortRun

OBJECTIVES = ("contrastive", "softplus", "logsumexp")


@keras.saving.register_keras_serializable("keras_gans")
class EnergyBasedModel(Energy, ShortRun, ReplayBuffer, Recovery, GenerativeModel):
    """One network as an energy of images: `generate` by sampling, `energy` of images, `restore` of damaged ones.

    Args:
        network: `keras.Model`, images (n, h, w, c) in [-1, 1] -> (n, 1) scores, higher = more real; the energy is minus
            that. No batch norm; spectral norm and no bias in the last layer as published.
        image_shape: (h, w, c); needed only where the network does not tell its input shape.
        objective: `"contrastive"` (default), `"softplus"` or `"logsumexp"`.
        energy_weight: alpha, the weight of the squared energies, at least 0, default 1.
        sampling_steps: K, steps of the sampler in a train step, default 60.
        step_size: s, above 0, default 10, for pixels in [0, 1].
        noise_std: sigma, at least 0, default 0.005.
        gradient_clip: c, above 0, default 0.01, or None.
        buffer_size: Samples in the replay buffer, default 10,000; they are saved with the model, a byte per value.
        restart_share: Probability that a chain starts from noise, default 0.05.
        noise: Where fresh chains start: `"uniform"` (default), or `"spectrum"`, Gaussian noise with mean and
            deviation of the data at every frequency (`samplers/spectrum.py`), from which they reach more of its modes.
        generation_steps: Steps of `generate`; default 4 `sampling_steps`.
        energy_limit: Mean size of the energies from which they count as run away, above 0, default 50.
        keep_every: Steps between copies of good weights, default 100.
        num_classes: 0, or the number of classes of a conditional model, whose network takes `[images, labels]`.

    Raises:
        ValueError: For numbers outside the ranges, a network of another shape or that couples the samples of a batch,
            a buffer that does not fit into memory.

    Example:
        >>> model = keras_gans.create("energy_based_model", image_shape=(32, 32, 1), sampling_steps=15)
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)
        >>> model.restore(damaged, mask=missing)

    Reference: Du and Mordatch, 2019, arXiv:1903.08689. Default optimiser: `ClippedAdam`, learning rate 3e-4, betas
    (0, 0.999).
    """

    networks = ("network",)
    players = ("network",)
    steps_compare = False
    logs = (
        *("network_loss", "real_energy", "sample_energy", "start_slope", "sample_slope"),
        *("sample_deviation", "fresh", "rollbacks"),
    )
    training_logs = logs[3:]

    def __init__(
        self,
        network,
        image_shape=None,
        objective="contrastive",
        energy_weight=1.0,
        sampling_steps=60,
        step_size=10.0,
        noise_std=0.005,
        gradient_clip=0.01,
        buffer_size=10_000,
        restart_share=0.05,
        noise="uniform",
        generation_steps=None,
        energy_limit=50.0,
        keep_every=100,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.objective = checks.one_of("objective", objective, OBJECTIVES)
        self.energy_weight = checks.number("energy_weight", energy_weight, minimum=0)
        self.sampling_steps = checks.positive_integer("sampling_steps", sampling_steps)
        self.step_size = checks.number("step_size", step_size, above=0)
        self.noise_std = checks.number("noise_std", noise_std, minimum=0)
        self.gradient_clip = None if gradient_clip is None else checks.number("gradient_clip", gradient_clip, above=0)
        self.generation_steps = checks.positive_integer("generation_steps", generation_steps or 4 * sampling_steps)
        self.energy_limit = checks.number("energy_limit", energy_limit, above=0)
        self.network = checked_network("network", network)
        if coupled_layers(network):
            raise ValueError(
                "`network` must treat samples independently, or an energy is not that of one image. The layer "
                f"{coupled_layers(network)[0]!r} mixes the samples of a batch."
            )
        plain_setattr(
            self, "_image_shape", score_input_shape("network", network, "image_shape", image_shape, self.num_classes)
        )
        self.prepare_noise(noise)
        self.prepare_buffer(buffer_size, restart_share)
        self.prepare_recovery(keep_every)
        self.finish_building()

    @property
    def image_shape(self):
        return self._image_shape

    def draw_uniform(self, shape):
        """Returns numbers from U(0, 1), of the model's own stream."""
        return keras.random.uniform(shape, seed=self.latent_seeds)

    # Losses -----------------------------------------------------------------------------------------------

    def energies(self, pixels, labels=None, training=False):
        """Returns U (n,), float32, of images (n, h, w, c) in [0, 1]."""
        scores = called(self.network, given(2.0 * pixels - 1.0, labels), training)
        return -ops.cast(scores, "float32")[:, 0]

    def energy_loss(self, real_energies, sample_energies):
        """Returns the scalar loss of energies (n,) of data and of samples, the squares included."""
        checks.same_shape(real_energies=real_energies, sample_energies=sample_energies)
        if self.objective == "softplus":
            loss = mean(ops.softplus(real_energies - sample_energies))
        elif self.objective == "logsumexp":
            weights = ops.stop_gradient(ops.softmax(-sample_energies))
            loss = mean(real_energies) - ops.sum(weights * sample_energies)
        else:
            loss = mean(real_energies) - mean(sample_energies)
        return loss + self.energy_weight * (mean(ops.square(real_energies)) + mean(ops.square(sample_energies)))

    def game(self, reals, samples, labels):
        """Returns `(loss, {log: value})` of images in [0, 1] of the data and of the model."""
        real_energies, sample_energies = (self.energies(each, labels, training=True) for each in (reals, samples))
        observed = {"real_energy": mean(real_energies), "sample_energy": mean(sample_energies)}
        return self.energy_loss(real_energies, sample_energies), observed

    # Training ---------------------------------------------------------------------------------------------

    def train_step(self, data):
        images, labels = self.batch(data)
        count = ops.shape(images)[0]
        reals = ((images + 1.0) * 127.5 + self.draw_uniform((count, *self.image_shape))) / 256.0  # bytes, and below one
        start, anew = self.starts((self.sample_latents(count) + 1.0) / 2.0)
        noise = self.draw_normal((self.sampling_steps, count, *self.image_shape))
        samples, first, last = self.chain(start, labels, noise)

        sizes = ops.abs(ops.concatenate([self.energies(reals, labels), self.energies(samples, labels)]))
        away = ops.logical_not(mean(sizes) <= self.energy_limit)  # or not a number
        self.recovered(away)
        samples = ops.where(away, reals, samples)  # with which the energies differ in nothing
        loss, observed = descend(self.game, self, "network", reals, samples, labels)
        self.store(samples)
        self.empty_buffer(away)
        return self.report(
            network_loss=loss,
            **observed,
            start_slope=first,
            sample_slope=last,
            sample_deviation=ops.mean(ops.std(samples, axis=0)),
            fresh=ops.mean(ops.cast(anew, "float32")),
            rollbacks=ops.cast(ops.convert_to_tensor(self.rollbacks), "float32"),
        )

    def observed_losses(self, images, labels, latents):
        reals, samples = (images + 1.0) / 2.0, (self.fake(latents, labels, training=False) + 1.0) / 2.0
        energies = self.energies(reals, labels), self.energies(samples, labels)
        observed = {"real_energy": mean(energies[0]), "sample_energy": mean(energies[1])}
        return {"network_loss": self.energy_loss(*energies), **observed}

    def default_optimizers(self):
        return {"network": ClippedAdam(3e-4, beta_1=0.0, beta_2=0.999)}

    def realness(self, images, labels=None):
        images, labels = for_score(self, images, labels)
        return -self.energies((images + 1.0) / 2.0, labels)

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        """Spectral normalisation as published; no last bias, which shifts all energies alike."""
        del latent_dim, knobs
        return {"network": Part("discriminator", 1, {"normalization": "spectral", "use_output_bias": False})}

    def get_config(self):
        knobs = ("objective", "energy_weight", "sampling_steps", "step_size", "noise_std", "gradient_clip")
        more = ("buffer_size", "restart_share", "noise", "generation_steps", "energy_limit", "keep_every")
        return {**super().get_config(), **{name: getattr(self, name) for name in ("image_shape", *knobs, *more)}}
