"""What folders and HDF5 files of images have in common: they become a dataset of batches."""


class ImageSource:
    """Images by number, with `labels` int64 (n,) or None."""

    labels = None

    def dataset(self, batch_size=64, workers=2, transform=None, conditional=False, **options):
        """Returns the `ParallelDataset` of these images: batches for `fit`, loaded in several processes.

        Args:
            batch_size: Images per batch; a model with `critic_steps` needs that many times its batch.
            workers: Processes; 0 loads in this one.
            transform: None, or `transform(image, rng)`, which returns the image to train on; with `conditional`, it
                gets and returns `(image, label)`.
            conditional: Whether the batches are `(images, labels)`.
            **options: Those of `ParallelDataset`: `shuffle`, `seed`, `drop_remainder`, ...

        Raises:
            ValueError: `conditional` is asked for, and there are no labels.
        """
        from keras_gans.data.parallel import ParallelDataset

        if conditional and self.labels is None:
            raise ValueError(f"`conditional` needs labels, which {self!r} does not have. Received: conditional=True.")
        return ParallelDataset(Labelled(self) if conditional else self, batch_size, workers, transform, **options)


class Labelled:
    """`(image, label)` by number."""

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return self.source[index], self.source.labels[index]

    @property
    def paths(self):
        return getattr(self.source, "paths", None)
