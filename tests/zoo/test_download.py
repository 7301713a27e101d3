"""Presets from a server: resumed, verified, cached, and left alone by what goes wrong on the way."""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import keras_gans as kg
from keras_gans.zoo import PresetError, download

pytestmark = pytest.mark.one_backend


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


@pytest.fixture
def served(server, original, cache):
    """The server with the preset under /small."""
    shutil.copytree(original, os.path.join(server.folder, "small"))
    return server


def images(model):
    return model.generate(4, seed=0)


def test_a_url_a_name_and_the_cache_give_the_same_model(served, original, monkeypatch, cache):
    expected = images(kg.from_preset(original))
    np.testing.assert_array_equal(images(kg.from_preset(f"{served.url}/small")), expected)
    monkeypatch.setenv("KERAS_GANS_HUB", served.url + "/")
    served.requests.clear()
    np.testing.assert_array_equal(images(kg.from_preset("small")), expected)  # offline from now on
    assert served.requests == []
    kg.zoo.from_preset("small", refresh=True)
    assert served.requests
    assert sorted(name.split("-")[0] for name in os.listdir(cache)) == ["small", "small"]  # the folder and its lock


def test_a_connection_that_drops_is_resumed(served, original):
    path = "/small/model.weights.h5"
    served.drops[path] = 2
    np.testing.assert_array_equal(images(kg.from_preset(f"{served.url}/small")), images(kg.from_preset(original)))
    size = os.path.getsize(original / "model.weights.h5")
    asked = [header for name, header in served.requests if name == path]
    assert asked == [None, f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-"]


def test_a_later_call_goes_on_where_an_earlier_one_failed(served, original):
    path = "/small/model.weights.h5"
    served.drops[path] = download.ATTEMPTS
    with pytest.raises(OSError, match=r"model.weights.h5 cannot be reached .* the same call goes on"):
        kg.from_preset(f"{served.url}/small")
    served.requests.clear()
    kg.from_preset(f"{served.url}/small")
    assert [header for name, header in served.requests if name == path][0].startswith("bytes=")


def test_a_server_without_ranges_works(served, original):
    served.ranges = False
    served.drops["/small/model.weights.h5"] = 1
    np.testing.assert_array_equal(images(kg.from_preset(f"{served.url}/small")), images(kg.from_preset(original)))


def test_a_server_may_lead_elsewhere_but_not_off_https(served, original):
    for name in os.listdir(original):
        served.redirects[f"/moved/{name}"] = f"{served.url}/small/{name}"
    served.drops["/small/model.weights.h5"] = 1  # the range is asked for there, too
    np.testing.assert_array_equal(images(kg.from_preset(f"{served.url}/moved")), images(kg.from_preset(original)))
    served.redirects["/unsafe/metadata.json"] = "http://example.org/metadata.json"
    with pytest.raises(
        PresetError, match="/unsafe/metadata.json leads to http://example.org/metadata.json, which is not"
    ):
        kg.from_preset(f"{served.url}/unsafe")


def test_a_wrong_digest_is_refused_and_removed(served, cache):
    path = os.path.join(served.folder, "small", "model.weights.h5")
    with open(path, "r+b") as file:
        file.seek(-5, 2)
        file.write(b"x")
    with pytest.raises(PresetError, match="model.weights.h5 is damaged or tampered with.* and was removed"):
        kg.from_preset(f"{served.url}/small")
    left = [name for _, _, files in os.walk(cache) for name in files]
    assert "model.weights.h5" not in left
    shutil.copy(os.path.join(os.path.dirname(path), "README.md"), path)  # shorter
    with pytest.raises(PresetError, match="cut short or another one"):
        kg.from_preset(f"{served.url}/small")


def test_a_file_that_never_ends_is_refused(served):
    with open(os.path.join(served.folder, "small", "model.weights.h5"), "ab") as file:
        file.write(b"0" * 100)
    with pytest.raises(PresetError, match="bytes, expected at most"):
        kg.from_preset(f"{served.url}/small")


def test_an_archive_is_fetched_and_checked(served, original, tmp_path):
    name = shutil.make_archive(os.path.join(served.folder, "small"), "zip", original)
    assert name.endswith("small.zip")
    np.testing.assert_array_equal(images(kg.from_preset(f"{served.url}/small.zip")), images(kg.from_preset(original)))


def test_what_is_damaged_in_the_cache_is_refused_later(served, cache):
    kg.from_preset(f"{served.url}/small")
    (folder,) = [path for path in cache.iterdir() if path.is_dir()]
    with open(folder / "model.weights.h5", "r+b") as file:
        file.seek(-3, 2)
        file.write(b"xyz")
    with pytest.raises(PresetError, match="damaged or tampered"):
        kg.from_preset(f"{served.url}/small")
    kg.zoo.from_preset(f"{served.url}/small", refresh=True)


def test_servers_that_have_nothing_or_are_not_there(served):
    with pytest.raises(OSError, match=r"The server has nothing at .*/none/metadata.json \(HTTP 404"):
        kg.from_preset(f"{served.url}/none")
    with pytest.raises(OSError, match=r"http://127.0.0.1:9/x/metadata.json cannot be reached .* after 5 attempts"):
        kg.from_preset("http://127.0.0.1:9/x")
    with pytest.raises(ValueError, match="must begin with https://"):
        kg.from_preset("http://example.org/small")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch, served):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="The cache folder .*file.* cannot be written .* Set KERAS_HOME"):
        kg.from_preset(f"{served.url}/small")


