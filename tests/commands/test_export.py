"""`keras-gans export`: files of presets and runs, and its sentences."""

import json
import os

import numpy as np
import pytest

pytestmark = pytest.mark.one_backend


def facts(path):
    with np.load(path) as file:
        return json.loads(str(file["metadata"]))


def test_a_preset_becomes_a_file_with_its_name_and_licences(command, tmp_path):
    answer = command("export", "o_gan_digits", "--out", tmp_path / "g.npz", "--precision", "float16")
    assert answer.code == 0 and not answer.err
    assert "Wrote the generator of o_gan_digits (OGAN, last weights)" in answer.out and "at most 0," in answer.out
    known = facts(tmp_path / "g.npz")
    assert known["name"] == "o_gan_digits" and known["licence"] == "Apache-2.0 (weights); CC BY 4.0 (data: digits)"
    assert os.path.getsize(tmp_path / "g.npz") < 2.2 * 57_000


def test_a_run_is_exported_with_its_average_unless_told_otherwise(command, refused, run_folder, tmp_path):
    for options in ((), ("--no-average",)):
        path = tmp_path / f"e{len(options)}.npz"
        answer = command("export", run_folder, "--out", path, "--part", "encoder", "--licence", "CC0", *options)
        assert answer.code == 0 and "units of an encoding" in answer.out
    assert "moving average" in facts(tmp_path / "e0.npz")["weights"]
    assert facts(tmp_path / "e1.npz")["weights"] == "last weights"
    assert facts(tmp_path / "e1.npz")["licence"] == "CC0" and facts(tmp_path / "e1.npz")["part"] == "encoder"
    sentence = refused("export", run_folder, "--out", tmp_path / "e1.npz", code=1)
    assert "e1.npz exists. Give --overwrite to replace it" in sentence
    assert command("export", run_folder, "--out", tmp_path / "e1.npz", "--overwrite").code == 0
    assert facts(tmp_path / "e1.npz")["part"] == "generator"


def test_mistakes_get_a_sentence(refused, original_gan_run, tmp_path):
    assert "`--out` must end in .onnx" in refused("export", "o_gan_digits", "--out", tmp_path / "g.pb")
    sentence = refused("export", "o_gan_digits", "--out", tmp_path / "g.npz", "--format", "onx")
    assert "`--format` must be one of" in sentence and "Did you mean 'onnx'?" in sentence
    assert "`--part` must be one of" in refused("export", "x", "--out", tmp_path / "g.npz", "--part", "critic")
    sentence = refused("export", original_gan_run, "--out", tmp_path / "e.npz", "--part", "encoder")
    assert "needs a model with an encoder" in sentence and "o_gan" in sentence
    assert not os.listdir(tmp_path)
