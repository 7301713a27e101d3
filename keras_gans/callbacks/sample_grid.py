"""Sample grids on fixed latents, a picture per epoch."""

import os

import keras

from keras_gans import checks, pictures


class SampleGrid(keras.callbacks.Callback):
    """Writes what the generator makes of the same latents after every epoch, and a GIF of it at the end.

    Files: `folder/epoch_0001.png`, ... and `folder/training.gif`. Works on any model with
    `latents_for`, `labels_for` and `decode`, as all variants have.

    Args:
        folder: Where the pictures go; created if needed.
        count: Number of images in the grid, default 64.
        seed: Integer that fixes the latents.
        average: A `WeightMovingAverage` whose weights are used for the pictures, or None.
        every: Epochs between two pictures.
        scale: Integer enlargement of each image.
    """

    def __init__(self, folder, count=64, seed=0, average=None, every=1, scale=1):
        super().__init__()
        self.folder = checks.writable_folder("folder", folder)
        self.count = checks.positive_integer("count", count)
        self.every = checks.positive_integer("every", every)
        self.seed, self.average, self.scale = seed, average, scale

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        if self.average is None:
            self.draw(epoch)
        else:
            with self.average.applied(self.model):
                self.draw(epoch)

    def draw(self, epoch):
        """Writes the grid of one epoch (counted from 0)."""
        latents = self.model.latents_for(self.count, self.seed)
        labels = self.model.labels_for(self.count)
        columns = self.model.num_classes or None
        images = self.model.decode(latents, labels)
        path = os.path.join(self.folder, f"epoch_{epoch + 1:04d}.png")
        pictures.save_png(path, pictures.grid(images, columns=columns, scale=self.scale))

    def on_train_end(self, logs=None):
        names = sorted(name for name in os.listdir(self.folder) if name.startswith("epoch_") and name.endswith(".png"))
        if names:
            paths = [os.path.join(self.folder, name) for name in names]
            pictures.save_gif(os.path.join(self.folder, "training.gif"), paths)
