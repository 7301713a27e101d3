#!/usr/bin/env python
"""Times the exact matcher of implicit maximum likelihood on codes of length 1, and checks a part by brute force.

usage: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python scripts/bench/matching.py [--codes 60000] [--noises 120000]
           [--size 64] [--check 200]
"""

import argparse
import platform
import time

from keras_gans.samplers import matching

import numpy as np


def sphere(count, size, seed):
    """Returns float32 points (count, size) of length 1."""
    points = np.random.default_rng(seed).normal(size=(count, size)).astype("float32")
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, default=60_000)
    parser.add_argument("--noises", type=int, default=120_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--check", type=int, default=200, help="codes that are compared by brute force, default 200")
    arguments = parser.parse_args()
    codes, outputs = sphere(arguments.codes, arguments.size, 0), sphere(arguments.noises, arguments.size, 1)
    begun, cpu = time.perf_counter(), time.process_time()
    indices, distances = matching.nearest(codes, outputs)
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    for row in range(min(arguments.check, len(codes))):
        exact = np.sum((outputs.astype("float64") - codes[row]) ** 2, axis=1)
        if exact.argmin() != indices[row]:
            raise SystemExit(f"Code {row}: {indices[row]} at {distances[row]}, brute force {exact.argmin()}.")
    print(
        f"{len(codes):,} codes, {len(outputs):,} outputs of {arguments.size} numbers: {wall:.1f} s, {cpu:.1f} CPU s, "
        f"{len(np.unique(indices)) / len(codes):.2f} of the codes matched with a noise of their own; "
        f"{platform.machine()}"
    )


if __name__ == "__main__":
    main()
