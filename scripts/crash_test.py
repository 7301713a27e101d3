#!/usr/bin/env python
"""Kills a training run with SIGKILL at random steps and proves that the resumed run is the one that never stopped.

Each round trains a small O-GAN on digits for some epochs straight, then the same again while killing the process
at a random step and restarting it, until it finishes. Weights, optimisers, moving average, seeds and counters of
the two runs must be equal, bit for bit. Runs on the backend named by KERAS_BACKEND.

usage: python scripts/crash_test.py [--rounds 10] [--epochs 4] [--seed 0]
                                    [--callback Checkpoint|CheckpointEveryStep|BackupAndRestore]
"""

import argparse
import functools
import os
import random
import subprocess
import sys
import tempfile

STEPS_PER_EPOCH = 12


def train(folder, epochs, callback, out):
    """Trains in this process, announcing every step, and writes the final state to `out`."""
    import keras
    import numpy as np

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()

    import keras_gans as kg

    class Announce(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print("step", flush=True)

        def on_epoch_end(self, epoch, logs=None):
            print("epoch", flush=True)

    keras.utils.set_random_seed(5)
    images, _ = kg.data.load("digits")
    model = kg.create("o_gan", (32, 32, 1), latent_dim=8, network_options={"width": 4})
    model.compile()
    if callback == "Checkpoint":
        backup = kg.callbacks.Checkpoint(folder)
    elif callback == "CheckpointEveryStep":
        backup = kg.callbacks.Checkpoint(folder, minutes=0)
    else:
        backup = keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    callbacks = [kg.callbacks.WeightMovingAverage(0.9), Announce(), backup]
    model.fit(images[: STEPS_PER_EPOCH * 16 - 5], batch_size=16, epochs=epochs, callbacks=callbacks, verbose=0)
    state = [keras.ops.convert_to_numpy(v.value) for v in (*model.variables, *model.optimizer.variables)]
    np.savez(out, *state)


def start(arguments, folder, out):
    command = [sys.executable, os.path.abspath(__file__), "--train", folder, "--out", out]
    command += ["--epochs", str(arguments.epochs), "--callback", arguments.callback]
    with open(out + ".log", "w", encoding="utf-8") as log:  # shown if the process fails
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)


def run(arguments, folder, out, kills):
    """Runs to the end and returns how often the process was killed on the way; `kills` draws the steps."""
    killed = 0
    while True:
        process = start(arguments, folder, out)
        step = kills() if killed < 3 else None
        seen = 0
        for line in process.stdout:
            seen += line == "step\n"
            if seen == step:
                process.kill()
                killed += 1
                break
        process.stdout.close()
        if process.wait() == 0:
            return killed
        if seen != step:
            with open(out + ".log", encoding="utf-8") as log:
                sys.stderr.write(log.read())
            raise SystemExit(f"The training process failed by itself with exit code {process.returncode}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="kills and comparisons, default 10")
    parser.add_argument("--epochs", type=int, default=4, help="epochs per run, default 4")
    parser.add_argument("--seed", type=int, default=0, help="seed of the steps at which the process is killed")
    kinds = ["Checkpoint", "CheckpointEveryStep", "BackupAndRestore"]
    parser.add_argument("--callback", choices=kinds, default="Checkpoint")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train, arguments.epochs, arguments.callback, arguments.out)
        return

    import numpy as np

    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        straight = os.path.join(folder, "straight.npz")
        run(arguments, os.path.join(folder, "straight"), straight, lambda: None)
        expected = np.load(straight)
        for i in range(arguments.rounds):
            resumed = os.path.join(folder, f"resumed_{i}.npz")
            steps = STEPS_PER_EPOCH * arguments.epochs
            kills = functools.partial(draw.randrange, 1, steps)
            killed = run(arguments, os.path.join(folder, f"run_{i}"), resumed, kills)
            found = np.load(resumed)
            different = [name for name in expected.files if not np.array_equal(expected[name], found[name])]
            if different:
                raise SystemExit(f"Round {i + 1}: {len(different)} of {len(expected.files)} arrays differ.")
            print(f"round {i + 1}: killed {killed} times, {len(expected.files)} arrays equal bit for bit", flush=True)


if __name__ == "__main__":
    main()
