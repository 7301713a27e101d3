"""What is wrong is said in words: which argument, what is expected, what came."""

import math

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.conftest import BACKEND
from tests.laws import small

variants = pytest.mark.parametrize("name", small.VARIANTS, scope="module")
IMAGES, LABELS = small.data()
FLOATS = IMAGES.astype("float32") / 127.5 - 1


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "images, error, words",
    [
        (IMAGES[..., 0], ValueError, r"`images` must have shape \(n, 8, 8, 1\).*images\[..., None\].*\(10, 8, 8\)"),
        (np.repeat(IMAGES, 3, -1), ValueError, r"shape \(n, 8, 8, 1\).*built for 1 channel.*\(10, 8, 8, 3\)"),
        (IMAGES.transpose(0, 3, 1, 2), ValueError, r"Move the channels last.*\(10, 1, 8, 8\)"),
        (IMAGES[:, :4], ValueError, r"shape \(n, 8, 8, 1\).*Received: images.shape=\(10, 4, 8, 1\)"),
        (IMAGES[:0], ValueError, "`images` must hold at least one sample"),
        (IMAGES.astype("float32"), ValueError, r"uint8 in 0..255 or floats in \[-1, 1\].*floats from 0 to 255"),
        (FLOATS / 2 + 0.5, ValueError, r"looks like floats in 0..1.*images \* 2 - 1"),
        (FLOATS * 1.5, ValueError, r"floats in \[-1, 1\]. Received: floats from -1.5 to 1.5"),
        (FLOATS * np.nan, ValueError, "`images` must be finite"),
        (IMAGES.astype("int64"), TypeError, r"`images` must be uint8 \(0..255\) or float.*images.dtype=int64"),
    ],
)
def test_images_outside_the_contract_are_refused_before_training(images, error, words):
    model = small.shared("gan")
    with pytest.raises(error, match=words):
        model.fit(images, verbose=0)
    if len(images):
        with pytest.raises(error, match=words.split(".*")[0]):
            model.fit((images[i : i + 4] for i in (0, 4)), verbose=0)
    with pytest.raises(error, match=words):
        model.evaluate(images, verbose=0)


@variants
def test_every_variant_refuses_wrong_images_and_labels(name):
    model = small.shared(name)
    with pytest.raises(ValueError, match=r"`images` must have shape \(n, 8, 8, 1\)"):
        model.fit(IMAGES[:, :4], verbose=0)
    with pytest.raises(ValueError, match="looks like floats in 0..1"):
        model.fit(FLOATS / 2 + 0.5, verbose=0)
    with pytest.raises(ValueError, match=r"`labels` were given to an unconditional model \(num_classes=0\)"):
        model.fit(IMAGES, LABELS, verbose=0)
    with pytest.raises(ValueError, match="`labels` were given to an unconditional model"):
        model.fit((IMAGES, LABELS), verbose=0)
    with pytest.raises(ValueError, match="`labels` were given to an unconditional model"):
        model.generate(4, labels=[0, 1, 2, 0])


@pytest.mark.parametrize("name", small.CONDITIONAL)
def test_every_conditional_variant_needs_labels_of_its_classes(name):
    model = small.shared(name, num_classes=small.CLASSES)
    with pytest.raises(ValueError, match=r"`labels` are missing: the model is conditional \(num_classes=3\)"):
        model.fit(IMAGES, verbose=0)
    with pytest.raises(ValueError, match=r"`labels` must be in 0..2 \(num_classes=3\). Received: labels\[4\]=7"):
        model.fit(IMAGES, np.where(np.arange(10) == 4, 7, LABELS), verbose=0)
    with pytest.raises(ValueError, match=r"`labels` must have shape \(10,\)"):
        model.fit(IMAGES, LABELS[:9], verbose=0)
    with pytest.raises(TypeError, match="`labels` must be integers. Received: labels.dtype=float64"):
        model.fit(IMAGES, LABELS / 1.0, verbose=0)
    with pytest.raises(ValueError, match=r"labels\[0\]=3"):
        model.generate(2, labels=3)


