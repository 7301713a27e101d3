"""Datasets of Keras's own tutorials and of grain: floats in 0..255, checked in every batch."""

import keras
import numpy as np
import pytest
from PIL import Image

import keras_gans as kg
from tests.laws import small

pytestmark = pytest.mark.filterwarnings("ignore:.*fork")


@pytest.fixture
def folder(tmp_path):
    """Class folders of 8 gray pictures, and the pictures as Keras reads them."""
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype="uint8")
    for i, image in enumerate(images):
        (tmp_path / f"class {i % 2}").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"class {i % 2}" / f"{i}.png")
    return tmp_path


def kinds():
    return ["tf", "grain"] if keras.config.backend() == "tensorflow" else ["grain"]


def read(folder, kind, **options):
    options = {"color_mode": "grayscale", "image_size": (8, 8), "batch_size": 4, "shuffle": False, **options}
    return keras.utils.image_dataset_from_directory(folder, format=kind, verbose=False, **options)


@pytest.mark.parametrize("kind", kinds())
def test_floats_of_keras_own_reader_are_scaled(folder, kind, caplog):
    model = small.build("gan")
    pixels = np.concatenate([np.asarray(batch) for batch in read(folder, kind, labels=None)])
    assert pixels.max() > 1
    expected = model.evaluate(pixels / 127.5 - 1, batch_size=4, verbose=0, return_dict=True)
    model = small.build("gan")  # the latents of evaluation begin again
    found = model.evaluate(read(folder, kind, labels=None), verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)
    before = small.weights(model)
    model.fit(read(folder, kind, labels=None), epochs=2, verbose=0)
    assert all(np.all(np.isfinite(weight)) for weight in small.weights(model))
    assert any(small.moved(before, small.weights(model)))


@pytest.mark.parametrize("kind", kinds())
def test_labels_come_with_them(folder, kind):
    model = small.build("gan", num_classes=2)
    model.fit(read(folder, kind), verbose=0)
    with pytest.raises(ValueError, match="`labels` were given to an unconditional model"):
        small.build("gan").fit(read(folder, kind), verbose=0)


def grain_of(batches):
    import grain

    return grain.MapDataset.source(batches)


@pytest.mark.parametrize("wrong", [-1.0, 256.0, np.nan])
def test_a_later_batch_of_another_range_is_refused(wrong):
    batches = [np.linspace(0, 255, 4 * 64, dtype="float32").reshape(4, 8, 8, 1) for _ in range(3)]
    batches[2] = batches[2].copy()
    batches[2][0, 0, 0, 0] = wrong
    with pytest.raises(ValueError, match=r"`images` must be floats in 0..255, as those of the first batch"):
        small.build("gan").fit(grain_of(batches), verbose=0)
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices(np.stack(batches))
        with pytest.raises(ValueError, match=r"`images` must be floats in 0..255, as those of the first batch"):
            small.build("gan").fit(dataset, verbose=0)


def test_grain_batches_are_checked_like_all_others():
    images = np.random.default_rng(0).uniform(-1, 1, (3, 4, 8, 8, 1)).astype("float32")
    model = small.build("gan")
    model.fit(grain_of(list(images)), epochs=2, verbose=0)
    images[2, 0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="A batch: `images` must be finite"):
        model.fit(grain_of(list(images)), verbose=0)


@pytest.mark.one_backend("tensorflow")
def test_a_dataset_that_does_not_tell_its_size_counts_no_step_too_many():
    import tensorflow as tf

    found = []
    for size_is_known in (True, False):
        model = small.build("gan")
        average = model.add_average(kg.engine.WeightAverage(0.9))
        dataset = tf.data.Dataset.from_tensor_slices(small.data()[0][:8]).batch(4)
        dataset = dataset if size_is_known else dataset.filter(lambda images: True)
        losses = model.evaluate(dataset, verbose=0, return_dict=True)
        history = model.fit(dataset, epochs=2, verbose=0).history
        steps = [int(model.optimizer.of(player).iterations) for player in model.players]
        found.append((losses, history, steps, int(average.steps), np.asarray(model.latent_seeds.state).tolist()))
    assert found[1] == found[0] and found[0][2:4] == ([4, 4], 4)
