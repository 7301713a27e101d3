"""The GAN doctor: what usually goes wrong in a training, said in a sentence while it can still be mended."""

import dataclasses
import logging

import numpy as np

from keras_gans import checks
from keras_gans.callbacks.copying import CopiedFresh
from keras_gans.engine import Vitals, restore, snapshot

logger = logging.getLogger("keras_gans")
COMPARED = 10_000  # training images, drawn at random where there are more, in which copies are looked for
CHUNK = 1000


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that `Health` found.

    Args:
        kind: `"nan"`, `"collapse"`, `"saturation"`, `"vanishing"`, `"exploding"` or `"copying"`.
        step: Train step of this `fit`.
        sentence: What was found, and what to try.
    """

    kind: str
    step: int
    sentence: str


def diversity(images):
    """Returns the mean distance between two different images of a batch (n, ...), in their own units, per pixel."""
    flat = np.asarray(images, "float64").reshape(len(images), -1)
    centred = flat - flat.mean(0)
    # The mean squared distance of pairs is twice the variance with n - 1.
    return float(np.sqrt(2 * (centred**2).sum() / (len(flat) - 1) / flat.shape[1]))


def nearest_distances(images, others, exclude_same=False):
    """Returns for each of the images (n, ...) the root mean squared distance to the nearest of `others` (m, ...).

    Args:
        images, others: Arrays; uint8 is taken as [-1, 1].
        exclude_same: Whether image i is not compared with `others[i]`, itself.
    """
    first, nearest = _flat(images), np.full(len(images), np.inf)
    for start in range(0, len(others), CHUNK):
        second = _flat(others[start : start + CHUNK])
        squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
        if exclude_same:
            same = np.arange(len(first))[:, None] == start + np.arange(len(second))
            squared = np.where(same, np.inf, squared)
        nearest = np.minimum(nearest, squared.min(1))
    return np.sqrt(np.maximum(nearest, 0) / first.shape[1])


def _flat(images):
    """Returns images as float64 rows; uint8 ones in [-1, 1]."""
    images = images / 127.5 - 1.0 if images.dtype == np.uint8 else np.asarray(images, "float64")
    return images.reshape(len(images), -1)


def overlap(real_scores, fake_scores):
    """Returns the probability that a fake scores higher than a real one (ties count half): 0 = perfectly separated."""
    reals, fakes = np.asarray(real_scores, "float64").ravel(), np.asarray(fake_scores, "float64").ravel()
    return float((fakes[:, None] > reals).mean() + 0.5 * (fakes[:, None] == reals).mean())


class Health(CopiedFresh):
    """Watches a training for its usual diseases and says each finding once, with what to try.

    On any `keras.Model`: NaN in the logs, with a return to the last good state. On a GAN of the zoo also: mode
    collapse (the samples differ much less than the data), a saturated discriminator (it separates reals and fakes
    perfectly, by many standard deviations, and its own gradient is gone), vanishing or exploding gradients of a
    player, copying of training images (of 10,000 drawn at random, where there are more; the finding says so).

    The looks happen beside the train step: training is the same with and without them, but for a rollback.

    Args:
        images: Training images (n, h, w, c), uint8 or floats in [-1, 1]; up to `sample` of them are used. None leaves
            only the watch for NaN.
        labels: Labels (n,) of a conditional model.
        every: Train steps between two looks, default 100.
        warmup: Train steps before a finding, default 300: every generator begins without diversity.
        patience: Looks in a row that must agree, default 3.
        sample: Images per look, default 256.
        rollback: Whether NaN restores the last good state (weights, optimisers; taken at every look), default True.
        max_rollbacks: Rollbacks after which training stops, default 3.

    Attributes:
        findings: List of `Finding`.
        looks: List of dicts with what was measured: `step`, `diversity` (1 = that of the data), `overlap`,
            `separation`, `copies`, `<player>_gradient`.

    Example:
        >>> doctor = keras_gans.callbacks.Health(images)
        >>> model.fit(images, epochs=20, callbacks=[doctor])
        >>> [finding.sentence for finding in doctor.findings]
    """

    def __init__(
        self,
        images=None,
        labels=None,
        every=100,
        warmup=300,
        patience=3,
        sample=256,
        rollback=True,
        max_rollbacks=3,
    ):
        super().__init__()
        self.every = checks.positive_integer("every", every)
        self.warmup = checks.positive_integer("warmup", warmup, minimum=0)
        self.patience = checks.positive_integer("patience", patience)
        self.sample = checks.positive_integer("sample", sample, minimum=8)
        self.max_rollbacks = checks.positive_integer("max_rollbacks", max_rollbacks, minimum=0)
        self.rollback = bool(rollback)
        self.images = None if images is None else np.asarray(images)
        if self.images is not None and (self.images.ndim < 2 or self.images.dtype.kind not in "uif"):
            raise TypeError(f"`images` must be an array (n, height, width, channels). {checks.received(images=images)}")
        if self.images is not None and len(self.images) < 8:
            raise ValueError(f"`images` must hold at least 8 images. Received: {len(self.images)}.")
        self.labels = None if labels is None else np.asarray(labels)
        self.findings, self.looks, self._vitals = [], [], None

    def on_train_begin(self, logs=None):
        self._step, self._batches, self._rollbacks = 0, 0, 0
        self._good = (0, snapshot(self.model)) if self.rollback else None
        if self.images is not None and hasattr(self.model, "observed_losses"):
            self._prepare()

    def _prepare(self):
        chosen = np.random.default_rng(0).permutation(len(self.images))[: self.sample]
        self._reals = self.images[chosen]
        labels = self.labels
        if labels is not None:
            labels = checks.labels(labels, len(self.images), self.model.num_classes)[chosen]
        self._classes = labels
        self._data_diversity = diversity(self._floats(self._reals))
        order = np.random.default_rng(1).permutation(len(self.images))[:COMPARED]
        self._reference = self.images[order]
        self._own_nearest = nearest_distances(self._reference[:1000], self._reference, exclude_same=True)
        self._vitals = Vitals(self.model)
        self._latents = self.model.latents_for(len(self._reals), 0)

    def _floats(self, images):
        return images / 127.5 - 1.0 if images.dtype == np.uint8 else images

    def on_epoch_begin(self, epoch, logs=None):
        self._batches = 0

    def on_train_batch_end(self, batch, logs=None):
        before, self._step = self._step, self._step + batch + 1 - self._batches
        self._batches = batch + 1
        bad = [name for name, value in (logs or {}).items() if not np.all(np.isfinite(value))]
        if bad:
            self._recover(bad)
        elif self._step // self.every > before // self.every:
            self.look()

    def _recover(self, bad):
        name = next((name for name in bad if name != "loss"), bad[0])
        advice = "try a lower learning rate, gradient clipping, or float32 in place of float16"
        if not self.rollback:
            self._find("nan", f"`{name}` is not finite: the training has diverged; {advice}.")
            return
        step, state = self._good
        self._find("nan", f"`{name}` is not finite: the training went back to the state of step {step}; {advice}.")
        restore(self.model, state)
        for metric in self.model.metrics:
            metric.reset_state()
        self._rollbacks += 1
        if self._rollbacks > self.max_rollbacks:
            logger.warning(
                "Step %d: not finite again after %d rollbacks; training stops.", self._step, self.max_rollbacks
            )
            self.model.stop_training = True

    def look(self):
        """Measures now, and says what is new."""
        if self.rollback:
            state = snapshot(self.model)
            if all(np.isfinite(array).all() for array in state if array.dtype.kind == "f"):
                self._good = (self._step, state)
        if self._vitals is None:
            return
        found = self._vitals(self._reals, self._classes, self._latents)
        fakes = found.pop("fakes")
        look = {"step": self._step, "diversity": diversity(fakes) / max(self._data_diversity, 1e-12)}
        if "real_scores" in found:
            reals, others = found.pop("real_scores"), found.pop("fake_scores")
            look["overlap"] = overlap(reals, others)
            spread = np.sqrt((reals.var() + others.var()) / 2) + 1e-12
            look["separation"] = float((reals.mean() - others.mean()) / spread)
        nearest = nearest_distances(fakes, self._reference)
        look["copies"] = float(np.mean(nearest < 0.2 * np.median(self._own_nearest)))
        self.looks.append({**look, **{name: float(value) for name, value in found.items()}})
        if self._step >= self.warmup:
            self._diagnose()

    def _lasts(self, condition):
        """Returns whether the last `patience` looks all fulfil a condition."""
        recent = self.looks[-self.patience :]
        return len(recent) == self.patience and all(map(condition, recent))

    def _diagnose(self):
        last = self.looks[-1]
        if self._lasts(lambda look: look["diversity"] < 0.25):
            self._find(
                "collapse",
                f"mode collapse: generated images differ {last['diversity']:.0%} as much as training images do; try a "
                "lower learning rate, DiffAugment, a penalty such as R1, or a relativistic variant (rsgan, r3gan).",
            )
        # A Wasserstein critic separates perfectly, too, but goes on learning: its gradient stays.
        if self._lasts(
            lambda look: (
                look.get("overlap", 1.0) < 1e-3
                and look.get("separation", 0.0) > 8.0
                and look.get("discriminator_gradient", 1.0) < 0.05
            )
        ):
            self._find(
                "saturation",
                "the discriminator is too strong: it separates real and generated images perfectly, by "
                f"{last['separation']:.0f} standard deviations of its scores; try a lower discriminator learning rate, "
                "spectral normalisation, or a penalty such as R1.",
            )
        for player in self.model.players:
            name = f"{player}_gradient"
            if name not in last:  # it moves by the loss of another
                continue
            earlier = np.median([look[name] for look in self.looks[: max(1, len(self.looks) - self.patience)]])
            if self._lasts(lambda look, name=name, earlier=earlier: look[name] < 1e-5 * earlier or look[name] < 1e-9):
                self._find(
                    "vanishing",
                    f"the gradient of the {player} has vanished (norm {last[name]:.1e}, {earlier:.1e} before); try the "
                    "non-saturating loss, a weaker opponent, or a higher learning rate for it.",
                )
            if self._lasts(lambda look, name=name, earlier=earlier: look[name] > 1e3 * max(earlier, 1e-3)):
                self._find(
                    "exploding",
                    f"the gradient of the {player} explodes (norm {last[name]:.1e}, {earlier:.1e} before); try a lower "
                    "learning rate, gradient clipping (clipnorm=...), or a gradient penalty.",
                )
        if self._lasts(lambda look: look["copies"] > 0.2):
            self._find(
                "copying",
                f"{last['copies']:.0%} of the generated images are all but copies of training images (a fifth of the "
                f"usual distance between neighbours or less, compared with {len(self._reference):,} of the "
                f"{len(self.images):,}); train on more images, use DiffAugment, or stop earlier.",
            )

    def _find(self, kind, sentence):
        if any(finding.kind == kind for finding in self.findings):
            return
        self.findings.append(Finding(kind, self._step, f"Step {self._step}: {sentence}"))
        logger.warning("%s", self.findings[-1].sentence)
