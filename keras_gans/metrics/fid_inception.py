"""The network whose features make a Frechet distance a FID: Inception of 2015-12-05 (Szegedy, 2015, arXiv:1512.00567).

Only numbers of this network, with its own weights and its own way to resize, may be called FID, KID or IS. It is not
the Inception V3 of `keras.applications`: other weights, batch norms with a scale, inputs (x - 128) / 128, a last block
that pools with the maximum, 1,008 classes.

The weights are those that were converted for PyTorch, a state dict of 472 tensors, read without PyTorch. They are
downloaded on first use, or given by their path; a file with another digest is refused.
"""

import hashlib
import os

import keras
import numpy as np

from keras_gans import checks
from keras_gans.layers.image_format import channels_last
from keras_gans.metrics import state_dict

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIZE = 299
TAPS = {"64": 64, "192": 192, "768": 768, "2048": 2048, "logits_unbiased": 1008, "logits": 1008}
RESIZERS = ("tf1", "clean", "torch")


class FIDInception:
    """The Inception network of the published FID, as a feature network of `keras_gans.metrics.evaluate`.

    Args:
        weights: None (default) downloads the public weights (96 MB) into Keras's cache; or the path of that file, or of
            an .npz file with the same names.
        layer: `"2048"` (default), `"768"`, `"192"`, `"64"` or `"logits_unbiased"`, `"logits"`.
        resize: `"tf1"` (default): the bilinear resize of TensorFlow 1, without half-pixel centres, as in the original
            code. `"clean"`: Pillow's bicubic on float pixels (arXiv:2104.11222). `"torch"`: bilinear with half-pixel
            centres and inputs x / 127.5 - 1, as in pytorch-fid. Numbers compare only at the same value.
        batch_size: Images per call, default 64; it never changes the features.
        sha256: Digest that the file must have; default that of the public weights. None takes any file: its numbers
            are no FID, and the name says so.

    Raises:
        ValueError: An unknown layer or resize; a file with another digest, or whose tensors do not fit.
        OSError: There is no such file, or it cannot be downloaded.

    Reference: Heusel et al., 2017, arXiv:1706.08500; Salimans et al., 2016, arXiv:1606.03498.
    """

    def __init__(self, weights=None, layer="2048", resize="tf1", batch_size=64, sha256=SHA256):
        self.layer = checks.one_of("layer", layer, TAPS)
        self.resize = checks.one_of("resize", resize, RESIZERS)
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        if weights is None:
            weights = _downloaded()
        self.digest = _file_digest(weights)
        if sha256 is not None and self.digest != sha256:
            raise ValueError(
                f"The weights file {weights} is not the public one: its SHA-256 is {self.digest}, expected {sha256}. "
                "Give sha256=None to use it all the same; its numbers are then no FID."
            )
        known = "inception_2015_12_05" if self.digest == SHA256 else f"inception_with_{self.digest[:8]}"
        self.name = f"{known}_{layer}_{resize}"
        self.model = network()
        load(self.model, state_dict.read(weights), weights)
        self.model.compile()

    def __call__(self, images):
        """Returns the features (n, d), float64, of uint8 images (n, h, w, 1 or 3)."""
        return self.taps(images, [self.layer])[0]

    def with_logits(self, images):
        """Returns features and unbiased logits (n, 1008), from which the inception score is made."""
        return tuple(self.taps(images, [self.layer, "logits_unbiased"]))

    def taps(self, images, names):
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise ValueError(f"`images` must be uint8 (n, h, w, 1 or 3). Received: {images.dtype.name} {images.shape}.")
        if images.shape[-1] == 1:
            images = np.repeat(images, 3, axis=-1)
        found = [[] for _ in names]
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            rows = len(batch)
            if start:  # as large as the others, for which the network is compiled
                batch = np.concatenate([batch, np.repeat(batch[-1:], self.batch_size - rows, axis=0)])
            outputs = self.model.predict_on_batch(resized(batch, self.resize))
            for values, name in zip(found, names, strict=True):
                values.append(np.asarray(outputs[name])[:rows])
        return [np.concatenate(values).astype(np.float64) for values in found]


