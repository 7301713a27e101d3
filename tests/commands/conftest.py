"""Two small trained runs, shared by all tests, and a way to call the command line in this process."""

import collections
import shutil

import pytest

from keras_gans import cli

Answer = collections.namedtuple("Answer", "code out err")

SMALL = "--data digits --limit 48 --image-size 8 --network mlp --width 8 --latent-dim 8 --batch-size 16 --samples 4"


def train_arguments(out, variant="o_gan", epochs=2, *more):
    return ["train", variant, "--out", str(out), "--epochs", str(epochs), *SMALL.split(), *more]


@pytest.fixture
def command(capfd):
    """Returns a function that runs `keras-gans <arguments>` and returns its exit code, stdout and stderr."""

    def call(*arguments):
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        answer = Answer(code, *capfd.readouterr())
        assert "Traceback" not in answer.out + answer.err
        return answer

    return call


@pytest.fixture
def refused(command):
    """Returns a function that runs a command, expects one sentence on stderr, and returns it."""

    def call(*arguments, code=2):
        answer = command(*arguments)
        assert answer.code == code, answer
        lines = answer.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("Error: "), answer.err
        return lines[0]

    return call


def finished(folder, variant):
    assert cli.run(train_arguments(folder, variant)) == 0
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A finished run of two epochs, to be read only: O-GAN on 48 digits of 8x8 pixels."""
    return finished(tmp_path_factory.mktemp("runs") / "o_gan", "o_gan")


@pytest.fixture(scope="session")
def original_gan_run(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("runs") / "gan", "gan")


@pytest.fixture
def gan_run(original_gan_run, tmp_path):
    """A copy of a finished run of two epochs: GAN, on the same digits."""
    return shutil.copytree(original_gan_run, tmp_path / "run")
