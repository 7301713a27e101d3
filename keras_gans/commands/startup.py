"""Loading Keras and its backend without their start-up messages."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings

from keras_gans import checks


def load_library():
    """Imports Keras, the backend and every variant, so that saved models of all of them can be read.

    The backend's C++ messages (oneDNN, missing CUDA drivers, ...) are held back; they are printed if the import fails.

    Raises:
        ValueError: The backend that KERAS_BACKEND names is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.showwarning = show_warning
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in ("jax", "absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with held_back_stderr():
        try:
            import keras

            keras.ops.zeros(())  # wakes the backend up: it looks for its devices, and says so
        except ModuleNotFoundError as error:
            backend = os.environ.get("KERAS_BACKEND", "tensorflow")
            raise ValueError(
                f"The Keras backend {backend!r} is not installed (no module {error.name!r}). Install it, or set the "
                "environment variable KERAS_BACKEND to tensorflow, jax or torch, whichever is installed."
            ) from error
        from keras_gans import callbacks, data, layers, networks, registry  # noqa: F401

        for name in registry.list_models():
            registry.get(name)


@contextlib.contextmanager
def held_back_stderr():
    """Keeps what is written to the file descriptor of stderr away from the user, unless the block fails."""
    try:
        descriptor = sys.__stderr__.fileno()
    except (AttributeError, OSError, ValueError):  # no stderr, as in some services and notebooks
        yield
        return
    sys.stderr.flush()
    kept = os.dup(descriptor)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(kept, descriptor)
            os.close(kept)
            if failed and os.environ.get("KERAS_GANS_TRACEBACK"):
                held.seek(0)
                os.write(descriptor, held.read())


def show_warning(message, category, filename, lineno, file=None, line=None):
    """Prints a warning of ours in one line; those of other libraries are for their developers."""
    del category, lineno, file, line
    if "keras_gans" in filename:
        print(f"Warning: {checks.printable(message)}", file=sys.stderr)