@pytest.mark.one_backend
@variants
@pytest.mark.parametrize("n, error", [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_generate_needs_a_positive_integer(name, n, error):
    with pytest.raises(error, match="`n` must be a"):
        small.shared(name).generate(n)


@pytest.mark.one_backend
@variants
def test_compile_knows_its_arguments(name):
    model = small.build(name, compile=False)
    argument = model.optimizer_argument(model.players[0])
    with pytest.raises(TypeError, match=rf"has no argument `{argument[:-1]}`. Did you mean '{argument}'\? "):
        model.compile(**{argument[:-1]: "adam"})
    with pytest.raises(TypeError, match="has no argument `loss`.*Losses are arguments of the constructor"):
        model.compile(loss="mse")
    with pytest.raises(ValueError, match=f"`{argument}` must be a Keras optimizer, its name or its config"):
        model.compile(**{argument: "adamm"})
    with pytest.raises(ValueError, match="compile"):
        model.fit(IMAGES, verbose=0)


def test_players_do_not_share_an_optimizer():
    model, adam = small.build("gan", compile=False), keras.optimizers.Adam(1e-3)
    with pytest.raises(ValueError, match="already belongs to other variables"):
        model.compile(generator_optimizer=adam, discriminator_optimizer=adam)


@pytest.mark.one_backend
@pytest.mark.parametrize("argument", ["class_weight", "sample_weight"])
def test_weights_of_samples_are_refused(argument):
    with pytest.raises(ValueError, match=f"`{argument}` is not used by generative models"):
        small.shared("gan").fit(IMAGES, verbose=0, **{argument: {0: 1.0}})


def create(**arguments):
    kg.create(**{"name": "gan", "image_shape": (8, 8, 1), "latent_dim": 4, "network": "mlp", **arguments})


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"name": "o_gann"}, ValueError, "`variant` must be one of .*Did you mean 'o_gan'"),
        ({"name": "gan", "loss": "hinges"}, ValueError, "`loss` must be one of .*Did you mean 'hinge'"),
        ({"name": "rsgan", "form": "average"}, ValueError, "`form` must be one of .*Did you mean 'averaged'"),
        ({"name": "o_gan", "base": "ganqp"}, ValueError, "`base` must be one of .*Did you mean 'gan_qp'"),
        ({"name": "gan", "lossy": 1}, TypeError, "has no argument `lossy`. Did you mean 'loss'"),
        ({"network": "dcgann"}, ValueError, "`network` must be one of .*Did you mean 'dcgan'"),
        ({"network_options": {"widht": 3}}, TypeError, "has no argument `widht`. Did you mean 'width'"),
        ({"name": "o_gan", "latent_dim": 2}, ValueError, "`latent_dim` must be an integer of at least 3"),
        ({"latent_dim": 0}, ValueError, "`latent_dim` must be a positive integer. Received: latent_dim=0"),
        ({"latent_dim": 4.0}, TypeError, "`latent_dim` must be an integer. Received: latent_dim=4.0"),
        ({"critic_steps": 0}, ValueError, r"`critic_steps` must be a positive integer. Received: critic_steps=0 \(int"),
        ({"num_classes": -1}, ValueError, "`num_classes` must be an integer of at least 0"),
        ({"image_shape": (8, 8)}, ValueError, "`image_shape` must be .*height, width, channels"),
        ({"image_shape": (8, 8, 2)}, ValueError, "`image_shape` must end in 1 .gray. or 3"),
        (
            {"network": "dcgan", "image_shape": (31, 31, 3)},
            ValueError,
            r"`image_shape`.*\(28, 28, 3\) or \(32, 32, 3\)",
        ),
        ({"name": "o_gan", "correlation_weight": -1}, ValueError, "`correlation_weight` must be a number at least 0"),
        ({"name": "o_gan", "lam": 0}, ValueError, "`lam` must be a number greater than 0"),
    ],
)
def test_construction_errors_name_the_argument_and_the_nearest(arguments, error, words):
    with pytest.raises(error, match=words):
        create(**arguments)


