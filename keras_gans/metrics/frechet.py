"""Frechet distance (Heusel et al., 2017, arXiv:1706.08500) between Gaussians fitted to two sets of features.

With means m, covariances S (divisor n - 1) of the real (x) and generated (y) features:

    |m_x - m_y|^2 + tr S_x + tr S_y - 2 tr (S_x S_y)^(1/2)

The trace of the root is computed without a general matrix root, from real symmetric problems only:

1. both sets given as features with fewer rows than dimensions: with A, B the centred rows, it is the nuclear norm of
   A B^T / sqrt((n - 1)(m - 1)). No d x d matrix; singular values are not squared, so null directions cost eps;
2. otherwise, with S_x = L L^T, it is the sum of the roots of the eigenvalues of L^T S_y L. Values below d * eps times
   the largest are rounding and set to 0: the threshold is relative, since features may have any scale.

The distance is biased upwards by about c / n: compare numbers only at equal n and against the same real set.
"""

import dataclasses
import importlib
import io
import json
import platform
import warnings
import zipfile

import numpy as np
import scipy
import scipy.linalg

from keras_gans import checks
from keras_gans.metrics import feature_arrays
from keras_gans.output import files

BLOCK = 4096  # rows per scatter product: large enough to be a real matrix product
ROUNDING = 1e-6  # a distance below -ROUNDING * (tr S_x + tr S_y) is no rounding but an error
FEW_ROWS_WARNING = 512  # from this dimension on, per-class distances from n <= d rows are mostly bias
KIND = ("feature_network", "network_digest", "resizer")  # what two statistics must share to be compared


class Moments:
    """Mean and covariance of a stream of features, in float64.

    Rows are gathered into blocks of fixed size, so the result does not depend, to the last bit, on how the stream was
    cut into batches. Reading changes nothing: more rows may follow.

    Example:
        >>> moments = Moments()
        >>> for batch in batches:
        ...     moments.update(batch)
        >>> moments.count, moments.mean, moments.covariance
    """

    def __init__(self):
        self._count, self._mean, self._scatter = 0, None, None
        self._waiting, self._waiting_rows = [], 0

    def update(self, features):
        """Adds the rows of `features` (n, d), n >= 0; returns self."""
        rows = feature_arrays.features("features", features, minimum=0)
        if self.dimension is not None and rows.shape[1] != self.dimension:
            raise ValueError(
                f"`features` must have the dimension of the rows before, {self.dimension}. "
                f"Received: features.shape={rows.shape}."
            )
        if len(rows):
            self._waiting.append(np.array(rows))  # a copy: the caller may reuse the buffer
            self._waiting_rows += len(rows)
        if self._waiting_rows >= BLOCK:
            rows = np.concatenate(self._waiting)
            whole = len(rows) - len(rows) % BLOCK
            for start in range(0, whole, BLOCK):
                self._add(*_block_moments(rows[start : start + BLOCK]))
            self._waiting, self._waiting_rows = ([rows[whole:].copy()] if whole < len(rows) else []), len(rows) - whole
        return self

    def merge(self, other):
        """Adds all rows that `other` has seen; returns self."""
        if not isinstance(other, Moments):
            raise TypeError(f"`other` must be Moments. {checks.received(other=other)}")
        if other.dimension is None:
            return self
        if self.dimension not in (None, other.dimension):
            raise ValueError(
                f"Moments of different dimensions cannot be merged. Received: d={self.dimension} and {other.dimension}."
            )
        self._add(*other._all())
        return self

    @property
    def dimension(self):
        """Number of features d; None before the first row."""
        if self._mean is not None:
            return len(self._mean)
        return self._waiting[0].shape[1] if self._waiting else None

    @property
    def count(self):
        return self._count + self._waiting_rows

    @property
    def mean(self):
        """(d,) float64."""
        self._require(1)
        return self._all()[1].copy()

    @property
    def covariance(self):
        """(d, d) float64, divisor count - 1."""
        return self.mean_and_covariance()[1]

    def mean_and_covariance(self):
        """Returns (d,) and (d, d)."""
        self._require(2)
        count, mean, scatter = self._all()
        return mean.copy(), scatter / (count - 1)

    def _require(self, minimum):
        if self.count < minimum:
            raise ValueError(f"Moments need at least {minimum} samples for this. Received: count={self.count}.")

    def _all(self):
        mine = (self._count, self._mean, self._scatter)
        if not self._waiting_rows:
            return mine
        rest = _block_moments(np.concatenate(self._waiting))
        return _merged(mine, rest) if self._count else rest

    def _add(self, *block):
        mine = (self._count, self._mean, self._scatter)
        self._count, self._mean, self._scatter = _merged(mine, block) if self._count else block


