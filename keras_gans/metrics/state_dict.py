"""Reads the tensors of a PyTorch state dict (.pth, .pt) without PyTorch, and without running anything in it.

Both containers are read: the zip file of today, and the pickles in a row of before 2020. The unpickler knows four kinds
of names and refuses all others, so that a hostile file is an error and nothing else.
"""

import collections
import io
import pickle
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C  # first object of the old container
DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}

Tensor = collections.namedtuple("Tensor", "storage offset shape strides")
Storage = collections.namedtuple("Storage", "dtype key size")


def read(path):
    """Returns `{name: array}` of the state dict in a file: .pth or .pt, or .npz with the same names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, is no state dict, or holds objects other than tensors; the sentence names it.
    """
    path = str(path)
    try:
        if path.endswith(".npz"):
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        with open(path, "rb") as file:
            is_zip = zipfile.is_zipfile(file)
            file.seek(0)
            return _read_zip(file) if is_zip else _read_pickles(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no weights file {path}.") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"The weights file {path} is no state dict of PyTorch, or damaged: {error}.") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *rest: Tensor(storage, offset, shape, strides)
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise ValueError(f"it holds {module}.{name}, which is no tensor")

    def persistent_load(self, saved):
        kind, dtype, key, _, size = saved[:5]
        if kind != "storage":
            raise ValueError(f"it refers to a {kind}")
        return Storage(dtype, str(key), int(size))


def _read_zip(file):
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(names) != 1:
            raise ValueError("the zip file has no data.pkl")
        root = names[0][: -len("data.pkl")]
        tensors = _Unpickler(io.BytesIO(archive.read(names[0]))).load()
        return _arrays(tensors, lambda storage: archive.read(f"{root}data/{storage.key}"))


def _read_pickles(file):
    if _Unpickler(file).load() != MAGIC:
        raise ValueError("it does not begin as such a file")
    for _ in ("version", "system"):
        _Unpickler(file).load()
    tensors = _Unpickler(file).load()
    keys = _Unpickler(file).load()
    sizes = {tensor.storage.key: tensor.storage for tensor in tensors.values() if isinstance(tensor, Tensor)}
    content = {}
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        content[key] = file.read(count * np.dtype(sizes[key].dtype).itemsize)
    return _arrays(tensors, lambda storage: content[storage.key])


def _arrays(tensors, read_storage):
    arrays = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name!r} is a {type(tensor).__name__}, no tensor")
        values = np.frombuffer(read_storage(tensor.storage), tensor.storage.dtype)
        last = tensor.offset + sum(
            (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
        )
        if len(values) != tensor.storage.size or not 0 <= tensor.offset <= last < max(len(values), 1):
            raise ValueError(f"the tensor {name!r} is cut short")
        strides = [stride * values.itemsize for stride in tensor.strides]
        arrays[name] = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()
    return arrays
