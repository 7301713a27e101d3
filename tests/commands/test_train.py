import json
import os
import signal
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from keras_gans import callbacks, cli
from keras_gans.runs import loading
from tests.commands.conftest import train_arguments

pytestmark = pytest.mark.one_backend


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def weights(folder):
    with h5py.File(folder / "checkpoints" / "latest.weights.h5") as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.mark.all_backends
def test_a_run_folder_holds_settings_logs_pictures_checkpoint_and_model(run_folder):
    names = files_below(run_folder)
    for name in (
        "checkpoints/latest.weights.h5",
        "config.json",
        "logs.csv",
        "model.keras",
        "reconstructions/epoch_0002.png",
        "samples/epoch_0001.png",
        "samples/epoch_0002.png",
        "samples/training.gif",
    ):
        assert name in names
    assert any(name.startswith("tensorboard/") for name in names) == (keras.config.backend() == "tensorflow")
    config = json.loads((run_folder / "config.json").read_text())
    assert config["recipe"]["latent_dim"] == 8 and config["image_shape"] == [8, 8, 1]
    assert config["data"]["images"] == 48 and len(config["data"]["sha256"]) == 64
    assert config["versions"]["keras"] == keras.__version__ and config["backend"] == keras.config.backend()
    header, *rows = (run_folder / "logs.csv").read_text().splitlines()
    assert header.startswith("epoch,") and "latent_correlation" in header
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
    with Image.open(run_folder / "samples" / "training.gif") as animation:
        assert animation.n_frames == 2


@pytest.mark.all_backends
def test_the_model_holds_its_moving_average(run_folder):
    model = loading.load_model(run_folder / "model.keras")
    assert len(model.averages) == 1 and model.averages[0].decay == 0.999
    raw = model.generate(4, seed=0)
    with model.averages[0].applied():
        assert not np.array_equal(model.generate(4, seed=0), raw)


def test_a_finished_run_says_so_and_changes_nothing_of_the_model(command, run_folder):
    before = contents(run_folder)
    answer = command(*train_arguments(run_folder))
    assert answer.code == 0 and "is finished: 2 epochs" in answer.out and not answer.err
    assert contents(run_folder) == before


def test_training_prints_one_line_per_epoch(command, tmp_path):
    answer = command(*train_arguments(tmp_path / "run", "gan", 2))
    lines = answer.out.splitlines()
    assert answer.code == 0 and not answer.err
    assert "48 images of 8x8x1" in lines[0]
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert all("images/s" in line and "left" in line and "generator_loss" in line for line in epochs)
    assert not (tmp_path / "run" / "reconstructions").exists()  # a GAN has no encoder


@pytest.mark.all_backends
def test_a_stopped_run_resumes_as_if_it_had_never_stopped(command, run_folder, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    write = callbacks.Checkpoint.on_epoch_end

    def write_and_stop(self, epoch, logs=None):
        write(self, epoch, logs)
        if epoch == 0:
            stop.append(True)

    def on_epoch_begin(self, epoch, logs=None):
        if stop:
            raise KeyboardInterrupt

    stop = []
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Checkpoint, "on_epoch_end", write_and_stop)
        patch.setattr(callbacks.Checkpoint, "on_epoch_begin", on_epoch_begin)
        answer = command(*train_arguments(folder))
    assert answer.code == 130
    assert answer.err == "Stopped after epoch 1 of 2; run the same command to resume.\n"
    assert not (folder / "model.keras").exists()
    answer = command("generate", folder, "--out", tmp_path / "unfinished.png", "--count", 4)  # from the checkpoint
    assert answer.code == 0, answer.err

    answer = command(*train_arguments(folder))
    assert answer.code == 0 and "Resuming after epoch 1 of 2." in answer.out
    whole, resumed = weights(run_folder), weights(folder)
    assert whole.keys() == resumed.keys()
    for name in whole:
        np.testing.assert_array_equal(resumed[name], whole[name], err_msg=name)


