#!/usr/bin/env python
"""Measures integrated gradients: the peak memory with 64 and 1,024 nodes, and the speed beside captum's.

The network is a DCGAN discriminator on 32x32x3 images. Each number of nodes runs in a process of its own, after a first
run that compiles. captum is used where it is installed and KERAS_BACKEND is torch: the same network, images, baseline
and number of nodes, and at most as many points at a time; the attributions are compared, too.

usage: python scripts/bench/attribution.py [--images 8] [--nodes 64 1024] [--batch-size 64] [--turns 3]
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import keras_gans as kg

import keras
import numpy as np


def network(width):
    """Returns a discriminator and images."""
    keras.utils.set_random_seed(0)
    model, rng = kg.networks.dcgan.discriminator((32, 32, 3), width=width, normalization=None), np.random.default_rng(0)
    for weight in model.trainable_variables:
        if len(weight.shape) == 1:  # without biases the gradient is the same all along a line from 0
            weight.assign(0.3 * rng.normal(size=weight.shape))
    return model, rng.normal(size=(64, 32, 32, 3)).astype("float32")


def run(nodes, arguments):
    """Runs once and returns the CPU seconds per call, the peak memory in MiB and the largest relative gap."""
    model, images = network(arguments.width)
    images = images[: arguments.images]
    options = {"nodes": nodes, "batch_size": arguments.batch_size, "rule": "midpoint"}
    found, times = kg.analysis.integrated_gradients(model, images, **options), []
    for _ in range(arguments.turns):
        begun = time.process_time()
        found = kg.analysis.integrated_gradients(model, images, **options)
        times.append(time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    return {"seconds": min(times), "peak": peak, "gap": float(found.relative_gaps.max())}


def beside_captum(nodes, arguments):
    """Returns the CPU seconds of both, interleaved, and by how much they differ at most; None without captum."""
    try:
        import torch
        from captum.attr import IntegratedGradients
    except ImportError:
        return None
    model, images = network(arguments.width)
    images = images[: arguments.images]
    theirs = IntegratedGradients(lambda x: model(x, training=False)[:, 0])
    tensor = torch.tensor(images)

    def captum():
        options = {"n_steps": nodes, "method": "riemann_middle", "internal_batch_size": arguments.batch_size}
        return theirs.attribute(tensor, torch.zeros_like(tensor), **options).detach().numpy()

    def ours():
        options = {"nodes": nodes, "batch_size": arguments.batch_size, "rule": "midpoint"}
        return kg.analysis.integrated_gradients(model, images, **options).values

    difference = float(np.abs(captum() - ours()).max())
    times = {captum: [], ours: []}
    for _ in range(arguments.turns):
        for function, seconds in times.items():
            begun = time.process_time()
            function()
            seconds.append(time.process_time() - begun)
    return {"captum": min(times[captum]), "ours": min(times[ours]), "difference": difference}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--nodes", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--single", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.single:
        print(json.dumps(run(arguments.single, arguments)))
        return
    peaks = []
    shared = [
        f"--{name}={getattr(arguments, name.replace('-', '_'))}" for name in ("images", "batch-size", "width", "turns")
    ]
    for nodes in arguments.nodes:
        command = [sys.executable, __file__, f"--single={nodes}", *shared]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        peaks.append(found["peak"])
        print(
            f"{nodes:5} nodes: {found['seconds']:.2f} CPU s for {arguments.images} images, peak memory "
            f"{found['peak']:.0f} MiB, largest relative gap {found['gap']:.1e}",
            flush=True,
        )
    print(f"peak memory: the largest is {100 * (max(peaks) / min(peaks) - 1):.1f} % above the smallest")
    if keras.config.backend() == "torch":
        found = beside_captum(arguments.nodes[0], arguments)
        if found is None:
            print("captum is not installed")
        else:
            print(
                f"{arguments.nodes[0]} nodes: captum {found['captum']:.2f} CPU s, ours {found['ours']:.2f}; the "
                f"attributions differ by at most {found['difference']:.1e}"
            )


if __name__ == "__main__":
    main()
