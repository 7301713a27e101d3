"""Attacks on a trained classifier, and its accuracy under the strongest of them.

With l the cross-entropy of an example and its label, and P the projection on the ball of radius epsilon around it:

    x' = x + delta,   delta <- P(delta + step_size direction(grad_x l(x + delta)))     (`perturbations`)

One step for FGM and FGSM, `steps` from a random start for PGD (arXiv:1706.06083). A targeted attack lowers the loss of
the class it aims at in place of raising that of the true one. Weights, statistics and seeds of the model stay as they
are.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import compiled_for, frozen_call, gradients_of
from keras_gans.regularization import perturbations
from keras_gans.regularization.predictions import crossentropy, log_probabilities, takes_logits

RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


@dataclasses.dataclass
class Attack:
    """What an attack found.

    Attributes:
        images: Adversarial images, float32 of the shape of `originals`, in the same units.
        originals: The images that were attacked, float32.
        labels: Integers (n,): the true classes, or those that the model saw before.
        before, after: Integers (n,): the class that the model sees in the originals and in `images`.
        targeted: Integers (n,) of the classes aimed at, or None.
        l2, linf: Floats (n,): the norm of each change.
        kind, epsilon, clip: As given; `clip` is the range (low, high) that the images keep to, or None.
    """

    images: np.ndarray
    originals: np.ndarray
    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray
    targeted: np.ndarray | None
    kind: str
    epsilon: float
    clip: tuple | None

    def __post_init__(self):
        change = (self.images - self.originals).reshape(len(self.images), -1)
        self.l2, self.linf = np.linalg.norm(change, axis=1), np.abs(change).max(axis=1)

    @property
    def succeeded(self):
        """Booleans (n,): the class aimed at is seen; without one, a class that is not the label."""
        return self.after != self.labels if self.targeted is None else self.after == self.targeted

    @property
    def changed(self):
        """Booleans (n,): the model sees another class than before."""
        return self.after != self.before

    def __str__(self):
        aim = "" if self.targeted is None else " towards a class"
        return (
            f"{self.kind}{aim}, epsilon {self.epsilon:g}: accuracy {np.mean(self.before == self.labels):.1%} -> "
            f"{np.mean(self.after == self.labels):.1%}, {np.mean(self.succeeded):.1%} of {len(self.images)} succeeded, "
            f"mean change {self.l2.mean():.3g} (l2), {self.linf.mean():.3g} (largest of a value)"
        )

    def figure(self, path=None, count=8, names=None):
        """Returns a matplotlib figure: each image, its change (scaled to be seen) and the adversarial image.

        Args:
            path: File to write it to, for example `"attack.png"`; None writes nothing.
            count: Images to show, default the first 8.
            names: Names of the classes, for the titles.

        Raises:
            ValueError: What was attacked are no images (n, h, w, c) or (n, h, w).
        """
        from matplotlib.figure import Figure

        if self.images.ndim not in (3, 4) or (self.images.ndim == 4 and self.images.shape[-1] not in (1, 3)):
            raise ValueError(
                f"A figure needs images (n, h, w, 1 or 3). Received: images.shape={tuple(self.images.shape)}."
            )
        count = min(checks.positive_integer("count", count), len(self.images))
        low, high = self.clip or (self.originals.min(), self.originals.max())
        largest = max(np.abs(self.images - self.originals)[:count].max(), 1e-12)
        figure = Figure(figsize=(1.4 * count, 4.6), layout="constrained")
        axes = figure.subplots(3, count, squeeze=False)
        for i in range(count):
            rows = [
                ((self.originals[i] - low) / (high - low), _named(self.before[i], names)),
                ((self.images[i] - self.originals[i]) / largest / 2 + 0.5, f"change\n±{largest:.2g}"),
                ((self.images[i] - low) / (high - low), _named(self.after[i], names)),
            ]
            for row, (picture, title) in enumerate(rows):
                picture = picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
                axes[row, i].imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1)
                axes[row, i].set_title(title, fontsize=8)
                axes[row, i].set_axis_off()
        figure.suptitle(str(self), fontsize=8)
        if path is not None:
            figure.savefig(path)
        return figure


def _named(label, names):
    return str(label) if names is None else str(names[label])


def attack(
    model,
    images,
    labels=None,
    kind="fgsm",
    epsilon=8 / 255,
    targeted=None,
    steps=20,
    step_size=None,
    norm=None,
    random_start=True,
    clip="auto",
    batch_size=256,
    seed=0,
):
    """Returns images that a classifier takes for something else, each a small change of a given one.

    Args:
        model: A classifier: any `keras.Model` of one input and one output (n, classes), or (n, 1) for yes and no.
        images: Array (n, ...) of what it takes, in its units.
        labels: True classes, integers (n,) or one-hot (n, classes); None (default) for what the model sees.
        kind: `"fgsm"` (default), `"fgm"` or `"pgd"`.
        epsilon: Radius of the ball, at least 0, in the units of the images, default 8 / 255 (for images in 0..1).
        targeted: The class to be seen: an integer, or one for each image; None (default) for any wrong one.
        steps, step_size, norm, random_start: For PGD, as in `adversarial_training`; 20 steps, with a random start.
        clip: Range (low, high) that adversarial images keep to, or None; `"auto"` (default) is the least of 0..1, -1..1
            and 0..255 that holds the images, or None.
        batch_size: Images at a time, default 256.
        seed: Integer, for random starts.

    Returns:
        An `Attack`: the images with what changed, `str` of it in words, and `figure()`.

    Raises:
        TypeError: `model` is no `keras.Model`.
        ValueError: The model is no classifier, arrays do not fit, epsilon is negative, a class does not exist, or the
            loss is not finite at some point.

    Example:
        >>> found = kg.attack(model, images, labels, "pgd", epsilon=8 / 255)
        >>> print(found), found.figure("attack.png")

    Reference: Goodfellow et al., 2014, arXiv:1412.6572; Madry et al., 2017, arXiv:1706.06083.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. {checks.received(model=model)}")
    norm = perturbations.norm_of(kind, norm)
    epsilon, steps = checks.number("epsilon", epsilon, minimum=0), checks.positive_integer("steps", steps)
    step_size = 2.5 * epsilon / steps if step_size is None else checks.number("step_size", step_size, above=0)
    batch_size = checks.positive_integer("batch_size", batch_size)
    originals = _array("images", images)
    clip = _range(clip, originals)
    outputs = frozen_call(model, originals[:1])
    if len(outputs.shape) != 2:
        raise ValueError(f"`model` must return (n, classes). Received: outputs of shape {tuple(outputs.shape)}.")
    classes, logits = max(int(outputs.shape[-1]), 2), takes_logits(model, outputs)
    see = compiled_for(model, ("attack: classes", logits), lambda x: _classes(model, x, logits))
    seen = _in_batches(see, batch_size, originals)
    labels = seen if labels is None else _labels("labels", labels, len(originals), classes)
    aims = None
    if targeted is not None:
        aims = np.full(len(originals), targeted) if np.ndim(targeted) == 0 else targeted
        aims = _labels("targeted", aims, len(originals), classes)
    generator = keras.random.SeedGenerator(checks.positive_integer("seed", seed, minimum=0))
    sign, aimed = (1.0, labels) if aims is None else (-1.0, aims)

    def moved(x, delta, aimed):
        """Returns a perturbation after one step along the gradient that stays in ball and range, and the losses."""
        gradient, losses = _gradient(model, x + delta, aimed, logits)
        delta = delta + (step_size if kind == "pgd" else epsilon) * perturbations.direction(sign * gradient, norm)
        if kind == "pgd":
            delta = perturbations.projected(delta, epsilon, norm)
        return _inside(delta, x, clip), losses

    move = compiled_for(model, ("attack: step", kind, norm, epsilon, step_size, clip, sign, logits), moved)

    def perturbed(x, aimed):
        delta = ops.zeros_like(x)
        if kind == "pgd" and random_start:
            delta = _inside(perturbations.random_start(ops.shape(x), epsilon, norm, generator), x, clip)
        for _ in range(steps if kind == "pgd" else 1):
            delta, losses = move(x, delta, aimed)
            _check_finite(losses)
        return x + delta

    found = originals.copy() if epsilon == 0 else _in_batches(perturbed, batch_size, originals, aimed)
    after = _in_batches(see, batch_size, found)
    return Attack(found, originals, labels, seen, after, aims, kind, epsilon, clip)


