"""The worked example of CONTRIBUTING.md is a variant: it trains, and its one step is the one derived there."""

import pathlib
import re
import textwrap

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.conftest import sigmoid
from tests.test_docstrings import lacking

pytestmark = pytest.mark.one_backend
TEXT = (pathlib.Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
VARIANT, TEST = (textwrap.dedent(block) for block in re.findall(r"^ *```python\n(.*?)```", TEXT, re.S | re.M))


@pytest.fixture(scope="module")
def example():
    names: dict = {"__name__": "example"}
    exec(compile(VARIANT, "CONTRIBUTING.md", "exec"), names)
    return names["BGAN"]


def test_its_docstrings_are_those_of_a_variant(example):
    assert lacking(example, VARIANT) == []


def test_the_hand_derived_step_holds(example, shift_gan):
    names = {"np": np, "sigmoid": sigmoid, "BGAN": example}
    exec(compile(TEST, "CONTRIBUTING.md", "exec"), names)
    names["test_one_step_is_the_hand_derived_one"](shift_gan)


def test_the_variant_trains_evaluates_is_saved_and_takes_penalties(example, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype="uint8")
    networks = kg.networks.mlp.generator((8, 8, 1), 4, width=8), kg.networks.mlp.discriminator((8, 8, 1), width=8)
    model = example(*networks, latent_dim=4, penalties=[kg.penalties.R1(0.1)])
    model.compile(update="simultaneous")
    history = model.fit(images, batch_size=4, validation_data=(images,), verbose=0).history
    assert {"real_score", "penalty", "val_generator_loss"} <= history.keys()
    model.save(tmp_path / "bgan.keras")
    again = keras.models.load_model(tmp_path / "bgan.keras")
    np.testing.assert_array_equal(again.generate(4, seed=0), model.generate(4, seed=0))
