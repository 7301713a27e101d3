#!/usr/bin/env python
"""Times a training step with TensorFlow's oneDNN kernels off and on, and in bfloat16: what `auto` chooses between.

Each setting runs in processes of its own (oneDNN is decided when TensorFlow is imported), in turns; the first steps of
each process are left out. DCGAN of 32x32x3 images, alternating updates. TensorFlow only.

usage: python scripts/bench/machine_settings.py [--rounds 3] [--steps 12] [--width 64] [--batch-size 64]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

SETTINGS = {
    "float32, oneDNN off": ("0", "float32"),
    "float32, oneDNN on": ("1", "float32"),
    "bfloat16, oneDNN on": ("1", "mixed_bfloat16"),
}


def measure(arguments):
    """Prints the seconds of each step in this process, which alone imports TensorFlow."""
    import keras_gans as kg

    import keras
    import numpy as np

    keras.config.set_dtype_policy(arguments.precision)
    keras.utils.set_random_seed(0)
    model = kg.create("gan", (32, 32, 3), latent_dim=128, network_options={"width": arguments.width})
    model.compile()
    count = (arguments.steps + 3) * arguments.batch_size
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype="uint8")
    ends = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(images, batch_size=arguments.batch_size, verbose=0, callbacks=[clock])
    print(*np.diff(ends)[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes per setting, default 3")
    parser.add_argument("--steps", type=int, default=12, help="steps per process, default 12")
    parser.add_argument("--width", type=int, default=64, help="width of the DCGAN, default 64")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", help=argparse.SUPPRESS)  # of a process that measures
    arguments = parser.parse_args()
    if arguments.precision:
        measure(arguments)
        return
    times = {name: [] for name in SETTINGS}
    for _ in range(arguments.rounds):
        for name, (onednn, precision) in SETTINGS.items():
            environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn, "KERAS_BACKEND": "tensorflow"}
            command = [sys.executable, __file__, *sys.argv[1:], "--precision", precision]
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            times[name] += [float(seconds) for seconds in done.stdout.split()]
    medians = {name: 1000 * statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        low, high = (1000 * bound for bound in (min(times[name]), max(times[name])))
        ratio = median / min(medians.values())
        print(f"{name:<22} {median:8.0f} ms per step ({low:.0f} to {high:.0f})   {ratio:5.2f}x")


if __name__ == "__main__":
    main()