def _block_moments(rows):
    rows = rows.astype(np.float64)
    first = rows[0].copy()  # the mean of differences keeps the digits that a common offset would take
    rows -= first
    mean = rows.mean(axis=0)
    rows -= mean
    return len(rows), first + mean, rows.T @ rows


def _merged(one, other):
    (n, mean, scatter), (m, other_mean, other_scatter) = one, other
    delta = other_mean - mean
    scatter = scatter + other_scatter
    scatter += np.outer(delta, delta * (n * m / (n + m)))
    return n + m, mean + delta * (m / (n + m)), scatter


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and covariance of the features of a data set, with what they are statistics of.

    Args:
        mean: (d,).
        covariance: (d, d), symmetric, divisor count - 1.
        count: Number of samples; None where unknown.
        feature_network: Name of the network that gave the features.
        network_digest: SHA-256 of its weights.
        resizer: How images were brought to the network's size, for example "tf1" or "none".
        data_digest: SHA-256 of the data in order (of the uint8 image bytes).
        details: Anything else worth keeping, JSON values only: dataset, split, layer, resolution.
        versions: Versions of the libraries that computed them; filled when saved.

    Two statistics can be compared if `feature_network`, `network_digest` and `resizer` agree where both are known.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int | None = None
    feature_network: str | None = None
    network_digest: str | None = None
    resizer: str | None = None
    data_digest: str | None = None
    details: dict = dataclasses.field(default_factory=dict)
    versions: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        mean, covariance = np.asarray(self.mean, np.float64), np.asarray(self.covariance, np.float64)
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
            raise ValueError(
                "`mean` must have shape (d,) and `covariance` (d, d). "
                f"Received: mean.shape={mean.shape}, covariance.shape={covariance.shape}."
            )
        for name, value in (("mean", mean), ("covariance", covariance)):
            if not np.isfinite(value).all():
                raise ValueError(f"`{name}` must be finite. Received: {name} with NaN or infinite entries.")
        difference = np.abs(covariance - covariance.T).max()
        if difference > 1e-5 * np.abs(covariance).max():
            raise ValueError(
                f"`covariance` must be symmetric. Received: entries that differ from their mirror by {difference:g}."
            )
        if self.count is not None:
            checks.positive_integer("count", self.count, minimum=2)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", (covariance + covariance.T) / 2)


def frechet_distance(*, real, fake):
    """Frechet distance between the Gaussians fitted to two sets of features; 0 for equal moments, no upper bound.

    Args:
        real: Features (n, d), `Moments`, or `Statistics` (see `load_statistics`).
        fake: The same for generated samples. The distance is symmetric.

    Returns:
        Float, in squared units of the features.

    Raises:
        TypeError, ValueError: fewer than two samples, NaN, different dimensions, statistics of different kinds.
        ArithmeticError: the result is negative beyond rounding.

    Reference: Heusel et al., 2017, arXiv:1706.08500.
    """
    x, y = _side("real", real), _side("fake", fake)
    feature_arrays.same_dimension(real=x.mean, fake=y.mean)
    _same_kind({"real": x.statistics, "fake": y.statistics})
    traces = x.trace + y.trace
    with np.errstate(over="ignore", invalid="ignore"):
        value = float(np.sum((x.mean - y.mean) ** 2) + (traces - 2 * _trace_of_root(x, y)))
    if not np.isfinite(value):
        raise ValueError("The features are too large: their squares overflow float64. Rescale both sets.")
    if value < -ROUNDING * traces:
        raise ArithmeticError(
            f"The Frechet distance came out as {value:g}, below 0 by more than rounding (traces sum to {traces:g}). "
            "Are both covariances positive semidefinite?"
        )
    return max(value, 0.0)


@dataclasses.dataclass(frozen=True)
class PerClassFrechetDistance:
    """Frechet distance of every class, and their unweighted mean."""

    mean: float
    classes: tuple
    distances: tuple
    real_counts: tuple
    fake_counts: tuple


