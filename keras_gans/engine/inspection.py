"""Seeing intermediate values: a layer or variant offers them by `tap`, `Probe` reads them from a compiled function.

Nothing is stored on layers (that would leak tracers): while the probe's function is traced, the `call` of each watched
layer is replaced by one that also keeps its outputs, and `tap` hands its tensor over; both are outputs of the function.
Outside of such a trace `tap` does nothing.
"""

import contextlib
import contextvars
import fnmatch
import inspect

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import COMPUTE_ATTENTION, layers_of, plain_setattr

_recorder: contextvars.ContextVar = contextvars.ContextVar("keras_gans_recorder", default=None)


def tap(owner, name, tensor):
    """Offers a tensor of a layer's `call` (or of a model's computation) for inspection and returns it.

    Args:
        owner: The layer or model that computes it: `tap(self, "weights", weights)` in the layer `attention` of
            the discriminator is seen as `discriminator/attention/weights`.
        name: String, its name within the owner.
        tensor: Any tensor.
    """
    recorder = _recorder.get()
    if recorder is not None:
        recorder.offer(owner, name, tensor)
    return tensor


def is_recording():
    """Returns whether a function is traced in which something is watched."""
    return _recorder.get() is not None


@contextlib.contextmanager
def unwatched():
    """Inside this scope nothing is watched: the tensors of a loop's body are of no use outside of it."""
    recorder = _recorder.get()
    before = getattr(recorder, "silent", None)
    if recorder is not None:
        recorder.silent = True
    try:
        yield
    finally:
        if recorder is not None:
            recorder.silent = before


def layer_paths(model):
    """Returns `{path: layer}` of all layers of a model, nested ones included, in the order of the model.

    The path of a layer is the names of what holds it, joined by `/`: `discriminator/conv_1`.
    """
    paths = {}

    def walk(layer, prefix):
        for child in layers_of(layer, recursive=False, include_self=False):
            if isinstance(child, (keras.layers.InputLayer, keras.metrics.Metric)) or id(child) in seen:
                continue
            seen.add(id(child))
            path = f"{prefix}{child.name}"
            paths[path] = child
            walk(child, f"{path}/")

    seen = {id(model)}
    for network in getattr(model, "networks", ()):
        part = getattr(model, network)
        seen.add(id(part))
        paths[network] = part
        walk(part, f"{network}/")
    if not paths:
        walk(model, "")
    return paths


class _Recorder:
    """Keeps what is watched while a function is traced."""

    def __init__(self, paths, patterns):
        self.paths = {id(layer): path for path, layer in paths.items()}
        self.patterns, self.found, self.offered, self.silent = patterns, {}, [], False

    def offer(self, owner, name, tensor):
        path = self.paths.get(id(owner))
        self.keep(name if path is None else f"{path}/{name}", tensor)

    def keep(self, name, value):
        """Keeps the tensors of `value` under `name`; a second call of the same layer is `name[1]`."""
        if self.silent:
            return
        self.offered.append(name)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns):
            return
        for suffix, tensor in _tensors(value):
            full = name + suffix
            count = sum(1 for known in self.found if known == full or known.startswith(f"{full}["))
            self.found[f"{full}[{count}]" if count else full] = ops.convert_to_tensor(tensor)


def _tensors(value):
    """Returns `(suffix, tensor)` of a layer's outputs: one tensor, or a list or dict of them."""
    if isinstance(value, dict):
        return [(f"/{key}{suffix}", t) for key, each in value.items() for suffix, t in _tensors(each)]
    if isinstance(value, (list, tuple)):
        return [(f"/{i}{suffix}", t) for i, each in enumerate(value) for suffix, t in _tensors(each)]
    return [] if value is None else [("", value)]


def _attention_recorded(path, compute, recorder):
    """Returns `compute` of an attention layer as a function that forms the matrix and keeps it as `path/attention`."""
    signature = inspect.signature(compute)

    def wrapper(*arguments, **options):
        bound = signature.bind(*arguments, **options)
        if "return_attention_scores" in signature.parameters:  # grouped queries form the matrix in any case
            bound.arguments["return_attention_scores"] = True
        outputs, matrix = compute(*bound.args, **bound.kwargs)
        recorder.keep(f"{path}/attention", matrix)
        return outputs, matrix

    return wrapper


