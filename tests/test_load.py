"""`kg.load` gives what the command line would show, and says which weights these are."""

import pathlib

import numpy as np
import pytest

import keras_gans as kg
from tests.laws import small

FILES = pathlib.Path(__file__).parent / "fixtures" / "version_0_1"


def test_a_run_folder_has_the_weights_of_its_average(capsys):
    model = kg.load(FILES / "run")
    assert capsys.readouterr().out == f"{FILES / 'run'}: OGAN with the moving average of the weights (decay 0.999).\n"
    last = kg.load(FILES / "run", average=False)
    assert "OGAN with the last weights." in capsys.readouterr().out
    shown, raw = model.generate(4, seed=0), last.generate(4, seed=0)
    np.testing.assert_array_equal(shown, last.generate(4, seed=0, average=True))
    model.averages[0].restore()
    np.testing.assert_array_equal(model.generate(4, seed=0), raw)
    assert (shown != raw).any()


def test_files_and_presets_are_loaded_by_the_same_name(tmp_path, capsys):
    model = small.build("gan")
    model.save(tmp_path / "plain.keras")
    for path in (tmp_path / "plain.keras", FILES / "ign_preset", "o_gan_digits"):
        assert kg.load(path).generate(2, seed=0).dtype == "uint8"
        assert "with the last weights." in capsys.readouterr().out
    np.testing.assert_array_equal(kg.load(tmp_path / "plain.keras").generate(2, seed=0), model.generate(2, seed=0))
    with pytest.raises(ValueError, match="`average` must be False: the model at .*plain.keras has no moving average"):
        kg.load(tmp_path / "plain.keras", average=True)
    with pytest.raises(FileNotFoundError, match="There is no model file or run folder"):
        kg.load(tmp_path / "nothing.keras")
