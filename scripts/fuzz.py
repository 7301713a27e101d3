#!/usr/bin/env python
"""Tries command lines and Python calls with odd values, drawn by a seed, and reports what does not end as it should.

A command line may work or be refused in one sentence (exit code 1 or 2, one line on stderr). A call may work or raise a
ValueError, TypeError or OSError whose words name an argument or a file. Reported are tracebacks, the word "unexpected",
errors of other kinds or without such words, and whatever takes longer than the time limit. `--accepted` lists what
worked, for somebody to look through: whether it should have, no program knows.

usage: python scripts/fuzz.py [--lines 1000] [--calls 1000] [--seed 0] [--seconds 60] [--accepted]
"""

import argparse
import contextlib
import io
import os
import random
import re
import signal
import sys
import tempfile
import warnings

import keras_gans as kg
from keras_gans import cli

import keras
import numpy as np
from PIL import Image

ODD_TEXTS = [
    "",
    " ",
    "-1",
    "0",
    "1",
    "3",
    "1.5",
    "-0.1",
    "nan",
    "inf",
    "1e400",
    "9" * 20,
    "x",
    "true",
    "null",
    "[1, 2]",
]
ODD_TEXTS += [
    "{a: 1}",
    "{R1: {weight: 1}}",
    "..",
    "/",
    "/dev/null",
    "/proc/self/mem",
    "\x1b]0;x\x07",
    "\u202egnp.x",
    "é ü",
]
ODD_TEXTS += ["a" * 300, "a,b", "1,2,3", "http://127.0.0.1:9/x", "hf://a/b", "https://[::1", "file\nname", "%s", "none"]
TINY = "--data digits --limit 16 --image-size 8 --network mlp --width 4 --latent-dim 4 --batch-size 8 --samples 2 "
TINY += "--epochs 1"
ODD_VALUES = [
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    1.5,
    -0.5,
    float("nan"),
    float("inf"),
    10**20,
    "",
    "x",
    "nan",
    b"x",
    [],
    [1],
    (),
    (3,),
]
ODD_VALUES += [
    {},
    {"a": 1},
    {1: 2},
    object(),
    print,
    int,
    lambda: None,
    np.zeros(0),
    np.zeros((2, 3)),
    np.array("x"),
    1j,
    ...,
]
ODD_VALUES += [np.float32(2.0), np.int64(3), range(3), {1, 2}, slice(2), NotImplemented, Exception("x")]
MAY_RAISE = (ValueError, TypeError, OSError)


class TooLong(BaseException):
    """The time limit passed."""


