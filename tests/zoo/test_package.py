"""The presets in the package: loadable without a network, small, and what their receipts say."""

import json
import pathlib
import socket

import numpy as np
import pytest
from PIL import Image

import keras_gans as kg
from keras_gans import zoo

RECEIPTS = pathlib.Path(__file__).parent.parent.parent / "docs" / "receipts"


# XLA computes convolutions within a loop slowly on a CPU: 80 steps of a sampler take minutes there.
SLOW = {name: [pytest.mark.one_backend] for name in kg.list_presets() if name.startswith("energy_based_model")}


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, [])) for name in kg.list_presets()])
def test_it_loads_without_a_network_and_makes_images(name, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("a preset of the package asks for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    model, about = kg.from_preset(name), zoo.metadata(name)
    images = model.generate(16, seed=0)
    assert images.shape == (16, *about["image_shape"]) and images.dtype == np.uint8
    assert len(np.unique(images.reshape(16, -1), axis=0)) == 16 and images.std() > 30
    np.testing.assert_array_equal(images, kg.from_preset(name).generate(16, seed=0))


def on_the_sheet(name):
    """Returns the images (64, 32, 32) of a preset's sheet: eight in a row, twice as large and 2 pixels apart."""
    sheet = np.asarray(Image.open(pathlib.Path(zoo.FOLDER) / name / "samples.png"))
    assert sheet.shape == (530, 530)
    tiles = sheet[2:, 2:].reshape(8, 66, 8, 66).swapaxes(1, 2)  # (8, 8, 66, 66), two white pixels at their ends
    return tiles[:, :, :64:2, :64:2].reshape(64, 32, 32)


@pytest.mark.one_backend
@pytest.mark.parametrize("name", [name for name in kg.list_presets() if "fashion_mnist" in name])
def test_its_sheet_shows_all_ten_kinds_of_garment_and_no_image_twice(name):
    images = on_the_sheet(name)
    _, logits = kg.metrics.Classifier("gray").with_logits(images[..., None])
    kinds = set(np.argmax(logits, axis=1))
    rare = {1} if name.startswith("energy_based_model") else set()  # 3 in 100 of its samples are trousers
    assert kinds | rare == set(range(10))
    distances = np.abs(images[:, None].astype(float) - images[None]).mean(axis=(2, 3))  # in grey levels
    assert distances[~np.eye(64, dtype=bool)].min() > 2


@pytest.mark.one_backend
@pytest.mark.parametrize("name", kg.list_presets())
def test_its_receipt_is_that_of_its_weights_and_scores(name):
    about, receipt = zoo.metadata(name), json.loads((RECEIPTS / f"{name}.json").read_text())
    assert receipt["scores"] == about["scores"] and receipt["asked"]["model"] == name
    from keras_gans.metrics.networks import weights_digest

    model = kg.from_preset(name)
    assert receipt["model"] == {"class": about["class"], "sha256": weights_digest(getattr(model, model.networks[0]))}
    for key in ("recipe", "data", "data_sha256", "seed", "epochs", "steps", "cpu_minutes", "machine", "trained_with"):
        assert about[key] not in (None, ""), key


@pytest.mark.one_backend
def test_all_weights_together_are_small():
    package = pathlib.Path(kg.__file__).parent
    sizes = [path.stat().st_size for pattern in ("*.h5", "*.npz") for path in package.rglob(pattern)]
    assert 0 < sum(sizes) <= 24 * 2**20


def test_the_receipt_of_the_digits_is_reproduced(monkeypatch, tmp_path):
    receipt = json.loads((RECEIPTS / "o_gan_digits.json").read_text())
    images, _ = kg.data.load("digits", "test")
    record = kg.metrics.evaluate(
        kg.from_preset("o_gan_digits"), images, samples=receipt["samples"], seed=receipt["seed"]
    )
    for name, value in record["scores"].items():
        assert value == pytest.approx(receipt["scores"][name], rel=2e-3, abs=2e-3), name
