"""What a model with a `Flow` can say: likelihoods, bits per dimension, classes, and how exactly it is inverted."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine.inference import ROWS_PER_CALL, standard_normal
from keras_gans.flows.dequantization import bits_per_dimension, dequantized, uniform_and_signs
from keras_gans.flows.fixed_point import Solver
from keras_gans.flows.log_determinant import Estimator, truncation_bound

MOST_FOR_EXACT = 1024  # dimensions
INITIAL_SAMPLES = 1024  # of which `ActNorm` takes its first scale and shift


class Likelihood(NamedTuple):
    """Log-likelihoods of samples.

    Attributes:
        nats: float32 (n,): log-density of each sample in nats; of an image that of x = (byte + U) / 256 - 1/2.
        terms: Integer, the terms of the series that were added up; None where the Jacobian was formed.
        bound: Nats by which each value can be off because of the terms left out; 0 for the exact value. That of an
            estimate by probes comes on top: its mean over the probes is right.
    """

    nats: np.ndarray
    terms: int | None
    bound: float


class Density:
    """The part of a model whose `network` is a `Flow`; its class sets `tolerance` and `max_iterations`.

    `initialized`, a counter of the model's state, says whether the `ActNorm` layers have seen data.
    """

    # Data-dependent initialisation ------------------------------------------------------------------------

    def fit(self, x=None, y=None, **kwargs):
        """Trains the model; see `GenerativeModel.fit`. The first time, arrays are given to `initialize`.

        Raises:
            ValueError: If `x` is a dataset and `initialize` was never called.
        """
        if not int(ops.convert_to_numpy(self.initialized.value)):
            arrays = self.checked_arrays(x, y)
            if arrays is None:
                raise ValueError(
                    "`initialize(images)` must be called before `fit` on a dataset, with an array of about 1000 of its "
                    "images: the scales of the network begin with those of the data. Or build the model with "
                    "data_initialization=False."
                )
            split = kwargs.get("validation_split", 0.0) if kwargs.get("validation_data") is None else 0.0
            self.initialize(arrays[0][: len(arrays[0]) - int(len(arrays[0]) * split)])
        return super().fit(x, y, **kwargs)

    def initialize(self, images, limit=INITIAL_SAMPLES):
        """Gives the `ActNorm` layers their first scale and shift: each sees standardised values of these images.

        Args:
            images: Array (n, h, w, c), or (n, d), as for `fit`; at least 2 of them.
            limit: At most so many are used, at equal distances in the array; default 1024.
        """
        images = self.as_floats(images)
        if len(images) < 2:
            raise ValueError(f"`images` must hold at least 2 samples. Received: images.shape={images.shape}.")
        rows = np.linspace(0, len(images) - 1, min(len(images), checks.positive_integer("limit", limit, minimum=2)))
        x = ops.convert_to_tensor(images[np.rint(rows).astype(int)])
        uniform, _ = uniform_and_signs(ops.convert_to_tensor(standard_normal(x.shape, seed=0)))
        self.network.initialize(dequantized(x, uniform))
        self.initialized.assign(1)

    # Likelihood -------------------------------------------------------------------------------------------

    def log_likelihood(self, images, labels=None, terms=None, probes=1, exact=False, seed=0):
        """Returns the log-likelihood of every image, as a `Likelihood` with the terms of its series.

        Args:
            images: uint8 or float images (n, h, w, c) as for `fit`, or points (n, d).
            labels: Of a conditional model, n classes or one for all: log p(x | label); None for the mean of p over all
                classes.
            terms: Terms of the series of every log-determinant, default `evaluation_terms`.
            probes: Random vectors per image, over which the estimate is the mean; default 1.
            exact: Whether the Jacobian of every block is formed in place of an estimate, for at most 1024 dimensions.
            seed: Integer that fixes the dequantisation and the probes, default 0.
        """
        terms = self.evaluation_terms if terms is None else checks.positive_integer("terms", terms)
        probes = checks.positive_integer("probes", probes)
        dimension = self.network.dimension
        if checks.flag("exact", exact) and dimension > MOST_FOR_EXACT:
            raise ValueError(
                f"`exact` must be False for samples of more than {MOST_FOR_EXACT} numbers: their Jacobian is large. "
                f"Received: exact=True for samples of {dimension}."
            )
        images = self.as_floats(images)
        labels = self.labels_for(len(images), labels) if labels is not None else None
        seed = checks.positive_integer("seed", seed, minimum=0)
        noise = np.random.default_rng(seed).standard_normal((len(images), probes, dimension), dtype=np.float32)

        def densities(images, labels, noise):
            first, _ = uniform_and_signs(noise[:, 0])
            signs = [uniform_and_signs(noise[:, i])[1] for i in range(probes)]
            estimator = Estimator(signs, terms, "exact" if exact else "neumann")
            x = dequantized(images, ops.reshape(first, (-1, *self.image_shape)))
            v, log_det = self.network.transform(x, estimator)
            return self.log_prior(v, labels) + log_det

        rows = max(1, min(ROWS_PER_CALL, 8192 // dimension)) if exact else ROWS_PER_CALL
        name = f"log_likelihood_{terms}_{probes}_{exact}"
        nats = self.compiled_call(name, densities, images, labels, noise, batch_size=rows)
        if exact:
            return Likelihood(nats, None, 0.0)
        return Likelihood(nats, terms, sum(truncation_bound(*block, terms) for block in self._block_bounds()))

    def log_prior(self, v, labels=None):
        """Returns the log-density (n,) of v under the prior of its label, or under all classes alike."""
        if labels is None and self.num_classes:
            return ops.logsumexp(self.network.log_priors(v), axis=-1) - math.log(self.num_classes)
        return self.network.log_prior(v, labels)

    def bits_per_dim(self, images, labels=None, **options):
        """Returns the bits per dimension of every image, float32 (n,): -log p / (D log 2), + 8 for images.

        For images the 8 bits are those of 256 levels scaled to a width of 1: the value bounds the bits that a code of
        the bytes needs. `options` are those of `log_likelihood`.
        """
        nats = self.log_likelihood(images, labels, **options).nats
        return bits_per_dimension(nats, self.image_shape).astype("float32")

    # Inverse ----------------------------------------------------------------------------------------------

    def inverted(self, v):
        """Returns `(x, iterations, change)` of v (n, D): the samples, and the most that a block took, (n,) each."""
        solver = Solver(self.tolerance, self.max_iterations)
        x = self.network.inverse(v, solver)
        iterations, change = solver.worst()
        rows = ops.shape(v)[0]
        return x, ops.broadcast_to(iterations, (rows,)), ops.broadcast_to(change, (rows,))

    def inversion_error(self, images):
        """Returns the largest difference (n,) between x and the inverse of what the network makes of x.

        In units of x: for images the 256 levels are 1/256 apart.
        """

        def errors(images):
            x = dequantized(images)
            again, iterations, change = self.inverted(self.network.transform(x)[0])
            return ops.max(ops.abs(again - x), axis=tuple(range(1, len(x.shape)))), iterations, change

        found, iterations, change = self.compiled_call("inversion_error", errors, self.as_floats(images))
        self.tell_of_divergence(iterations, change)
        return found

    def tell_of_divergence(self, iterations, change):
        """Warns where a block was not inverted to the tolerance within the iterations."""
        if change.max() > self.tolerance:
            warnings.warn(
                f"The inverse of a block did not converge: after {iterations.max()} iterations its last change was "
                f"{change.max():.1e}, above tolerance={self.tolerance:g}. Raise max_iterations, or see "
                "lipschitz_report(): a block with a bound of 1 or more has no inverse.",
                stacklevel=3,
            )

    # Bounds -----------------------------------------------------------------------------------------------

    def lipschitz_report(self):
        """Returns `[{"block", "layer", "bound", "how"}, ...]`: the verified norm of every layer, and of every block.

        "how" is "exact" for a norm that was computed, "upper bound" for one that the norm is not above, and "product"
        for a block, whose layer is None: that of its layers, with activations of slopes up to 1.
        """
        rows = []
        for number, block in enumerate(self.network.blocks):
            bounds = block.bounds()
            rows += [{"block": number, "layer": name, "bound": bound, "how": how} for name, bound, how in bounds]
            product = math.prod(bound for _, bound, _ in bounds)
            rows.append({"block": number, "layer": None, "bound": product, "how": "product"})
        return rows

    def _block_bounds(self):
        """Returns `[(bound, dimension), ...]` of the blocks."""
        bounds = [row["bound"] for row in self.lipschitz_report() if row["layer"] is None]
        return list(zip(bounds, [block.dimension for block in self.network.blocks], strict=True))
