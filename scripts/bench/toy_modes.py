#!/usr/bin/env python
"""Trains every variant with its default knobs on two mixtures of Gaussians and counts the modes that it covers.

The 8-Gaussian ring (radius 2, standard deviation 0.1) and the 25-Gaussian grid (spacing 1, standard deviation 0.1);
generator and discriminator are MLPs of 3 layers of 128, latents have 2 entries, both players use Adam with learning
rate 1e-3 and betas (0, 0.9). GLANN learns codes of 8 numbers for 1,000 of the points, with its own optimisers, in 375
epochs; its samples are of the last weights. Of 2,500 samples of the moving average, one counts as high quality within
4 standard deviations of a mode, and a mode as covered with at least 20 high-quality samples. Writes a Markdown table;
in a file that has one, the rows of what was run are replaced and the text around the table stays.

usage: python scripts/bench/toy_modes.py [--steps 3000] [--seeds 3] [--variants gan rsgan ...] [--out docs/toy_modes.md]
"""

import argparse
import itertools
import os
import platform
import time

import keras_gans as kg

import keras
import numpy as np

RING = 2 * np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
GRID = np.array(list(itertools.product(np.linspace(-2, 2, 5), repeat=2)))
MIXTURES = {"ring": (RING, 0.1), "grid": (GRID, 0.1)}
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
GLANN = {"latent_dim": 8, "points": 1_000, "epochs": 375}  # 8 steps of 128 an epoch with 3,000 steps in all
IMLE = {"mode": "imle", "idempotence_weight": 0.0}
CASES = {
    "ign": ("ign", {}),
    'ign, noise="gaussian"': ("ign", {"noise": "gaussian"}),
    'ign, mode="imle"': ("ign", IMLE),
    'ign, mode="imle", epsilon=0.15': ("ign", {**IMLE, "epsilon": 0.15}),  # 1.5 deviations of a mode
    'ign, mode="imle", noise="gaussian"': ("ign", {**IMLE, "noise": "gaussian"}),
    "glann, glo_epochs=125, pool=4": ("glann", {"distance": "l2", "glo_epochs": 125, "pool": 4}),
    "gan with R1": ("gan", {"penalties": [kg.penalties.R1(0.1)]}),
    "rsgan with R1": ("rsgan", {"penalties": [kg.penalties.R1(0.1)]}),
    "wgan_gp, penalty_weight=1": ("wgan_gp", {"penalty_weight": 1.0}),
    "wgan, clip=0.1": ("wgan", {"clip": 0.1}),
}


def sample(centres, deviation, count, seed):
    """Returns points (count, 2) of a mixture with equal weights."""
    rng = np.random.default_rng(seed)
    return (centres[rng.integers(len(centres), size=count)] + deviation * rng.normal(size=(count, 2))).astype("float32")


def quality(points, centres, deviation):
    """Returns the number of covered modes and the fraction of high-quality points."""
    distances = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    nearest, good = distances.argmin(1), distances.min(1) < 4 * deviation
    counts = np.bincount(nearest[good], minlength=len(centres))
    return int((counts >= 20).sum()), float(good.mean())


def train(name, knobs, mixture, seed, steps):
    """Returns `quality` of one trained model; NaN counts as nothing covered."""
    centres, deviation = MIXTURES[mixture]
    keras.utils.set_random_seed(seed)
    options = {"width": 128, "depth": 3}
    latent_dim = GLANN["latent_dim"] if name == "glann" else max(2, kg.registry.get(name).minimum_latent_dim)
    model = kg.create(name, (2,), latent_dim=latent_dim, network="mlp", network_options=options, **knobs)
    points = sample(centres, deviation, 50_000, seed)
    if name == "glann":  # its own optimisers, a code for each of fewer points, and epochs of both stages
        model.compile()
        model.fit(
            points[: GLANN["points"]],
            batch_size=128,
            epochs=GLANN["epochs"],
            verbose=0,
            steps_per_epoch=steps // GLANN["epochs"],
        )
        return quality(model.generate(2500, seed=seed), centres, deviation)
    arguments = map(model.optimizer_argument, model.players)
    model.compile(**{name: keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.9) for name in arguments})
    average = kg.callbacks.WeightMovingAverage(0.995)
    model.fit(points, batch_size=128, steps_per_epoch=steps, callbacks=[average], verbose=0)
    with average.applied(model):
        samples = model.generate(2500, seed=seed)
    if not np.isfinite(samples).all():
        return 0, 0.0
    return quality(samples, centres, deviation)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000, help="train steps per model, default 3000")
    parser.add_argument("--seeds", type=int, default=3, help="models per variant and mixture, default 3")
    parser.add_argument("--variants", nargs="+", help="default: every two-player variant")
    parser.add_argument("--out", help="Markdown file to write")
    arguments = parser.parse_args()

    players = [n for n in kg.list_models() if issubclass(kg.registry.get(n), kg.engine.AdversarialModel)]
    cases = {**{name: (name, {}) for name in players}, **CASES}
    if arguments.variants:
        unknown = set(arguments.variants) - set(cases)
        if unknown:
            parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(cases)}")
        cases = {name: cases[name] for name in arguments.variants}
    start = time.perf_counter()
    rows = {}
    for label, (name, knobs) in cases.items():
        row = [f"`{name}`" if label == name else label]
        for mixture in MIXTURES:
            results = [train(name, knobs, mixture, seed, arguments.steps) for seed in range(arguments.seeds)]
            row.append(", ".join(str(modes) for modes, _ in results) + f" of {len(MIXTURES[mixture][0])}")
            row.append(", ".join(f"{share:.2f}" for _, share in results))
        rows[row[0]] = "| " + " | ".join(row) + " |"
        print(rows[row[0]], f" {time.perf_counter() - start:.0f} s", flush=True)
        if arguments.out:
            settings = (
                f"{arguments.steps} steps, seeds 0 to {arguments.seeds - 1}, Keras {keras.__version__} on "
                f"{keras.config.backend()}, {platform.machine()}; written by `python scripts/bench/toy_modes.py`."
            )
            write(arguments.out, rows, settings)


def write(path, rows, settings):
    """Puts the rows into the table between the marks of a Markdown file, which is made where there is none."""
    text = f"# Modes of two mixtures of Gaussians\n\n{BEGIN}\n{END}\n"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    known = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}
    known.pop("variant", None)
    header = ["variant", *(f"{mixture}: {what}" for mixture in MIXTURES for what in ("modes", "high quality"))]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|", *{**known, **rows}.values()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([before + BEGIN, *lines, "", settings, END + after]))


if __name__ == "__main__":
    main()
