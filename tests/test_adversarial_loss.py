"""A critic as a loss: published values, a step by hand, the memory of its weight, and that nothing else changes."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from tests.conftest import BACKEND, sigmoid

K = keras.layers
X, T = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.5, -0.5])
RANDOM = np.random.default_rng(0)
IMAGES, TARGETS = RANDOM.uniform(-1, 1, (2, 12, 4, 4, 1)).astype("float32")


def model(eager=True, optimizer="adam", compiled=True):
    """From images (4, 4, 1) to such images, with batch statistics, dropout and a regularised weight."""
    keras.utils.set_random_seed(3)
    layers = [
        K.Conv2D(2, 3, padding="same", kernel_regularizer=keras.regularizers.L2(0.01)),
        K.BatchNormalization(),
        K.Dropout(0.2, seed=5, name="dropout"),
        K.Conv2D(1, 3, padding="same", name="last"),
    ]
    network = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    if compiled:
        network.compile(optimizer, "mae", run_eagerly=eager, jit_compile=not eager and BACKEND == "jax")
    return network


def critic(channels=1, units=1):
    keras.utils.set_random_seed(4)
    layers = [K.Conv2D(2, 2, strides=2), K.LeakyReLU(0.2), K.Conv2D(units, 1)]
    return keras.Sequential([keras.Input((4, 4, channels)), *layers], name="critic")


def judged(network=None, **options):
    """Returns a model with a small critic that it sees from the first step on."""
    options = {"critic": critic(), "start": 0, "ramp": 0, **options}
    return kg.AdversarialLoss(**options).attach(model() if network is None else network)


def trained(network, epochs=1, **options):
    options = {"batch_size": 6, "shuffle": False, "verbose": 0, "epochs": epochs, **options}
    return network.fit(IMAGES, TARGETS, **options).history


def values(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def assert_same(first, second, what=lambda network: [*network.variables, *network.optimizer.variables]):
    for a, b in zip(values(what(first)), values(what(second)), strict=True):
        np.testing.assert_array_equal(a, b)


def own(network):
    """Returns what a model has without its critic."""
    state = network.adversarial_loss.state if hasattr(network, "adversarial_loss") else []
    critics = {id(variable) for variable in state}
    return [v for v in [*network.variables, *network.optimizer.variables] if id(v) not in critics]


def remembered(loss, of_loss, of_critic, wins=False):
    """Returns the mean of the ratio and the weight of this step, of a scale of 1."""
    norms = (ops.convert_to_tensor(each, "float32") for each in (of_loss, of_critic))
    now = loss.remembered(*norms, ops.convert_to_tensor(wins))
    return pytest.approx((float(ops.convert_to_numpy(loss.ratio)), float(ops.convert_to_numpy(now))), rel=1e-5)


# The algorithm ------------------------------------------------------------------------------------------------


def test_losses_ramp_and_weight_have_the_check_values():
    loss = kg.AdversarialLoss(start=10, ramp=4, pretrain=0)
    assert remembered(loss, np.hypot(3, 4), 2.0) == (2.49987501, 2.49987501)
    real, fake = (ops.convert_to_tensor(each, "float32") for each in ([[0.5], [2.0]], [[-2.0], [0.0]]))
    assert float(loss.critic_loss(real, fake)) == 0.75 and float(loss.model_loss(real, fake)) == 1.0
    ramp = []
    for step in (0, 9, 10, 11, 12, 14, 99):
        loss.steps.assign(step)
        ramp.append(float(loss.ramp_now()))
    assert ramp == [0, 0, 0, 0.25, 0.5, 1, 1]
    paired = kg.AdversarialLoss(game="rsgan", start=0, ramp=0)
    gaps = np.array([-2.5, -2.0])  # C(y) - C(t), pair by pair
    np.testing.assert_allclose(float(paired.critic_loss(real, fake)), np.mean(np.log1p(np.exp(gaps))), rtol=1e-6)
    np.testing.assert_allclose(float(paired.model_loss(real, fake)), np.mean(np.log1p(np.exp(-gaps))), rtol=1e-6)
    assert float(paired.ramp_now()) == 1.0


def line(slope, name):
    """y = slope x of each pixel."""
    network = keras.Sequential([keras.Input((1, 1, 1)), K.Conv2D(1, 1, use_bias=False, name=name)], name=name)
    network.set_weights([np.full((1, 1, 1, 1), slope)])
    return network


@pytest.mark.parametrize(("game", "weight", "r1"), [("gan", 0.5, 0.0), ("rsgan", "adaptive", 0.3)])
def test_one_step_is_the_hand_derived_one(game, weight, r1):
    theta, psi, rate = 0.7, -0.4, 0.1
    network = line(theta, "model")
    network.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
    loss = kg.AdversarialLoss(
        line(psi, "critic"), game, weight, start=0, ramp=0, optimizer=keras.optimizers.SGD(rate),
        penalties=[kg.penalties.R1(r1)] * bool(r1), scale=0.8,
    )  # fmt: skip
    loss.attach(network)
    logs = network.fit(X.reshape(3, 1, 1, 1), T.reshape(3, 1, 1, 1), batch_size=3, verbose=0).history

    y = theta * X
    if game == "gan":
        of_critic = np.mean(-sigmoid(-psi * T) * T + sigmoid(psi * y) * y)
        of_fakes = -sigmoid(-psi * y) * psi / 3
        adversarial = np.mean(np.log1p(np.exp(-psi * y)))
    else:
        of_critic = np.mean(sigmoid(psi * (y - T)) * (y - T)) + r1 * psi
        of_fakes = -sigmoid(psi * (T - y)) * psi / 3
        adversarial = np.mean(np.log1p(np.exp(psi * (T - y))))
    of_loss, of_adversarial = np.mean(2 * (y - T) * X), np.sum(of_fakes * X)
    w = 0.5 if weight == 0.5 else 0.8 * abs(of_loss) / (abs(of_adversarial) + 1e-4)
    new = theta - rate * (of_loss + w * of_adversarial), psi - rate * of_critic  # both from the same weights
    np.testing.assert_allclose([float(each.get_weights()[0].item()) for each in (network, loss.critic)], new, rtol=1e-5)
    found = [logs[name][0] for name in ("loss", "adversarial_loss", "adversarial_weight")]
    np.testing.assert_allclose(found, [np.mean((y - T) ** 2), adversarial, w], rtol=1e-5)


def test_the_weight_is_the_smaller_of_ratio_and_mean_which_does_not_rise_while_the_critic_wins():
    loss, one = kg.AdversarialLoss(), 1.0 - 1e-4
    assert remembered(loss, 2.0, one) == (2.0, 2.0)
    assert remembered(loss, 4.0, one) == (3.0, 3.0)
    assert remembered(loss, 4.0, 0.0, wins=True) == (3.0, 3.0)  # the gradient has died
    assert remembered(loss, np.nan, 1.0) == (3.0, 3.0)
    assert remembered(loss, np.inf, 1.0) == (3.0, 3.0)
    assert remembered(loss, 0.0, 1.0, wins=True) == (3.0 - 2.99 / 4, 0.01)  # a critic that pulls harder than before
    loss.ratios.assign(1000)
    loss.ratio.assign(50.0)
    assert remembered(loss, 1.0, 0.0) == (0.99 * 50 + 0.01 * 100, 50.5)
    assert remembered(loss, 40.0, one) == (0.99 * 50.5 + 0.01 * 40, 40.0)


@pytest.mark.one_backend
def test_a_critic_that_wins_holds_the_weight_and_is_logged():
    """Targets around 100 and outputs around -100: the hinge loss of C(x) = x is 0."""
    network = keras.Sequential(
        [keras.Input((4, 4, 1)), K.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(-100))]
    )
    network.compile(keras.optimizers.SGD(0.0), "mae", run_eagerly=True)
    steep = keras.Sequential([keras.Input((4, 4, 1)), *line(1.0, "critic").layers])
    kg.AdversarialLoss(steep, start=0, ramp=0, scale=1.0).attach(network)
    loss = network.adversarial_loss
    loss.ratio.assign(0.011)
    loss.ratios.assign(1)
    logs = network.fit(IMAGES, IMAGES + 100, verbose=0, batch_size=12).history
    assert logs["critic_wins"] == [1.0] and logs["critic_loss"] == [0.0]
    np.testing.assert_allclose(
        [float(ops.convert_to_numpy(loss.ratio)), logs["adversarial_weight"][0]], 0.011, rtol=1e-6
    )
    logs = network.fit(IMAGES, IMAGES - 100, verbose=0, batch_size=12).history
    assert logs["critic_wins"] == [0.0] and float(ops.convert_to_numpy(loss.ratio)) > 0.012


# What stays as it is ------------------------------------------------------------------------------------------


def test_until_the_start_a_compiled_model_trains_bit_for_bit_like_a_plain_one():
    """One step in Keras's own program, one in that in which the critic is pretrained."""
    plain, network = model(eager=False), judged(model(eager=False), start=100, pretrain=99, weight=1.0)
    before = values(network.adversarial_loss.critic.variables)
    assert trained(plain)["loss"] == (logs := trained(network))["loss"]
    assert_same(plain, network, own)
    assert logs["adversarial_weight"] == [0.0] and logs["critic_loss"][0] > 0
    assert not np.array_equal(before[0], values(network.adversarial_loss.critic.variables)[0])
    assert int(ops.convert_to_numpy(network.adversarial_loss.steps)) == 2
    assert int(ops.convert_to_numpy(network.adversarial_loss.optimizer.of("critic").iterations)) == 1


