"""Samplers in the latent space of a trained two-player model: its discriminator is an energy, its generator a map.

With U = -score (low = real), G the generator and T a temperature, the latents are drawn from exp(-V),

    V(z) = U(G(z)) / T + |z|^2 / 2

The second term keeps the prior N(0, I) as base measure (arXiv:2003.06060): for a score that is the log density ratio of
data and samples, as in the GAN and its relatives, this is the law under which the samples are the data. `prior=False`
leaves it out, as arXiv:1901.08508 does. Both are as good as the score: look at what comes out.
"""

import dataclasses
import math
import random

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel
from keras_gans.samplers import dynamics

FIRST_STEP_SIZE = 0.1
GOOD_ACCEPTANCE = (0.5, 0.7)
MOST_CANDIDATES = 1000  # per sample that is wanted


@dataclasses.dataclass
class Samples:
    """What a sampler found.

    Attributes:
        images: uint8 array (n, h, w, c), or float32 points (n, d).
        latents: float32 array (n, latent_dim).
        labels: The labels (n,), or None.
        energies: Mean energy over the chains before each step and at the end, (steps + 1,); of `rejection` the energy
            U = -score of each sample.
        acceptance: Mean probability of acceptance in each step, (steps,), or in each batch of candidates.
        step_size: eps of the last step, or None.
        acceptance_rate: Its mean over the steps in which the step size was not tuned; over all candidates.
        about: What was done, in a sentence; `str(samples)`.
    """

    images: np.ndarray
    latents: np.ndarray
    labels: np.ndarray | None
    energies: np.ndarray
    acceptance: np.ndarray
    step_size: float | None
    acceptance_rate: float
    about: str

    def __str__(self):
        return self.about

    def figure(self):
        """Returns a `matplotlib` figure: the energies, and the acceptance in each step."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(self.energies)
        left.set(xlabel="step" if self.step_size else "sample", ylabel="energy")
        right.plot(self.acceptance)
        right.set(xlabel="step" if self.step_size else "batch of candidates", ylabel="acceptance", ylim=(0, 1.02))
        figure.suptitle(self.about, fontsize=9)
        return figure


def _checked(model):
    if not isinstance(model, AdversarialModel):
        raise TypeError(
            "`model` must be a two-player variant such as keras_gans.GAN: its discriminator is the energy and its "
            f"generator the map. {checks.received(model=model)}"
        )
    return model


class Chains:
    """Chains in the latent space of a model: their energy, and compiled steps of all of them.

    Args:
        model: A two-player variant.
        n: How many chains.
        labels, seed, average: As for `model.generate`.
        prior: Whether |z|^2 / 2 is part of the energy.
        temperature: T, above 0.
    """

    def __init__(self, model, n, labels, seed, average, prior, temperature):
        self.model, self.prior = _checked(model), checks.flag("prior", prior)
        self.temperature = checks.number("temperature", temperature, above=0)
        self.average = checks.flag("average", average)
        self.points = model.latents_for(checks.positive_integer("n", n), seed)
        self.labels = model.labels_for(n, labels)
        self._random = np.random.default_rng([random.getrandbits(62) if seed is None else seed, 1])
        start = self._call("start", lambda z, labels: dynamics.energy_and_gradient(self._energy(labels), z))
        self.energies, self.gradients = start(self.points, self.labels)
        self.curve = [float(self.energies.mean())]

    def _energy(self, labels):
        def energy(latents):
            images = self.model.fake(latents, labels, training=False)
            energies = -self.model.realness(images, labels) / self.temperature
            return energies + ops.sum(ops.square(latents), axis=-1) / 2 if self.prior else energies

        return energy

    def _call(self, name, fn):
        key = f"{name} in latents, prior={self.prior}, temperature={self.temperature}"
        call = self.model.averaged_call(key, fn, self.average)
        return lambda *arrays: self.model.compiled_call(*call, *arrays)

    def _noise(self):
        return self._random.standard_normal(self.points.shape, dtype=np.float32)

    def adjusted(self, step_size):
        """Takes a step of MALA of size eps; returns the mean probability of acceptance."""

        def step(points, energies, gradients, noise, log_uniforms, sizes, labels):
            return dynamics.adjusted_step(self._energy(labels), points, energies, gradients, noise, log_uniforms, sizes)

        log_uniforms = np.log(1 - self._random.random(len(self.points), dtype=np.float32))
        present = self.points, self.energies, self.gradients, self._noise(), log_uniforms
        sizes = np.full(len(self.points), step_size, np.float32)
        self.points, self.energies, self.gradients, accepted = self._call("mala", step)(*present, sizes, self.labels)
        self.curve.append(float(self.energies.mean()))
        return float(accepted.mean())

    def unadjusted(self, step_size, noise_scale):
        """Takes an unadjusted step of size eps, with the noise multiplied by `noise_scale`."""

        def step(points, gradients, noise, sizes, labels):
            moved = dynamics.unadjusted_step(points, gradients, noise, sizes)
            return moved, *dynamics.energy_and_gradient(self._energy(labels), moved)

        noise, sizes = noise_scale * self._noise(), np.full(len(self.points), step_size, np.float32)
        arguments = self.points, self.gradients, noise, sizes, self.labels
        self.points, self.energies, self.gradients = self._call("langevin", step)(*arguments)
        self.curve.append(float(self.energies.mean()))

    def samples(self, acceptance, step_size, rate, about):
        images = self.model.decode(self.points, self.labels, average=self.average)
        curves = np.array(self.curve), np.array(acceptance)
        return Samples(images, self.points, self.labels, *curves, step_size, rate, about)


def mala(
    model,
    n,
    steps=100,
    step_size=None,
    target_acceptance=0.6,
    prior=True,
    temperature=1.0,
    labels=None,
    seed=None,
    average=False,
):
    """Draws images by the Metropolis-adjusted Langevin algorithm in the latent space of a two-player model.

    Args:
        model: A trained two-player variant, such as `keras_gans.GAN` or `keras_gans.EnergyGAN`.
        n: Number of chains, at least 1; the last state of each is a sample.
        steps: Steps of each chain, default 100.
        step_size: eps, above 0. Default: tuned in the first half of the steps, from 0.1 on, towards the target.
        target_acceptance: The acceptance that the step size is tuned to, in (0, 1), default 0.6.
        prior: Whether |z|^2 / 2 belongs to the energy, default True; False reproduces arXiv:1901.08508.
        temperature: What the discriminator's score is divided by, default 1.
        labels, seed, average: As for `model.generate`.

    Returns:
        `Samples`; `print` tells acceptance and step size, `.figure()` draws the curves.

    Raises:
        TypeError, ValueError: For a model without discriminator, and numbers outside the ranges above.

    Reference: Kumar et al., 2019, arXiv:1901.08508; base measure: Che et al., 2020, arXiv:2003.06060. The sources print
    three acceptance ratios that are not those of their proposals; here stands the one that is.
    """
    steps = checks.positive_integer("steps", steps)
    target = checks.number("target_acceptance", target_acceptance, above=0, below=1)
    tuned = 0 if step_size is not None else steps // 2
    size = FIRST_STEP_SIZE if step_size is None else checks.number("step_size", step_size, above=0)
    chains = Chains(model, n, labels, seed, average, prior, temperature)
    acceptance = []
    for step in range(steps):
        acceptance.append(chains.adjusted(size))
        if step < tuned:
            size *= math.exp((acceptance[-1] - target) * 2.0 / math.sqrt(step + 1))
    rate = float(np.mean(acceptance[tuned:]))
    how = f" after tuning in the first {tuned}" if tuned else ""
    low, high = GOOD_ACCEPTANCE
    advice = "" if low <= rate <= high else f" (outside {low:.0%} to {high:.0%}: other steps or another step_size)"
    about = f"MALA, {steps} steps, step size {size:.3g}{how}: {rate:.0%} accepted{advice}"
    return chains.samples(acceptance, size, rate, about)


def langevin(
    model, n, steps=100, step_size=0.01, noise=1.0, prior=True, temperature=1.0, labels=None, seed=None, average=False
):
    """Draws images by unadjusted Langevin dynamics in the latent space of a two-player model.

    Args:
        model: A trained two-player variant.
        n: Number of chains, at least 1; the last state of each is a sample.
        steps: Steps of each chain, default 100.
        step_size: eps, above 0, default 0.01; the law that is sampled differs from the wanted one by O(eps).
        noise: What the noise is multiplied by, at least 0, default 1; with 0 this is gradient descent.
        prior, temperature, labels, seed, average: As for `mala`.

    Returns:
        `Samples`, whose `acceptance` is 1 throughout.

    Reference: Kumar et al., 2019, arXiv:1901.08508.
    """
    steps = checks.positive_integer("steps", steps)
    size = checks.number("step_size", step_size, above=0)
    noise = checks.number("noise", noise, minimum=0)
    chains = Chains(model, n, labels, seed, average, prior, temperature)
    for _ in range(steps):
        chains.unadjusted(size, noise)
    return chains.samples([1.0] * steps, size, 1.0, f"Langevin dynamics, {steps} steps of size {size:.3g}, unadjusted")


def rejection(model, n, percentile=80.0, burn_in=1000, labels=None, seed=None, average=False):
    """Draws images and keeps each with a probability that its discriminator gives: discriminator rejection sampling.

    With s the score, m the largest seen so far and F = s - m - log(1 - exp(s - m - 1e-6)), an image is kept with
    probability sigmoid(F - gamma), where gamma is a percentile of F over the first candidates. For a score that is the
    log density ratio of data and samples and gamma = 0 the kept images follow the law of the data.

    Args:
        model: A trained two-player variant.
        n: Number of images, at least 1.
        percentile: Which percentile of F gamma is, in (0, 100), default 80: fewer and better images the higher it is.
        burn_in: Candidates from which m and gamma are first estimated, at least 10, default 1000.
        labels: As for `model.generate`: each wanted image is drawn with its own label.
        seed, average: As for `model.generate`.

    Returns:
        `Samples`.

    Raises:
        RuntimeError: If fewer than one candidate in a thousand is kept: the scores say too little.

    Reference: Azadi et al., 2018, arXiv:1810.06758.
    """
    model, n = _checked(model), checks.positive_integer("n", n)
    percentile = checks.number("percentile", percentile, above=0, below=100)
    burn_in = checks.positive_integer("burn_in", burn_in, minimum=10)
    seed = random.getrandbits(62) if seed is None else checks.positive_integer("seed", seed, minimum=0)
    seeds = np.random.default_rng(seed)
    wanted = model.labels_for(n, labels)

    def judged(latents, labels):
        return model.realness(model.fake(latents, labels, training=False), labels)

    call = model.averaged_call("scores of latents", judged, checks.flag("average", average))

    def candidates(labels, count):
        latents = model.latents_for(count, int(seeds.integers(2**62)))
        return latents, np.asarray(model.compiled_call(*call, latents, labels), "float64")

    def logits(scores, largest):
        below = np.minimum(scores - largest, 0.0)
        return below - np.log1p(-np.exp(below - 1e-6))

    first = None if wanted is None else np.resize(wanted, burn_in)
    _, scores = candidates(first, burn_in)
    largest = scores.max()
    gamma = np.percentile(logits(scores, largest), percentile)
    kept, energies, missing, acceptance, tried = [None] * n, np.zeros(n), np.arange(n), [], 0
    while len(missing):
        places = missing[:burn_in]
        latents, scores = candidates(None if wanted is None else wanted[places], len(places))
        largest = max(largest, scores.max())
        chances = 1.0 / (1.0 + np.exp(np.clip(gamma - logits(scores, largest), -500, 500)))
        taken = seeds.random(len(places)) < chances
        for place, latent in zip(places[taken], latents[taken], strict=True):
            kept[place] = latent
        energies[places[taken]] = -scores[taken]
        acceptance.append(float(chances.mean()))
        tried += len(places)
        missing = np.concatenate([missing[len(places) :], places[~taken]])
        if tried > MOST_CANDIDATES * n + burn_in and len(missing):
            raise RuntimeError(
                f"Of {tried:,} candidates {n - len(missing):,} were kept, of {n:,} wanted: lower `percentile`. "
                f"{checks.received(percentile=percentile)}"
            )
    latents = np.stack(kept)
    images = model.decode(latents, wanted, average=average)
    about = f"rejection by the discriminator at the {percentile:g}th percentile: {n / tried:.0%} of {tried:,} kept"
    return Samples(images, latents, wanted, energies, np.array(acceptance), None, n / tried, about)