def per_class_frechet_distance(*, real, fake, real_labels, fake_labels):
    """Frechet distance within each class ("intra FID"). Use equal counts per class for every model compared.

    Args:
        real: Features (n, d).
        fake: Features (m, d).
        real_labels: (n,) integers.
        fake_labels: (m,) integers; the same classes as in `real_labels`.

    Returns:
        A `PerClassFrechetDistance`, classes in ascending order.
    """
    real, fake = feature_arrays.pair(real=real, fake=fake)
    real_labels = feature_arrays.labels("real_labels", real_labels, len(real), "real")
    fake_labels = feature_arrays.labels("fake_labels", fake_labels, len(fake), "fake")
    classes, real_counts = np.unique(real_labels, return_counts=True)
    fake_classes, fake_counts = np.unique(fake_labels, return_counts=True)
    alone = np.setxor1d(classes, fake_classes)
    if len(alone):
        side = "real_labels" if alone[0] in classes else "fake_labels"
        raise ValueError(f"Both sets must hold the same classes. Received: class {alone[0]} only in `{side}`.")
    for name, counts in (("real", real_counts), ("fake", fake_counts)):
        if counts.min() < 2:
            raise ValueError(
                f"Every class needs at least 2 samples in `{name}`. Received: {counts.min()} of class "
                f"{classes[counts.argmin()]}."
            )
    fewest, dimension = min(real_counts.min(), fake_counts.min()), real.shape[1]
    if fewest <= dimension and dimension >= FEW_ROWS_WARNING:
        warnings.warn(
            f"A class has {fewest} samples for {dimension} features: its covariance is rank deficient and the distance "
            "mostly bias. Compare only at equal counts.",
            stacklevel=2,
        )
    distances = tuple(frechet_distance(real=real[real_labels == c], fake=fake[fake_labels == c]) for c in classes)
    return PerClassFrechetDistance(
        mean=float(np.mean(distances)),
        classes=tuple(int(c) for c in classes),
        distances=distances,
        real_counts=tuple(int(c) for c in real_counts),
        fake_counts=tuple(int(c) for c in fake_counts),
    )


class _Side:
    """One set: mean, trace and either centred rows scaled so that rows^T rows = covariance, or the covariance."""

    def __init__(self, mean, rows=None, covariance=None, statistics=None):
        self.mean, self.rows, self._covariance, self.statistics = mean, rows, covariance, statistics
        self.trace = float(np.einsum("ij,ij->", rows, rows) if covariance is None else np.trace(covariance))

    @property
    def covariance(self):
        return self.rows.T @ self.rows if self._covariance is None else self._covariance


def _side(argument, value):
    if isinstance(value, Statistics):
        return _Side(value.mean, covariance=value.covariance, statistics=value)
    if isinstance(value, Moments):
        if value.count < 2:
            raise ValueError(f"`{argument}` must hold at least 2 samples. Received: Moments of {value.count}.")
        mean, covariance = value.mean_and_covariance()
        return _Side(mean, covariance=covariance)
    value = feature_arrays.features(argument, value)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported by the caller
        if len(value) < value.shape[1]:
            rows = value.astype(np.float64)
            first = rows[0].copy()
            rows -= first
            mean = rows.mean(axis=0)
            rows -= mean
            return _Side(first + mean, rows=rows / np.sqrt(len(rows) - 1))
        mean, covariance = Moments().update(value).mean_and_covariance()
    return _Side(mean, covariance=covariance)


def _trace_of_root(x, y):
    scale = np.sqrt(x.trace) * np.sqrt(y.trace)  # traces are taken out: the product of two covariances may overflow
    if scale == 0 or not np.isfinite(scale):
        return scale
    if x.rows is not None and y.rows is not None:
        product = (x.rows / np.sqrt(x.trace)) @ (y.rows / np.sqrt(y.trace)).T
        return scale * float(scipy.linalg.svdvals(product, overwrite_a=True).sum())
    if x.rows is None and y.rows is not None:
        x, y = y, x  # the few rows of one side are its factor, as they are
    other = y.covariance / y.trace
    if x.rows is not None:
        factor = x.rows / np.sqrt(x.trace)
        product = factor @ other @ factor.T
    else:
        product = _between(x.covariance / x.trace, other)
    values = scipy.linalg.eigvalsh(product, overwrite_a=True, check_finite=False)
    largest = np.abs(values).max()
    if values.min() < -ROUNDING * largest:
        raise ValueError("A covariance has negative eigenvalues: it is the covariance of no data.")
    values[values < len(x.mean) * np.finfo(np.float64).eps * largest] = 0
    return scale * float(np.sqrt(values).sum())


