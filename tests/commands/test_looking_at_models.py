"""`keras-gans attack`, `attribute` and `dynamics`: what looks at a model and makes none."""

import keras
import numpy as np
import pytest

import keras_gans as kg

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """The path of a linear classifier of digits that scales its pixels itself."""
    images, labels = kg.data.load("digits", image_size=8)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    model.fit(images.astype("float32"), labels, epochs=4, verbose=0)
    path = tmp_path_factory.mktemp("classifier") / "digits.keras"
    model.save(path)
    return path


def test_an_attack_is_drawn_counted_and_written(command, classifier, tmp_path):
    picture, arrays = tmp_path / "a.png", tmp_path / "a.npz"
    options = ("--data", "digits", "--epsilon", 0.1, "--count", 40, "--out", picture, "--arrays", arrays)
    answer = command("attack", classifier, *options)
    assert answer.code == 0 and "pixels in 0..255" in answer.out and picture.stat().st_size > 5000
    found = np.load(arrays)
    assert np.abs(found["images"] - found["originals"]).max() == pytest.approx(25.5, rel=1e-4)
    assert found["images"].min() >= 0 and found["images"].max() <= 255
    before, after = (np.mean(found[name] == found["labels"]) for name in ("before", "after"))
    assert before > 0.8 and after < before - 0.3
    again = command("attack", classifier, *options[:-2], "--kind", "pgd", "--steps", 3, "--restarts", 1)
    assert "Accuracy under the worst of 1" in again.out


def test_an_attribution_is_drawn_for_a_classifier_and_for_a_critic(command, classifier, run_folder, tmp_path):
    picture, arrays = tmp_path / "b.png", tmp_path / "b.npz"
    common = ("--data", "digits", "--count", 3, "--out", picture, "--arrays", arrays)
    answer = command("attribute", classifier, "--target", 7, *common)
    assert answer.code == 0 and "3 within the tolerance" in answer.out
    found = np.load(arrays)
    assert found["values"].shape == (3, 8, 8, 1)
    answer = command("attribute", run_folder, "--method", "gradient", *common)
    assert answer.code == 0 and "of score for 3" in answer.out and picture.stat().st_size > 5000


def test_the_game_of_two_numbers_turns_and_comes_to_rest_with_a_penalty(command, tmp_path):
    turning = command("dynamics", "sgan_ns", "--out", tmp_path / "c.png").out
    assert "Simultaneous steps of 0.2: leaves" in turning and "Alternating steps of 0.2: turns for ever" in turning
    damped = command("dynamics", "sgan_ns", "--r1", 0.5, "--out", tmp_path / "c.png").out
    assert damped.count("comes to rest") == 3 and (tmp_path / "c.png").exists()


def test_mistakes_are_named(refused, classifier, run_folder, tmp_path):
    out = ("--out", tmp_path / "d.png")
    digits = ("--data", "digits", *out)
    assert "`--target` must be one of 0, 1" in refused("attribute", classifier, *digits, "--target", "cat")
    assert "0..9" in refused("attack", classifier, *digits, "--target", 99)
    assert "`units` must be one of" in refused("attack", classifier, *digits, "--units", "0..2")
    assert "`kind` must be one of" in refused("attack", classifier, *digits, "--kind", "pdg")
    assert "`epsilon`" in refused("attack", classifier, *digits, "--epsilon", -1)
    assert "`--target` is for classifiers" in refused("attribute", run_folder, *digits, "--target", "1")
    assert "must take one batch of images" in refused("attack", run_folder / "model.keras", *digits)
    assert "Did you mean 'hinge'?" in refused("dynamics", "hing", *out)
    assert not (tmp_path / "d.png").exists()
