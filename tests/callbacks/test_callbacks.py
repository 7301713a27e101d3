"""Sample grids, checkpoints and the history file: what they write, and that it is right after a resumed run."""

import numpy as np
import pytest
from PIL import Image

import keras_gans as kg
from keras_gans import pictures
from keras_gans.callbacks import sample_grid
from keras_gans.callbacks.checkpoint import History
from tests.laws import small

IMAGES, _ = small.data()


def test_a_grid_is_drawn_per_epoch_on_fixed_latents_and_joined_in_a_gif(tmp_path):
    model = small.shared("gan")
    grid = kg.callbacks.SampleGrid(tmp_path / "samples", count=6, seed=3, scale=2)
    model.fit(IMAGES, batch_size=4, epochs=2, callbacks=[grid], verbose=0)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "epoch_0001.png",
        "epoch_0002.png",
        "training.gif",
    ]
    latents = model.latents_for(6, 3)
    expected = pictures.grid(model.decode(latents), scale=2)[..., 0]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "samples" / "epoch_0002.png")), expected)
    assert Image.open(tmp_path / "samples" / "training.gif").n_frames == 2


def test_a_grid_can_be_drawn_with_the_average(tmp_path):
    model = small.shared("gan", decay=0.9)
    average = kg.callbacks.WeightMovingAverage(0.9)
    grids = [kg.callbacks.SampleGrid(tmp_path / str(a is average), count=4, average=a) for a in (None, average)]
    model.fit(IMAGES, batch_size=4, epochs=2, callbacks=[average, *grids], verbose=0)
    raw = model.generate(2, seed=0)
    latents = model.latents_for(4, 0)
    with average.applied(model):
        averaged = pictures.grid(model.decode(latents))[..., 0]
    with Image.open(tmp_path / "True" / "epoch_0002.png") as drawn:
        np.testing.assert_array_equal(np.asarray(drawn), averaged)
        assert drawn.text["Description"] == "epoch 2, moving average of the weights (decay 0.9)"
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "False" / "epoch_0002.png")), pictures.grid(model.decode(latents))[..., 0]
    )
    np.testing.assert_array_equal(raw, model.generate(2, seed=0))


def test_pictures_are_drawn_only_every_so_many_epochs(tmp_path):
    grid = kg.callbacks.SampleGrid(tmp_path, count=2, every=2)
    small.shared("gan").fit(IMAGES, batch_size=4, epochs=3, callbacks=[grid], verbose=0)
    names = ["epoch_0002.png", "epoch_0003.png", "training.gif"]  # the last epoch has one in any case
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_caption_says_the_epoch_and_the_weights_below_the_picture(tmp_path):
    grid = kg.callbacks.SampleGrid(tmp_path, count=2, caption=True)
    model = small.shared("gan")
    model.fit(IMAGES, batch_size=4, callbacks=[grid], verbose=0)
    with Image.open(tmp_path / "epoch_0001.png") as drawn:
        found = np.asarray(drawn)
        assert drawn.text["Description"] == "epoch 1, last weights"
    plain = pictures.grid(model.decode(model.latents_for(2, 0)))[..., 0]
    height, width = plain.shape
    np.testing.assert_array_equal(found[:height, :width], plain)
    assert found[height:].min() < 64 and found.shape[1] > width  # dark letters, and room for them


def test_a_conditional_grid_has_one_column_per_class(tmp_path):
    model = small.shared("gan", num_classes=small.CLASSES)
    grid = kg.callbacks.SampleGrid(tmp_path, count=6)
    model.fit(IMAGES, small.data()[1], batch_size=4, callbacks=[grid], verbose=0)
    width, height = Image.open(tmp_path / "epoch_0001.png").size
    assert (width, height) == (3 * 10 + 2, 2 * 10 + 2)


def test_the_average_survives_an_exception_inside_applied():
    model = small.shared("gan", decay=0.9)
    average = kg.callbacks.WeightMovingAverage(0.9)
    model.fit(IMAGES, batch_size=4, callbacks=[average], verbose=0)
    before = small.weights(model)
    with pytest.raises(RuntimeError), average.applied(model):
        assert any(small.moved(before, small.weights(model)))
        raise RuntimeError
    small.assert_same(before, small.weights(model))


def test_two_averages_live_side_by_side():
    model = small.build("gan")
    fast, slow = kg.callbacks.WeightMovingAverage(0.0), kg.callbacks.WeightMovingAverage(0.99)
    model.fit(IMAGES, batch_size=4, callbacks=[fast, slow], verbose=0)
    before = small.weights(model)
    with fast.applied(model):
        small.assert_same(before, small.weights(model), atol=1e-7)
    with slow.applied(model):
        assert any(small.moved(before, small.weights(model)))


