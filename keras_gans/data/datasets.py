"""Image sets by name: where each is looked for, and the one form in which all are returned.

A set is looked for in the folder that the environment variable KERAS_GANS_DATA names, then where the system's packages
put it, then in Keras's cache, into which Keras downloads it where needed. `digits` is inside scikit-learn.
"""

import dataclasses
import importlib
import os
import typing

import numpy as np

from keras_gans import checks
from keras_gans.data import formats, hdf5
from keras_gans.data.arrays import height_and_width, to_channels, to_size
from keras_gans.data.image_folder import ImageFolder

_SPLITS = ("train", "test")
_FOLDER = "folder:"
_DIGITS_TEST = 297  # of 1,797; 1,500 remain to train on
_DIGITS = tuple("0123456789")


@dataclasses.dataclass(frozen=True)
class _Downloadable:
    """A set that is not shipped.

    Args:
        shape: (h, w, c) of its images, as distributed.
        own_places: (path under $KERAS_GANS_DATA, reader of `formats`), in the order of the search.
        system_places: (absolute path, reader), looked at next.
        files: what to put into $KERAS_GANS_DATA, in words.
        class_names: the names of its classes, in the order of its labels.
        package: what installs it on Debian and Ubuntu, or None.
    """

    shape: tuple
    own_places: tuple
    system_places: tuple
    files: str
    class_names: tuple
    package: str | None = None