@pytest.mark.one_backend
def test_networks_that_do_not_fit_the_variant_are_refused():
    generator = kg.networks.mlp.generator((8, 8, 1), 4)
    discriminator = kg.networks.mlp.discriminator((8, 8, 1))
    with pytest.raises(
        ValueError, match=r"`discriminator` must return 4 values per image, shape \(n, 4\), for this OGAN"
    ):
        kg.OGAN(generator, discriminator, latent_dim=4)
    with pytest.raises(ValueError, match=r"`discriminator` must return 1 value per image.*Received: .*\(None, 4\)"):
        kg.GAN(generator, kg.networks.mlp.discriminator((8, 8, 1), units=4), latent_dim=4)
    with pytest.raises(ValueError, match=r"`generator` must accept inputs of shape \(None, 5\)"):
        kg.GAN(generator, discriminator, latent_dim=5)
    with pytest.raises(ValueError, match=r"`discriminator` must accept inputs of shape \(None, 8, 8, 1\)"):
        kg.GAN(generator, kg.networks.mlp.discriminator((4, 4, 1)), latent_dim=4)
    with pytest.raises(
        ValueError, match=r"`generator` must take two inputs, \[latents, labels\], because num_classes=3"
    ):
        kg.GAN(generator, discriminator, latent_dim=4, num_classes=3)
    with pytest.raises(TypeError, match="`generator` must be a keras.Model. Received: generator=None"):
        kg.GAN(None, discriminator, latent_dim=4)


def damaged(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "text":
        path.write_bytes(b"not a checkpoint")
    else:  # flip one bit inside the last array
        at = content.rindex(np.float32(0.125).tobytes()) + 1
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@pytest.mark.parametrize("how", ["truncated", "text", "flipped"])
def test_a_damaged_checkpoint_is_named_and_nothing_is_loaded(how, tmp_path):
    model = small.build("gan")
    model.generator.trainable_variables[0].assign(np.full(model.generator.trainable_variables[0].shape, 0.125))
    path = tmp_path / "state.weights.h5"
    model.save_weights(path)
    damaged(path, how)
    other = small.build("gan", seed=2)
    before = small.everything(other)
    with pytest.raises(OSError, match=r"state.weights.h5 is damaged.*Nothing was loaded"):
        other.load_weights(path)
    small.assert_same(before, small.everything(other))
    (tmp_path / "latest.weights.h5").write_bytes(path.read_bytes())
    with pytest.raises(OSError, match=r"latest.weights.h5 is damaged"):
        other.fit(IMAGES, callbacks=[kg.callbacks.Checkpoint(tmp_path)], verbose=0)


def test_weights_of_another_model_are_refused_whole(tmp_path):
    path = tmp_path / "state.weights.h5"
    kg.create("gan", (8, 8, 1), 4, network="mlp", network_options={"width": 9, "depth": 1}).save_weights(path)
    model = small.build("gan")
    before = small.everything(model)
    with pytest.raises(
        ValueError, match=r"The weights in .*state.weights.h5 do not fit this GAN; it was left as it was"
    ):
        model.load_weights(path)
    small.assert_same(before, small.everything(model))
    with pytest.raises(FileNotFoundError, match="There is no weights file .*nothing.weights.h5"):
        model.load_weights(tmp_path / "nothing.weights.h5")


@pytest.mark.one_backend
def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    model = small.build("gan")
    model.save_weights(tmp_path / "state.weights.h5")
    before = (tmp_path / "state.weights.h5").read_bytes()

    def fail(path):
        raise OSError("disk full")

    monkeypatch.setattr("keras_gans.output.files.write_digest", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_weights(tmp_path / "state.weights.h5")
    assert (tmp_path / "state.weights.h5").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["state.weights.h5"]


@pytest.mark.one_backend
def test_folders_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    for callback in (kg.callbacks.Checkpoint, kg.callbacks.SampleGrid):
        with pytest.raises(
            ValueError, match="`folder` must be a folder that can be written. Received: folder='.*file/x'"
        ):
            callback(tmp_path / "file" / "x")


@pytest.mark.one_backend
@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="`decay` must be a number at least 0 and less than 1"):
        kg.callbacks.WeightMovingAverage(decay)


@pytest.mark.one_backend
def test_an_average_of_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="`networks` must name networks of the model .*Did you mean 'generator'"):
        small.build("gan").fit(IMAGES, callbacks=[kg.callbacks.WeightMovingAverage(0.9, ("generater",))], verbose=0)


