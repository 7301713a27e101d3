"""Event files of TensorBoard, written without TensorFlow."""

import io
import time

from keras_gans import checks
from keras_gans.output import images


class EventWriter:
    """Writes numbers, histograms and pictures into a folder that `tensorboard --logdir` shows.

    Args:
        folder: Where the event file goes; created if needed.

    Raises:
        ImportError: The package tensorboard is not installed.
    """

    def __init__(self, folder):
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ImportError(
                "Writing for TensorBoard needs the package tensorboard: pip install 'keras_gans[tensorboard]'."
            ) from error
        self._event, self._summary = event_pb2.Event, summary_pb2
        self._writer = EventFileWriter(checks.writable_folder("tensorboard", folder))

    def _add(self, step, **value):
        summary = self._summary.Summary(value=[self._summary.Summary.Value(**value)])
        self._writer.add_event(self._event(wall_time=time.time(), step=int(step), summary=summary))

    def scalar(self, name, value, step):
        """Writes a number."""
        self._add(step, tag=name, simple_value=float(value))

    def histogram(self, name, counts, edges, step):
        """Writes a histogram of k counts between k + 1 edges."""
        histogram = self._summary.HistogramProto(
            min=edges[0], max=edges[-1], num=sum(counts), bucket_limit=list(edges[1:]), bucket=list(counts)
        )
        self._add(step, tag=name, histo=histogram)

    def picture(self, name, picture, step):
        """Writes a picture, a uint8 array (h, w, c)."""
        buffer = io.BytesIO()
        images.to_pillow(picture).save(buffer, "PNG")
        height, width = picture.shape[:2]
        channels = picture.shape[2] if picture.ndim == 3 else 1
        image = self._summary.Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=buffer.getvalue()
        )
        self._add(step, tag=name, image=image)

    def close(self):
        """Writes out what is buffered and closes the file."""
        self._writer.close()