def test_a_run_stopped_before_its_first_epoch_says_so(command, tmp_path, monkeypatch):
    def stop(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.Checkpoint, "on_epoch_begin", stop)
    answer = command(*train_arguments(tmp_path / "run"))
    assert answer.code == 130 and "before the first epoch" in answer.err
    answer = command("generate", tmp_path / "run", "--out", tmp_path / "sheet.png")
    assert answer.code == 1 and "first epoch is not finished" in answer.err


def test_more_epochs_train_on(command, gan_run):
    answer = command(*train_arguments(gan_run, "gan", 3))
    assert answer.code == 0 and "Resuming after epoch 2 of 3" in answer.out
    assert loading.load_model(gan_run).epochs_done.numpy() == 3
    assert json.loads((gan_run / "config.json").read_text())["recipe"]["epochs"] == 3


def test_another_run_in_the_folder_is_refused_by_what_differs(refused, run_folder):
    before = contents(run_folder)
    sentence = refused(*train_arguments(run_folder, "o_gan", 2, "--batch-size", "8", "--knob", "lam=3"))
    assert "batch_size is 16 there and 8 here" in sentence and "knobs is {} there and {'lam': 3} here" in sentence
    assert "--restart" in sentence
    sentence = refused(*train_arguments(run_folder, "o_gan", 2, "--limit", "47"))
    assert "limit is 48 there and 47 here" in sentence
    assert contents(run_folder) == before


def test_other_data_in_the_same_folder_is_refused(command, refused, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype="uint8")).save(pictures / f"{i}.png")
    arguments = ["train", "gan", "--data", pictures, "--out", tmp_path / "run", "--epochs", 1]
    arguments += "--image-size 8 --network mlp --width 8 --latent-dim 4 --samples 0".split()
    assert command(*arguments).code == 0
    assert not (tmp_path / "run" / "samples").exists()
    (pictures / "5.png").unlink()
    assert "the data is not the same (6 images there, 5 here)" in refused(*arguments)


def test_restart_removes_what_the_run_wrote_and_nothing_else(command, gan_run):
    folder = gan_run
    assert (folder / "samples" / "epoch_0002.png").exists()
    (folder / "notes.txt").write_text("mine")
    (folder / "samples" / "favourite.png").write_bytes(b"mine")
    answer = command(*train_arguments(folder, "gan", 1, "--latent-dim", "4", "--restart"))
    assert answer.code == 0 and "Training for 1 epoch." in answer.out
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "samples" / "favourite.png").read_bytes() == b"mine"
    assert not (folder / "samples" / "epoch_0002.png").exists()


def test_a_bad_setting_with_restart_leaves_the_old_run_alone(refused, run_folder):
    before = contents(run_folder)
    refused(*train_arguments(run_folder, "o_gan", 2, "--knob", "lam=-1", "--restart"))
    assert contents(run_folder) == before


def test_a_damaged_checkpoint_is_named(command, refused, gan_run):
    folder = gan_run
    path = folder / "checkpoints" / "latest.weights.h5"
    path.write_bytes(path.read_bytes()[:-1000])
    sentence = refused(*train_arguments(folder, "gan", 3))
    assert str(path) in sentence and "damaged" in sentence and "--restart" in sentence
    (folder / "config.json").write_text('{"format": 1')
    assert str(folder / "config.json") in refused(*train_arguments(folder, "gan", 3))
    assert command(*train_arguments(folder, "gan", 1, "--restart")).code == 0


def test_a_diverging_run_stops_and_keeps_its_last_checkpoint(refused, tmp_path):
    sentence = refused(*train_arguments(tmp_path / "run", "gan", 3, "--learning-rate", "1e30"))
    assert "diverged" in sentence and "--learning-rate" in sentence


