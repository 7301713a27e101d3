#!/usr/bin/env python
"""Images per second from a folder of pictures: ParallelDataset against PyTorch, tf.data and Keras, interleaved.

Writes real pictures (CIFAR-10 or Fashion-MNIST, every other one as JPEG and as PNG) into a folder, and reads them as
batches of 64 images of 32x32 with the same decoding, that of `kg.data.ImageFolder`, and the same number of workers.
Each turn is a process of its own: one epoch to warm up, then one that is timed; the turns of the loaders alternate.
Memory is the largest sum over the processes of a turn (proportional set size, which counts shared pages once). A peer
that is not installed is left out and named. `tf.data, own decoder` decodes with TensorFlow's C++ threads: another
decoding, shown for comparison.

usage: python scripts/bench/data_loading.py [--files 20000] [--workers 2] [--turns 5] [--data cifar10]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

BATCH = 64
LOADERS = ("keras_gans", "PyTorch DataLoader", "tf.data", "Keras PyDataset", "tf.data, own decoder")


class Pictures:
    """Item i is (image, i), for the loaders of others."""

    def __init__(self, folder):
        from keras_gans.data import ImageFolder

        self.images = ImageFolder(folder, image_size=32)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


def keras_gans(folder, workers):
    from keras_gans.data import ImageFolder

    dataset = ImageFolder(folder, image_size=32).dataset(BATCH, workers)
    return lambda: iter(dataset)


def pytorch(folder, workers):
    import torch

    pictures = Pictures(folder)
    options = {"num_workers": workers, "persistent_workers": workers > 0, "multiprocessing_context": "spawn"}
    loader = torch.utils.data.DataLoader(pictures, BATCH, shuffle=True, **options)
    return lambda: iter(loader)


def tf_data(folder, workers):
    import tensorflow as tf

    pictures = Pictures(folder)

    def decode(index):
        image = tf.numpy_function(lambda i: pictures[i], [index], tf.uint8)
        image.set_shape((32, 32, 3))
        return image

    dataset = tf.data.Dataset.range(len(pictures)).shuffle(len(pictures))
    dataset = dataset.map(decode, num_parallel_calls=workers).batch(BATCH).prefetch(2 * workers)
    return dataset.as_numpy_iterator


def tf_data_decoder(folder, workers):
    import tensorflow as tf

    def decode(path):
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        image.set_shape((32, 32, 3))
        return image

    paths = Pictures(folder).images.paths
    dataset = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths))
    dataset = dataset.map(decode, num_parallel_calls=workers).batch(BATCH).prefetch(2 * workers)
    return dataset.as_numpy_iterator


def keras_dataset(folder, workers):
    import keras
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter  # what fit iterates over

    class Batches(keras.utils.PyDataset):
        def __init__(self, **options):
            super().__init__(**options)
            self.pictures = Pictures(folder)

        def __len__(self):
            return -(-len(self.pictures) // BATCH)

        def __getitem__(self, index):
            rows = range(index * BATCH, min((index + 1) * BATCH, len(self.pictures)))
            return (np.stack([self.pictures[row] for row in rows]),)

    adapter = PyDatasetAdapter(Batches(workers=workers, use_multiprocessing=True), shuffle=True)

    def epoch():
        adapter.on_epoch_begin()
        yield from adapter._get_iterator()
        adapter.on_epoch_end()

    return epoch


MAKERS = dict(zip(LOADERS, (keras_gans, pytorch, tf_data, keras_dataset, tf_data_decoder), strict=True))


def memory():
    """Returns the proportional set size of this process and its children, in MB."""
    total, ours = 0, {os.getpid()}
    for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
            if int(entry) in ours or parent in ours:
                ours.add(int(entry))
                with open(f"/proc/{entry}/smaps_rollup") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, ValueError):
            continue
    return total / 1024


def turn(name, folder, workers):
    """Times one epoch of one loader and prints the result as JSON."""
    epoch, peak, done = MAKERS[name](folder, workers), [0.0], threading.Event()
    count = sum(1 for _ in epoch())

    def watch():
        while not done.wait(0.5):
            peak[0] = max(peak[0], memory())

    watcher = threading.Thread(target=watch)
    begun = time.perf_counter()
    batches = 0
    for batch in epoch():
        if batches == count // 2:
            watcher.start()
        batches += 1
        del batch
    seconds = time.perf_counter() - begun
    assert batches == count
    done.set()
    watcher.join()
    print(json.dumps({"seconds": seconds, "memory": max(peak[0], memory())}))


def write_pictures(folder, count, data):
    import keras_gans as kg

    from PIL import Image

    images, labels = kg.data.load(data, image_size=32, channels=3)
    for i in range(count):
        place = os.path.join(folder, str(labels[i]))
        os.makedirs(place, exist_ok=True)
        picture = Image.fromarray(images[i])
        picture.save(os.path.join(place, f"{i}.jpg"), quality=90) if i % 2 else picture.save(
            os.path.join(place, f"{i}.png")
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--data", default="cifar10", help="a set of kg.data.load")
    parser.add_argument("--turn", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turn:
        turn(*arguments.turn, arguments.workers)
        return
    found = {name: [] for name in LOADERS}
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(folder, arguments.files, arguments.data)
        for number in range(arguments.turns):
            for name in LOADERS if number % 2 == 0 else LOADERS[::-1]:
                if name not in found:
                    continue
                command = [sys.executable, os.path.abspath(__file__), "--turn", name, folder]
                command += ["--workers", str(arguments.workers)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    print(f"{name}: left out, {done.stderr.strip().splitlines()[-1]}")
                    del found[name]
                    continue
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{arguments.files:,} files, {arguments.workers} workers, {arguments.turns} turns, medians")
    for name, turns in found.items():
        rate = arguments.files / statistics.median(each["seconds"] for each in turns)
        peak = statistics.median(each["memory"] for each in turns)
        rates = [ours["seconds"] / each["seconds"] for ours, each in zip(found["keras_gans"], turns, strict=False)]
        print(f"{name:22} {rate:8,.0f} images/s  {1 / statistics.median(rates):5.2f}x of it  {peak:6,.0f} MB")


if __name__ == "__main__":
    main()