def test_at_a_weight_of_0_and_after_undo_a_model_trains_bit_for_bit_like_a_plain_one():
    plain, network = model(), judged(weight=0.0)
    assert trained(plain)["loss"] == trained(network)["loss"]
    assert_same(plain, network, own)
    assert kg.AdversarialLoss.undo(network) is network and type(network) is keras.Sequential
    assert trained(plain) == trained(network)
    assert_same(plain, network)
    kg.AdversarialLoss(critic()).attach(network)


def test_evaluation_is_that_of_the_model_and_of_its_critic():
    plain, network = model(), judged()
    found = network.evaluate(IMAGES, TARGETS, verbose=0, return_dict=True)
    assert found.keys() == {"loss", "critic_loss", "adversarial_loss"}
    assert found["loss"] == plain.evaluate(IMAGES, TARGETS, verbose=0)
    real, fake = (ops.convert_to_numpy(network.adversarial_loss.critic(each)) for each in (TARGETS, plain(IMAGES)))
    np.testing.assert_allclose(
        found["critic_loss"], np.mean(np.maximum(0, 1 - real)) + np.mean(np.maximum(0, 1 + fake)), rtol=1e-5
    )
    np.testing.assert_allclose(found["adversarial_loss"], -np.mean(fake), rtol=1e-5)
    assert {f"val_{name}" for name in found} <= trained(network, validation_data=(IMAGES, TARGETS)).keys()


