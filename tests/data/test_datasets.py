import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import keras_gans
from keras_gans.data import datasets, list_datasets, load

pytestmark = pytest.mark.one_backend

# As imported: the fixture below empties them for the tests.
SYSTEM_PLACES = [place for dataset in datasets._DOWNLOADABLE.values() for place, _ in dataset.system_places]


@pytest.fixture(autouse=True)
def _nothing_installed_and_no_network(monkeypatch):
    """No test reads this machine's own copies of the sets, or asks Keras for one."""

    def fail(name):
        raise Exception("URL fetch failure")

    monkeypatch.delenv("KERAS_GANS_DATA", raising=False)
    monkeypatch.setattr(datasets, "_keras_download", fail)
    for name, dataset in datasets._DOWNLOADABLE.items():
        monkeypatch.setitem(datasets._DOWNLOADABLE, name, datasets.dataclasses.replace(dataset, system_places=()))


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GANS_DATA", str(tmp_path))
    return tmp_path


def write_npz(path, images, labels):
    np.savez(path, x_train=images, y_train=labels, x_test=images[:1], y_test=labels[:1])


def test_list_datasets():
    assert list_datasets() == ["digits", "fashion_mnist", "mnist", "cifar10"]


def test_importing_the_package_imports_no_framework():
    code = (
        "import sys, types\n"
        "package = types.ModuleType('keras_gans')  # in the place of the real one, which imports Keras\n"
        f"package.__path__ = [{os.path.dirname(keras_gans.__file__)!r}]\n"
        "sys.modules['keras_gans'] = package\n"
        "import keras_gans.data\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'sklearn', 'rich'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


# --- digits


def test_digits_are_split_into_1500_and_297_once_and_for_all():
    train, train_labels = load("digits")
    test, test_labels = load("digits", split="test")
    assert train.shape == (1500, 32, 32, 1) and test.shape == (297, 32, 32, 1)
    assert train.dtype == np.uint8 and train_labels.dtype == np.int64 and train_labels.shape == (1500,)
    assert zlib.crc32(train_labels.astype("<i8").tobytes()) == 1117051144
    assert zlib.crc32(test_labels.astype("<i8").tobytes()) == 86597609


def test_digits_are_those_of_scikit_learn_each_in_one_split():
    images = np.concatenate([load("digits", split, image_size=8)[0] for split in ("train", "test")])
    expected = np.rint(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    assert images.max() == 255 and images.min() == 0
    assert sorted(image.tobytes() for image in images) == sorted(image.tobytes() for image in expected)


def test_digits_labels_are_those_of_their_images():
    bunch = load_digits()
    known = {
        np.rint(x * 255 / 16).astype(np.uint8).tobytes(): y for x, y in zip(bunch.images, bunch.target, strict=True)
    }
    for split in ("train", "test"):
        images, labels = load("digits", split, image_size=8)
        assert [known[image.tobytes()] for image in images] == labels.tolist()


def test_digits_classes_have_the_same_share_in_both_splits():
    counts = np.bincount(load_digits().target)
    test = np.bincount(load("digits", "test")[1], minlength=10)
    assert abs(test - counts * 297 / 1797).max() < 1
    np.testing.assert_array_equal(np.bincount(load("digits")[1]), counts - test)


def test_digits_resize_from_the_8x8_pixels_and_repeat_their_gray():
    images, _ = load("digits", "test", image_size=(16, 24), channels=3)
    assert images.shape == (297, 16, 24, 3)
    np.testing.assert_array_equal(images[..., 0], images[..., 2])


# --- sizes and channels of the 28x28 sets and of cifar10


def test_28x28_sets_are_padded_to_32_kept_at_28_and_else_resized(own_data, pixels):
    images = pixels(3, 28, 28) | 1
    write_npz(own_data / "mnist.npz", images, [3, 1, 2])
    for size in (None, 32, (32, 32)):
        padded, labels = load("mnist", image_size=size)
        assert padded.shape == (3, 32, 32, 1) and padded.dtype == np.uint8
        np.testing.assert_array_equal(padded[:, 2:-2, 2:-2, 0], images)
        assert np.count_nonzero(padded) == images.size
    assert labels.tolist() == [3, 1, 2] and labels.dtype == np.int64
    np.testing.assert_array_equal(load("mnist", image_size=28)[0], images[..., None])
    resized = load("mnist", image_size=64)[0]
    assert resized.shape == (3, 64, 64, 1) and (resized[:, 0] > 0).any()  # no black border
    assert load("mnist", channels=3)[0].shape == (3, 32, 32, 3)


def test_cifar10_is_32x32_rgb_and_can_be_made_gray(own_data, pixels):
    write_npz(own_data / "cifar10.npz", pixels(2, 32, 32, 3), np.array([[7], [8]]))
    images, labels = load("cifar10")
    np.testing.assert_array_equal(images, pixels(2, 32, 32, 3))
    assert labels.tolist() == [7, 8] and labels.dtype == np.int64
    assert load("cifar10", image_size=16, channels=1)[0].shape == (2, 16, 16, 1)


# --- the places, in their order


@pytest.mark.parametrize(
    ("name", "folder"), [("fashion_mnist", "fashion-mnist"), ("fashion_mnist", "fashion_mnist"), ("mnist", "mnist")]
)
def test_idx_folders_of_ones_own_are_read(own_data, write_idx, pixels, name, folder):
    write_idx(own_data / folder / "train-images-idx3-ubyte.gz", pixels(2, 28, 28))
    write_idx(own_data / folder / "train-labels-idx1-ubyte.gz", [9, 0])
    images, labels = load(name, image_size=28)
    np.testing.assert_array_equal(images[..., 0], pixels(2, 28, 28))
    assert labels.tolist() == [9, 0] and labels.dtype == np.int64


def test_ones_own_folder_comes_before_the_system_and_the_system_before_keras(
    own_data, write_idx, pixels, monkeypatch, tmp_path_factory
):
    system = tmp_path_factory.mktemp("system")
    places = ((str(system), datasets.formats.idx_files),)
    dataset = datasets._DOWNLOADABLE["fashion_mnist"]
    monkeypatch.setitem(
        datasets._DOWNLOADABLE, "fashion_mnist", datasets.dataclasses.replace(dataset, system_places=places)
    )
    keras_splits = ((pixels(1, 28, 28), np.array([7])), (pixels(1, 28, 28), np.array([6])))
    monkeypatch.setattr(datasets, "_keras_download", lambda name: keras_splits)
    assert load("fashion_mnist")[1].tolist() == [7]
    assert load("fashion_mnist", "test")[1].tolist() == [6]
    write_idx(system / "train-images-idx3-ubyte.gz", pixels(1, 28, 28))
    write_idx(system / "train-labels-idx1-ubyte.gz", [5])
    assert load("fashion_mnist")[1].tolist() == [5]
    write_npz(own_data / "fashion_mnist.npz", pixels(1, 28, 28), [4])
    assert load("fashion_mnist")[1].tolist() == [4]


def test_lossless_cifar10_comes_before_the_jpeg_one(own_data, pixels):
    (own_data / "cifar10_jpeg_train.npz.xz").write_bytes(b"not read")
    write_npz(own_data / "cifar10.npz", pixels(1, 32, 32, 3), [2])
    assert load("cifar10")[1].tolist() == [2]


@pytest.mark.parametrize("folder", ["", "cifar10"])
def test_the_jpeg_archives_are_found_by_split(own_data, folder):
    (own_data / folder).mkdir(exist_ok=True)
    (own_data / folder / "cifar10_jpeg_test.npz.xz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cifar10_jpeg_test.npz.xz' cannot be read"):
        load("cifar10", "test")
    with pytest.raises(FileNotFoundError):
        load("cifar10", "train")


def test_braces_in_the_name_of_ones_own_folder_do_no_harm(tmp_path, monkeypatch, pixels):
    own = tmp_path / "{data}"
    own.mkdir()
    monkeypatch.setenv("KERAS_GANS_DATA", str(own))
    write_npz(own / "mnist.npz", pixels(1, 28, 28), [1])
    assert len(load("mnist")[0]) == 1


def test_a_damaged_file_is_an_error_and_no_reason_to_look_elsewhere(own_data, write_idx, pixels, monkeypatch):
    monkeypatch.setattr(datasets, "_keras_download", lambda name: pytest.fail("asked Keras"))
    path = own_data / "mnist" / "train-images-idx3-ubyte"
    write_idx(path, pixels(2, 28, 28))
    write_idx(own_data / "mnist" / "train-labels-idx1-ubyte", [0, 1])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte' cannot be read: it is cut short"):
        load("mnist")


def test_another_set_under_the_name_is_refused(own_data, pixels):
    write_npz(own_data / "mnist.npz", pixels(1, 32, 32, 3), [1])
    with pytest.raises(ValueError, match=r"mnist.npz' must be \(n, 28, 28, 1\). Received: shape \(1, 32, 32, 3\)"):
        load("mnist")


# --- errors


def test_a_set_found_nowhere_says_where_it_was_looked_for_and_what_to_do(own_data):
    with pytest.raises(FileNotFoundError) as error:
        load("fashion_mnist")
    sentence = str(error.value)
    assert "'fashion_mnist' was found nowhere" in sentence
    for place in ("fashion-mnist", "fashion_mnist", "fashion_mnist.npz"):
        assert repr(os.path.join(str(own_data), place)) in sentence
    assert "Keras's download (Exception: URL fetch failure)" in sentence
    assert "apt-get install dataset-fashion-mnist" in sentence
    assert f"KERAS_GANS_DATA ({str(own_data)!r})" in sentence


def test_the_advice_fits_the_set_and_an_environment_without_the_variable():
    with pytest.raises(FileNotFoundError) as error:
        load("cifar10")
    assert "apt-get" not in str(error.value)
    assert "cifar-10-batches-bin/" in str(error.value)
    assert "KERAS_GANS_DATA (which is not set)" in str(error.value)


def test_the_system_places_are_the_documented_ones():
    assert SYSTEM_PLACES == ["/usr/share/datasets/fashion-mnist", "/usr/share/datasets/mnist"]


def test_keras_gans_data_must_exist(monkeypatch):
    monkeypatch.setenv("KERAS_GANS_DATA", "/no/such/folder")
    with pytest.raises(ValueError, match="KERAS_GANS_DATA must name an existing folder.*'/no/such/folder'"):
        load("mnist")
    load("digits", "test")


def test_an_unknown_name_gets_the_nearest_known_one():
    with pytest.raises(ValueError) as error:
        load("fashion-mnist")
    sentence = str(error.value)
    assert "`name` must be one of 'digits', 'fashion_mnist', 'mnist', 'cifar10', or 'folder:PATH'" in sentence
    assert "Did you mean 'fashion_mnist'? Received: name='fashion-mnist' (str)." in sentence


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": None}, TypeError, "`name` must be the name of a data set, a string. Received: name=None"),
        ({"split": "tets"}, ValueError, "`split` must be one of 'train', 'test'. Did you mean 'test'?"),
        ({"image_size": 0}, ValueError, "`image_size` must be a positive integer. Received: image_size=0"),
        ({"image_size": 3.5}, TypeError, "`image_size` must be an integer"),
        ({"channels": 2}, ValueError, "`channels` must be one of 1, 3.*channels=2"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        load(**{"name": "digits", **arguments})


# --- folder:PATH


def test_a_folder_is_loaded_by_its_path(tmp_path, pixels):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels(80, 80, 3)).save(tmp_path / name / "x.png")
    images, labels = load(f"folder:{tmp_path}")
    assert images.shape == (2, 64, 64, 3) and labels.tolist() == [0, 1] and labels.dtype == np.int64
    assert load(f"folder:{tmp_path}", image_size=(16, 8), channels=1)[0].shape == (2, 16, 8, 1)
    images, labels = load(f"folder:{tmp_path / 'a'}", image_size=80)
    np.testing.assert_array_equal(images[0], pixels(80, 80, 3))
    assert labels is None


def test_a_folder_has_no_test_split(tmp_path):
    with pytest.raises(ValueError, match="`split` must be 'train' for a folder.*split='test'"):
        load(f"folder:{tmp_path}", split="test")


def test_a_folder_that_does_not_exist():
    with pytest.raises(ValueError, match="`path` must be an existing folder. Received: path='/no/such', which does"):
        load("folder:/no/such")
    with pytest.raises(ValueError, match="`path` must be an existing folder. Received: path=''"):
        load("folder:")


# --- the real thing


@pytest.mark.skipif(
    not os.path.exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_the_real_fashion_mnist():
    place = "/usr/share/datasets/fashion-mnist"
    images, labels = datasets.formats.idx_files(place, "test")
    assert images.shape == (10000, 28, 28)
    np.testing.assert_array_equal(np.bincount(labels), [1000] * 10)
    assert 70 < images.mean() < 76  # Fashion-MNIST's mean is .286 of 255, MNIST's .131
