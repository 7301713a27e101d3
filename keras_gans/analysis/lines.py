"""Sums of a target's gradients over points of straight lines: what every attribution of the package is made of."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.analysis.inputs import Form, Inputs, Packing
from keras_gans.analysis.targets import Target
from keras_gans.engine import captured, compiled_for, differentiable, injected, layer_paths, value_and_input_gradients


def layer_of(model, on):
    """Returns the layer of a model that `on` names, None for `"inputs"`; the error of an unknown one has the list."""
    if isinstance(on, str) and on == "inputs":
        return None
    paths = layer_paths(model)
    if isinstance(on, keras.layers.Layer):
        if any(layer is on for layer in paths.values()):
            return on
        on = on.name
    if on in paths:
        return paths[on]
    listed = ", ".join([*paths][:40]) + (", ..." if len(paths) > 40 else "")
    raise ValueError(
        f"`on` must be 'inputs' or a layer of the model. {checks.nearest(on, ['inputs', *paths])}"
        f"{checks.received(on=on)} The layers are {listed}."
    )


def padded(array, rows):
    """Returns an array with its last row repeated up to `rows` rows."""
    return np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)]) if rows > len(array) else array


@dataclasses.dataclass(frozen=True)
class Computation:
    """What is computed of a model, as functions of tensors alone: no data of a user is kept with them."""

    model: keras.Model
    target: Target
    layer: keras.layers.Layer | None
    form: Form
    packing: Packing | None = None

    def compiled(self, name):
        """Returns the method called `name`, compiled and kept with the model."""
        shapes = () if self.packing is None else tuple(self.packing.shapes)
        key = (name, self.target.key(), id(self.layer), self.form, shapes)
        return compiled_for(self.model, key, getattr(self, name))

    def outputs(self, *inputs):
        """Returns the model's outputs for all its inputs."""
        return self.target.outputs(self.form.structured(inputs))

    def layer_outputs(self, *inputs):
        """Returns the outputs of the layer for all inputs of the model."""
        with captured(self.layer) as found:
            self.outputs(*inputs)
        if len(found) != 1 or not hasattr(found[0], "shape"):
            raise ValueError(
                "`on` must be a layer that the model calls once and that returns one tensor. Received: "
                f"on={self.layer.name!r}, called {len(found)} times."
            )
        return ops.convert_to_tensor(found[0])

    def values(self, points, classes, *held):
        """Returns the target (n,) where what moves is at `points` (n, ...)."""
        if self.layer is not None:
            with injected(self.layer, points):
                return self.target.values(self.form.structured(held), classes)
        inputs = self.form.merged(self.packing.unpack(points), held)
        return self.target.values(self.form.structured(inputs), classes)

    def gradient_sums(self, starts, steps, nodes, weights, classes, *held):
        """Returns sum_k weights_k grad F(starts + nodes_k steps), (rows, ...), of lines (rows, ...) and nodes (k,)."""

        def per_node(each):
            return ops.reshape(each, (-1,) + (1,) * len(steps.shape))

        def repeated(each):  # (rows, ...) -> (nodes * rows, ...)
            tiled = ops.broadcast_to(each[None], (ops.shape(nodes)[0], *ops.shape(each)))
            return ops.reshape(tiled, (-1, *each.shape[1:]))

        points = starts[None] + per_node(nodes) * steps[None]  # (nodes, rows, ...)
        points = ops.reshape(points, (-1, *steps.shape[1:]))
        classes, held = repeated(classes), [repeated(each) for each in held]
        _, gradients = value_and_input_gradients(lambda points: self.values(points, classes, *held), points)
        gradients = ops.reshape(gradients, (ops.shape(nodes)[0], -1, *steps.shape[1:]))
        return ops.sum(per_node(weights) * gradients, axis=0)


class Lines:
    """A model's target and its gradients at points of lines, in batches of at most `batch_size` points.

    Args:
        model, inputs, target, on: As for `keras_gans.analysis.integrated_gradients`.
        batch_size: Points per call of the model: what bounds the memory.

    Attributes:
        ends: What moves, as one array (n, ...): the inputs, or the outputs of the layer `on`.
        classes: int32 array (n,), the outputs to look at.
    """

    def __init__(self, model, inputs, target, on, batch_size):
        self.target = Target(model, target)
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        self.layer = layer_of(model, on)
        self.inputs = Inputs(model, inputs, self.layer)
        form, arrays = self.inputs.form, self.inputs.arrays
        self.computation = Computation(model, self.target, self.layer, form)
        self.held = [array for i, array in enumerate(arrays) if i not in form.moving]
        moving = [arrays[i] for i in form.moving] if self.layer is None else [self.layer_outputs(arrays)]
        self.packing = Packing(moving)
        self.computation = dataclasses.replace(self.computation, packing=self.packing)
        self.ends = self.packing.pack(moving)
        self.classes = self.target.classes_for(self.inputs.count, lambda: self._in_batches("outputs", *arrays))

    def _in_batches(self, name, *arrays):
        function, results = self.computation.compiled(name), []
        for start in range(0, len(arrays[0]), self.batch_size):
            batch = [array[start : start + self.batch_size] for array in arrays]
            rows = min(self.batch_size, 1 << (len(batch[0]) - 1).bit_length())
            result = function(*(ops.convert_to_tensor(padded(array, rows)) for array in batch))
            results.append(ops.convert_to_numpy(result)[: len(batch[0])])
        return np.concatenate(results)

    def layer_outputs(self, arrays):
        """Returns the outputs of the layer `on` for the model's inputs, as an array."""
        return self._in_batches("layer_outputs", *arrays)

    def values(self, points):
        """Returns the target's values (n,), float64, where what moves is at `points` (n, ...)."""
        return self._in_batches("values", points, self.classes, *self.held).astype("float64")

    def gradient_sums(self, rows, starts, steps, nodes, weights, together):
        """Returns sum_k weights_k grad F(starts + nodes_k steps) as a float64 array (len(rows), ...).

        Args:
            rows: Integer array: to which sample each line belongs.
            starts, steps: Arrays (len(rows), ...), the beginnings of the lines and their directions.
            nodes, weights: Arrays (k,).
            together: Most nodes of one line in a call; a call has at most `batch_size` points in all.
        """
        function = self.computation.compiled("gradient_sums")
        dtype, sums = self.ends.dtype, []
        with differentiable("target", self.target.target):
            for start in range(0, len(rows), self.batch_size):
                batch = rows[start : start + self.batch_size]
                size = min(self.batch_size, 1 << (len(batch) - 1).bit_length())
                at_once = max(1, min(self.batch_size // size, together))
                lines = [starts[start : start + len(batch)], steps[start : start + len(batch)]]
                given = [padded(each, size) for each in (*lines, self.classes[batch], *(h[batch] for h in self.held))]
                first, second, *rest = map(ops.convert_to_tensor, given)
                total = np.zeros((len(batch), *self.ends.shape[1:]))
                for node in range(0, len(nodes), at_once):
                    some, share = nodes[node : node + at_once], weights[node : node + at_once]
                    share = np.concatenate([share, np.zeros(at_once - len(share))])  # a repeated node counts nothing
                    arrays = padded(some, at_once).astype(dtype), share.astype(dtype)
                    part = function(first, second, *map(ops.convert_to_tensor, arrays), *rest)
                    total += ops.convert_to_numpy(part)[: len(batch)]
                sums.append(total)
        return np.concatenate(sums)
