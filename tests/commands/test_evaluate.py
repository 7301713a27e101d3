"""`evaluate` writes what `verify` reproduces, and `verify` says what is not so."""

import json

import pytest

pytestmark = pytest.mark.one_backend


def test_scores_are_printed_written_and_reproduced(run_folder, command, refused, tmp_path):
    path = tmp_path / "scores.json"
    answer = command("evaluate", run_folder, "--data", "digits", "--samples", 100, "--out", path)
    assert answer.code == 0, answer.err
    assert "frechet_distance" in answer.out and "coverage" in answer.out
    record = json.loads(path.read_text())
    assert record["samples"] == 100 and record["asked"]["data"] == "digits"
    answer = command("verify", path)
    assert answer.code == 0 and "All 7 scores" in answer.out
    record["scores"]["frechet_distance"] += 1.0
    record["data"]["sha256"] = "0"
    path.write_text(json.dumps(record))
    sentence = refused("verify", path, code=1)
    assert "the data is another one; frechet_distance is" in sentence


def test_mistakes_are_named(run_folder, refused, tmp_path):
    assert "There is no file" in refused("verify", tmp_path / "none.json", code=1)
    (tmp_path / "other.json").write_text("{}")
    assert "was not written by keras-gans evaluate" in refused("verify", tmp_path / "other.json")
    assert "Did you mean 'pixels'" in refused("evaluate", run_folder, "--data", "digits", "--features", "pixel")
    assert "must be the name of a .json file" in refused("evaluate", run_folder, "--data", "digits", "--out", "a.txt")
    assert "`--weights` goes with --features inception" in refused(
        "evaluate", run_folder, "--data", "digits", "--weights", "x.pth"
    )
    assert "needs data with a training and a test split" in refused(
        "evaluate", run_folder, "--data", tmp_path / "set.h5", "--neighbours", tmp_path / "n.png"
    )


def test_neighbours_are_counted_drawn_and_reproduced(run_folder, command, tmp_path):
    picture, path = tmp_path / "nearest.png", tmp_path / "scores.json"
    options = ("--samples", 50, "--neighbours", picture, "--out", path)
    answer = command("evaluate", run_folder, "--data", "digits", *options)
    assert answer.code == 0 and "authenticity" in answer.out and picture.stat().st_size > 100
    assert "All 10 scores" in command("verify", path).out
