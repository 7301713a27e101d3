"""The files of a training run."""

import contextlib
import csv
import glob
import json
import os

from keras_gans.recipes import from_mapping

FORMAT = 1  # of config.json


class Run:
    """The files of one training run.

    Args:
        folder: The run folder; need not exist.
    """

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.config_path = os.path.join(self.folder, "config.json")
        self.logs_path = os.path.join(self.folder, "logs.csv")
        self.model_path = os.path.join(self.folder, "model.keras")
        self.checkpoints = os.path.join(self.folder, "checkpoints")
        self.checkpoint_path = os.path.join(self.checkpoints, "latest.weights.h5")
        self.reals = os.path.join(self.folder, "reals.png")
        self.samples = os.path.join(self.folder, "samples")
        self.reconstructions = os.path.join(self.folder, "reconstructions")
        self.tensorboard = os.path.join(self.folder, "tensorboard")

    def config(self):
        """Returns the content of config.json.

        Raises:
            FileNotFoundError: The folder is no run folder.
            ValueError: The file is damaged.
        """
        if not os.path.isfile(self.config_path):
            raise FileNotFoundError(f"{self.folder} is no run folder: it has no config.json.")
        try:
            with open(self.config_path, encoding="utf-8") as file:
                config = json.load(file)
            if config["format"] != FORMAT:
                raise ValueError(f"format {config['format']} is not known")
            from_mapping(config["recipe"], self.config_path)
            config["image_shape"], config["num_classes"], config["data"]["sha256"], config["backend"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The file {self.config_path} is damaged or of another version of keras_gans ({error}). Start over "
                "with --restart, or choose another folder."
            ) from error
        return config

    def recipe(self):
        """Returns the recipe of the run. An average without a warm-up is of a run begun before version 0.2."""
        return from_mapping(self.config()["recipe"], self.config_path).with_warmup("mean")

    def rows(self):
        """Returns the logs of the epochs done, as dicts of strings."""
        if not os.path.exists(self.logs_path):
            return []
        with open(self.logs_path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def delete(self):
        """Removes what a run writes, and nothing else."""
        single = [self.config_path, self.logs_path, self.model_path, self.checkpoint_path, self.reals]
        found = [path for path in single if os.path.exists(path)]
        for folder, patterns in (
            (self.samples, ("epoch_*.png", "training.gif")),
            (self.reconstructions, ("epoch_*.png", "training.gif")),
            (os.path.join(self.tensorboard, "train"), ("events.out.tfevents.*",)),
        ):
            for pattern in patterns:
                found += glob.glob(os.path.join(glob.escape(folder), pattern))
        for path in found:
            os.remove(path)
        for folder in (self.samples, self.reconstructions, self.checkpoints, os.path.join(self.tensorboard, "train")):
            with contextlib.suppress(OSError):  # not there, or it holds something else
                os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir(self.tensorboard)