@contextlib.contextmanager
def _recording(layers, attention, recorder):
    """Replaces, for the time of a trace, the `call` of the watched layers and what computes a watched attention."""

    def recorded(path, call):
        def wrapper(*arguments, **options):
            outputs = call(*arguments, **options)
            recorder.keep(path, outputs)
            return outputs

        return wrapper

    token = _recorder.set(recorder)
    replaced = [(layer, "call", recorded(path, layer.call)) for path, layer in layers.items()]
    for path, layer in attention.items():
        compute = _attention_recorded(path, getattr(layer, COMPUTE_ATTENTION), recorder)
        replaced.append((layer, COMPUTE_ATTENTION, compute))
    own = [vars(layer).get(name) for layer, name, _ in replaced]  # None: that of the class
    for layer, name, method in replaced:
        plain_setattr(layer, name, method)
    try:
        yield
    finally:
        for (layer, name, _), before in zip(replaced, own, strict=True):
            if before is None:
                object.__delattr__(layer, name)
            else:
                plain_setattr(layer, name, before)
        _recorder.reset(token)


class Probe:
    """A compiled function from fixed inputs to the watched intermediate values; training is not touched.

    Args:
        model: Any `keras.Model`. A model of the zoo computes its players' losses on images (`observed_losses`),
            any other one its outputs; both as at inference.
        watch: Names or globs (`"discriminator/*"`), of layers (their outputs) and of what is offered by `tap`. The
            attention matrix of Keras's `MultiHeadAttention` or `GroupedQueryAttention` is `<layer>/attention`.
            A layer that is called again gives `name[1]`: in a GAN the discriminator sees the reals, then the fakes.

    Raises:
        ValueError: For a name that matches nothing, with the nearest; at the first call, when all names are known.
    """

    def __init__(self, model, watch):
        self.model = model
        self.patterns = [watch] if isinstance(watch, str) else list(watch)
        if not self.patterns or not all(isinstance(pattern, str) for pattern in self.patterns):
            raise ValueError(f"`watch` must be names of layers or tensors, as strings. {checks.received(watch=watch)}")
        self.paths = layer_paths(model)
        self._compiled = None

    def __call__(self, *inputs):
        """Returns `{name: NumPy array}` of what is watched, for inputs given as arrays (None is passed through)."""
        backend.sync(self.model)
        if self._compiled is None:
            self._compiled = backend.compiled(self.model, self._trace)
        arguments = [None if each is None else ops.convert_to_tensor(each) for each in inputs]
        return {name: ops.convert_to_numpy(value) for name, value in self._compiled(*arguments).items()}

    def _watches(self, *names):
        return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in self.patterns)

    def _trace(self, *inputs):
        recorder = _Recorder(self.paths, self.patterns)
        layers = {path: layer for path, layer in self.paths.items() if self._watches(path)}
        attention = {
            path: layer
            for path, layer in self.paths.items()
            if hasattr(layer, COMPUTE_ATTENTION) and (self._watches(f"{path}/attention", f"{path}/softmax"))
        }
        with _recording(layers, attention, recorder):
            if hasattr(self.model, "observed_losses"):
                images, labels, latents = inputs
                images, labels = self.model.batch((images,) if labels is None else (images, labels))
                for name, value in self.model.observed_losses(images, labels, latents).items():
                    recorder.keep(name, value)
            else:
                self.model(inputs[0], training=False)
        known = list(dict.fromkeys([*self.paths, *recorder.offered]))
        for pattern in self.patterns:
            if not any(fnmatch.fnmatchcase(name.split("[")[0], pattern) for name in recorder.offered):
                raise ValueError(
                    f"Nothing called {pattern!r} is computed by this model. {checks.nearest(pattern, known)}"
                    f"There are {', '.join(known[:40])}{', ...' if len(known) > 40 else ''}."
                )
        return recorder.found
