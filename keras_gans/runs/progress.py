"""What a run shows while it trains, and when it stops by itself."""

import math
import time

import keras

from keras_gans.engine.batches import count


def duration(seconds):
    """Returns seconds in words of a clock: `"0:07"`, `"12:30"`, `"1:02:05"`."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Progress(keras.callbacks.Callback):
    """A bar with images per second, epoch and time left on a terminal; one plain line per epoch everywhere.

    Adds `seconds`, `cpu_seconds` (of all cores) and `images_per_second` of the epoch to the logs. Must come before the
    callbacks that write them.

    Args:
        console: `rich.console.Console`.
        images: Images per epoch.
        epochs: Epochs of the whole run.
    """

    def __init__(self, console, images, epochs):
        super().__init__()
        self.console, self.images, self.epochs = console, images, epochs
        self.bar = self.task = None

    def on_train_begin(self, logs=None):
        self.first_epoch = count(self.model.epochs_done)
        self.steps_seen, self.begun = 0, None
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = ["{task.description}", BarColumn(), "{task.percentage:>3.0f}%", TextColumn("{task.fields[rest]}")]
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("compiling", total=None, rest="")
            self.bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_begun, self.cpu_begun = epoch, time.perf_counter(), time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if self.begun is None:  # the first step compiles; the clock starts behind it
            self.begun = now
        self.steps_seen += 1
        if self.bar is not None and self.steps_seen > 1:
            steps = self.params["steps"]
            total, done = steps * self.epochs, steps * self.epoch + batch + 1
            rate = (self.steps_seen - 1) / max(now - self.begun, 1e-9)
            speed = f"{rate * self.images / steps:,.0f} images/s, {duration((total - done) / rate)} left"
            self.bar.update(
                self.task, total=total, completed=done, rest=speed, description=f"epoch {self.epoch + 1}/{self.epochs}"
            )

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        seconds = now - self.epoch_begun
        if logs is not None:
            cpu = time.process_time() - self.cpu_begun
            rate = self.images / seconds
            logs.update(seconds=round(seconds, 3), cpu_seconds=round(cpu, 3), images_per_second=round(rate, 1))
        trained = epoch + 1 - self.first_epoch
        steps = max(self.steps_seen - 1, 1)
        per_epoch = (now - self.begun) / steps * (self.steps_seen / trained) if self.steps_seen > 1 else seconds
        values = "  ".join(
            f"{name} {float(value):.4g}"
            for name, value in (logs or {}).items()
            if name not in ("loss", "seconds", "cpu_seconds", "images_per_second")
        )
        left = duration((self.epochs - epoch - 1) * per_epoch)
        self.console.print(
            f"epoch {epoch + 1}/{self.epochs}  {values}  {self.images / seconds:,.0f} images/s  {left} left",
            highlight=False,
            soft_wrap=True,
        )

    def close(self):
        """Takes the bar off the screen."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_end(self, logs=None):
        self.close()


class StopWhenDiverged(keras.callbacks.Callback):
    """Raises a `ValueError` after an epoch with a loss that is not finite, before it reaches the checkpoint."""

    def on_epoch_end(self, epoch, logs=None):
        wrong = [name for name, value in (logs or {}).items() if not math.isfinite(float(value))]
        if wrong:
            raise ValueError(
                f"The training diverged: {wrong[0]} is {float(logs[wrong[0]])} in epoch {epoch + 1}. The checkpoint of "
                f"epoch {epoch} is kept. Start over (--restart) with a smaller --learning-rate or other knobs."
            )