def resized(images, how):
    """Returns float32 images (n, 299, 299, 3), scaled as the network wants them, of uint8 images (n, h, w, 3)."""
    if how == "clean":
        from PIL import Image

        found = np.empty((len(images), SIZE, SIZE, 3), np.float32)
        for i, image in enumerate(images):
            for channel in range(3):
                picture = Image.fromarray(image[..., channel].astype(np.float32), mode="F")
                found[i, ..., channel] = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        return (np.clip(found, 0, 255) - 128) / 128
    half = how == "torch"
    rows, columns = (bilinear(size, SIZE, half) for size in images.shape[1:3])
    found = np.einsum("ah,nhwc->nawc", rows, images.astype(np.float32), optimize=True)
    found = np.einsum("bw,nawc->nabc", columns, found, optimize=True)
    return (found / np.float32(127.5) - 1 if half else (found - 128) / 128).astype(np.float32)


def bilinear(size, target, half_pixel=False):
    """Returns the matrix (target, size) of bilinear interpolation along one axis.

    Args:
        size, target: Numbers of pixels.
        half_pixel: Whether pixels are squares with their centres at i + 1/2. TensorFlow 1 took output i from
            `i * size / target`.
    """
    place = np.arange(target, dtype=np.float32) * np.float32(size / target)
    if half_pixel:
        place = np.maximum((np.arange(target, dtype=np.float32) + 0.5) * np.float32(size / target) - 0.5, 0)
    low = np.minimum(np.floor(place).astype(int), size - 1)
    high, weight = np.minimum(low + 1, size - 1), (place - low).astype(np.float32)
    matrix = np.zeros((target, size), np.float32)
    np.add.at(matrix, (np.arange(target), low), 1 - weight)
    np.add.at(matrix, (np.arange(target), high), weight)
    return matrix


# The network ----------------------------------------------------------------------------------------------


