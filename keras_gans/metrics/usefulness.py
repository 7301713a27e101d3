"""Can generated images train a classifier? Its accuracy on real ones, beside that of real images and of plain changes.

Classification accuracy on reals after training on fakes is the score of Ravuri and Vinyals, 2019, arXiv:1905.10887, and
of Shmelkov et al., 2018, arXiv:1807.09499 ("GAN-train"). Fakes are worth something only beside what costs nothing: real
images flipped and shifted.
"""

import dataclasses

import keras
import numpy as np
import scipy.stats
from keras import ops

from keras_gans import checks
from keras_gans.layers import BatchNormalization
from keras_gans.metrics import classifier

SIZES = (100, 1_000, 10_000)
WIDTHS, RATE, BATCH = (8, 24, 48), 2e-3, 64
CHUNK = 50  # steps whose batches are in memory at once
SHIFT = 16  # at most a 16th of a side: 2 of 32 pixels
ARMS = ("reals", "flips and shifts", "reals + fakes", "all three", "fakes alone")  # columns: what is trained on


@dataclasses.dataclass(frozen=True)
class Usefulness:
    """Test accuracies, in [0, 1], of classifiers trained on reals and fakes; printed, a table in per cent.

    Attributes:
        sizes: Labelled real images that each row may use.
        accuracies: `{arm: array (sizes, repeats)}`: "reals"; "flips and shifts", the same changed at random in every
            step; "reals + fakes", half of every batch from either; "all three", these with the reals changed; "fakes
            alone", as many fakes as the row has reals.
        fakes: Generated images that were added to the reals.
        labels: Where the labels of the fakes come from.
        tested: Real images on which they were judged, of which no classifier was trained.
        steps: Train steps of every classifier.
    """

    sizes: tuple
    accuracies: dict
    fakes: int
    labels: str
    tested: int
    steps: int

    def interval(self, arm, size):
        """Returns `(mean, low, high)`: the 95 % interval of Student's t over the repeats of an arm.

        It covers the choice of the images, the labels by a classifier and the training; not that of the test images.
        """
        place = self.sizes.index(checks.one_of("size", size, self.sizes))
        values = self.accuracies[checks.one_of("arm", arm, self.accuracies)][place]
        mean, repeats = values.mean(), len(values)
        half = scipy.stats.t.ppf(0.975, repeats - 1) * values.std(ddof=1) / repeats**0.5
        return float(mean), float(mean - half), float(mean + half)

    def __str__(self):
        lines = [
            f"Accuracy in % on {self.tested:,} real images, mean and 95 % interval of {self._repeats()} classifiers of "
            f"{self.steps:,} steps",
            f"{self.fakes:,} fakes beside the reals; {self.labels}",
            "   reals" + "".join(f"{arm:>20}" for arm in self.accuracies),
        ]
        for size in self.sizes:
            cells = []
            for arm in self.accuracies:
                mean, low, high = (100.0 * value for value in self.interval(arm, size))
                cells.append(f"{mean:.1f} [{low:.1f}, {high:.1f}]".rjust(20))
            lines.append(f"{size:8,}" + "".join(cells))
        return "\n".join(lines)

    def _repeats(self):
        return next(iter(self.accuracies.values())).shape[1]