@pytest.mark.skipif(BACKEND == "torch", reason="a PyTorch step has no trace in which shapes are unknown")
def test_steps_on_batches_of_another_shape_are_refused():
    model = small.build("gan")
    with pytest.raises(ValueError, match=r"`images` must have shape \(n, 8, 8, 1\)"):
        model.train_on_batch(IMAGES[:, :4])


class OnceDifferentiable(keras.layers.Layer):
    """Features (n, d) by an operation that the backend can differentiate once, not twice."""

    def call(self, inputs):
        features = {"tensorflow": self.tensorflow, "jax": self.jax, "torch": self.torch}[BACKEND](inputs)
        return keras.ops.reshape(features, (-1, math.prod(features.shape[1:])))

    def tensorflow(self, inputs):
        import tensorflow as tf

        return tf.nn.local_response_normalization(inputs)  # its gradient is an operation without a gradient

    def jax(self, inputs):
        import jax

        square = jax.custom_vjp(lambda x: x * x)

        def backward(x, cotangents):
            return (jax.pure_callback(lambda x, c: 2 * np.asarray(x) * np.asarray(c), cotangents, x, cotangents),)

        square.defvjp(lambda x: (x * x, x), backward)
        return square(inputs)

    def torch(self, inputs):
        import torch

        flat = inputs.reshape(len(inputs), -1)
        return torch.cdist(flat, flat.new_zeros(3, flat.shape[1]), p=3.0)


@pytest.mark.parametrize("eager", [False, True])
def test_penalties_refuse_a_critic_that_cannot_be_differentiated_twice(eager):
    layers = [keras.layers.Conv2D(4, 3), OnceDifferentiable(), keras.layers.Dense(1)]
    critic = keras.Sequential([keras.Input(small.SHAPE), *layers])
    generator = kg.networks.mlp.generator(small.SHAPE, small.LATENT_DIM, width=4, depth=1)
    kg.GAN(generator, critic, small.LATENT_DIM).compile(run_eagerly=eager)  # without penalties all is well
    model = kg.GAN(generator, critic, small.LATENT_DIM, penalties=[kg.penalties.R1(1.0)])
    model.compile(run_eagerly=eager)
    before = small.weights(model)
    with pytest.raises(ValueError, match="`penalties` need a discriminator that can be differentiated twice"):
        model.fit(IMAGES, batch_size=4, verbose=0)
    small.assert_same(before, small.weights(model))


@pytest.mark.one_backend
def test_an_augmentation_that_is_no_layer_or_changes_the_shape_is_refused():
    with pytest.raises(TypeError, match="`augmentation` must be a Keras layer"):
        small.build("gan", augmentation="color")
    with pytest.raises(ValueError, match=r"`augmentation` must keep the shape .*\(None, 8, 8, 1\).*\(None, 4, 4, 1\)"):
        small.build("gan", augmentation=keras.layers.CenterCrop(4, 4))