def test_threads_that_want_the_same_download_it_once(served):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: download.fetch(f"{served.url}/small"), range(4)))
    assert len(folders) == 1
    assert [name for name, _ in served.requests].count("/small/model.weights.h5") == 1


def test_processes_that_want_the_same_all_get_it(served):
    code = f"from keras_gans.zoo import download; print(download.fetch({served.url + '/small'!r}))"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    folders = {process.communicate(timeout=120)[0].strip() for process in running}
    assert len(folders) == 1 and os.path.isfile(os.path.join(folders.pop(), "metadata.json"))
    assert [name for name, _ in served.requests].count("/small/model.weights.h5") == 1


def test_hugging_face_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install keras_gans\[hf\]"):
        kg.from_preset("hf://somebody/small")


def test_hugging_face_gives_a_folder_that_is_checked(monkeypatch, original):
    import types

    asked = []
    module = types.SimpleNamespace(
        snapshot_download=lambda name, allow_patterns: asked.append((name, allow_patterns)) or str(original)
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    assert isinstance(kg.from_preset("hf://somebody/small"), kg.OGAN)
    assert asked[0][0] == "somebody/small" and "model.weights.h5" in asked[0][1]
    assert json.loads((original / "metadata.json").read_text())["name"] == "small"


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_server_that_drips_is_left_after_two_attempts(served, monkeypatch, capfd, where):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    served.drips["/small/model.weights.h5"] = where
    begun = time.monotonic()
    with pytest.raises(OSError, match=r"sent \d+ bytes in 0.2 seconds.* after 2 attempts"):
        kg.from_preset(f"{served.url}/small")
    assert time.monotonic() - begun < 5
    assert f"Downloading {served.url}/small/model.weights.h5 ..." in capfd.readouterr().err
    del served.drips["/small/model.weights.h5"]
    served.requests.clear()
    monkeypatch.setattr(download, "TIMEOUT", 30)
    if where == "head":  # the first bytes of the other answer are part of no weights
        kg.from_preset(f"{served.url}/small")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://[::1", "must be one that can be asked for: Invalid IPv6 URL"),
        ("https://host:port/x", "must be one that can be asked for: Port could not be cast"),
        ("https:///x", "it names no host"),
        ("https://host/\u00fc", "signs of ASCII"),
        ("https://host/a b", "signs of ASCII"),
        ("https://user:secret@host/x", "no user name or password"),
        ("https://user:secret@[::1", "no user name or password"),
        ("http://secret@localhost/x", "no user name or password"),
    ],
)
def test_what_is_no_url_is_said_without_its_password(url, words):
    with pytest.raises(ValueError, match=words) as raised:
        kg.from_preset(url)
    assert "secret" not in str(raised.value)