@contextlib.contextmanager
def limited(seconds):
    """Raises `TooLong` inside the context after so many seconds."""

    def ring(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def prepared(folder):
    """Makes a run, model files whole and damaged, recipes and pictures in `folder`; returns their paths."""
    os.chdir(folder)
    for variant in ("o_gan", "gan"):
        if cli.run(["train", variant, "--out", variant, *TINY.split()]):
            raise SystemExit("The run that the command lines need could not be trained.")
    os.makedirs("pictures/a b")
    os.makedirs("empty")
    for i in range(3):
        Image.new("RGB", (9, 7), (40 * i, 0, 0)).save(f"pictures/a b/{i}.png")
    content = open("gan/model.keras", "rb").read()
    files = {
        "cut.keras": content[:500],
        "zeros.keras": bytes(500),
        "broken.png": b"x",
        "x.yaml": b"variant: gan\nepochs: 1\n",
    }
    files |= {
        "bad.yaml": b"variant: [",
        "list.yaml": b"- 1",
        "x.h5": b"\x89HDF\r\n",
        "receipt.json": b'{"scores": null}',
    }
    for name, text in files.items():
        with open(name, "wb") as file:
            file.write(text)
    return [
        "o_gan",
        "gan",
        "o_gan/model.keras",
        "gan/model.keras",
        "pictures",
        "empty",
        *files,
        "o_gan_digits",
        "missing",
    ]


def options_of(command):
    """Returns the long options that a command names in its help."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli.run([*command, "--help"])
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", out.getvalue())) - {"--help"})


def lines(draw, paths, count):
    """Yields command lines, most of them wrong."""
    commands = [
        [c] for c in ("list", "info", "train", "generate", "reconstruct", "interpolate", "encode", "evaluate", "verify")
    ]
    commands += [["data", "pack"], ["data", "check"], ["demo"]]
    known = {tuple(command): options_of(command) for command in commands}
    names = [*kg.list_models(), *(f"recipe:{name}" for name in ("o_gan_digits", "x")), *paths]
    for _ in range(count):
        command = draw.choice(commands)
        line = list(command)
        if command[0] not in ("list", "demo") and draw.random() < 0.95:
            line.append(draw.choice(names if draw.random() < 0.8 else ODD_TEXTS))
        if command[0] == "train" or command == ["demo"]:
            line += TINY.split() if command[0] == "train" else ["--limit", "16", "--epochs", "1", "--width", "4"]
        for option in draw.sample(known[tuple(command)], min(len(known[tuple(command)]), draw.randint(1, 3))):
            line.append(option)
            if draw.random() < 0.9:
                line.append(draw.choice(ODD_TEXTS if draw.random() < 0.7 else paths))
        if command[0] == "train" and "--out" not in line:
            line += ["--out", f"out/{draw.randint(0, 5)}"]
        yield line


def run_line(line, seconds):
    """Returns what is wrong with how a command line ended, or None, and whether it worked."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with limited(seconds), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run(line)
    except TooLong:
        return f"took more than {seconds} s", False
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"[:300], False
    said = err.getvalue()
    told = [text for text in said.splitlines() if not text.startswith(("Warning", "Usage", "Try "))]
    if "Traceback" in said or "unexpected" in said.lower():
        return said[-300:], False
    if code not in (0, 1, 2):
        return f"ended with {code}: {said[-200:]}", False
    if code and not any(text.startswith("Error: ") for text in told):
        return f"ended with {code} without an error sentence: {said[-200:]!r}", False
    return None, code == 0


def targets():
    """Returns `{name: (function, {argument: a value that works})}` of the public calls that are tried."""
    small = {"network": "mlp", "network_options": {"width": 4, "depth": 1}}
    model = kg.create("o_gan", (8, 8, 1), 4, **small)
    model.compile(run_eagerly=True)
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype="uint8")
    callbacks, layers, penalties = kg.callbacks, kg.layers, kg.penalties
    found = {
        "create": (kg.create, {"variant": "gan", "image_shape": (8, 8, 1), "latent_dim": 4, "num_classes": 0, **small}),
        "from_preset": (kg.from_preset, {"name": "o_gan_digits", "refresh": False}),
        "load": (kg.load, {"path": "o_gan_digits", "average": None}),
        "data.load": (kg.data.load, {"name": "digits", "split": "test", "image_size": 8, "channels": 1}),
        "ImageFolder": (kg.data.ImageFolder, {"path": "pictures", "image_size": 8, "channels": 3, "labels": None}),
        "ParallelDataset": (
            kg.data.ParallelDataset,
            {
                "source": images,
                "batch_size": 4,
                "workers": 0,
                "shuffle": True,
                "seed": 0,
                "prefetch": 2,
                "timeout": 5.0,
            },
        ),
        "from_generator": (kg.data.ParallelDataset.from_generator, {"factory": iter, "batches": 2, "workers": 0}),
        "WeightMovingAverage": (callbacks.WeightMovingAverage, {"decay": 0.9, "networks": None, "warmup": 50}),
        "SampleGrid": (callbacks.SampleGrid, {"folder": "grid", "count": 4, "every": 1, "scale": 1}),
        "Checkpoint": (callbacks.Checkpoint, {"folder": "kept", "every": 1, "minutes": None}),
        "Health": (callbacks.Health, {"images": images, "every": 1, "warmup": 0}),
        "DiffAugment": (layers.DiffAugment, {"policy": "color", "p": 1.0, "seed": None}),
        "SpectralNormalization": (
            layers.SpectralNormalization,
            {"layer": keras.layers.Dense(2), "power_iterations": 1},
        ),
        "CascadingRejection": (layers.CascadingRejection, {"levels": 2, "num_classes": 0, "spectral": False}),
        "R1": (penalties.R1, {"weight": 1.0}),
        "GradientPenalty": (penalties.GradientPenalty, {"weight": 1.0, "target": 1.0}),
        "dcgan.generator": (kg.networks.dcgan.generator, {"image_shape": (8, 8, 1), "latent_dim": 4, "width": 4}),
        "generate": (model.generate, {"n": 2, "labels": None, "seed": 0, "average": False, "output": "array"}),
        "decode": (model.decode, {"latents": np.zeros((2, 4), "float32"), "labels": None}),
        "encode": (model.encode, {"images": images, "labels": None}),
        "reconstruct": (model.reconstruct, {"images": images, "labels": None, "truncation": 1.0}),
        "interpolate": (model.interpolate, {"a": images[:2], "b": images[2:4], "steps": 3, "renormalize": False}),
        "compile": (model.compile, {"run_eagerly": True, "steps_per_execution": 1, "update": "alternating"}),
        "fit": (model.fit, {"x": images, "batch_size": 4, "epochs": 1, "shuffle": True}),
        "evaluate": (model.evaluate, {"x": images, "batch_size": 4}),
        "train_on_batch": (model.train_on_batch, {"x": images}),
        "save": (model.save, {"filepath": "saved.keras"}),
        "save_weights": (model.save_weights, {"filepath": "saved.weights.h5"}),
        "load_weights": (model.load_weights, {"filepath": "saved.weights.h5"}),
        "save_to_preset": (
            model.save_to_preset,
            {"folder": "preset", "about": None, "precision": "float32", "overwrite": True},
        ),
        "metrics.evaluate": (kg.metrics.evaluate, {"model": model, "images": images, "samples": 8, "seed": 0}),
    }
    return found