def _between(covariance, other):
    """Returns F `other` F^T with F^T F = `covariance`: symmetric, with the eigenvalues of the product of both."""
    try:
        factor = scipy.linalg.cholesky(covariance, lower=False, check_finite=False)
    except scipy.linalg.LinAlgError:  # rank deficient
        values, vectors = scipy.linalg.eigh(covariance)
        if values[0] < -ROUNDING * np.abs(values).max():
            raise ValueError("A covariance has negative eigenvalues: it is the covariance of no data.") from None
        factor = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
        return factor @ other @ factor.T
    triangular = scipy.linalg.blas.dtrmm  # half of a product
    return triangular(1.0, factor, triangular(1.0, factor, other), side=1, trans_a=1, overwrite_b=1)


def _same_kind(sides):
    (one_name, one), (other_name, other) = sides.items()
    if one is None or other is None:
        return
    for field in KIND:
        a, b = getattr(one, field), getattr(other, field)
        if a is not None and b is not None and a != b:
            raise ValueError(
                f"Statistics of different kinds cannot be compared: their `{field}` differs. "
                f"Received: {one_name} {field}={a!r}, {other_name} {field}={b!r}."
            )


def save_statistics(path, moments, *, feature_network, network_digest, resizer, data_digest, details=None):
    """Writes `moments` and what they are moments of to an `.npz` file, whole or not at all.

    Args:
        path: File to write.
        moments: `Moments`, at least two samples.
        feature_network, network_digest, resizer, data_digest, details: See `Statistics`.
    """
    if not isinstance(moments, Moments):
        raise TypeError(f"`moments` must be Moments. Received: a {type(moments).__name__}.")
    kind = {
        "feature_network": feature_network,
        "network_digest": network_digest,
        "resizer": resizer,
        "data_digest": data_digest,
    }
    for name, value in kind.items():
        if not isinstance(value, str):
            raise TypeError(f"`{name}` must be a string. {checks.received(**{name: value})}")
    mean, covariance = moments.mean_and_covariance()
    details = dict(details or {})
    meta = json.dumps({**kind, "details": details, "versions": _versions(), "ddof": 1}, sort_keys=True)
    content = io.BytesIO()
    np.savez(content, mu=mean, sigma=covariance, count=np.int64(moments.count), meta=np.array(meta))
    files.write(path, content.getbuffer())


def load_statistics(path, **expected):
    """Reads a file of `save_statistics`, or one that holds only `mu` and `sigma`.

    Args:
        path: File to read.
        expected: Any of `feature_network`, `network_digest`, `resizer`, `data_digest` that the file must have.

    Returns:
        A `Statistics`.

    Raises:
        FileNotFoundError: no such file. OSError: the file is damaged or no statistics.
        ValueError: the file holds something else than expected; the sentence names what.
    """
    checks.no_unknown("load_statistics", sorted(set(expected) - {*KIND, "data_digest"}), (*KIND, "data_digest"))
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in ("mu", "sigma", "count", "meta") if name in file.files}
        mean, covariance = stored["mu"], stored["sigma"]
        meta = json.loads(str(stored["meta"])) if "meta" in stored else {}
        statistics = Statistics(
            mean=mean,
            covariance=covariance,
            count=int(stored["count"]) if "count" in stored else None,
            **{name: meta.get(name) for name in (*KIND, "data_digest")},
            details=meta.get("details", {}),
            versions=meta.get("versions", {}),
        )
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no statistics file {path}.") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise OSError(f"{path} is damaged or no file of feature statistics: {error}") from error
    for name, value in expected.items():
        if getattr(statistics, name) != value:
            raise ValueError(
                f"The statistics in {path} are of another kind: their `{name}` is {getattr(statistics, name)!r}, "
                f"expected {value!r}. Compute them again."
            )
    return statistics


def _versions():
    package = __name__.partition(".")[0]
    return {
        package: importlib.import_module(package).__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