def usefulness(
    model,
    images,
    labels,
    test_images=None,
    test_labels=None,
    sizes=None,
    fakes=None,
    repeats=5,
    steps=500,
    flip=True,
    seed=0,
    progress=None,
):
    """Returns how well classifiers do on real images that were trained on generated ones, and beside what.

    All take the same number of steps of 64 images, so that more images are no more training. A conditional model makes
    its fakes for the classes of the reals, in their proportions; those of a model without classes are labelled by a
    classifier of the row's reals, flipped and shifted.

    Args:
        model: A model of the zoo that makes images.
        images: uint8 array (n, h, w, c), real images. Those on which the model was trained may be among them.
        labels: Integers (n,), their classes from 0 on.
        test_images, test_labels: Real images with labels on which all are judged, and which the model has not seen;
            default: a fifth of `images`, drawn by the seed.
        sizes: Numbers of labelled reals; default those of 100, 1,000 and 10,000 that are there.
        fakes: Generated images beside the reals, default as many as the largest size.
        repeats: Classifiers per number, at least 2, default 5: each with reals, fakes and first weights of its own.
        steps: Train steps, default 500.
        flip: Whether images are mirrored at random, too; False where mirrored ones are no images, such as digits.
        seed: Integer that fixes everything drawn, default 0.
        progress: Callable that is told the number of classifiers trained after each, or None.

    Returns:
        `Usefulness`, which prints as a table.

    Raises:
        TypeError, ValueError: For images of another type or shape, labels that do not fit, too few images.

    Reference: Ravuri and Vinyals, 2019, arXiv:1905.10887; our choices: the classifier (six convolutions with batch
    norm), Adam with a rate from 2e-3 to 0 along a half cosine, half of every mixed batch from either source.
    """
    if not hasattr(model, "latents_for"):
        raise TypeError(f"`model` must be a model of keras_gans. Received: {type(model).__name__}.")
    seed = checks.positive_integer("seed", seed, minimum=0)
    drawn = np.random.default_rng(seed)
    images, labels = _checked(model, "images", images, "labels", labels)
    if (test_images is None) != (test_labels is None):
        raise ValueError("`test_images` and `test_labels` must be given together, or neither of them.")
    if test_images is None:
        order = drawn.permutation(len(images))
        held, kept = np.split(order, [max(1, len(images) // 5)])
        images, labels, test_images, test_labels = images[kept], labels[kept], images[held], labels[held]
    else:
        test_images, test_labels = _checked(model, "test_images", test_images, "test_labels", test_labels)
    classes = model.num_classes or int(max(labels.max(), test_labels.max())) + 1
    for name, each in (("labels", labels), ("test_labels", test_labels)):
        if each.max() >= classes:
            raise ValueError(f"`{name}` must be in 0..{classes - 1}, as the model has them. Received: {each.max()}.")
    if sizes is None:
        sizes = [size for size in SIZES if size <= len(images)] or [len(images)]
    sizes = tuple(checks.positive_integer("sizes", size, minimum=2, maximum=len(images)) for size in sizes)
    fakes = checks.positive_integer("fakes", max(sizes) if fakes is None else fakes, minimum=max(sizes))
    repeats, steps = checks.positive_integer("repeats", repeats, minimum=2), checks.positive_integer("steps", steps)
    flip, told = checks.flag("flip", flip), progress or (lambda done: None)

    wanted = drawn.choice(labels, fakes) if model.num_classes else None
    made = model.generate(fakes, labels=wanted, seed=seed)
    trained = _Classifier(images.shape[1:], classes, steps, flip)
    accuracies = {arm: np.zeros((len(sizes), repeats)) for arm in ARMS}
    done = 0
    for repeat in range(repeats):
        start, order, others = trained.weights([seed, repeat]), drawn.permutation(len(images)), drawn.permutation(fakes)
        for place, size in enumerate(sizes):
            few = order[:size]
            reals = images[few], labels[few]
            trained.train(start, [(*reals, True)], [seed, repeat, size])  # first: it may have to label the fakes
            of_fakes = trained.classes(made) if wanted is None else wanted
            both, alone = (made, of_fakes, False), (made[others[:size]], of_fakes[others[:size]], False)
            for arm, sources in {
                "flips and shifts": None,  # that one
                "reals": [(*reals, False)],
                "reals + fakes": [(*reals, False), both],
                "all three": [(*reals, True), both],
                "fakes alone": [alone],
            }.items():
                if sources is not None:
                    trained.train(start, sources, [seed, repeat, size])
                accuracies[arm][place, repeat] = (trained.classes(test_images) == test_labels).mean()
                done += 1
                told(done)
    labelled = "made for the classes of the reals" if model.num_classes else "labelled by a classifier of the reals"
    return Usefulness(sizes, accuracies, fakes, labelled, len(test_images), steps)


def _checked(model, name, images, name_of_labels, labels):
    """Returns uint8 images and their labels as int32."""
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or len(model.image_shape) != 3:
        raise TypeError(f"`{name}` must be uint8 in 0..255. Received: {name}.dtype={images.dtype.name}.")
    checks.images(name, images, model.image_shape)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(
            f"`{name_of_labels}` must be integers of at least 0, one per image, of shape ({len(images)},). "
            f"Received: {labels.dtype.name} {labels.shape}."
        )
    return images, labels.astype("int32")


class _Classifier:
    """One small network, compiled once, that is trained again and again from given weights."""

    def __init__(self, shape, classes, steps, flip):
        self.classes_of, self.shape, self.steps, self.flip = classes, shape, steps, flip
        self.model = self._network()
        rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.Adam(rate), loss)
        self.model.optimizer.build(self.model.trainable_variables)
        self.fresh = [ops.convert_to_numpy(variable.value).copy() for variable in self.model.optimizer.variables]

    def _network(self, seed=None):
        network = classifier.network(
            self.shape[2], WIDTHS, self.classes_of, "float32", BatchNormalization, self.shape[:2]
        )
        if seed is not None:
            draw = np.random.default_rng(seed)
            for weight in network.trainable_weights:
                if len(weight.shape) > 1:
                    deviation = (2.0 / np.prod(weight.shape[:-1])) ** 0.5
                    weight.assign(draw.normal(0.0, deviation, weight.shape).astype("float32"))
        return keras.Model(network.input, network.output["logits"])

    def weights(self, seed):
        """Returns first weights, as He et al., 2015, draw them."""
        return self._network(seed).get_weights()

    def train(self, weights, sources, seed):
        """Trains on equal shares of every batch of `sources`, `[(images, labels, whether they are changed), ...]`."""
        draw = np.random.default_rng(seed)
        self.model.set_weights(weights)
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        for start in range(0, self.steps, CHUNK):
            count = min(CHUNK, self.steps - start) * BATCH
            x, y = np.empty((count, *self.shape), np.uint8), np.empty(count, np.int32)
            for place, (images, labels, changed) in enumerate(sources):
                part = slice(place, None, len(sources))
                rows = draw.integers(len(images), size=len(y[part]))
                x[part] = self._changed(images[rows], draw) if changed else images[rows]
                y[part] = labels[rows]
            self.model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    def _changed(self, images, draw):
        """Returns images shifted by up to a 16th of their sides, edges repeated, and half of them mirrored."""
        down, right = (-(-side // SHIFT) for side in self.shape[:2])
        rows, columns = (np.arange(side) for side in self.shape[:2])
        by = [draw.integers(-most, most + 1, (len(images), 1)) for most in (down, right)]
        rows = np.clip(rows + by[0], 0, self.shape[0] - 1)
        columns = np.clip(columns + by[1], 0, self.shape[1] - 1)
        mirrored = draw.random((len(images), 1)) < 0.5 * self.flip
        columns = np.where(mirrored, columns[:, ::-1], columns)
        return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]

    def classes(self, images):
        """Returns the most probable class of every image, int32 (n,)."""
        return self.model.predict(images, batch_size=256, verbose=0).argmax(axis=-1).astype("int32")
