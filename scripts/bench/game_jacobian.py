#!/usr/bin/env python
"""Measures `game_jacobian`: its cost on a DCGAN, and whether it tells divergence from convergence in ten toy runs.

A toy run is a variant on points of the plane, near its equilibrium, in simultaneous steps of plain gradient descent.
The Jacobian at the start says by what a step multiplies a distance, |1 + rate lambda|; the run says what came of it.

usage: python scripts/bench/game_jacobian.py [--width 48] [--samples 16] [--steps 60]
"""

import argparse
import time

import keras_gans as kg

import keras
import numpy as np

RUNS = [  # variant, knobs, weight of R1, learning rate
    (kg.RSGAN, {}, 0.0, 0.2),
    (kg.RSGAN, {}, 0.3, 0.2),
    (kg.GAN, {"loss": "saturating"}, 0.0, 0.2),
    (kg.WGAN, {"clip": 9.0, "critic_steps": 1}, 0.0, 0.2),
    (kg.GAN, {"loss": "hinge"}, 0.1, 0.2),
    (kg.GAN, {"loss": "hinge"}, 0.5, 0.2),
    (kg.GAN, {"loss": "least_squares", "targets": (-1, 1, 1)}, 0.5, 0.2),
    (kg.GAN, {"loss": "least_squares", "targets": (-1, 1, 1)}, 2.0, 0.2),
    (kg.R3GAN, {"gamma": 0.4}, 0.0, 0.5),
    (kg.WGANGP, {"penalty_weight": 0.5, "critic_steps": 1}, 0.0, 0.05),
]
START = np.array([0.02, 0.04, 0.04, 0.02])


def toy_runs(steps):
    """Prints the ten runs and returns in how many the Jacobian told what came."""
    right = 0
    for variant, knobs, weight, rate in RUNS:
        knobs = {**knobs, "penalties": [kg.penalties.R1(weight)] if weight else []}
        model = kg.analysis.dynamics.point_model(variant, START, rate, "simultaneous", 2, **knobs)
        found = kg.analysis.game_jacobian(model, np.zeros((2, 2), "float32"), leading=4, by="real", eagerly=True)
        path = kg.analysis.dynamics.train_points(variant, START, steps, rate, "simultaneous", 2, **knobs)
        told, came = found.step_radius(rate), (path.radii[-1] / path.radii[0]) ** (1.0 / steps)
        right += (told > 1.0) == (came > 1.0)
        print(
            f"{model.name:8} R1 {weight:3g}, rate {rate:4g}: radius per step told {told:.4f}, came {came:.4f}",
            flush=True,
        )
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=48, help="of the DCGAN; 0 leaves it out")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60, help="of the toy runs")
    arguments = parser.parse_args()
    print(f"right in {toy_runs(arguments.steps)} of {len(RUNS)} toy runs", flush=True)
    if arguments.width:
        keras.utils.set_random_seed(0)
        options = {"width": arguments.width}
        model = kg.create("gan", (32, 32, 1), 64, network_options=options, penalties=[kg.penalties.R1(1.0)])
        model.compile()
        images, begun = kg.data.load("digits", image_size=32)[0], time.process_time()
        found = kg.analysis.game_jacobian(model, images, samples=arguments.samples)
        seconds = time.process_time() - begun
        print(
            f"{found.size:,} weights: {len(found.eigenvalues)} eigenvalues, {found.products} products, {seconds:.0f} s"
        )
        print(found)


if __name__ == "__main__":
    main()
