"""The files of a training run."""

import contextlib
import glob
import json
import os
import shutil
import warnings

from keras_gans import checks
from keras_gans.output import files, locks, logs
from keras_gans.output.images import SUFFIXES
from keras_gans.recipes import from_mapping

FORMAT = 1  # of config.json
LARGEST = 2**23  # characters of config.json that are read


class Run:
    """The files of one training run.

    Args:
        folder: The run folder; need not exist.
    """

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.config_path = os.path.join(self.folder, "config.json")
        self.config_copy = os.path.join(self.folder, "checkpoints", "config.json")
        self.logs_path = os.path.join(self.folder, "logs.csv")
        self.model_path = os.path.join(self.folder, "model.keras")
        self.previous_path = os.path.join(self.folder, "previous.keras")  # after --restart, until the new one is there
        self.checkpoints = os.path.join(self.folder, "checkpoints")
        self.checkpoint_path = os.path.join(self.checkpoints, "latest.weights.h5")
        self.reals = os.path.join(self.folder, "reals.png")
        self.samples = os.path.join(self.folder, "samples")
        self.reconstructions = os.path.join(self.folder, "reconstructions")
        self.tensorboard = os.path.join(self.folder, "tensorboard")

    def refuse_foreign(self):
        """Refuses a folder in which a run would overwrite files of others, or lie among pictures.

        Raises:
            ValueError: It holds no run, but pictures, or something of a name that a run gives its own files.
        """
        around = run_around(self.folder)
        if around is not None:
            raise ValueError(
                f"`--out` must be a new folder, or that of a run. {self.folder} belongs to the run in {around.folder}: "
                "give that one to go on with it."
            )
        if self._is_known():
            return
        own = [os.path.relpath(path, self.folder) for path in vars(self).values() if path != self.previous_path]
        taken = [name for name in own if os.path.isfile(os.path.join(self.folder, name))]
        taken += [name for name in own if _has_entries(os.path.join(self.folder, name)) and name != "."]
        taken += [name for name in os.listdir(self.folder) if name.lower().endswith(SUFFIXES)]
        for name in os.listdir(self.folder):
            inside = os.path.join(self.folder, name)
            pictures = os.listdir(inside) if os.path.isdir(inside) and os.access(inside, os.R_OK) else []
            taken += [os.path.join(name, each) for each in pictures if each.lower().endswith(SUFFIXES)]
        if taken:
            raise ValueError(
                f"`--out` must be a new folder, or that of a run. {self.folder} is no run folder and holds "
                f"{checks.printable(taken[0])}, which is not touched. Give another --out."
            )

    def _is_known(self):
        """Returns whether the folder is that of a run, though a file of it may be damaged or missing."""
        if os.path.exists(self.checkpoint_path) or os.path.exists(self.config_copy):
            return True
        try:
            with open(self.config_path, encoding="utf-8") as file:
                return "recipe" in json.loads(file.read(LARGEST))
        except (OSError, ValueError, TypeError, RecursionError):
            return False

    @contextlib.contextmanager
    def alone(self):
        """Lets one process at a time train in the folder; the lock of a process that was killed is free.

        Raises:
            OSError: Another process trains there; the sentence has its number.
        """
        try:
            with locks.held(os.path.join(self.folder, ".lock")):
                for folder in (self.folder, self.checkpoints, self.samples, self.reconstructions):
                    files.sweep(folder)
                yield
        except locks.Held as error:
            raise OSError(
                f"Process {error.owner or '(unknown)'} is training in the folder {self.folder}. Wait until it has "
                "finished, stop it, or give another --out."
            ) from None

    def begun(self):
        """Returns whether the folder holds anything of a run that goes on or is finished."""
        found = (self.config_path, self.config_copy, self.checkpoint_path, self.model_path)
        return any(os.path.exists(path) for path in found)

    def config(self):
        """Returns the content of config.json, or, where it is missing or damaged, of its copy in checkpoints/.

        Raises:
            FileNotFoundError: The folder is no run folder, or lacks its settings.
            ValueError: The file is damaged, and so is the copy, or the checkpoint that it tells of.
        """
        try:
            return self._settings_in(self.config_path)
        except (OSError, ValueError) as error:
            try:
                config = self._settings_in(self.config_copy)
                if os.path.exists(self.checkpoint_path):
                    files.verify_weights(self.checkpoint_path)
            except (OSError, ValueError):
                raise error from None
            what = "is missing" if isinstance(error, FileNotFoundError) else "is damaged"
            warnings.warn(f"The file {self.config_path} {what}; its copy in checkpoints/ is used.", stacklevel=1)
            return config

    def _settings_in(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                config = json.loads(file.read(LARGEST))  # what is longer is no JSON any more
            if config["format"] != FORMAT:
                raise ValueError(f"format {config['format']} is not known")
            from_mapping(config["recipe"], path)
            kinds = {"image_shape": list, "num_classes": int, "data": dict, "backend": str}
            wrong = [name for name, kind in kinds.items() if not isinstance(config[name], kind)]
            if wrong or not isinstance(config["data"]["sha256"], str):
                raise ValueError(f"`{[*wrong, 'data'][0]}` is {config[[*wrong, 'data'][0]]!r:.60}")
        except FileNotFoundError:
            lacks = "has no config.json, which says of which settings its model is. Put it back, or give another folder"
            lacks = f"{lacks}; --restart starts over" if self.begun() else "is no run folder: it has no config.json"
            raise FileNotFoundError(f"{self.folder} {lacks}.") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            what = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise ValueError(
                f"The file {path} is damaged or of another version of keras_gans ({what}). Start over with --restart, "
                "or choose another folder."
            ) from error
        return config

    def write_config(self, config):
        """Writes config.json and its copy."""
        files.write_json(self.config_path, config)
        os.makedirs(self.checkpoints, exist_ok=True)
        files.write_json(self.config_copy, config)

    def recipe(self):
        """Returns the recipe of the run. An average without a warm-up is of a run begun before version 0.2."""
        return from_mapping(self.config()["recipe"], self.config_path).with_warmup("mean")

    def rows(self):
        """Returns the logs of the epochs done, as dicts of strings; a warning names lines that cannot be read."""
        rows, wrong = logs.read(self.logs_path)
        if wrong:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            warnings.warn(
                f"The file {self.logs_path} is damaged: {wrong[0]}{more}. What cannot be read is left out.",
                stacklevel=2,
            )
        return rows

    def keep_damaged_logs(self):
        """Keeps a copy of logs of which not all can be read, before they are written again without that."""
        if logs.read(self.logs_path)[1]:
            shutil.copyfile(self.logs_path, f"{self.logs_path}.damaged")
            self.rows()  # warns

    def models(self):
        """Returns the paths of model.keras and the checkpoint, those that are there, the further trained first."""
        found = [path for path in (self.model_path, self.checkpoint_path) if os.path.exists(path)]
        return sorted(found, key=os.path.getmtime, reverse=True)

    def delete(self):
        """Removes what a run writes, and nothing else; its model stays as previous.keras until the next one."""
        if os.path.exists(self.model_path):
            os.replace(self.model_path, self.previous_path)
        # Its settings stay until the new ones are written: they tell that the folder is that of a run.
        single = [self.logs_path, f"{self.logs_path}.damaged", self.reals, self.checkpoint_path]
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


def run_around(path):
    """Returns the `Run` whose `checkpoints` folder, or a file in it, is at `path`; None for anything else."""
    path = os.path.abspath(path)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    run = Run(os.path.dirname(folder))
    inside = os.path.exists(path) and os.path.basename(folder) == os.path.basename(run.checkpoints)
    return run if inside and run.begun() and not os.path.exists(Run(folder).checkpoint_path) else None


def _has_entries(path):
    return os.path.isdir(path) and bool(os.listdir(path))
