import gzip
import io
import lzma

import numpy as np
import pytest
from PIL import Image

from keras_gans.data import formats

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize("name", ["x-idx3-ubyte", "x-idx3-ubyte.gz"])
def test_idx_round_trip(tmp_path, write_idx, pixels, name):
    values = pixels(3, 5, 4)
    read = formats.read_idx(write_idx(tmp_path / name, values), 3)
    np.testing.assert_array_equal(read, values)
    assert read.dtype == np.uint8 and read.flags.writeable


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[:-1], "cut short: 59 bytes of values, 60 expected for the shape"),
        (lambda content: content + b"x", "too long: 61 bytes of values, 60 expected"),
        (lambda content: content[:9], "cut short: 9 bytes, its header alone has 16"),
        (lambda content: b"", "cut short: 0 bytes"),
        (lambda content: b"\0\0\x0d\x03" + content[4:], "begins with 00000803, this one with 00000d03"),
        (lambda content: b"\0\0\x08\x01" + content[4:], "begins with 00000803, this one with 00000801"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, write_idx, pixels, change, words):
    path = tmp_path / "x-idx3-ubyte"
    write_idx(path, pixels(3, 5, 4))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path.name}' cannot be read: .*{words}"):
        formats.read_idx(str(path), 3)


@pytest.mark.parametrize(
    "content", [gzip.compress(b"0" * 5000, mtime=0)[:-20], b"no gzip at all"], ids=["cut", "no gzip"]
)
def test_a_damaged_gzip_file_is_named(tmp_path, content):
    path = tmp_path / "x-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="x-idx3-ubyte.gz' cannot be read: ."):
        formats.read_idx(str(path), 3)


def test_idx_files_takes_the_pair_of_the_split(tmp_path, write_idx, pixels):
    images, labels = pixels(3, 28, 28), np.array([2, 0, 1])
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", labels)
    found = formats.idx_files(str(tmp_path), "test")
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], labels)
    assert formats.idx_files(str(tmp_path), "train") is None
    assert formats.idx_files(str(tmp_path / "nowhere"), "test") is None


def test_idx_files_names_the_half_that_is_missing(tmp_path, write_idx, pixels):
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", pixels(3, 28, 28))
    with pytest.raises(ValueError, match="lacks the file 'train-labels-idx1-ubyte.gz'"):
        formats.idx_files(str(tmp_path), "train")


def test_idx_files_wants_one_label_per_image(tmp_path, write_idx, pixels):
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", pixels(3, 28, 28))
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", [1, 2])
    with pytest.raises(ValueError, match="train-labels-idx1-ubyte.gz' must hold one label per image: 3. Received: 2"):
        formats.idx_files(str(tmp_path), "train")


def test_npz_takes_the_arrays_of_the_split(tmp_path, pixels):
    path = str(tmp_path / "set.npz")
    np.savez(path, x_train=pixels(2, 4, 4), y_train=[[1], [0]], x_test=pixels(1, 4, 4, seed=1), y_test=[[1]])
    images, labels = formats.npz_file(path, "train")
    np.testing.assert_array_equal(images, pixels(2, 4, 4))
    assert labels.tolist() == [1, 0]
    np.testing.assert_array_equal(formats.npz_file(path, "test")[0], pixels(1, 4, 4, seed=1))
    assert formats.npz_file(path + ".not", "train") is None


def test_bad_npz_files_are_named(tmp_path, pixels):
    path = tmp_path / "set.npz"
    np.savez(path, x_train=pixels(2, 4, 4), y_train=[1])
    with pytest.raises(ValueError, match="set.npz' must hold one label per image: 2. Received: 1"):
        formats.npz_file(str(path), "train")
    with pytest.raises(ValueError, match=r"set.npz' cannot be read: it lacks the array 'x_test'; it has \['x_train'"):
        formats.npz_file(str(path), "test")
    np.savez(path, x_train=np.zeros((1, 4, 4)), y_train=[1])
    with pytest.raises(ValueError, match="set.npz' must hold images of uint8.*float64"):
        formats.npz_file(str(path), "train")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="set.npz' cannot be read: ."):
        formats.npz_file(str(path), "train")