def robust_accuracy(model, x, y, kind="pgd", steps=20, restarts=5, epsilon=8 / 255, **options):
    """Returns the share of examples that a classifier takes for their class whatever the attack tries.

    An example counts only if it is right without an attack and after each of the restarts.

    Args:
        model, x, y: As `model, images, labels` of `attack`; `y` is needed.
        kind, steps, epsilon: As in `attack`, default PGD with 20 steps.
        restarts: Attacks from different random points, default 5; FGM and FGSM have but one.
        **options: What else `attack` takes: `step_size`, `norm`, `clip`, `batch_size`, `seed`.

    Returns:
        Float in 0..1.
    """
    if y is None:
        raise ValueError("`y` must be the true classes: robust accuracy compares with them. Received: y=None.")
    restarts, seed = checks.positive_integer("restarts", restarts), options.pop("seed", 0)
    right = None
    for restart in range(restarts if kind == "pgd" else 1):
        found = attack(model, x, y, kind, epsilon, steps=steps, seed=seed + restart, **options)
        still = (found.before == found.labels) & (found.after == found.labels)
        right = still if right is None else right & still
    return float(right.mean())


def _gradient(model, x, labels, logits):
    """Returns the gradient of the summed cross-entropy by the images, (n, ...), and the cross-entropy of each, (n,)."""

    def fn(watch):
        log_p = log_probabilities(frozen_call(model, watch("x", x)), logits)
        losses = crossentropy(log_p, labels)
        return ops.sum(losses), losses

    _, losses, _, watched = gradients_of(fn, like={"x": x})
    if watched["x"] is None:
        raise ValueError("`images` must be something that the model's outputs can be differentiated for.")
    return watched["x"], losses


