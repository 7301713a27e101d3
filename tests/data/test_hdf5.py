"""HDF5 files of images: written whole, resumed, read from any process, and refused by name when damaged."""

import json
import pickle

import h5py
import numpy as np
import pytest
from PIL import Image

from keras_gans.data import HDF5Images, ImageFolder, hdf5, load

pytestmark = pytest.mark.one_backend


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(hdf5, "BLOCK", 4)


@pytest.fixture
def folder(tmp_path):
    """Eleven pictures in two classes, one of them broken on request."""
    rng = np.random.default_rng(0)
    for i in range(11):
        path = tmp_path / "pictures" / "ab"[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def packed(folder, tmp_path):
    images, skipped = hdf5.pack(folder, tmp_path / "set.h5", 8)
    assert skipped == []
    return images


def flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 255
    path.write_bytes(content)


def offset_of(path, name):
    with h5py.File(path, "r") as file:
        return file[name].id.get_offset()


def test_the_file_holds_what_the_folder_shows(folder, packed, tmp_path):
    expected, labels = ImageFolder(folder, 8).load()
    found, found_labels = packed.load()
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found_labels, labels)
    np.testing.assert_array_equal(packed[-1], expected[-1])
    assert packed.classes == ["a", "b"] and len(packed) == 11 and packed.shape == (11, 8, 8, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "set.h5"]
    with h5py.File(packed.path, "r") as file:  # anyone can read it
        np.testing.assert_array_equal(file["images"][:], expected)
        assert json.loads(file.attrs["settings"])["image_size"] == [8, 8]


def test_it_is_a_data_set_by_its_path(packed, folder):
    images, labels = load(packed.path)
    np.testing.assert_array_equal(images, ImageFolder(folder, 8).load()[0])
    images, _ = load(packed.path, image_size=4, channels=1)
    assert images.shape == (11, 4, 4, 1)
    with pytest.raises(ValueError, match="`split` must be 'train' for a file"):
        load(packed.path, split="test")


class Interrupted(Exception):
    pass


