"""The cascading-rejection head: several linear scores of one feature vector, each blind to what the last one saw."""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import tap
from keras_gans.layers.spectral_normalization import TINY, spectral_norm, unit

POWER_ITERATIONS = 16


@keras.saving.register_keras_serializable("keras_gans")
class CascadingRejection(keras.layers.Layer):
    """Scores features by N levels; each level's direction is removed before the next level looks.

        v_1 = v;   D_i = <v_i, w_i>;   v_(i+1) = v_i - <v_i, w_i> / |w_i|^2 w_i

    With labels, `u_i = w_i + E_i[y]` takes the place of w_i (a projection critic at each level). That conditional
    form is ours: the paper's was not available to us.

    Args:
        levels: Number of scores N, default 4 [ours]; 1 is an ordinary linear critic. Much smaller than the
            number of features.
        num_classes: 0, or the number of classes; then the layer is called on `[features, labels]`.
        spectral: Whether each w_i is divided by its norm, the spectral norm of a 1 x d matrix, and each table E_i
            (num_classes, d) by its spectral norm, so that a class moves a score by no more than the direction does;
            default False.

    Call with features (n, d), or `[features, labels]` with integer labels (n,); returns (n, levels), float32.

    Reference: Sinha et al., 2019, arXiv:1911.10979.
    """

    def __init__(self, levels=4, num_classes=0, spectral=False, **kwargs):
        kwargs.setdefault("dtype", "float32")  # dot products over the features
        super().__init__(**kwargs)
        self.levels = checks.size("levels", levels)
        self.num_classes = checks.size("num_classes", num_classes, minimum=0)
        self.spectral = checks.flag("spectral", spectral)

    def build(self, input_shape):
        features = (input_shape[0] if self.num_classes else input_shape)[-1]
        self.directions = [
            self.add_weight(shape=(features, 1), initializer="glorot_uniform", name=f"direction_{i}")
            for i in range(self.levels)
        ]
        self.embeddings = [
            self.add_weight(
                shape=(self.num_classes, features),
                initializer="glorot_uniform" if self.spectral else "zeros",  # zeros have no direction to normalise
                name=f"embedding_{i}",
            )
            for i in range(self.levels if self.num_classes else 0)
        ]

    def direction(self, level):
        """Returns w_i of a level (counted from 0) as (1, d)."""
        direction = ops.transpose(self.directions[level].value)
        if not self.spectral:
            return direction
        return direction / ops.sqrt(ops.sum(ops.square(direction)) + 1e-12)

    def table(self, level):
        """Returns E_i of a level (counted from 0), (num_classes, d)."""
        table = self.embeddings[level].value
        if not self.spectral:
            return table
        # No vector is kept from call to call: a table is small, and files written before have none.
        start = unit(ops.cos(ops.arange(table.shape[1], dtype="float32") + 1.0))
        sigma, _ = spectral_norm(ops.cast(table, "float32"), start, POWER_ITERATIONS)
        return table / ops.where(sigma > TINY, sigma, ops.ones_like(sigma))

    def call(self, inputs):
        features, labels = inputs if self.num_classes else (inputs, None)
        rest, scores = ops.cast(features, "float32"), []
        for i in range(self.levels):
            direction = self.direction(i)  # (1, d)
            if labels is not None:
                direction = direction + ops.take(self.table(i), labels, axis=0)  # (n, d)
            score = ops.sum(rest * direction, axis=-1, keepdims=True)  # (n, 1)
            scores.append(score)
            if i + 1 < self.levels:
                squared = ops.maximum(ops.sum(ops.square(direction), axis=-1, keepdims=True), 1e-12)
                rest = tap(self, f"rest_{i + 1}", rest - score / squared * direction)
        return ops.concatenate(scores, axis=-1)

    def effective_directions(self):
        """Returns the matrix (levels, d) whose rows score the untouched features like the levels do.

        Row i is P_1 ... P_(i-1) w_i with P_j = I - w_j w_j^T / |w_j|^2. Unconditional heads only.
        """
        if self.num_classes:
            raise ValueError("effective_directions() exists without labels only: with labels they differ per sample.")
        directions = [self.direction(i)[0] for i in range(self.levels)]
        rows = []
        for i, row in enumerate(directions):
            for other in reversed(directions[:i]):
                row = row - ops.sum(row * other) / ops.maximum(ops.sum(ops.square(other)), 1e-12) * other
            rows.append(row)
        return ops.stack(rows)

    def compute_output_shape(self, input_shape):
        features = input_shape[0] if self.num_classes else input_shape
        return (features[0], self.levels)

    def get_config(self):
        config = {"levels": self.levels, "num_classes": self.num_classes, "spectral": self.spectral}
        return {**super().get_config(), **config}