@channels_last
def network():
    """Returns the network: images (n, 299, 299, 3) to `{tap: (n, d)}` for the taps of `TAPS`."""
    images = keras.Input((SIZE, SIZE, 3), dtype="float32")
    x = _convolution(images, "Conv2d_1a_3x3", 32, 3, strides=2, padding="valid")
    x = _convolution(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = _convolution(x, "Conv2d_2b_3x3", 64, 3)
    x = _maximum(x)
    taps = {"64": _mean(x)}
    x = _convolution(x, "Conv2d_3b_1x1", 80, 1, padding="valid")
    x = _convolution(x, "Conv2d_4a_3x3", 192, 3, padding="valid")
    x = _maximum(x)
    taps["192"] = _mean(x)
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = _block_a(x, name, pooled)
    x = _block_b(x, "Mixed_6a")
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _block_c(x, name, width)
    taps["768"] = _mean(x)
    x = _block_d(x, "Mixed_7a")
    x = _block_e(x, "Mixed_7b", keras.layers.AveragePooling2D)
    x = _block_e(x, "Mixed_7c", keras.layers.MaxPooling2D)
    taps["2048"] = _mean(x)
    head = keras.layers.Dense(TAPS["logits"], use_bias=False, dtype="float32", name="fc")
    taps["logits_unbiased"] = head(taps["2048"])
    taps["logits"] = _Bias(name="fc_bias", dtype="float32")(taps["logits_unbiased"])
    return keras.Model(images, taps, name="fid_inception", trainable=False)


class _Bias(keras.layers.Layer):
    def build(self, shape):
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias")

    def call(self, inputs):
        return inputs + self.bias


def _convolution(x, name, filters, kernel, strides=1, padding="same"):
    x = keras.layers.Conv2D(filters, kernel, strides, padding, use_bias=False, dtype="float32", name=f"{name}__conv")(x)
    x = keras.layers.BatchNormalization(epsilon=1e-3, dtype="float32", name=f"{name}__bn")(x)
    return keras.layers.ReLU(dtype="float32")(x)


def _chain(x, block, *steps):
    for name, filters, kernel, *strides in steps:
        options = {"strides": 2, "padding": "valid"} if strides else {}
        x = _convolution(x, f"{block}__{name}", filters, kernel, **options)
    return x


def _maximum(x):
    return keras.layers.MaxPooling2D(3, 2, "valid", dtype="float32")(x)


def _mean(x):
    return keras.layers.GlobalAveragePooling2D(dtype="float32")(x)


def _pooled(x, pooling):
    return pooling(3, 1, "same", dtype="float32")(x)


def _join(*parts):
    return keras.layers.Concatenate(dtype="float32")(list(parts))


def _block_a(x, name, pooled):
    return _join(
        _chain(x, name, ("branch1x1", 64, 1)),
        _chain(x, name, ("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        _chain(x, name, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        _chain(_pooled(x, keras.layers.AveragePooling2D), name, ("branch_pool", pooled, 1)),
    )


def _block_b(x, name):
    return _join(
        _chain(x, name, ("branch3x3", 384, 3, 2)),
        _chain(x, name, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3, 2)),
        _maximum(x),
    )


def _block_c(x, name, width):
    row, column = (1, 7), (7, 1)
    double = [("1", width, 1), ("2", width, column), ("3", width, row), ("4", width, column), ("5", 192, row)]
    return _join(
        _chain(x, name, ("branch1x1", 192, 1)),
        _chain(x, name, ("branch7x7_1", width, 1), ("branch7x7_2", width, row), ("branch7x7_3", 192, column)),
        _chain(x, name, *((f"branch7x7dbl_{number}", *rest) for number, *rest in double)),
        _chain(_pooled(x, keras.layers.AveragePooling2D), name, ("branch_pool", 192, 1)),
    )


def _block_d(x, name):
    steps = [("1", 192, 1), ("2", 192, (1, 7)), ("3", 192, (7, 1)), ("4", 192, 3, 2)]
    return _join(
        _chain(x, name, ("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)),
        _chain(x, name, *((f"branch7x7x3_{number}", *rest) for number, *rest in steps)),
        _maximum(x),
    )


def _block_e(x, name, pooling):
    wide = _chain(x, name, ("branch3x3_1", 384, 1))
    deep = _chain(x, name, ("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3))
    return _join(
        _chain(x, name, ("branch1x1", 320, 1)),
        _chain(wide, name, ("branch3x3_2a", 384, (1, 3))),
        _chain(wide, name, ("branch3x3_2b", 384, (3, 1))),
        _chain(deep, name, ("branch3x3dbl_3a", 384, (1, 3))),
        _chain(deep, name, ("branch3x3dbl_3b", 384, (3, 1))),
        _chain(_pooled(x, pooling), name, ("branch_pool", 192, 1)),
    )


# Weights --------------------------------------------------------------------------------------------------

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def targets(model):
    """Returns `{name in the state dict: (variable, shape there)}`."""
    found = {}
    for layer in model.layers:
        name = layer.name.replace("__", ".")  # PyTorch allows no dot in the name of a module
        if name.endswith(".conv"):
            height, width, inputs, outputs = layer.kernel.shape
            found[f"{name}.weight"] = layer.kernel, (outputs, inputs, height, width)
        elif name.endswith(".bn"):
            for ours, theirs in _NORM.items():
                found[f"{name}.{theirs}"] = getattr(layer, ours), tuple(getattr(layer, ours).shape)
    found["fc.weight"] = model.get_layer("fc").kernel, (TAPS["logits"], TAPS["2048"])
    found["fc.bias"] = model.get_layer("fc_bias").bias, (TAPS["logits"],)
    return found


def load(model, tensors, path):
    """Copies a state dict into the network; every tensor must be used, every variable set.

    Raises:
        ValueError: A tensor is missing, is left over, has another shape, or is not finite; the sentence names it.
    """
    wanted = targets(model)
    tensors = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or extra:
        parts = [f"it lacks {len(missing)} tensors, {missing[0]} first"] if missing else []
        parts += [f"it has {len(extra)} others, {extra[0]} first"] if extra else []
        raise ValueError(f"The weights file {path} is not one of the Inception network: {'; '.join(parts)}.")
    for name, (variable, shape) in wanted.items():
        value = tensors[name]
        if value.shape != shape:
            raise ValueError(f"The weights file {path}: {name} must have shape {shape}. It has {value.shape}.")
        if not np.all(np.isfinite(value)):
            raise ValueError(f"The weights file {path}: {name} holds values that are not finite.")
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        variable.assign(value.T if name == "fc.weight" else value)


def _downloaded():
    try:
        return keras.utils.get_file("inception-2015-12-05.pth", URL, file_hash=SHA256)
    except Exception as error:  # Keras raises a bare Exception where there is no network
        raise OSError(
            f"The Inception weights (96 MB) cannot be downloaded: {error}. Get {URL} elsewhere, and give "
            "the file as `weights` (--weights)."
        ) from error


def _file_digest(path):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no weights file {path}.")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