def run_call(function, arguments, seconds):
    """Returns what is wrong with how a call ended, or None, and whether it worked."""
    try:
        with limited(seconds), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            function(**arguments)
    except TooLong:
        return f"took more than {seconds} s", False
    except MAY_RAISE as error:
        words = str(error)
        if not re.search(r"`[\w.\[\]=-]+`|'[^']*[./][^']*'|/\S+|argument", words):
            return f"{type(error).__name__} without the name of an argument or file: {words[:200]!r}", False
        return None, False
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]!r}", False
    return None, True


def shown(arguments):
    return ", ".join(f"{name}={value!r:.60}" for name, value in arguments.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1000, help="command lines, default 1000")
    parser.add_argument("--calls", type=int, default=1000, help="calls from Python, default 1000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=60, help="time limit of each, default 60")
    parser.add_argument("--accepted", action="store_true", help="list what worked, too")
    asked = parser.parse_args()
    draw, wrong, worked = random.Random(asked.seed), 0, 0

    def report(what, problem, accepted):
        nonlocal wrong, worked
        worked += accepted
        wrong += problem is not None
        if problem is not None:
            print(f"WRONG     {what}\n          {problem}", flush=True)
        elif accepted and asked.accepted:
            print(f"accepted  {what}", flush=True)

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        paths = prepared(folder)
        for line in lines(draw, paths, asked.lines):
            report(" ".join(map(repr, line)), *run_line(line, asked.seconds))
        known = targets()
        for _ in range(asked.calls):
            name = draw.choice(sorted(known))
            function, arguments = known[name]
            chosen = {argument: draw.choice(ODD_VALUES) for argument in draw.sample(sorted(arguments), 1)}
            arguments = {**arguments, **chosen}
            report(f"{name}({shown(chosen)})", *run_call(function, arguments, asked.seconds))
    print(f"{asked.lines} command lines and {asked.calls} calls, seed {asked.seed}: {worked} worked, {wrong} wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