# State and files ----------------------------------------------------------------------------------------------


def test_a_loaded_model_goes_on_bit_for_bit(tmp_path):
    """Saved in the middle of the ramp, with dropout in the model and the critic's optimiser under way."""
    penalties = [kg.penalties.GradientPenalty(1.0)]
    network = judged(start=1, ramp=6, penalties=penalties, last_layer="last")
    trained(network)
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    again.run_eagerly = True
    assert isinstance(again, keras.Sequential) and again.adversarial_loss.penalties == tuple(penalties)
    assert trained(network) == trained(again)
    assert_same(network, again)
    assert type(keras.models.clone_model(network)) is keras.Sequential


def test_callbacks_of_the_library_and_a_resume(tmp_path):
    def run(folder, epochs):
        network, average = judged(start=1), kg.callbacks.WeightMovingAverage(0.9)
        callbacks = [average, kg.callbacks.Health(), kg.callbacks.Checkpoint(tmp_path / folder)]
        trained(network, epochs, callbacks=callbacks)
        return network, average

    whole, _ = run("whole", 2)
    run("parts", 1)
    again, average = run("parts", 2)
    assert_same(whole, again)
    sources = [source for source, _ in average.average.pairs()]
    critics = {id(variable) for variable in again.adversarial_loss.state}
    assert (
        sources and not critics & set(map(id, sources)) and len(set(map(id, again.variables))) == len(again.variables)
    )
    assert type(again).__mro__[1].__name__ == "AveragedModel"
    assert type(kg.AdversarialLoss.undo(again)).plain_class is keras.Sequential


