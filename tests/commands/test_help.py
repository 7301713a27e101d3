import os
import re
import subprocess
import sys

import pytest

import keras_gans as kg
from keras_gans import cli, recipes, zoo

pytestmark = pytest.mark.one_backend

COMMANDS = ["list", "info", "train", "generate", "reconstruct", "interpolate", "encode"]
COMMANDS += ["export", "evaluate", "attack", "attribute", "dynamics", "verify", "demo"]


def test_the_commands_are_these():
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
    assert sorted(names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_has_an_example_that_parses(command, name):
    answer = command(name, "--help")
    assert answer.code == 0 and not answer.err
    examples = [line.split() for line in answer.out.splitlines() if line.startswith("    keras-gans ")]
    assert examples and all(example[1] == name for example in examples)
    known = {word for word in answer.out.replace(",", " ").split() if word.startswith("--")}
    assert all(word in known for example in examples for word in example if word.startswith("--"))


def test_help_answers_without_loading_keras():
    check = "import sys; sys.argv[0] = 'keras-gans'; from keras_gans import cli; cli.run(['--help'])"
    check += "; sys.exit('keras' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0 and "reconstruct" in done.stdout and done.stderr == ""


def test_no_arguments_show_the_commands(command):
    answer = command()
    assert answer.code == 2 and "reconstruct" in answer.out + answer.err


def test_version(command):
    assert command("--version").out.startswith("keras_gans ")


def test_list_shows_every_variant_and_recipe(command):
    answer = command("list")
    assert answer.code == 0 and not answer.err
    for name in kg.list_models() + recipes.list_recipes():
        assert name in answer.out
    assert "arXiv:1903.01931" in answer.out


def test_list_can_be_read_on_a_narrow_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = command("list").out.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) < 150
    assert [line for line in lines if line and not line.startswith(" ")] == ["Variants:", "Recipes:", "Presets:"]


def test_the_package_is_a_program():
    check = "import runpy, sys; sys.orig_argv = ['python', '-m', 'keras_gans']; sys.argv = ['x', '--version']\n"
    check += "try: runpy.run_module('keras_gans', run_name='__main__')\n"
    check += "except SystemExit as done: sys.exit(done.code or 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("keras_gans "), done.stderr


@pytest.mark.parametrize("name", kg.list_models())
def test_info_explains_every_variant(command, name):
    answer = command("info", name)
    assert answer.code == 0 and not answer.err
    assert "arXiv" in answer.out and "Knobs" in answer.out and "learning_rate=" in answer.out


def test_info_of_a_recipe_and_of_a_run(command, run_folder):
    answer = command("info", "recipe:o_gan_digits")
    assert answer.code == 0 and "latent_dim" in answer.out and "keras-gans train recipe:o_gan_digits" in answer.out
    answer = command("info", run_folder)
    assert answer.code == 0 and "2 of 2 epochs done" in answer.out and "latent_correlation" in answer.out


def test_info_of_a_model_file_and_of_the_checkpoints_of_a_run(command, refused, run_folder, tmp_path):
    answer = command("info", run_folder / "model.keras")
    assert answer.code == 0 and "OGAN" in answer.out and re.search(r"epochs_done +2\n", answer.out)
    assert "8x8x1" in answer.out and "latent_dim           8" in answer.out
    (tmp_path / "cut.keras").write_bytes(b"PK")
    assert "is cut short, or no .keras file" in refused("info", tmp_path / "cut.keras")
    assert "2 of 2 epochs done" in command("info", run_folder / "checkpoints").out


def test_info_of_a_preset_in_the_package_and_elsewhere(command, refused, monkeypatch):
    answer = command("info", "o_gan_digits")
    assert answer.code == 0 and "latent_correlation" in answer.out and 'kg.from_preset("o_gan_digits")' in answer.out
    sentence = refused("info", "o_gan_digit")
    assert "Did you mean 'o_gan_digits'?" in sentence and "gan_fashion_mnist" in sentence and "f_gan" in sentence
    monkeypatch.setenv("KERAS_GANS_HUB", "https://example.org/presets")
    monkeypatch.setattr(zoo.download, "fetch", lambda url, refresh: os.path.join(zoo.FOLDER, url.rsplit("/", 1)[1]))
    monkeypatch.setattr(zoo, "list_presets", list)  # so that this name is one of the hub's
    assert "latent_correlation" in command("info", "o_gan_digits").out