def test_an_interrupted_pack_goes_on_and_gives_the_same_file(folder, tmp_path):
    whole, _ = hdf5.pack(folder, tmp_path / "whole.h5", 8)
    told = []

    def stop(done, total):
        told.append((done, total))
        raise Interrupted

    for _ in range(2):
        with pytest.raises(Interrupted):
            hdf5.pack(folder, tmp_path / "set.h5", 8, progress=stop)
        assert not (tmp_path / "set.h5").exists() and (tmp_path / "set.h5.partial").exists()
    images, _ = hdf5.pack(folder, tmp_path / "set.h5", 8, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 11), (8, 11), (11, 11)]
    np.testing.assert_array_equal(images.load()[0], whole.load()[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "set.h5", "whole.h5"]


def test_other_settings_start_over(folder, tmp_path):
    def stop(done, total):
        raise Interrupted

    with pytest.raises(Interrupted):
        hdf5.pack(folder, tmp_path / "set.h5", 8, progress=stop)
    images, _ = hdf5.pack(folder, tmp_path / "set.h5", 4)
    np.testing.assert_array_equal(images.load()[0], ImageFolder(folder, 4).load()[0])


def test_broken_pictures_are_left_out_and_named(folder, tmp_path):
    (folder / "a" / "04.png").write_bytes(b"no picture")
    images, skipped = hdf5.pack(folder, tmp_path / "set.h5", 8)
    with pytest.warns(UserWarning, match="Skipped"):
        expected, labels = ImageFolder(folder, 8).load()
    np.testing.assert_array_equal(images.load()[0], expected)
    np.testing.assert_array_equal(images.labels, labels)
    assert len(images) == 10 and len(skipped) == 1 and "04.png: it is not an image" in skipped[0]
    with pytest.raises(ValueError, match="04.png' is broken"):
        hdf5.pack(folder, tmp_path / "other.h5", 8, on_error="raise")


def test_nothing_is_overwritten_unless_asked(folder, packed, tmp_path):
    with pytest.raises(FileExistsError, match="set.h5 exists. Give overwrite=True"):
        hdf5.pack(folder, tmp_path / "set.h5", 4)
    assert HDF5Images(packed.path).shape == (11, 8, 8, 3)
    assert hdf5.pack(folder, tmp_path / "set.h5", 4, overwrite=True)[0].shape == (11, 4, 4, 3)


def test_a_flipped_bit_is_found_when_its_chunk_is_touched(packed, tmp_path):
    flip(tmp_path / "set.h5", offset_of(packed.path, "images") + 5 * 192 + 7)  # in image 5, chunk 1
    images = HDF5Images(packed.path)
    images[3], images[8]
    words = r"set.h5 is damaged: chunk 1 of 3, the images 4 to 7, does not match its checksum"
    for index in (4, 7):
        with pytest.raises(OSError, match=words):
            images[index]
    with pytest.raises(OSError, match=words):
        images.load()
    HDF5Images(packed.path, verify=False).load()


def test_flipped_labels_and_cut_files_are_refused(packed, tmp_path):
    path = tmp_path / "set.h5"
    content = path.read_bytes()
    flip(path, offset_of(packed.path, "labels") + 3)
    with pytest.raises(OSError, match="set.h5 is damaged: its labels"):
        HDF5Images(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match="set.h5 is damaged .cut short., or no HDF5 file"):
        HDF5Images(path)
    with pytest.raises(FileNotFoundError, match="There is no HDF5 file .*none.h5"):
        HDF5Images(tmp_path / "none.h5")


def test_any_file_with_images_is_read_and_its_damaged_chunk_is_named(tmp_path):
    path, values = tmp_path / "foreign.h5", np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=values, chunks=(2, 4, 4, 1), fletcher32=True)
    images = HDF5Images(path)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images))[5], values[5])
    assert images.labels is None and images.load()[0].shape == (10, 4, 4, 1)
    with h5py.File(path, "r") as file:
        chunk = file["images"].id.get_chunk_info_by_coord((6, 0, 0, 0)).byte_offset
    del images  # the HDF5 library keeps what it has read
    flip(path, chunk + 3)
    with pytest.raises(OSError, match="foreign.h5 is damaged: the chunk with the images 6 to 7 cannot be read"):
        HDF5Images(path)[7]


@pytest.mark.parametrize(
    "content, words",
    [
        ({"pictures": np.zeros((3, 4, 4, 1), np.uint8)}, "must have a dataset `images` .* It has no such dataset"),
        ({"images": np.zeros((3, 4, 4, 1), np.float32)}, "It has float32"),
        ({"images": np.zeros((3, 4, 4), np.uint8)}, r"It has uint8 \(3, 4, 4\)"),
        ({"images": np.zeros((3, 4, 4, 1), np.uint8), "labels": np.zeros(2, int)}, "must have one label per image"),
    ],
)
def test_other_contents_are_refused_with_words(tmp_path, content, words):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name, value in content.items():
            file[name] = value
    with pytest.raises(ValueError, match=words):
        HDF5Images(tmp_path / "x.h5")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_as_a_dataset_of_batches(folder, packed, kind):
    source = packed if kind == "file" else ImageFolder(folder, 8)
    expected, labels = ImageFolder(folder, 8).load()
    with source.dataset(batch_size=4, workers=1, conditional=True, shuffle=False) as dataset:
        found = list(dataset)
    np.testing.assert_array_equal(np.concatenate([images for images, _ in found]), expected)
    np.testing.assert_array_equal(np.concatenate([numbers for _, numbers in found]), labels)
    with source.dataset(batch_size=4, workers=0) as dataset:
        assert dataset[0].shape == (4, 8, 8, 3)
    source.labels = None
    with pytest.raises(ValueError, match="`conditional` needs labels"):
        source.dataset(conditional=True)


def test_a_worker_names_the_damaged_file(packed, tmp_path):
    flip(tmp_path / "set.h5", offset_of(packed.path, "images"))
    packed = HDF5Images(packed.path)
    with packed.dataset(batch_size=11, workers=1) as dataset:
        with pytest.raises(OSError, match="set.h5 is damaged: chunk 0"):
            dataset[0]