@pytest.mark.one_backend
def test_an_average_that_was_there_first_goes_on():
    expected, network = model(), model()
    plain_average, average = (kg.engine.attach(each, kg.engine.WeightAverage(0.9)) for each in (expected, network))
    judged(network, weight=0.0)
    trained(expected), trained(network)
    for (_, a), (_, b) in zip(plain_average.pairs(), average.pairs(), strict=True):
        np.testing.assert_array_equal(*values([a, b]))


# Models of every kind -----------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class Late(keras.Model):
    """Built by its first batch; two images and a code among its outputs."""

    def __init__(self, **options):
        super().__init__(**options)
        self.down, self.up = K.Conv2D(2, 3, padding="same"), K.Conv2D(1, 3, padding="same", name="up")
        self.side = K.Conv2D(1, 1)

    def call(self, images):
        code = self.down(images)
        return {"image": self.up(code), "side": self.side(code), "code": ops.mean(code, axis=(1, 2))}


def test_a_subclass_with_several_outputs_that_is_built_later(tmp_path):
    network = Late()
    loss = kg.AdversarialLoss(critic(channels=2), start=0, ramp=0, output="image", last_layer="up", conditional=True)
    loss.attach(network)
    network.compile("adam", {"image": "mae", "side": "mse"})
    y = {"image": TARGETS, "side": TARGETS}
    logs = network.fit(IMAGES, y, batch_size=6, verbose=0, shuffle=False).history
    assert logs["adversarial_weight"][0] > 0 and isinstance(network, Late)
    network.save(tmp_path / "late.keras")
    again = keras.models.load_model(tmp_path / "late.keras")
    for a, b in zip(values(loss.state), values(again.adversarial_loss.state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_compiled_step_is_the_eager_one_and_several_go_into_one_execution():
    eager, compiled = (judged(model(e, "sgd"), start=1, optimizer="sgd") for e in (True, False))
    if BACKEND != "torch":  # Keras has no `steps_per_execution` there
        compiled.steps_per_execution = 2
    trained(eager), trained(compiled)
    for a, b in zip(values(own(eager)), values(own(compiled)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_mixed_precision_measures_the_norms_without_the_scale():
    norms = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(5)
        network, dense = (keras.Sequential([keras.Input((4, 4, 1)), K.Dense(3, "tanh"), K.Dense(1)]) for _ in range(2))
        network.compile(keras.optimizers.SGD(0.01), "mae", run_eagerly=True)
        loss = judged(network, critic=dense).adversarial_loss
        remembered = loss.remembered
        loss.remembered = lambda *given, old=remembered: (norms.append(given[:2]), old(*given))[1]
        trained(network, batch_size=12)
        assert all(np.isfinite(each).all() for each in values(network.variables))
    assert all(
        isinstance(each, keras.optimizers.LossScaleOptimizer)
        for each in (network.optimizer, *loss.optimizer.optimizers)
    )
    np.testing.assert_allclose(values(norms[1]), values(norms[0]), rtol=0.05)


@pytest.mark.one_backend
def test_a_patch_critic_sees_what_it_says():
    network = kg.networks.patch.critic((48, 48, 1), width=2, halvings=2, normalization=None)
    assert network.output_shape == (None, 12, 12, 1) and kg.networks.patch.receptive_field(2) == 34
    images = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(1, 48, 48, 1)), "float32")
    slopes = kg.engine.input_gradients(lambda x: network(x)[:, 5, 5, 0], images)
    (seen,) = np.nonzero(np.abs(ops.convert_to_numpy(slopes)[0, :, :, 0]).sum(0))
    assert seen.max() - seen.min() + 1 == 34


# Bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"critic": "pach"}, "`critic` must be one of 'patch'. Did you mean 'patch'"),
        ({"critic": 3}, "`critic` must be a keras.Model"),
        ({"game": "hing"}, "`game` must be one of .* Did you mean 'hinge'"),
        ({"weight": "adaptiv"}, "`weight` must be one of 'adaptive'. Did you mean 'adaptive'"),
        ({"weight": -1.0}, "`weight` must be a number at least 0"),
        ({"start": -1}, "`start` must be an integer of at least 0"),
        ({"ramp": 1.5}, "`ramp` must be an integer"),
        ({"start": 10, "pretrain": 11}, "`pretrain` must be at most `start`"),
        ({"penalties": 3}, "`penalties` must be a list"),
        ({"scale": 0.0}, "`scale` must be a number greater than 0"),
    ],
)
def test_bad_arguments_are_named(options, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        kg.AdversarialLoss(**options)


def heads(*last):
    inputs = keras.Input((4, 4, 1))
    return keras.Model(inputs, [layer(inputs) for layer in last])


@pytest.mark.one_backend
def test_models_and_critics_that_do_not_fit_are_named():
    class Own(keras.Model):
        def train_step(self, data):
            return {}

    def attach(network, **options):
        return kg.AdversarialLoss(**{"critic": critic(), **options}).attach(network)

    noisy = kg.regularization.noise(model(), std=0.1)
    norm = keras.Sequential([keras.Input((4, 4, 1)), K.Conv2D(2, 2), K.BatchNormalization()])
    two = lambda: heads(K.Conv2D(1, 1, name="one"), K.Conv2D(1, 1, name="two"))  # noqa: E731
    for sentence, wrong in {
        "`model` must be a keras.Model": lambda: attach("model"),
        "Own replaces by its own": lambda: attach(Own()),
        "has an adversarial loss already": lambda: attach(judged()),
        "belongs to a model already": lambda: judged().adversarial_loss.attach(model()),
        "carries regularisers.*Received: noise": lambda: attach(noisy),
        r"must be images.*shape \(None, 16\)": lambda: attach(keras.Sequential([keras.Input((4, 4, 1)), K.Flatten()])),
        r"of shape \(4, 4, 1\). Received: a critic for inputs of shape \(4, 4, 3\)": lambda: attach(
            model(), critic=critic(channels=3)
        ),
        "`output` must name the image.*'one', 'two'": lambda: attach(two()),
        "`last_layer` must name the last layer before": lambda: attach(two(), output="two"),
        "`last_layer` must be a layer of the model. Did you mean 'last'": lambda: attach(model(), last_layer="lats"),
        "`last_layer` must name a layer with a trained kernel": lambda: attach(model(), last_layer="dropout"),
        "must treat images independently": lambda: attach(model(), critic=norm, penalties=[kg.penalties.R1()]),
        "must train by the train step of Keras": lambda: kg.regularization.noise(judged(), std=0.1),
        "with an adversarial loss": lambda: kg.AdversarialLoss.undo(model()),
    }.items():
        with pytest.raises((TypeError, ValueError), match=sentence):
            wrong()
    with pytest.warns(UserWarning, match="mixes the images of a batch"):
        attach(model(), critic=norm)


@pytest.mark.one_backend("tensorflow")  # elsewhere Keras builds with the first batch, and is the first to speak
def test_batches_that_do_not_fit_are_named():
    network = judged()
    with pytest.raises(ValueError, match="`y` is missing"):
        network.fit(IMAGES, verbose=0)
    with pytest.raises(ValueError, match=r"target.shape=\(12, 4, 4\), output.shape=\(12, 4, 4, 1\)"):
        network.fit(IMAGES, TARGETS[..., 0], verbose=0)
    with pytest.raises(ValueError, match=r"target.shape=\(12, 3, 4, 1\), output.shape=\(12, 4, 4, 1\)"):
        network.fit(IMAGES, TARGETS[:, :3], verbose=0)
    without = keras.Sequential([keras.Input((4, 4, 1)), K.Conv2D(1, 1)])
    without.compile("adam", run_eagerly=True)
    with pytest.raises(ValueError, match="must have a loss of its own"):
        trained(judged(without))
    network.compile("adam", keras.losses.MeanAbsoluteError(reduction="sum"), run_eagerly=True)
    network.adversarial_loss.weight = 1.0
    with pytest.warns(UserWarning, match="is a sum, not a mean"):
        trained(network)
