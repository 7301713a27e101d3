"""A disk that is full: a sentence that names the file, the old file as it was, and nothing left behind."""

import errno
import os
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from keras_gans.output import files, images
from tests.laws import small

pytestmark = pytest.mark.one_backend


@pytest.fixture
def limited():
    """Returns a function that lets no file grow beyond so many bytes: what a full disk and a quota do."""
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_weights_and_models_on_a_full_disk_end_in_a_sentence(tmp_path, limited):
    model = small.build("gan")
    for name in ("a.weights.h5", "a.keras"):
        path = tmp_path / name
        save = model.save_weights if name == "a.weights.h5" else model.save
        save(path)
        before = path.read_bytes()
        for share in (0.02, 0.3, 0.7, 0.99):
            limited(int(share * len(before)))
            with pytest.raises(OSError) as raised:
                save(path)
            assert raised.value.filename == str(path) and raised.value.errno == errno.EFBIG
        limited(resource.RLIM_INFINITY)
        assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.keras", "a.weights.h5"]


def test_a_preset_on_a_full_disk_leaves_the_old_one(tmp_path, limited):
    model = small.build("gan")
    model.save_to_preset(tmp_path / "p")
    before = {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()}
    for name in ("config.json", "model.weights.h5"):
        limited(len(before[name]) - 1)
        with pytest.raises(OSError) as raised:
            model.save_to_preset(tmp_path / "p", overwrite=True)
        assert raised.value.filename == str(tmp_path / "p")
    limited(resource.RLIM_INFINITY)
    assert {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()} == before
    assert os.listdir(tmp_path) == ["p"]


def test_pictures_and_arrays_on_a_full_disk_name_their_file(tmp_path, limited):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")
    writers = {
        "a.png": lambda path: images.save_png(path, picture),
        "a.gif": lambda path: images.save_gif(path, [picture, picture[::-1]]),
        "a.npz": lambda path: files.write_npz(path, images=picture),
        "a.json": lambda path: files.write_json(path, picture.tolist()),
    }
    for name, write in writers.items():
        write(tmp_path / name)
        before = (tmp_path / name).read_bytes()
        limited(len(before) // 2)
        with pytest.raises(OSError) as raised:
            write(tmp_path / name)
        limited(resource.RLIM_INFINITY)
        assert raised.value.filename == str(tmp_path / name) and (tmp_path / name).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == sorted(writers)


def test_an_error_of_a_library_about_a_full_disk_is_said_in_our_words(tmp_path):
    with pytest.raises(OSError) as raised, files.replacing(tmp_path / "a.h5"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("Can't decrement id ref count") from None
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path / "a.h5"))
    with pytest.raises(OSError, match="File name too long") as raised, files.replacing(tmp_path / ("a" * 300)):
        raise AssertionError("the work was begun")
    assert os.listdir(tmp_path) == []


KILLED = """
import os, sys
folder, what = sys.argv[1:]
sys.argv[0] = "keras-gans"  # starts without Keras
from keras_gans.output import files
with files.replacing(folder + "/a.json") as temporary:
    open(temporary, "w").write("half of it")
    print(flush=True)
    if what == "dies":
        os._exit(9)
    sys.stdin.read()
"""


def test_what_killed_processes_leave_goes_and_what_is_being_written_stays(tmp_path):
    def begun(what):
        command = [sys.executable, "-c", KILLED, str(tmp_path), what]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    begun("dies").wait()
    (tmp_path / ".writing-folder").mkdir()
    (tmp_path / ".writing-folder" / "config.json").write_text("{}")
    (tmp_path / ".written").write_text("not ours")
    living = begun("lives")  # the first to write into the folder sweeps it
    left = [name for name in os.listdir(tmp_path) if name.startswith(files.TEMPORARY)]
    assert len(left) == 1
    files.sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*left, ".written"])
    living.communicate()
    assert sorted(os.listdir(tmp_path)) == [".written", "a.json"] and living.returncode == 0


def test_weights_that_read_other_files_or_declare_absurd_sizes_are_refused(tmp_path):
    model, path = small.shared("gan"), tmp_path / "a.weights.h5"
    (tmp_path / "secret").write_bytes(b"0" * 4096)

    def virtual(file):
        layout = h5py.VirtualLayout((4,), "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (4,))
        file.create_virtual_dataset("x", layout)

    makers = [
        lambda file: file.create_dataset("x", (64,), "u1", external=[(str(tmp_path / "secret"), 0, 64)]),
        virtual,
        lambda file: file.create_dataset("x", (10**6, 10**6), "u1", chunks=(1024, 1024), compression="gzip"),
    ]
    for make in makers:
        model.save_weights(path)
        with h5py.File(path, "r+") as file:
            make(file)
        with pytest.raises(OSError, match="a.weights.h5 is damaged .*dataset /x"):
            model.load_weights(path)
