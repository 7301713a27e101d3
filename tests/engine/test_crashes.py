"""Killed in the middle of an epoch and resumed: codes, chains, buffers and actnorm state end with the very same bits.

One process is started; for each case it makes a copy of itself, which trains and kills itself with SIGKILL.
"""

import os
import signal
import subprocess
import sys
import traceback

import keras
import pytest

from keras_gans import callbacks
from tests.laws import small

pytestmark = pytest.mark.one_backend
CASES = {  # name: (variant, knobs, the step before whose checkpoint it is killed; an epoch has 3 steps)
    "glann, codes": ("glann", {"glo_epochs": 2}, 5),
    "glann, mapper": ("glann", {"glo_epochs": 2}, 11),
    "energy_based_model": ("energy_based_model", {}, 5),
    "invertible_resnet": ("invertible_resnet", {"data_initialization": True}, 5),
    "energy_gan": ("energy_gan", {}, 5),
}
EPOCHS = {"glann": 4, "energy_based_model": 2, "invertible_resnet": 2, "energy_gan": 2}


class Kill(keras.callbacks.Callback):
    """Kills its process after so many steps, before they are saved."""

    def __init__(self, step):
        super().__init__()
        self.step, self.seen = step, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train(case, *more):
    """Returns a model after `EPOCHS` epochs."""
    name, knobs, _ = CASES[case]
    model = small.build(name, compile=False, **knobs)
    model.compile(run_eagerly=small.eagerly(name))
    model.fit(small.data()[0], batch_size=4, epochs=EPOCHS[name], callbacks=[*more], verbose=0)
    return model


def kill_all(folder):
    for case, (_, _, step) in CASES.items():
        copy = os.fork()
        if not copy:
            try:
                train(case, Kill(step), callbacks.Checkpoint(os.path.join(folder, case), minutes=0))
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        status = os.waitpid(copy, 0)[1]
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"{case} was not killed: status {status}")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Returns the folder with the checkpoints of all killed runs."""
    folder = str(tmp_path_factory.mktemp("killed"))
    program = f"from tests.engine import test_crashes\ntest_crashes.kill_all({folder!r})"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr[-3000:]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_ends_with_the_bits_of_an_undisturbed_one(case, killed):
    straight = small.everything(train(case))
    seen = Kill(None)
    resumed = train(case, seen, callbacks.Checkpoint(os.path.join(killed, case)))
    name, _, step = CASES[case]
    assert seen.seen == 3 * EPOCHS[name] - step + 1  # the step that was not saved is taken again, and no other
    small.assert_same(straight, small.everything(resumed))