def _check_finite(losses):
    wrong = np.flatnonzero(~np.isfinite(ops.convert_to_numpy(losses)))
    if len(wrong):
        raise ValueError(f"The loss must be finite at every point. It is not at example {wrong[0]} of a batch.")


def _classes(model, x, logits):
    return ops.argmax(log_probabilities(frozen_call(model, x), logits), axis=-1)


def _inside(delta, x, clip):
    return delta if clip is None else ops.clip(x + delta, *clip) - x


def _in_batches(fn, batch_size, *arrays):
    parts = [
        [ops.convert_to_tensor(a[i : i + batch_size]) for a in arrays] for i in range(0, len(arrays[0]), batch_size)
    ]
    return np.concatenate([ops.convert_to_numpy(fn(*part)) for part in parts])


def _array(argument, value):
    array = np.asarray(value)
    if array.ndim < 2 or len(array) == 0 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"`{argument}` must be numbers (n, ...) of at least one example. "
            f"Received: {argument} of shape {array.shape}, dtype {array.dtype}."
        )
    return array.astype("float32")


def _labels(argument, value, count, classes):
    labels = np.asarray(value)
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(axis=1)
    if labels.shape != (count,):
        raise ValueError(
            f"`{argument}` must be one class for each of {count} images. {checks.received(shape=labels.shape)}"
        )
    if labels.dtype.kind == "f" and np.array_equal(labels, labels.astype("int32")):
        labels = labels.astype("int32")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"`{argument}` must be integers in 0..{classes - 1}. {checks.received(**{argument: value})}")
    return labels.astype("int32")


def _range(clip, images):
    if isinstance(clip, str) and clip == "auto":
        low, high = images.min(), images.max()
        return next((each for each in RANGES if each[0] <= low and high <= each[1]), None)
    if clip is None:
        return None
    if not isinstance(clip, (list, tuple)) or len(clip) != 2 or not clip[0] < clip[1]:
        raise ValueError(f"`clip` must be (low, high), 'auto' or None. {checks.received(clip=clip)}")
    return float(clip[0]), float(clip[1])