def test_options_reach_the_model(command, tmp_path):
    more = "--conditional --learning-rate 0.001 --knob loss=hinge --knob critic_steps=2 --average 0 --channels 3"
    answer = command(*train_arguments(tmp_path / "run", "gan", 1, *more.split()))
    assert answer.code == 0, answer.err
    model = loading.load_model(tmp_path / "run")
    assert model.num_classes == 10 and model.loss_name == "hinge" and model.critic_steps == 2
    assert model.image_shape == (8, 8, 3) and model.averages == []
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    answer = command("generate", tmp_path / "run", "--out", tmp_path / "sevens.png", "--labels", 7, "--count", 3)
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "o_gn", "--data", "digits"], "Did you mean 'o_gan'?"),
        (["train", "o_gan_digits", "--data", "digits"], "Did you mean 'recipe:o_gan_digits'?"),
        (["train", "recipe:o_gan_digit"], "Did you mean 'o_gan_digits'?"),
        (["train", "o_gan"], "`--data` is missing"),
        (["train", "o_gan", "--data", "digit"], "Did you mean 'digits'?"),
        (["train", "o_gan", "--data", "digits", "--network", "dcgn"], "Did you mean 'dcgan'?"),
        (["train", "o_gan", "--data", "digits", "--knob", "lamm=1"], "Did you mean 'lam'?"),
        (["train", "o_gan", "--data", "digits", "--knob", "lam"], "must be of the form name=value"),
        (["train", "o_gan", "--data", "digits", "--knob", "lam=[1"], "must have a YAML value"),
        (["train", "o_gan", "--data", "digits", "--image-size", "30"], "(28, 28, 1) or (32, 32, 1)"),
        (["train", "o_gan", "--data", "digits", "--channels", "2"], "`channels` must be one of 1, 3"),
        (["train", "o_gan", "--data", "digits", "--latent-dim", "2"], "at least 3"),
        (["train", "o_gan", "--data", "digits", "--epochs", "0"], "`epochs` must be a positive integer"),
        (["train", "o_gan", "--data", "digits", "--epochs", "many"], "--epochs"),
        (["train", "o_gan", "--data", "digits", "--average", "1"], "`average` must be a number at least 0"),
        (["train", "o_gan", "--data", "digits", "--precision", "float8"], "`precision` must be one of"),
        (["train", "o_gan", "--data", "digits", "--samples", "-1"], "`samples` must be"),
        (["train", "o_gan", "--data", "digits", "--epohs", "1"], "--epochs"),
        (["trian", "o_gan", "--data", "digits"], "Did you mean 'train'?"),
    ],
)
def test_a_mistake_is_one_sentence(refused, tmp_path, arguments, words):
    assert words in refused(*arguments, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


def test_an_unwritable_folder_is_named(refused, tmp_path):
    (tmp_path / "file").write_text("")
    sentence = refused(*train_arguments(tmp_path / "file" / "run"))
    assert "`--out` must be a folder that can be written" in sentence and "file/run" in sentence


def test_a_conditional_model_needs_labels(refused, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    arguments = ("train", "gan", "--data", tmp_path, "--image-size", 8, "--out", tmp_path / "run")
    sentence = refused(*arguments, "--conditional")
    assert "one folder per class" in sentence


def test_traceback_is_for_developers(capfd, tmp_path):
    assert cli.run(["--traceback", "info", "nothing"]) == 2
    assert "Traceback" in capfd.readouterr().err
    assert cli.run(["info", "nothing"]) == 2
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.all_backends
def test_a_killed_process_resumes_and_says_nothing_of_its_backend(tmp_path):
    folder = tmp_path / "run"
    arguments = train_arguments(folder, "gan", 400, "--samples", "0")
    process = subprocess.Popen([sys.executable, "-m", "keras_gans.cli", *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 120
    while not (folder / "checkpoints" / "latest.weights.h5").exists() and time.time() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.communicate()[1] == ""
    done = len((folder / "logs.csv").read_text().splitlines()) - 1
    assert 1 <= done < 400
    with_more = train_arguments(folder, "gan", done + 1, "--samples", "0")
    assert cli.run(with_more) == 0
    assert loading.load_model(folder).epochs_done.numpy() == done + 1
