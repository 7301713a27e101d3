"""HDF5 files of images: written whole, resumed, read from any process, and refused by name when damaged."""

import json
import os
import pickle
import resource
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from keras_gans.data import HDF5Images, ImageFolder, hdf5, load
from keras_gans.output import locks

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


def test_packing_asks_for_the_room_before_it_decodes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFolder, "decoded", lambda self, rows: pytest.fail("a picture was decoded"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
        with pytest.raises(OSError, match=r"set.h5 needs 0.1 MB, and 0.0 MB are free in "):
            hdf5.pack(folder, tmp_path / "new" / "set.h5", 8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))  # what a quota does
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            hdf5.pack(folder, tmp_path / "new" / "set.h5", 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert raised.value.filename == str(tmp_path / "new" / "set.h5")
    assert os.listdir(tmp_path / "new") == []


def test_a_packed_file_has_no_holes_while_it_is_filled(folder, tmp_path):
    def stop(done, total):
        raise Interrupted

    with pytest.raises(Interrupted):
        hdf5.pack(folder, tmp_path / "set.h5", 64, progress=stop)
    found = os.stat(tmp_path / "set.h5.partial")
    assert found.st_blocks * 512 >= found.st_size > 11 * 64 * 64 * 3
    with locks.held(tmp_path / "set.h5.partial.lock"):
        with pytest.raises(OSError, match=f"Process {os.getpid()} is packing images into .*set.h5"):
            hdf5.pack(folder, tmp_path / "set.h5", 64)
    for name, damage in (("set.h5.partial.json", b"[]"), ("set.h5.partial", b"cut short")):
        (tmp_path / name).write_bytes(damage)
    np.testing.assert_array_equal(
        hdf5.pack(folder, tmp_path / "set.h5", 64)[0].load()[0], ImageFolder(folder).load()[0]
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_cut_short_while_it_is_read_is_an_error(packed, tmp_path, workers):
    mapped, _ = packed.load()
    part, row = mapped[2:], mapped[3].copy()
    assert type(mapped[[1, 2]]) is np.ndarray and mapped[1, 2].shape == (8, 3) and (part[1] == row).all()
    with packed.dataset(batch_size=2, workers=workers, prefetch=1) as dataset:
        iterator = iter(dataset)
        next(iterator)
        os.truncate(packed.path, 1000)
        with pytest.raises(OSError, match="set.h5 is damaged: it has been cut short"):
            list(iterator)
    for array in (mapped, part):
        with pytest.raises(OSError, match="set.h5 is damaged: it has been cut short"):
            array[0]


def external(file, name, path):
    file.create_dataset(name, (3, 4, 4, 1) if name == "images" else (3,), "u1", external=[(str(path), 0, 48)])


def virtual(file, name, path):
    shape = (3, 4, 4, 1) if name == "images" else (3,)
    layout = h5py.VirtualLayout(shape, "u1")
    layout[:] = h5py.VirtualSource(str(path), "images", shape)
    file.create_virtual_dataset(name, layout)


def linked(file, name, path):
    file[name] = h5py.ExternalLink(str(path), "images")


def softly_linked(file, name, path):
    file["there"] = h5py.ExternalLink(str(path), "/")
    file[name] = h5py.SoftLink("/there/images")


def huge(file, name, path):
    shape = (3, 2**14, 2**14, 1) if name == "images" else (3,)
    file.create_dataset(name, shape, "u1", chunks=shape if name == "labels" else (1, 64, 64, 1), compression="gzip")


@pytest.mark.parametrize("name", ["images", "labels", "checksums"])
@pytest.mark.parametrize("elsewhere", [external, virtual, linked, softly_linked, huge])
def test_nothing_but_the_file_itself_is_read(tmp_path, elsewhere, name):
    if elsewhere is huge and name != "images":
        return  # their shapes are those of the images
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros((3, 4, 4, 1), np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        if name != "images":
            file["images"] = np.zeros((3, 4, 4, 1), np.uint8)
        elsewhere(file, name, tmp_path / "other.h5")
    with pytest.raises(ValueError, match=f"x.h5 must hold its `{name}` itself"):
        HDF5Images(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0.2, 1.7, np.nan]), "must have integer labels. It has labels of float64"),
        (np.array([0, 10**9, 1]), r"must have labels in 0..65,535, .* It has labels\[1\]=1000000000"),
        (np.array([0, 1, 2**64 - 1], np.uint64), r"It has labels\[2\]=18446744073709551615"),
        (np.array([0, -1, 1]), r"It has labels\[1\]=-1"),
        (np.array([b"cat", b"dog", b"cat"]), "must have integer labels"),
        (np.zeros((3, 2), int), "must have one label per image"),
    ],
)
def test_labels_that_are_no_numbers_of_classes_are_refused(tmp_path, labels, words):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"], file["labels"] = np.zeros((3, 4, 4, 1), np.uint8), labels
    with pytest.raises(ValueError, match=f"x.h5 .*{words}"):
        HDF5Images(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("classes", "no JSON", "`classes` must be a JSON list"),
        ("classes", "[" * 100_000, "`classes` must be a JSON list"),
        ("classes", '["a"]', "a name for each of its labels"),
        ("classes", 5, "`classes` must be a JSON list"),
        ("block", "abc", "`block` must be a positive integer, and is 'abc'"),
        ("block", 0, "`block` must be a positive integer"),
        ("block", -4, "`block` must be a positive integer"),
        ("block", 1000, "its 1 blocks need as many checksums"),
        ("labels_checksum", "abc", "its labels do not match"),
    ],
)
def test_damaged_attributes_are_named(packed, name, value, words):
    with h5py.File(packed.path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(OSError, match=f"set.h5 is damaged: .*{words}"):
        HDF5Images(packed.path)