def test_a_finished_run_trains_no_further_and_more_epochs_go_on(tmp_path):
    checkpoint = lambda: [kg.callbacks.Checkpoint(tmp_path)]  # noqa: E731
    model = small.shared("gan")
    model.fit(IMAGES, batch_size=4, epochs=2, callbacks=checkpoint(), verbose=0)
    again = small.shared("gan", seed=9, copy=1)
    assert again.fit(IMAGES, batch_size=4, epochs=2, callbacks=checkpoint(), verbose=0).epoch == []
    small.assert_same(small.everything(model), small.everything(again))
    assert again.fit(IMAGES, batch_size=4, epochs=3, callbacks=checkpoint(), verbose=0).epoch == [2]


def test_checkpoints_are_written_every_so_many_epochs(tmp_path):
    times = []
    model = small.build("gan")
    save = model.save_weights
    model.save_weights = lambda path: (times.append(int(model.epochs_done)), save(path))
    model.fit(IMAGES, batch_size=4, epochs=5, callbacks=[kg.callbacks.Checkpoint(tmp_path, every=2)], verbose=0)
    assert times == [2, 4, 5]


@pytest.mark.one_backend
def test_history_replaces_the_rows_of_epochs_trained_again(tmp_path):
    history = History(tmp_path / "logs.csv")
    for epoch, loss in [(0, 1.0), (1, 2.0), (2, 3.0), (1, 4.0)]:
        history.on_epoch_end(epoch, {"loss": loss})
    assert History(tmp_path / "logs.csv").rows() == [{"epoch": "1", "loss": "1.0"}, {"epoch": "2", "loss": "4.0"}]


@pytest.mark.one_backend
def test_grid_places_images_row_by_row():
    images = np.arange(3, dtype="uint8")[:, None, None, None] * np.ones((1, 2, 2, 3), "uint8")
    picture = pictures.grid(images, columns=2, padding=1)
    assert picture.shape == (7, 7, 3)
    assert [picture[1, 1, 0], picture[1, 4, 0], picture[4, 1, 0], picture[4, 4, 0], picture[0, 0, 0]] == [
        0,
        1,
        2,
        255,
        255,
    ]


@pytest.mark.one_backend
def test_frames_of_a_film_may_differ_in_size(tmp_path):
    frames = [np.full((4, width, 1), 40 * width, "uint8") for width in (3, 5)]
    pictures.save_gif(tmp_path / "x.gif", frames)
    with Image.open(tmp_path / "x.gif") as film:
        assert film.n_frames == 2 and film.size == (5, 4)
        first = np.asarray(film.convert("L"))
    np.testing.assert_allclose(first[:, :3], 120, atol=4)
    assert first[:, 3:].min() > 250


@pytest.mark.one_backend
def test_png_files_hold_the_pixels(tmp_path):
    for channels in (1, 3):
        picture = np.random.default_rng(0).integers(0, 256, (5, 4, channels), dtype="uint8")
        pictures.save_png(tmp_path / "x.png", picture)
        loaded = np.asarray(Image.open(tmp_path / "x.png"))
        np.testing.assert_array_equal(loaded.reshape(picture.shape), picture)


def test_interpolations_walk_the_great_circle_between_two_latents(tmp_path):
    a, b = np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [-1.0, 1e-9]])
    walk = sample_grid.great_circles(a, b, 5)
    np.testing.assert_allclose(walk[0, [0, 2, 4]], [[2, 0], [2**0.5, 2**0.5], [0, 2]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(walk[0], axis=1), 2)
    np.testing.assert_allclose(sample_grid.great_circles(a, a, 3)[:, 1], a, atol=1e-6)
    model = small.shared("gan", num_classes=small.CLASSES)
    grid = kg.callbacks.SampleGrid(tmp_path, count=2, show="interpolations", steps=3, labels=1)
    model.fit(*small.data(), batch_size=4, callbacks=[grid], verbose=0)
    found = np.asarray(Image.open(tmp_path / "epoch_0001.png"))
    assert found.shape == (2 * 10 + 2, 3 * 10 + 2)
    first = model.decode(model.latents_for(4, 0)[:1], model.labels_for(1, 1))[0, ..., 0]
    np.testing.assert_array_equal(found[2:10, 2:10], first)


def test_reconstructions_stand_beside_their_images(tmp_path):
    model = small.shared("o_gan")
    grid = kg.callbacks.SampleGrid(tmp_path, show="reconstructions", images=IMAGES[:2], tensorboard=tmp_path / "tb")
    model.fit(IMAGES, batch_size=4, callbacks=[grid], verbose=0)
    expected = pictures.side_by_side(IMAGES[:2], model.reconstruct(IMAGES[:2]))[..., 0]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "epoch_0001.png")), expected)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [event.step for event in events.Images("reconstructions")] == [1]


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "options, words",
    [
        ({"show": "sample"}, "`show` must be one of .*Did you mean 'samples'"),
        ({"show": "reconstructions"}, "`images` must be given"),
        ({"images": IMAGES}, "`images` must be given for show='reconstructions', and only then"),
        ({"show": "reconstructions", "images": IMAGES}, "GAN has no encoder"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused(options, words, tmp_path):
    with pytest.raises((ValueError, TypeError), match=words):
        kg.callbacks.SampleGrid(tmp_path, **options).set_model(small.shared("gan"))
