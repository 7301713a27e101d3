"""One small trained run, shared by the tests of a module, and a way to call the command line in this process."""

import collections

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


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A finished run of two epochs: O-GAN on 48 digits of 8x8 pixels."""
    folder = tmp_path_factory.mktemp("runs") / "o_gan"
    assert cli.run(train_arguments(folder)) == 0
    return folder
