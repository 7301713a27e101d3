"""Checkpoints from which a killed run resumes exactly."""

import os
import time

from keras_gans import checks
from keras_gans.callbacks.copying import CopiedFresh
from keras_gans.engine.batches import count
from keras_gans.engine.private_keras import begin_at_epoch
from keras_gans.output import logs as csv


class Checkpoint(CopiedFresh):
    """Saves the whole state after each epoch, or more often, and takes it up again when `fit` starts.

    One file, `folder/latest.weights.h5`, holds weights, optimisers, averages, seeds and the number of epochs and steps
    done; it is replaced atomically, so that a run killed at any moment resumes from the last checkpoint and goes on as
    if it had never stopped: within an epoch with the rest of its batches, if the data are arrays or a
    `keras_gans.data.ParallelDataset`; other datasets begin the epoch again. (The logged means of such an epoch are
    those of the steps since then.) (`keras.callbacks.BackupAndRestore` works too; it writes the epoch into
    a second file, so that a kill between the two files repeats one epoch.)

    Args:
        folder: Where the checkpoint goes; created if needed.
        every: Epochs between two checkpoints.
        minutes: Save within an epoch, too, so many minutes after the last time; None (default) for not.
    """

    FILE = "latest.weights.h5"

    def __init__(self, folder, every=1, minutes=None):
        super().__init__()
        self.folder = checks.writable_folder("folder", folder)
        self.every = checks.positive_integer("every", every)
        self.minutes = None if minutes is None else checks.number("minutes", minutes, minimum=0)
        self.path = os.path.join(self.folder, self.FILE)
        self.saved = time.monotonic()

    def on_train_begin(self, logs=None):
        if os.path.exists(self.path):
            self.model.load_weights(self.path)
            begin_at_epoch(self.model, count(self.model.epochs_done))

    def on_train_batch_end(self, batch, logs=None):
        if self.minutes is not None and time.monotonic() - self.saved >= 60 * self.minutes:
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        if hasattr(self.model, "adversarial_loss"):  # a model of Keras does not count its epochs itself
            self.model.epochs_done.assign(epoch + 1)
        if (epoch + 1) % self.every == 0:
            self.save()

    def save(self):
        self.model.save_weights(self.path)
        self.saved = time.monotonic()

    def on_train_end(self, logs=None):
        begin_at_epoch(self.model, None)  # a later `fit` begins where it is told to
        self.model.save_weights(self.path)


class History(CopiedFresh):
    """Writes the logs of every epoch to a CSV file that stays right when a run is killed and resumed.

    Args:
        path: The CSV file. Rows of epochs that are trained again are replaced.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        csv.write(self.path, [old for old in self.rows() if int(old["epoch"]) < epoch + 1] + [row])

    def rows(self):
        """Returns the rows written so far as dicts of strings; lines that cannot be read are left out."""
        return csv.read(self.path)[0]
