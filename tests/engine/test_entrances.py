"""What enters: dicts, pipelines that do not tell their shape, other libraries' set_epoch; and what gives back."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.conftest import BACKEND
from tests.laws import small

IMAGES, LABELS = small.data(12)


class Batches(keras.utils.PyDataset):
    """Three batches of four, each made by a function of images and labels."""

    def __init__(self, make, images=IMAGES, labels=LABELS):
        super().__init__()
        self.make, self.images, self.labels = make, images, labels

    def __len__(self):
        return 3

    def __getitem__(self, i):
        rows = slice(4 * i, 4 * i + 4)
        return self.make(self.images[rows], self.labels[rows])


def trained(data, **knobs):
    model = small.shared("gan", **knobs)
    model.fit(data, shuffle=False, verbose=0)
    return small.weights(model)


@pytest.mark.parametrize(
    "make",
    [
        lambda images, labels: {"image": images},
        lambda images, labels: {"images": images, "label": labels},
        lambda images, labels: ({"image": images},),
    ],
)
def test_dicts_are_trained_on_as_their_images(make):
    small.assert_same(trained(Batches(lambda images, labels: (images,))), trained(Batches(make)), atol=1e-6)


def test_a_dict_of_arrays_is_that_pair():
    def trained_on(*data):
        model = small.shared("gan", num_classes=small.CLASSES)
        model.fit(*data, batch_size=4, verbose=0)
        return small.weights(model)

    small.assert_same(trained_on(IMAGES, LABELS), trained_on({"image": IMAGES, "label": LABELS}))


def test_labels_of_dicts_reach_a_conditional_model():
    pairs = Batches(lambda images, labels: (images, labels))
    dicts = Batches(lambda images, labels: {"images": images, "labels": labels})
    options = {"num_classes": small.CLASSES}
    small.assert_same(trained(pairs, **options), trained(dicts, **options), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda images, labels: {"x": images}, r"dict must hold `images` .*Received: a dict with the keys \['x'\]"),
        (lambda images, labels: {"image": images, "images": images}, "must hold `images`"),
        (lambda images, labels: (images, labels, labels), "third element would be dropped. Received: a tuple of 3"),
    ],
)
def test_batches_that_cannot_be_understood_are_refused(make, words):
    for call in (lambda model: model.fit(Batches(make), verbose=0), lambda model: model.evaluate(Batches(make))):
        with pytest.raises(ValueError, match=words):
            call(small.shared("gan"))


@pytest.mark.parametrize("wrong", [IMAGES.astype("float32"), np.full(IMAGES.shape, np.nan, "float32"), IMAGES[:, :4]])
def test_every_entrance_checks_what_comes_first(wrong):
    model = small.shared("gan")
    before = small.everything(model)
    dataset = Batches(lambda images, labels: (images,), wrong)
    for call in (
        lambda: model.fit(dataset, verbose=0),
        lambda: model.fit(wrong, verbose=0),
        lambda: model.fit(IMAGES, validation_data=dataset, verbose=0),
        lambda: model.fit(IMAGES, validation_data=(wrong,), verbose=0),
        lambda: model.evaluate(dataset, verbose=0),
        lambda: model.evaluate(wrong, verbose=0),
        lambda: model.train_on_batch(wrong),
        lambda: model.test_on_batch(wrong),
    ):
        with pytest.raises(ValueError, match="`images` must"):
            call()
    small.assert_same(before, small.everything(model))


def test_train_on_batch_takes_arrays_only():
    with pytest.raises(TypeError, match="`x` must be an array of images. Received: Batches"):
        small.shared("gan").train_on_batch(Batches(lambda images, labels: (images,)))


class Shuffled(Batches):
    """The `set_epoch` of other libraries takes the epoch alone."""

    called = ()

    def set_epoch(self, epoch):
        self.called = (*self.called, epoch)


def test_a_users_own_set_epoch_is_left_to_the_user():
    model, data = small.shared("gan"), Shuffled(lambda images, labels: (images,))
    model.fit(data, epochs=2, verbose=0)
    assert int(keras.ops.convert_to_numpy(model.optimizer.of("generator").iterations)) == 6 and data.called == ()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.data")
@pytest.mark.parametrize("kind", ["rank", "types", "sides"])
def test_pipelines_that_do_not_tell_their_shape_train_as_others(kind):
    import tensorflow as tf

    plain = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
    unknown = {
        "rank": lambda: plain.map(lambda batch: tf.numpy_function(lambda array: array, [batch], tf.uint8)),
        "types": lambda: tf.data.Dataset.from_generator(
            lambda: (IMAGES[i : i + 4] for i in (0, 4, 8)), output_types=tf.uint8
        ),
        "sides": lambda: tf.data.Dataset.from_generator(
            lambda: iter(IMAGES), output_signature=tf.TensorSpec((None, None, 1), tf.uint8)
        ).batch(4),
    }[kind]()
    small.assert_same(trained(plain), trained(unknown), atol=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.data")
@pytest.mark.parametrize(
    ("late", "words"),
    [
        ((IMAGES[:4, :7], LABELS[:4]), r"must have shape \(n, 8, 8, 1\), as the networks .* sides are 4, 7, 8, 1\.$"),
        ((np.repeat(IMAGES[:4], 3, axis=-1), LABELS[:4]), r"must have shape .* sides are 4, 8, 8, 3\.$"),
        ((IMAGES[:4, :, :, 0], LABELS[:4]), r"must have shape .* sides are 4, 8, 8\.$"),
        ((IMAGES[:4], LABELS[:3]), r"`labels` must be as many as the images. Received: labels and images: 3 and 4\.$"),
    ],
)
def test_a_later_batch_of_a_pipeline_of_another_shape_is_refused(late, words):
    import tensorflow as tf

    def batches():
        yield IMAGES[:4], LABELS[:4]
        yield late

    kinds = tf.TensorSpec(None, tf.uint8), tf.TensorSpec(None, tf.int64)
    model = small.shared("gan", num_classes=small.CLASSES)
    with pytest.raises(ValueError, match=words):
        model.fit(tf.data.Dataset.from_generator(batches, output_signature=kinds), verbose=0)


class Interrupt(keras.callbacks.Callback):
    def on_test_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt

    on_predict_batch_end = on_test_batch_end


def test_an_interrupted_evaluation_gives_the_weights_back():
    model = small.shared("gan")
    model.fit(IMAGES, batch_size=4, verbose=0)
    before = small.weights(model)
    for call in (
        lambda: model.evaluate(IMAGES, batch_size=4, verbose=0, callbacks=[Interrupt()]),
        lambda: model.predict(model.latents_for(20), batch_size=4, verbose=0, callbacks=[Interrupt()]),
    ):
        with pytest.raises(KeyboardInterrupt):
            call()
        assert len(model.generator.get_weights()) > 0
        small.assert_same(before, small.weights(model))
    model.fit(IMAGES, batch_size=4, verbose=0)


def test_images_stay_channels_last_whatever_keras_json_says():
    usual = kg.networks.dcgan.discriminator((8, 12, 3), width=4)
    keras.config.set_image_data_format("channels_first")
    try:
        for network in kg.networks.NETWORKS:
            model = kg.create("gan", (8, 8, 3), latent_dim=4, network=network, network_options={"width": 8})
            assert model.generate(1).shape == (1, 8, 8, 3)
        shapes = [layer.output.shape for layer in kg.networks.dcgan.discriminator((8, 12, 3), width=4).layers]
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")
    assert shapes == [layer.output.shape for layer in usual.layers]


def test_the_file_format_of_keras_2_is_refused(tmp_path):
    model = small.build("gan")
    for name in ("model.h5", "model.HDF5"):
        with pytest.raises(ValueError, match="`filepath` must end in .keras.*save_weights"):
            model.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_skipping_mismatches_takes_weights_and_leaves_the_training_state(tmp_path):
    trained, other = small.shared("gan"), small.build("gan", seed=2)
    trained.fit(IMAGES, batch_size=4, epochs=2, verbose=0)
    trained.save_weights(tmp_path / "state.weights.h5")
    kept = [np.array(keras.ops.convert_to_numpy(v)) for v in (*other.optimizer.variables, other.data_seed)]
    other.load_weights(tmp_path / "state.weights.h5", skip_mismatch=True)
    small.assert_same(small.weights(trained), small.weights(other))
    now = [keras.ops.convert_to_numpy(v) for v in (*other.optimizer.variables, other.data_seed)]
    small.assert_same(kept, now)
    assert int(keras.ops.convert_to_numpy(other.epochs_done)) == 0 and other.resume_at == 0


def test_the_learning_rate_is_readable_and_keeps_the_ratio_of_the_players():
    model = small.build("gan", compile=False)
    rates = {"generator_optimizer": 1e-4, "discriminator_optimizer": 4e-4}
    model.compile(**{name: keras.optimizers.Adam(rate) for name, rate in rates.items()})
    assert model.optimizer.learning_rate.shape == ()
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(1e-4)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(IMAGES, batch_size=4, verbose=0, callbacks=[schedule])
    found = [float(keras.ops.convert_to_numpy(each.learning_rate)) for each in model.optimizer.optimizers]
    assert found == pytest.approx([2e-4, 5e-5])


def test_setting_the_learning_rate_reaches_every_player():
    model = small.shared("gan")
    model.optimizer.learning_rate = 0.25
    assert [float(keras.ops.convert_to_numpy(each.learning_rate)) for each in model.optimizer.optimizers] == [0.25] * 2


@pytest.mark.parametrize("other", ["generator", "discriminator"])
def test_a_file_that_fits_one_network_only_changes_neither(other, tmp_path):
    """Whichever network Keras loads first, it gets its own weights back."""

    def model(width):
        networks = {"generator": 8, "discriminator": 8, other: width}
        generator = kg.networks.mlp.generator(small.SHAPE, 4, width=networks["generator"], depth=1)
        discriminator = kg.networks.mlp.discriminator(small.SHAPE, width=networks["discriminator"], depth=1)
        built = kg.GAN(generator, discriminator, latent_dim=4)
        built.compile()
        return built

    model(16).save_weights(tmp_path / "state.weights.h5")
    loading = model(8)
    before = small.everything(loading)
    with pytest.raises(ValueError, match="do not fit this GAN; it was left as it was"):
        loading.load_weights(tmp_path / "state.weights.h5")
    small.assert_same(before, small.everything(loading))
