"""Run folders that something happened to: another process, a full disk, files that are gone or damaged."""

import contextlib
import os
import shutil
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest

from keras_gans import callbacks
from keras_gans.output import logs
from keras_gans.runs import loading, training
from keras_gans.runs.folder import Run
from tests.commands.conftest import train_arguments
from tests.commands.test_train import contents

pytestmark = pytest.mark.one_backend

HOLDER = """
import sys
folder = sys.argv[1]
sys.argv[0] = "keras-gans"  # starts without Keras
from keras_gans.runs.folder import Run
with Run(folder).alone():
    print("there", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def killed_at_the_first_step():
    def kill(self, batch, logs=None):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.Checkpoint, "on_train_batch_end", kill)
        patch.setattr(callbacks.Checkpoint, "on_train_end", lambda self, logs=None: None)
        yield


def test_one_process_trains_in_a_folder_and_a_killed_one_frees_it(command, refused, gan_run):
    before = contents(gan_run)
    command_line = [sys.executable, "-c", HOLDER, str(gan_run)]
    with subprocess.Popen(command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"there\n"
        for more in ([], ["--restart"]):
            sentence = refused(*train_arguments(gan_run, "gan", 3, *more), code=1)
            assert f"Process {holder.pid} is training in the folder {gan_run}" in sentence
        holder.kill()
    left = contents(gan_run)
    assert left.pop(".lock") and left == before
    with Run(gan_run).alone(), pytest.raises(OSError, match=f"Process {os.getpid()} is"), Run(gan_run).alone():
        pass
    assert contents(gan_run) == before
    assert command(*train_arguments(gan_run, "gan")).code == 0


def test_a_finished_run_without_checkpoints_stays_finished(command, gan_run):
    model = (gan_run / "model.keras").read_bytes()
    shutil.rmtree(gan_run / "checkpoints")
    answer = command(*train_arguments(gan_run, "gan"))
    assert answer.code == 0 and "is finished: 2 epochs" in answer.out
    assert (gan_run / "model.keras").read_bytes() == model
    shutil.rmtree(gan_run / "checkpoints")
    answer = command(*train_arguments(gan_run, "gan", 3))  # goes on from model.keras
    assert answer.code == 0 and "Resuming after epoch 2 of 3" in answer.out
    assert [row["epoch"] for row in Run(gan_run).rows()] == ["1", "2", "3"]


def test_a_model_goes_only_when_the_next_one_stands(command, gan_run):
    model = (gan_run / "model.keras").read_bytes()
    with killed_at_the_first_step():
        assert command(*train_arguments(gan_run, "gan", 3)).code == 130
        assert (gan_run / "model.keras").read_bytes() == model
        assert command(*train_arguments(gan_run, "gan", 1, "--restart")).code == 130
    assert (gan_run / "previous.keras").read_bytes() == model and not (gan_run / "model.keras").exists()
    assert command(*train_arguments(gan_run, "gan", 1)).code == 0
    assert not (gan_run / "previous.keras").exists() and loading.load_model(gan_run).epochs_done.numpy() == 1


def test_the_further_trained_of_model_and_checkpoint_is_shown(command, gan_run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(training, "_save", lambda model, run: None)  # killed before the model was written
        assert command(*train_arguments(gan_run, "gan", 3)).code == 0
    assert loading.load_file(gan_run / "model.keras").epochs_done.numpy() == 2
    assert loading.load_model(gan_run).epochs_done.numpy() == 3
    assert command(*train_arguments(gan_run, "gan", 3)).code == 0
    assert loading.load_file(gan_run / "model.keras").epochs_done.numpy() == 3


def test_a_damaged_model_is_named_and_written_again(command, gan_run):
    images = loading.load_model(gan_run).generate(4, seed=0)
    whole = (gan_run / "model.keras").read_bytes()
    for damaged in (b"", whole[:-3000], whole.replace(b"config.json", b"konfig.json")):
        (gan_run / "model.keras").write_bytes(damaged)
        with pytest.warns(UserWarning, match="model.keras .*latest.weights.h5 is used"):
            shown = loading.load_model(gan_run)
        np.testing.assert_array_equal(shown.generate(4, seed=0), images)
        answer = command(*train_arguments(gan_run, "gan"))
        assert answer.code == 0 and "written again from the checkpoint" in answer.err
        np.testing.assert_array_equal(loading.load_file(gan_run / "model.keras").generate(4, seed=0), images)


def test_settings_that_are_gone_or_damaged_come_from_their_copy(command, refused, gan_run):
    config = (gan_run / "config.json").read_bytes()
    for damage in (lambda path: path.unlink(), lambda path: path.write_text("[" * 100_000)):
        damage(gan_run / "config.json")
        answer = command(*train_arguments(gan_run, "gan", 2, "--seed", "5"))
        assert answer.code == 2 and "seed is 0 there and 5 here" in answer.err and "its copy in" in answer.err
        assert command(*train_arguments(gan_run, "gan")).code == 0
        assert (gan_run / "config.json").read_bytes() == config
    (gan_run / "checkpoints" / "config.json").unlink()
    (gan_run / "config.json").unlink()
    sentence = refused(*train_arguments(gan_run, "gan", 2, "--seed", "5"), code=1)
    assert f"{gan_run} has no config.json" in sentence and "--restart starts over" in sentence


@pytest.mark.parametrize(
    "name", ["model.keras", "logs.csv", "samples/mine.txt", "reals.png", "cat.JPG", "cats/1.webp", "config.json"]
)
def test_a_folder_of_other_things_is_no_run_folder(refused, tmp_path, name):
    """Neither with nor without --restart is anything in it touched."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"format": "mine"}')
    (tmp_path / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    for more in ([], ["--restart"]):
        sentence = refused(*train_arguments(tmp_path, "gan", 1, *more))
        assert name.partition("/")[0] in sentence and "Give another --out" in sentence
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (lambda text: text + "x,y,z\n", "line 4 has 3 fields"),
        (lambda text: text + text.splitlines()[1] + "\n", "line 4 has epoch 1 after epoch 2"),
        (lambda text: text + text.splitlines()[1].replace("1,", "first,", 1) + "\n", "line 4 has fields that are no"),
        (lambda text: text + "\0\n", "line 4 has 1 fields"),
        (lambda text: "", "its first line does not name"),
        (lambda text: "loss\n1\n", "its first line does not name"),
    ],
)
def test_damaged_lines_of_logs_are_named_and_left_out(tmp_path, damaged, words):
    run = Run(tmp_path)
    logs.write(run.logs_path, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    whole, text = run.rows(), (tmp_path / "logs.csv").read_text()
    (tmp_path / "logs.csv").write_text(damaged(text))
    with pytest.warns(UserWarning, match=f"logs.csv is damaged: {words}"):
        rows = run.rows()
    assert rows == (whole if damaged(text).startswith(text) else [])
    with pytest.warns(UserWarning, match="logs.csv is damaged"):
        run.keep_damaged_logs()
    assert (tmp_path / "logs.csv.damaged").read_text() == damaged(text)
    history = callbacks.checkpoint.History(run.logs_path)
    history.on_epoch_end(2, {"loss": 0.125})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.rows() == [*rows, {"epoch": "3", "loss": "0.125"}]


def test_a_run_with_damaged_logs_trains_on_and_info_counts_its_epochs(command, gan_run):
    with open(gan_run / "logs.csv", "a") as file:
        file.write("x,y\n")
    answer = command("info", gan_run)
    assert "2 of 2 epochs done" in answer.out and answer.err.startswith("Warning: The file ")
    answer = command(*train_arguments(gan_run, "gan", 3))
    assert answer.code == 0 and "logs.csv is damaged: line 4 has 2 fields" in answer.err
    assert [row["epoch"] for row in Run(gan_run).rows()] == ["1", "2", "3"]


def test_what_killed_processes_left_in_a_run_goes(command, gan_run):
    for folder in (gan_run, gan_run / "checkpoints", gan_run / "samples"):
        (folder / ".writing-abc.weights.h5").write_bytes(b"half")
    assert command(*train_arguments(gan_run, "gan")).code == 0
    assert not list(gan_run.rglob(".writing-*")) and not (gan_run / ".lock").exists()


def test_files_that_unpack_to_absurd_sizes_are_refused_at_once(gan_run, tmp_path):
    members = {name: zipfile.ZipFile(gan_run / "model.keras").read(name) for name in ("config.json", "metadata.json")}
    bombs = {
        "holds 200,0": {**members, "model.weights.h5": b"\0" * 200_000_000},
        "config.json of": {**members, "config.json": os.urandom(10_000_000)},
        "holds": {**members, **{f"assets/{i}": b"\0" * 10_000_000 for i in range(20)}},
    }
    for words, content in bombs.items():
        with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, value in content.items():
                archive.writestr(name, value)
        with pytest.raises(ValueError, match=f"bomb.keras .*{words}"):
            loading.load_file(tmp_path / "bomb.keras")
    config = members["config.json"].decode()
    for changed in (config.replace('"units": 8', '"units": 1000000000000'), "[" * 100_000):
        with zipfile.ZipFile(tmp_path / "absurd.keras", "w") as archive:
            archive.writestr("config.json", changed)
        with pytest.raises(ValueError, match="absurd.keras (has `units` = 1,000,000,000,000|is damaged)"):
            loading.load_file(tmp_path / "absurd.keras")


def test_the_checkpoints_of_a_run_stand_for_its_last_checkpoint(command, refused, gan_run, tmp_path):
    for place in (gan_run / "checkpoints", gan_run / "checkpoints" / "latest.weights.h5"):
        answer = command("generate", place, "--count", 4, "--out", tmp_path / "a.png")
        assert answer.code == 0 and "Wrote 4 images" in answer.out
    assert f"belongs to the run in {gan_run}" in refused(*train_arguments(gan_run / "checkpoints", "gan"))