def test_npz_files_with_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, x_train=np.array([{}], object), y_train=[1])
    with pytest.raises(ValueError, match="set.npz' cannot be read: .*allow_pickle"):
        formats.npz_file(str(path), "train")


def cifar10_records(images, labels):
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([np.array(labels, np.uint8)[:, None], planes], axis=1).tobytes()


def test_cifar10_binary_joins_the_batches_and_turns_planes_into_pixels(tmp_path, pixels):
    images = pixels(10, 32, 32, 3)
    for i in range(5):
        records = cifar10_records(images[2 * i : 2 * i + 2], [i, i + 1])
        (tmp_path / f"data_batch_{i + 1}.bin").write_bytes(records)
    (tmp_path / "test_batch.bin").write_bytes(cifar10_records(images[:1], [9]))
    found, labels = formats.cifar10_binary(str(tmp_path), "train")
    np.testing.assert_array_equal(found, images)
    assert labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert formats.cifar10_binary(str(tmp_path), "test")[1].tolist() == [9]
    assert formats.cifar10_binary(str(tmp_path / "nowhere"), "test") is None


def test_bad_cifar10_batches_are_named(tmp_path, pixels):
    with pytest.raises(ValueError, match="lacks the file 'test_batch.bin'"):
        formats.cifar10_binary(str(tmp_path), "test")
    for content in (b"", cifar10_records(pixels(2, 32, 32, 3), [0, 1])[:-1]):
        (tmp_path / "test_batch.bin").write_bytes(content)
        with pytest.raises(
            ValueError, match=f"test_batch.bin' cannot be read: its {len(content)} bytes are not a whole"
        ):
            formats.cifar10_binary(str(tmp_path), "test")


def write_jpeg_archive(path, images, labels, **changes):
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    arrays = {
        "jpeg": np.frombuffer(b"".join(files), np.uint8),
        "offsets": np.cumsum([0] + [len(file) for file in files]),
        "labels": np.array(labels, np.uint8),
        **changes,
    }
    content = io.BytesIO()
    np.savez(content, **arrays)
    path.write_bytes(lzma.compress(content.getvalue()))
    return str(path)


def test_cifar10_jpeg_decodes_each_image(tmp_path):
    colours = np.array([[250, 20, 30], [10, 200, 40], [0, 0, 255]], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (3, 32, 32, 3))
    path = write_jpeg_archive(tmp_path / "train.npz.xz", images, [4, 5, 6])
    found, labels = formats.cifar10_jpeg(path, "train")
    assert found.shape == (3, 32, 32, 3) and found.dtype == np.uint8
    assert abs(found.astype(int) - images).max() <= 4
    assert labels.tolist() == [4, 5, 6]
    assert formats.cifar10_jpeg(path + ".not", "train") is None


def test_bad_cifar10_jpeg_archives_are_named(tmp_path, pixels):
    path, images = tmp_path / "train.npz.xz", pixels(2, 32, 32, 3)
    for change, words in [
        ({"offsets": np.array([0, 5, 7])}, "its offsets do not cut its JPEG bytes into files"),
        ({"offsets": np.array([], int)}, "its offsets do not cut"),
        ({"labels": [1]}, "must hold one label per image: 2. Received: 1"),
    ]:
        write_jpeg_archive(path, images, **{"labels": [0, 1], **change})
        with pytest.raises(ValueError, match=f"train.npz.xz' .*{words}"):
            formats.cifar10_jpeg(str(path), "train")
    write_jpeg_archive(path, pixels(1, 1, 1, 3), [0])
    with pytest.raises(ValueError, match="train.npz.xz' cannot be read: its image 0 is not a 32x32 JPEG"):
        formats.cifar10_jpeg(str(path), "train")
    write_jpeg_archive(path, [], [3], jpeg=np.zeros(9, np.uint8), offsets=np.array([0, 9]))
    with pytest.raises(ValueError, match="train.npz.xz' cannot be read: its image 0 is not a 32x32 JPEG"):
        formats.cifar10_jpeg(str(path), "train")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="train.npz.xz' cannot be read: ."):
        formats.cifar10_jpeg(str(path), "train")
