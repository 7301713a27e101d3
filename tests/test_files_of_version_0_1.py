"""Files that version 0.1 wrote before its classes moved: they load, compute the same, and train on."""

import pathlib
import shutil

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.conftest import BACKEND

FOLDER = pathlib.Path(__file__).parent / "fixtures" / "version_0_1"
EXPECTED = np.load(FOLDER / "expected.npz")


def assert_same_pictures(found, key):
    """Backends may round a pixel to the neighbouring value."""
    assert found.dtype == "uint8" and found.shape == EXPECTED[key].shape
    assert np.abs(found.astype(int) - EXPECTED[key]).max() <= 1


def test_a_whole_model_loads_with_its_penalties_average_and_update():
    model = keras.models.load_model(FOLDER / "wgan_gp.keras")
    assert type(model) is kg.WGANGP and model.penalties == (kg.penalties.R1(0.1),)
    assert model.update == "simultaneous" and [average.decay for average in model.averages] == [0.9]
    assert_same_pictures(model.generate(4, seed=0), "keras")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the backends draw different numbers from one seed")
def test_a_whole_model_trains_on_as_version_0_1_did():
    model = keras.models.load_model(FOLDER / "wgan_gp.keras")
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype="uint8")
    model.fit(images, batch_size=4, epochs=1, verbose=0)
    weights = np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables])
    np.testing.assert_allclose(weights, EXPECTED["keras_trained_on"], rtol=1e-4, atol=1e-5)


def test_a_preset_loads_with_its_state():
    assert_same_pictures(kg.from_preset(FOLDER / "ign_preset").generate(4, seed=0), "preset")


def test_a_run_folder_loads_and_is_known_as_finished(tmp_path):
    from keras_gans.runs import folder as folders
    from keras_gans.runs import loading, training

    folder = shutil.copytree(FOLDER / "run", tmp_path / "run")
    run = folders.Run(folder)
    assert run.recipe().variant == "o_gan" and [row["epoch"] for row in run.rows()] == ["1", "2"]
    model = loading.load_model(folder)
    with model.averages[0].applied():
        assert_same_pictures(model.generate(4, seed=0), "run")
    if BACKEND == "tensorflow":  # a run goes on on the backend on which it began
        assert training.train(run.recipe(), folder, samples=0).seconds == 0
        assert pathlib.Path(run.model_path).exists()
