"""GLANN: check values, one step of either stage by hand, resuming within either stage, and what is refused."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans import cli
from keras_gans.engine import Staged, projected, value_and_gradients
from keras_gans.engine.codes import Codes
from keras_gans.engine.staging import rate_factor
from keras_gans.games import image_distances
from keras_gans.networks import mlp
from keras_gans.networks.mapper import mapper
from keras_gans.variants.glann import GLANN
from tests.laws import small

i, j = np.mgrid[:8, :8]
FIRST = (((3 * i + 5 * j) % 7) / 7).astype("float32")[None, ..., None]
SECOND = (((2 * i + j) % 5) / 5).astype("float32")[None, ..., None]


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


# Distances --------------------------------------------------------------------------------------------------


def test_the_laplacian_distance_has_the_check_values():
    levels = [numbers(level) for level in image_distances.laplacian_pyramid(ops.convert_to_tensor(FIRST - SECOND), 2)]
    np.testing.assert_allclose([np.abs(level).sum() for level in levels], [20.97879464, 0.23100817, 0.1194131], 1e-5)
    np.testing.assert_allclose([np.abs(level).mean() for level in levels], [0.32779367, 0.01443801, 0.02985328], 1e-5)
    pair = ops.convert_to_tensor(FIRST), ops.convert_to_tensor(SECOND)
    assert float(image_distances.laplacian(*pair, 0.0, 2)[0]) == pytest.approx(0.37208495, rel=1e-5)
    assert float(image_distances.laplacian(*pair, 0.1, 2)[0]) == pytest.approx(0.37208495 + 0.016535714, rel=1e-5)
    assert float(image_distances.l1(*pair)[0]) == pytest.approx(0.33392857, rel=1e-5)
    assert float(image_distances.l2(*pair)[0]) == pytest.approx(0.16535714, rel=1e-5)


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 14, 3), (3, 3, 1)])
def test_a_pyramid_gives_the_image_back(shape):
    images = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(2, *shape)).astype("float32"))
    *levels, result = image_distances.laplacian_pyramid(images)
    assert min(result.shape[1:3]) <= 4
    for level in reversed(levels):
        result = level + image_distances.up(result, *level.shape[1:3])
    np.testing.assert_allclose(numbers(result), numbers(images), atol=1e-5)


def test_the_feature_distance_has_the_check_value():
    inputs = keras.Input((8, 8, 1))
    convolution = keras.layers.Conv2D(1, 2, use_bias=False, activation="relu")
    first = convolution(inputs)
    network = keras.Model(inputs, [first, convolution(first[:, ::2, ::2])])
    convolution.kernel.assign(np.array([[1.0, -1.0], [0.0, 2.0]])[..., None, None])
    pair = ops.convert_to_tensor(FIRST), ops.convert_to_tensor(SECOND)
    assert float(numbers(image_distances.named(network)(*pair))[0]) == pytest.approx(3.40266845, rel=1e-5)
    model = small.build("glann", compile=False, distance=network)
    again = GLANN.from_config(model.get_config())
    for built in (model, again):
        built.distance.layers[1].set_weights([np.array([[1.0, -1.0], [0.0, 2.0]])[..., None, None]])
        assert float(numbers(image_distances.named(built.distance)(*pair))[0]) == pytest.approx(3.40266845, rel=1e-5)
    model.compile()
    model.fit(small.data()[0], batch_size=4, verbose=0)
    np.testing.assert_array_equal(
        np.ravel(numbers(convolution.kernel)), [1.0, -1.0, 0.0, 2.0]
    )  # it is judged by, not trained


# Codes ------------------------------------------------------------------------------------------------------


def test_projections_have_the_check_values():
    codes = np.array([[3.0, 4.0], [0.3, 0.4]], "float32")
    expected = {"sphere": [[0.6, 0.8], [0.6, 0.8]], "ball": [[0.6, 0.8], [0.3, 0.4]]}
    for projection, values in expected.items():
        np.testing.assert_allclose(numbers(projected(ops.convert_to_tensor(codes), projection)), values, rtol=1e-6)
        table = Codes(2, 3, projection)
        table.bind(FIRST.repeat(2, axis=0) * 2 - 1, seed=0)
        table.table.assign(codes)
        table.project()
        np.testing.assert_allclose(table.values(), values, rtol=1e-6)


def test_projecting_twice_changes_no_bit():
    table = Codes(5, 3, "sphere")
    table.bind(np.zeros((2000, 2), "float32"), seed=0)
    table.table.assign(np.random.default_rng(1).normal(size=(2000, 5)).astype("float32"))
    table.project()
    once = table.values()
    table.project()
    np.testing.assert_array_equal(once, table.values())


def test_codes_begin_on_the_sphere_or_close_together_in_the_ball():
    tables = {projection: Codes(4, 3, projection) for projection in ("sphere", "ball")}
    for table in tables.values():
        table.bind(np.zeros((500, 2), "float32"), seed=0)
    lengths = {projection: np.linalg.norm(table.values(), axis=1) for projection, table in tables.items()}
    np.testing.assert_allclose(lengths["sphere"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(tables["ball"].values().std(), 0.01, rtol=0.05)
    np.testing.assert_allclose(tables["ball"].values() / lengths["ball"][:, None], tables["sphere"].values(), rtol=1e-5)


def test_no_gradient_passes_through_the_length_of_a_code():
    code = keras.Variable(np.array([[0.6, 1.2]], "float32"))
    _, _, (gradient,) = value_and_gradients(lambda: projected(code.value, "sphere")[0, 0], [code])
    np.testing.assert_allclose(numbers(gradient), [[0.74535599, 0.0]], atol=1e-6)


@pytest.mark.one_backend
def test_rates_are_halved_as_published():
    assert [0.01 * rate_factor(epoch, 500) for epoch in (49, 50, 499)] == pytest.approx([0.01, 0.005, 1.953125e-05])
    assert [rate_factor(epoch, 200) for epoch in (19, 20, 199)] == [1.0, 0.5, 2.0**-9]
    assert [rate_factor(epoch, 30) for epoch in (19, 20, 29)] == [1.0, 0.5, 0.5]
    assert [rate_factor(epoch, 30, 8) for epoch in (7, 8, 16)] == [1.0, 0.5, 0.25]


# The steps --------------------------------------------------------------------------------------------------

POINTS = np.array([[0.5, -0.2], [-0.3, 0.8], [0.1, 0.4]], "float32")
WEIGHTS, MAP = np.array([[0.7, -0.4], [0.2, 0.9]], "float32"), np.array([[0.5, 0.3], [-0.6, 0.8]], "float32")
TABLE = np.array([[0.6, 0.8], [-1.0, 0.0], [0.0, 1.0]], "float32")


def linear(weights):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    network.layers[0].kernel.assign(weights)
    return network


def toy(**options):
    """Returns a model of points with G(z) = z W and T(e) = e V, and SGD with a rate of its own for each."""
    model = GLANN(linear(WEIGHTS), linear(MAP), latent_dim=2, noise_dim=2, distance="l2", glo_epochs=1, **options)
    rates = {"generator": 0.1, "codes": 0.5, "mapper": 0.2}
    model.compile(**{f"{player}_optimizer": keras.optimizers.SGD(rate) for player, rate in rates.items()})
    model.bind(POINTS)
    model.codes.table.assign(TABLE)
    return model


def test_one_step_of_glo_is_the_hand_derived_one():
    model = toy()
    logs = model.fit(POINTS, batch_size=3, shuffle=False, verbose=0).history
    gaps = TABLE @ WEIGHTS - POINTS  # the mean over 2 entries and 3 points of their squares
    slopes = gaps / 3
    np.testing.assert_allclose(numbers(model.generator.layers[0].kernel), WEIGHTS - 0.1 * TABLE.T @ slopes, rtol=1e-5)
    codes = TABLE - 0.5 * slopes @ WEIGHTS.T  # of codes of length 1, whose length is held
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)  # at the end of the epoch
    np.testing.assert_allclose(model.codes.values(), codes, rtol=1e-5)
    np.testing.assert_array_equal(numbers(model.mapper.layers[0].kernel), MAP)
    assert logs["generator_loss"][0] == pytest.approx(np.mean(gaps**2), rel=1e-5)
    assert set(logs) == {"generator_loss", "loss"}


def test_one_step_of_imle_is_the_hand_derived_one(monkeypatch):
    noises = np.array([(0.5, 0.5), (-0.8, 0.1), (1.0, -1.0), (0.2, 0.9), (-0.9, -0.3), (3.0, 0.0)], "float32")
    monkeypatch.setattr("keras_gans.variants.glann.standard_normal", lambda shape, seed: noises[: shape[0]])
    model = toy()
    model.glo_begin.assign(0), model.glo_end.assign(1), model.epochs_done.assign(1)
    logs = model.fit(POINTS, batch_size=3, shuffle=False, verbose=0).history
    squares = ((TABLE[:, None] - (noises @ MAP)[None]) ** 2).sum(-1)
    rho = squares.argmin(1)
    gaps = noises[rho] @ MAP - TABLE
    expected = MAP - 0.2 * 2.0 / 3.0 * noises[rho].T @ gaps
    np.testing.assert_allclose(numbers(model.mapper.layers[0].kernel), expected, rtol=1e-5)
    np.testing.assert_array_equal(numbers(model.generator.layers[0].kernel), WEIGHTS)
    np.testing.assert_array_equal(model.codes.values(), TABLE)
    np.testing.assert_array_equal(numbers(model.codes.noises), noises[rho])
    assert logs["mapper_loss"][0] == pytest.approx((gaps**2).sum(1).mean(), rel=1e-5)
    assert logs["matched"][0] == pytest.approx(len(set(rho)) / 3) and len(set(rho)) < 4


def test_a_code_belongs_to_its_image_however_the_epoch_is_shuffled():
    model = toy()
    still = np.array(numbers(model.generator.layers[0].kernel))
    model.optimizer.of("generator").learning_rate = 0.0
    for epoch in range(3):
        model.epochs_done.assign(epoch), model.codes.table.assign(TABLE)
        model.glo_begin.assign(0), model.glo_end.assign(3)
        model.fit(POINTS, batch_size=1, verbose=0)  # three steps, each on one image and its code alone
        codes = TABLE - 0.5 * (TABLE @ still - POINTS) @ still.T
        codes /= np.linalg.norm(codes, axis=1, keepdims=True)
        np.testing.assert_allclose(model.codes.values(), codes, rtol=1e-5)


def test_the_descent_of_a_code_finds_the_code_of_an_image():
    model = toy(encode_steps=200)
    angles = np.array([0.3, 2.0, 4.5])
    wanted = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
    found = model.encode(wanted @ WEIGHTS)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    np.testing.assert_array_equal(found, model.encode(wanted @ WEIGHTS))  # deterministic
    np.testing.assert_allclose(model.reconstruct(wanted @ WEIGHTS), wanted @ WEIGHTS, atol=1e-3)
    np.testing.assert_allclose(model.decode_encodings(3.0 * wanted), wanted @ WEIGHTS, atol=1e-5)
    middle = model.interpolate(wanted[0] @ WEIGHTS, wanted[1] @ WEIGHTS, steps=3, renormalize=True)[1]
    np.testing.assert_allclose(middle, np.array([np.cos(1.15), np.sin(1.15)]) @ WEIGHTS, atol=1e-3)


# One model, one fit -----------------------------------------------------------------------------------------


class Kill(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_killed_run_resumes_bit_for_bit_within_either_stage(tmp_path):
    images, _ = small.data()  # 3 steps of 4

    def new(seed=1):
        model = small.build("glann", seed, compile=False, glo_epochs=2)
        model.compile(run_eagerly=small.EAGER)
        return model

    straight = new()
    straight.fit(images, batch_size=4, epochs=4, verbose=0)
    expected = small.everything(straight)
    for step in (2, 6, 8):  # in GLO, after its last step, in IMLE
        killed = new()
        checkpoint = kg.callbacks.Checkpoint(tmp_path / str(step), minutes=0)
        with pytest.raises(KeyboardInterrupt):
            killed.fit(images, batch_size=4, epochs=4, callbacks=[checkpoint, Kill(step)], verbose=0)
        resumed = new(seed=7)
        resumed.load_weights(tmp_path / str(step) / "latest.weights.h5")
        matches = numbers(resumed.codes.noises)
        np.testing.assert_array_equal(matches, numbers(killed.codes.noises))
        assert matches.any() == (step > 6)
        drawn, match = [], resumed.match
        resumed.match = lambda drawn=drawn, match=match: (drawn.append(1), match())
        resumed.fit(images, batch_size=4, epochs=4 - int(resumed.epochs_done.value) - (step == 6), verbose=0)
        assert len(drawn) == (1 if step == 8 else 2)  # not where an epoch goes on
        small.assert_same(expected, small.everything(resumed))


def test_fit_goes_through_both_stages():
    images, _ = small.data(12)
    model = small.shared("glann")
    before = {name: np.array(numbers(getattr(model, name).trainable_variables[0])) for name in model.networks}
    logs = model.fit(images, batch_size=4, epochs=5, verbose=0).history
    assert len(logs["generator_loss"]) == 4 and len(logs["mapper_loss"]) == 1  # four fifths, as published
    assert 0 < logs["matched"][0] <= 1 and model.stage == "imle"
    for name, kernel in before.items():
        assert not np.array_equal(kernel, numbers(getattr(model, name).trainable_variables[0]))
    decoder, codes = small.weights(model)[0], model.codes.values()
    model.fit(images, batch_size=4, epochs=1, verbose=0)  # more of the second stage, from new matches
    np.testing.assert_array_equal(codes, model.codes.values())
    np.testing.assert_array_equal(decoder, small.weights(model)[0])
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1.0, rtol=1e-6)


def test_other_images_are_refused_and_forgetting_lets_them_in(tmp_path):
    images, _ = small.data()
    model = small.shared("glann")
    model.fit(images, batch_size=4, verbose=0)
    model.fit(images.astype("float32") / 127.5 - 1, batch_size=4, verbose=0)  # the same, as floats
    words = r"`x` must be the 10 images with digest \w{12} .* Received: %d images with digest \w{12}\."
    for others in (images[::-1], images[:8]):
        with pytest.raises(ValueError, match=words % len(others)):
            model.fit(others, verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    trained = small.everything(model)
    model.forget()
    assert model.codes.count == 0 and not model.codes.bound
    model.fit(images[:8], batch_size=4, verbose=0)
    assert model.codes.count == 8 and model.stage == "glo"
    with pytest.raises(ValueError, match="has the codes of 10 images, the model those of 8"):
        model.load_weights(tmp_path / "m.weights.h5")
    model.forget()
    model.load_weights(tmp_path / "m.weights.h5")
    small.assert_same(trained, small.everything(model))
    with pytest.raises(ValueError, match=words % 8):
        model.fit(images[:8], verbose=0)


def test_a_file_of_other_images_within_fit_is_refused(tmp_path):
    images, _ = small.data()
    model = small.shared("glann")
    model.fit(images, batch_size=4, callbacks=[kg.callbacks.Checkpoint(tmp_path)], verbose=0)
    other = small.shared("glann", copy=1)
    with pytest.raises(ValueError, match="do not fit|`x` must be the 10 images"):
        other.fit(images[::-1], batch_size=4, epochs=2, callbacks=[kg.callbacks.Checkpoint(tmp_path)], verbose=0)


def test_a_preset_leaves_the_codes_at_home(tmp_path):
    images, _ = small.data()
    model = small.shared("glann")
    model.fit(images, batch_size=4, epochs=2, verbose=0)
    model.save_to_preset(tmp_path / "preset")
    loaded = kg.from_preset(tmp_path / "preset")
    assert loaded.codes.count == 0
    np.testing.assert_array_equal(loaded.generate(3, seed=0), model.generate(3, seed=0))
    np.testing.assert_array_equal(loaded.encode(images[:2]), model.encode(images[:2]))


def test_sampling_is_the_projected_output_of_the_mapper():
    model = small.shared("glann")
    noises = model.latents_for(3, seed=0)
    codes = numbers(model.mapper(ops.convert_to_tensor(noises), training=False))
    np.testing.assert_array_equal(model.generate(3, seed=0), model.decode_encodings(codes))
    np.testing.assert_array_equal(model.generate(3, seed=0), model.decode_encodings(5.0 * codes))


@pytest.mark.one_backend
def test_training_covers_points_that_a_decoder_can_reach():
    keras.utils.set_random_seed(0)
    angles = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = (centres[np.arange(200) % 8] + 0.02 * np.random.default_rng(0).normal(size=(200, 2))).astype("float32")
    model = kg.create("glann", (2,), latent_dim=4, noise_dim=4, network="mlp", distance="l2")
    model.compile()
    model.fit(points, batch_size=50, epochs=40, verbose=0)
    made = model.generate(400, seed=0)
    gaps = np.linalg.norm(made[:, None] - centres[None], axis=-1)
    near = np.bincount(gaps.argmin(1)[gaps.min(1) < 0.3], minlength=8)
    assert (near > 0).all(), near


# What is refused --------------------------------------------------------------------------------------------


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"glo_epochs": 0}, ValueError, "`glo_epochs` must be a positive integer"),  # no second stage before the first
        ({"distance": "laplace"}, ValueError, "`distance` must be one of .*Did you mean 'laplacian'"),
        ({"distance": 3}, ValueError, "`distance` must be one of"),
        ({"distance": lambda a, b: 0}, ValueError, "`distance` must hold what a saved model can be loaded with"),
        ({"projection": "cube"}, ValueError, "`projection` must be one of 'sphere', 'ball'"),
        ({"pool": 0.5}, ValueError, "`pool` must be a number at least 1"),
        ({"epsilon": -1}, ValueError, "`epsilon` must be a number at least 0"),
        ({"encode_steps": 0}, ValueError, "`encode_steps` must be a positive integer"),
        ({"halve_every": 0}, ValueError, "`halve_every` must be a positive integer"),
        ({"noise_dim": 2}, ValueError, r"`mapper` must accept inputs of shape \(None, 2\)"),
        ({"latent_dim": 1}, ValueError, "`latent_dim` must be an integer of at least 2"),
        ({"num_classes": 3}, ValueError, "`num_classes` must be 0: GLANN has no conditional form"),
    ],
)
def test_bad_arguments_are_refused(options, error, words):
    generator, network = mlp.generator((8, 8, 1), 4, width=4), mapper((8, 8, 1), 4, noise_dim=3, width=4)
    with pytest.raises(error, match=words):
        GLANN(generator, network, **{"latent_dim": 4, "noise_dim": 3, **options})


@keras.saving.register_keras_serializable("test_glann")
def scalar_distance(first, second):
    return ops.mean(ops.square(first - second))


@pytest.mark.one_backend
def test_distances_and_networks_of_other_shapes_are_refused():
    generator, network = mlp.generator((8, 8, 1), 4, width=4), mapper((8, 8, 1), 4, noise_dim=3, width=4)
    with pytest.raises(ValueError, match=r"one number per image, shape \(n,\). Received: \(\) for 2 images"):
        GLANN(generator, network, 4, 3, distance=scalar_distance)
    with pytest.raises(ValueError, match=r"`mapper` must return codes of shape \(n, 4\)"):
        GLANN(generator, mapper((8, 8, 1), 5, noise_dim=3), 4, 3)
    with pytest.raises(ValueError, match="`distance` must be 'l1', 'l2' or a function for points"):
        GLANN(mlp.generator((2,), 4, width=4), network, 4, 3)
    model = small.shared("glann")
    with pytest.raises(TypeError, match="has no train_on_batch: it learns a code for each image"):
        model.train_on_batch(small.data()[0])
    with pytest.raises(ValueError, match=r"`encodings` must be finite numbers of shape \(n, 4\)"):
        model.decode_encodings(np.zeros((2, 5)))


@pytest.mark.one_backend
def test_a_stage_may_be_left_and_entered_without_compiling_again():
    model = small.shared("glann")
    assert isinstance(model, Staged)
    functions = []
    for stage in ("glo", "imle", "glo", "imle"):
        model.enter(stage)
        functions.append(model.train_function)
    assert functions[0] is functions[2] and functions[1] is functions[3] and functions[0] is not functions[1]


@pytest.mark.one_backend
def test_the_command_line_trains_it_and_shows_what_it_makes(tmp_path, capfd):
    def call(*arguments):
        capfd.readouterr()
        assert cli.run([str(each) for each in arguments]) == 0
        return capfd.readouterr().out

    run, small_run = tmp_path / "run", "--data digits --limit 24 --image-size 8 --network mlp --width 8 --latent-dim 4"
    options = [*small_run.split(), "--knob", "encode_steps=2", "--samples", 4, "--batch-size", 12]
    call("train", "glann", "--out", run, "--epochs", 2, *options)
    call("generate", run, "--count", 4, "--out", tmp_path / "made.png")
    call("encode", run, "--data", "digits", "--out", tmp_path / "codes.npz")
    assert np.load(tmp_path / "codes.npz")["encodings"].shape[1:] == (4,)
    assert "mapper" in call("info", run) and "glann" in call("list")
    assert {each.name for each in run.iterdir()} >= {"model.keras", "samples", "reconstructions"}