_DOWNLOADABLE = {
    "fashion_mnist": _Downloadable(
        shape=(28, 28, 1),
        own_places=(
            ("fashion-mnist", formats.idx_files),
            ("fashion_mnist", formats.idx_files),
            ("fashion_mnist.npz", formats.npz_file),
        ),
        system_places=(("/usr/share/datasets/fashion-mnist", formats.idx_files),),
        files="its four idx files in fashion-mnist/, or fashion_mnist.npz,",
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        package="dataset-fashion-mnist",
    ),
    "mnist": _Downloadable(
        shape=(28, 28, 1),
        own_places=(("mnist", formats.idx_files), ("mnist.npz", formats.npz_file)),
        system_places=(("/usr/share/datasets/mnist", formats.idx_files),),
        files="its four idx files in mnist/, or mnist.npz,",
        class_names=_DIGITS,
    ),
    "cifar10": _Downloadable(
        shape=(32, 32, 3),
        own_places=(
            ("cifar-10-batches-bin", formats.cifar10_binary),
            ("cifar10.npz", formats.npz_file),
            ("cifar10_jpeg_{split}.npz.xz", formats.cifar10_jpeg),
            (os.path.join("cifar10", "cifar10_jpeg_{split}.npz.xz"), formats.cifar10_jpeg),
        ),
        system_places=(),
        files="its binary version, cifar-10-batches-bin/ (the Python version is a pickle and is not read),",
        class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}


class Images(typing.NamedTuple):
    """Images with what is known of them.

    Args:
        images: uint8 (n, h, w, c) in 0..255.
        labels: int64 (n,), or None.
        class_names: list of the classes' names, the place of each being its label; or None.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: list | None


def list_datasets():
    """The names `load` knows, besides "folder:PATH" for your own images.

    Returns:
        List of strings.
    """
    return ["digits", *_DOWNLOADABLE]


def load(name, split="train", image_size=None, channels=None):
    """The images and labels of a set, as arrays.

    | name | images | standard size | where from |
    |---|---|---|---|
    | `digits` | 1,500 train, 297 test | 32x32 gray | inside scikit-learn |
    | `fashion_mnist` | 60,000 train, 10,000 test | 32x32 gray | $KERAS_GANS_DATA, Debian's package, Keras |
    | `mnist` | 60,000 train, 10,000 test | 32x32 gray | $KERAS_GANS_DATA, /usr/share/datasets/mnist, Keras |
    | `cifar10` | 50,000 train, 10,000 test | 32x32 RGB | $KERAS_GANS_DATA, Keras |
    | `folder:PATH` | all images below PATH | 64x64, gray if all are | your disk, see `ImageFolder` |
    | `PATH.h5` | all images of the file | as they are | your disk, see `HDF5Images` |

    `digits` are 8x8 with values 0 to 16: scaled to 0..255 and enlarged by bicubic interpolation. Their split is ours
    and never changes: the set is permuted by `np.random.default_rng(0)`, and the first digits of each class, in
    proportion to its size, are the 297 held out.

    In $KERAS_GANS_DATA are read: `fashion-mnist/` or `fashion_mnist/` and `mnist/` with the four idx files, gzipped or
    not; `fashion_mnist.npz`, `mnist.npz` and `cifar10.npz` with the arrays x_train, y_train, x_test, y_test;
    `cifar-10-batches-bin/`; and `cifar10_jpeg_train.npz.xz` with `cifar10_jpeg_test.npz.xz`, there or in `cifar10/`.
    The last two hold JPEG-recompressed images: scores measured on them do not compare, to the digit, with scores on the
    lossless set, which is taken first where both are present.

    Args:
        name: one of `list_datasets()`, or "folder:" and the path of a folder, or the path of an .h5 file.
        split: "train" or "test". A folder or file has no split: it is "train" as a whole.
        image_size: one integer or (height, width) in pixels; None for the standard size of the table. 28x28 sets get to
            32x32 by two pixels of zeros on each side and stay as they are at 28; every other size is resized from the
            original pixels (see `to_size`).
        channels: 1 for gray, 3 for RGB; None for the set's own.

    Returns:
        `(images, labels)`: uint8 (n, h, w, c) in 0..255, and int64 (n,), or None for a folder without class folders.

    Raises:
        ValueError: an unknown name or split, a bad size or number of channels, a damaged file (named).
        FileNotFoundError: the set is in none of its places and cannot be downloaded.

    Example:
        >>> images, labels = load("digits")
        >>> images.shape, images.dtype
        ((1500, 32, 32, 1), dtype('uint8'))
    """
    return read(name, split, image_size, channels)[:2]


def read(name, split="train", image_size=None, channels=None, labels=True):
    """The images and labels of a set with the names of its classes.

    Args:
        name, split, image_size, channels: as for `load`.
        labels: whether labels are wanted; if not, a folder is not searched for classes.

    Returns:
        `Images`.

    Raises:
        ValueError, TypeError, FileNotFoundError: as for `load`.
    """
    if not isinstance(name, str):
        raise TypeError(f"`name` must be the name of a data set, a string. {checks.received(name=name)}")
    split = checks.one_of("split", split, _SPLITS)
    size = None if image_size is None else height_and_width("image_size", image_size)
    if channels is not None:
        channels = int(checks.one_of("channels", channels, (1, 3)))

    if name.startswith(_FOLDER):
        return _read_folder(name[len(_FOLDER) :], split, size, channels, "folders" if labels else None)
    if name.endswith(hdf5.SUFFIXES):
        _has_no_split(split, "file")
        return Images(*hdf5.load(name, size, channels), hdf5.HDF5Images(name).classes)
    if name == "digits":
        (images, targets), class_names = _digits(split), _DIGITS
    elif name in _DOWNLOADABLE:
        (images, targets), class_names = _find(name, split), _DOWNLOADABLE[name].class_names
    else:
        known = ", ".join(repr(known) for known in list_datasets())
        path = os.path.expanduser(name)
        if (os.sep in name or name.startswith(("~", "."))) and not os.path.exists(path):
            parent, last = os.path.split(path.rstrip(os.sep))
            beside = os.listdir(parent or ".") if os.path.isdir(parent or ".") else []
            raise FileNotFoundError(
                f"There is no folder or file {name}. {checks.nearest(last, beside)}Or give a data set by its name: "
                f"{known}."
            )
        raise ValueError(
            f"`name` must be one of {known}, or 'folder:PATH' for your own images. "
            f"{checks.nearest(name, list_datasets())}{checks.received(name=name)}"
        )
    size = size or (32, 32)
    images = to_size(images, size, pad=images.shape[1:3] == (28, 28) and size == (32, 32))
    return Images(to_channels(images, channels), targets.astype(np.int64), list(class_names))


def _read_folder(path, split, size, channels, labels):
    _has_no_split(split, "folder")
    folder = ImageFolder(path, image_size=size or 64, channels=channels, labels=labels)
    return Images(*folder.load(), folder.classes)


def _has_no_split(split, kind):
    if split != "train":
        raise ValueError(
            f"`split` must be 'train' for a {kind}, which is read as a whole: give the {kind} of the test images as "
            f"`name`. {checks.received(split=split)}"
        )


def _digits(split):
    from sklearn.datasets import load_digits  # a second to import, and needed here alone

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]  # (1797, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], bunch.target[order]
    held_out = np.zeros(len(labels), bool)
    for digit, count in enumerate(_proportional(np.bincount(labels), _DIGITS_TEST)):
        held_out[np.flatnonzero(labels == digit)[:count]] = True
    chosen = held_out if split == "test" else ~held_out
    return images[chosen], labels[chosen]


def _proportional(counts, total):
    """Divides `total` in proportion to `counts`, in integers: what is left goes to the largest remainders."""
    shares = counts * total / counts.sum()
    whole = np.floor(shares).astype(int)
    largest = np.argsort(whole - shares, kind="stable")[: total - whole.sum()]
    whole[largest] += 1
    return whole


def _find(name, split):
    """The set as distributed, from the first place that has it: uint8 (n, h, w, c), integers (n,)."""
    dataset = _DOWNLOADABLE[name]
    own = os.environ.get("KERAS_GANS_DATA")
    places = list(dataset.system_places)
    if own:
        folder = os.path.expanduser(own)
        if not os.path.isdir(folder):
            raise ValueError(f"KERAS_GANS_DATA must name an existing folder. Received: KERAS_GANS_DATA={own!r}.")
        own_places = [(os.path.join(folder, path.format(split=split)), read) for path, read in dataset.own_places]
        places = own_places + places
    for place, read in places:
        found = read(place, split)
        if found is not None:
            return _as_distributed(*found, dataset.shape, place)
    try:
        found = _keras_download(name)[_SPLITS.index(split)]
    except Exception as error:  # Keras raises a bare Exception when it cannot download
        looked = [repr(place) for place, _ in places] + [f"Keras's download ({type(error).__name__}: {error})"]
        install = f"run `apt-get install {dataset.package}` (Debian, Ubuntu), or " if dataset.package else ""
        setting = f"KERAS_GANS_DATA ({own!r})" if own else "KERAS_GANS_DATA (which is not set)"
        raise FileNotFoundError(
            f"The data set {name!r} was found nowhere. Looked at: {'; '.join(looked)}. What to do: {install}put "
            f"{dataset.files} into the folder that the environment variable {setting} names."
        ) from error
    return _as_distributed(*found, dataset.shape, f"keras.datasets.{name}")


def _keras_download(name):
    """((train images, labels), (test images, labels)) from Keras's cache or, if they are not there, the network."""
    return importlib.import_module(f"keras.datasets.{name}").load_data()


def _as_distributed(images, labels, shape, place):
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[1:] != shape or len(images) == 0:
        raise ValueError(f"The images of {place!r} must be (n, {str(shape)[1:]}. Received: shape {images.shape}.")
    return images, np.asarray(labels).reshape(-1)
