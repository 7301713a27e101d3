"""What the command line says of the user's mistakes: never the raw words of Python or of a library."""

import json
import os
import sys

import keras
import pytest

from keras_gans import cli
from tests.commands.conftest import train_arguments

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--seed", "5000000000"], "`seed` must be an integer from 0 to 4,294,967,295"),
        (["--data", "./picturs"], "There is no folder or file ./picturs"),
        (["--knob", "name=5"], "`knobs` must be arguments of the variant; `name`"),
        (["--knob", "num_classes=3"], "`num_classes` is that of the data"),
        (["--knob", "latent_dim=4"], "`latent_dim` is a key of its own (--latent-dim)"),
        (["--knob", "penalties=5"], "`penalties` must be a list of"),
        (["--knob", "penalties=[{R1: 5}]"], "R1 takes a mapping of its arguments"),
        (["--knob", "penalties=[{1: 5}]"], "`penalties` must be a list of"),
        (["--image-size", "99999999999999999999"], "`image_size` must be an integer from 1 to"),
        (["--width", "99999999999999999999"], "`network_options` must have sizes up to"),
        (["--latent-dim", "99999999999999999999"], "`latent_dim` must have sizes up to"),
        (["--batch-size", "99999999999999999999"], "`batch_size` must have sizes up to"),
        (["--learning-rate", "inf"], "`learning_rate` must be a finite number"),
        (["--out", "x" * 300], "File name too long"),
    ],
)
def test_training_refuses_in_words(command, tmp_path, more, words):
    answer = command(*train_arguments(tmp_path / "run", "gan", 1, *more))
    lines = answer.err.splitlines()
    assert answer.code in (1, 2) and len(lines) == 1 and words in lines[0], answer.err


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("network_options: {generator: 5}", "`network_options` must be a dict"),
        ("learning_rate: {foo: 1}", "`learning_rate` must be a number or a schedule"),
        ("learning_rate: {R1: {weight: 1}}", "`learning_rate` must be a number or a schedule"),
        ("learning_rate: .inf", "`learning_rate` must be a finite number"),
        ("optimizers: {generator: {class_name: Adam, config: {learning_rate: .inf}}}", "must be a finite number"),
    ],
)
def test_recipes_are_refused_in_words(refused, tmp_path, keys, words):
    (tmp_path / "x.yaml").write_text(f"variant: gan\ndata: digits\nlimit: 32\nnetwork: mlp\nimage_size: 8\n{keys}\n")
    assert words in refused("train", tmp_path / "x.yaml", "--out", tmp_path / "run")


def test_sizes_of_pictures_are_bounded(command, refused, run_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "`--count` must be at most" in refused("generate", run_folder, "--count", 10**12)
    assert "A picture must have at most" in refused("generate", run_folder, "--scale", 10**8)
    assert "A picture must have at most" in refused("interpolate", run_folder, "--scale", 10**8)
    assert "A picture must have at most" in refused("reconstruct", run_folder, "--data", "digits", "--scale", 10**8)
    assert "`--samples` must be at most" in refused("evaluate", run_folder, "--data", "digits", "--samples", 10**13)
    assert "finite" in refused("reconstruct", run_folder, "--data", "digits", "--truncation", "inf")
    assert "File name too long" in refused("generate", run_folder, "--out", "x" * 300 + ".png")
    assert os.listdir(tmp_path) == []
    assert command("generate", run_folder, "--columns", 10**8, "--count", 4).code == 0


def test_what_is_missing_for_an_evaluation_is_said(refused, run_folder, tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise Exception("URL fetch failure: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    evaluate = ("evaluate", run_folder, "--data", "digits", "--features", "inception")
    sentence = refused(*evaluate, code=1)
    assert "The Inception weights (96 MB) cannot be downloaded" in sentence and "--weights" in sentence
    (tmp_path / "wrong.pth").write_bytes(b"wrong")
    sentence = refused(*evaluate, "--weights", tmp_path / "wrong.pth")
    assert "is not the public one" in sentence and "Leave out --weights" in sentence and "sha256=None" not in sentence
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "needs huggingface_hub" in refused("generate", "hf://a/b", code=1)
    assert "Invalid IPv6 URL" in refused("generate", "https://[::1")


def test_records_of_the_wrong_kind_are_named(refused, tmp_path):
    asked = {"model": "m", "data": "digits", "split": None, "features": "auto", "weights": None, "average": None}
    asked["neighbours"] = False
    right = {"asked": asked, "seed": 0, "samples": 8, "scores": {"x": 1.0}, "data": {}, "model": {}, "features": {}}
    wrong = [
        *({**right, key: value} for key in ("asked", "data", "scores", "model") for value in (5, None, "x", [])),
        *({**right, "asked": {**asked, key: 5}} for key in asked if key != "neighbours"),
        *({**right, "seed": seed} for seed in ("x", -1, 0.5)),
        {**right, "scores": {"x": "low"}},
        [right],
        5,
    ]
    for record in wrong:
        (tmp_path / "r.json").write_text(json.dumps(record))
        assert "r.json was not written by keras-gans evaluate: " in refused("verify", tmp_path / "r.json"), record


def test_settings_of_a_run_that_lack_something_are_shown_or_named(command, refused, gan_run):
    path = gan_run / "config.json"
    (gan_run / "checkpoints" / "config.json").unlink()
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "versions": None, "data": {"sha256": config["data"]["sha256"]}}))
    answer = command("info", gan_run)
    assert answer.code == 0 and "unknown" in answer.out
    for change in ({"data": None}, {"image_shape": 5}, {"num_classes": "x"}, {"recipe": []}, {"format": None}):
        path.write_text(json.dumps({**config, **change}))
        assert "config.json is damaged" in refused("info", gan_run)


def test_no_sentence_calls_a_mistake_unexpected():
    code, sentence = cli.explained(KeyError("versions"))
    assert code == 1 and "unexpected" not in sentence and "--traceback" in sentence
    assert cli.explained(MemoryError(), "generate") == (1, "Error: out of memory. Use a smaller --count or --scale.")
    assert "--batch-size" in cli.explained(MemoryError(), "train")[1]
    full = type("ResourceExhaustedError", (Exception,), {})("{{node x}} /run/events.out; No space left on device [Op]")
    assert cli.explained(full, "train") == (1, "Error: /run/events.out: No space left on device.")
