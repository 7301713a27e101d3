"""i-ResNet: check values worked out in float64, a step with a pencil, estimates against exact values, and use."""

import math

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import value_and_gradients, value_and_input_pullback
from keras_gans.flows import dequantization, fixed_point, log_determinant
from keras_gans.flows.log_determinant import Estimator, coefficients, neumann, series, truncation_bound
from keras_gans.layers import ActNorm, Flow, InvertibleBlock, LipschitzDense
from keras_gans.networks import mlp, resnet
from keras_gans.variants.invertible_resnet import InvertibleResNet
from tests.laws import small

W1, B1 = np.array([[0.6, -0.3], [0.2, 0.5]]), np.array([0.1, -0.2])
W2, B2 = np.array([[0.7, 0.1], [-0.4, 0.6]]), np.array([0.05, 0.0])
X, Y = np.array([[0.8, -0.5]]), np.array([[1.38536957, -0.75105436]])
LOG_DET = 0.55027109
SLACK = 3e-5  # what the slack of two layers of 1e-5 each can change


def array(tensor):
    return ops.convert_to_numpy(tensor)


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def toy_block():
    """Returns the block y = x + elu(x W1 + b1) W2 + b2, whose kernels are within their bounds."""
    maps = [LipschitzDense(2), LipschitzDense(2)]
    block = InvertibleBlock(maps, activate_first=False)
    block.build((None, 2))
    for layer, kernel, bias in zip(maps, (W1, W2), (B1, B2), strict=True):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
        layer.warm_up()
    return block


def toy_pullback():
    return value_and_input_pullback(toy_block().residual(), tensor(X))[1]


def exact_trace(estimate, terms):
    """Returns what an estimate by probes gives in the mean: here the sum over the axes."""
    pullback = toy_pullback()
    return sum(float(array(estimate(pullback, tensor([axis]), terms))[0]) for axis in np.eye(2))


# Check values ---------------------------------------------------------------------------------------------


def test_the_block_and_its_inverse_have_their_check_values():
    block = toy_block()
    np.testing.assert_allclose(array(block(tensor(X))), Y, rtol=SLACK)
    (_, first, _), (_, second, _) = block.bounds()
    assert (first, second) == (pytest.approx(0.67486298, rel=SLACK), pytest.approx(0.8545333, rel=SLACK))
    iterates = {1: (0.53712359, -0.45184788), 2: (0.92541991, -0.51782012), 3: (0.74069582, -0.49348484)}
    iterates |= {10: (0.80032942, -0.50003263), 20: (0.8000002, -0.50000002)}
    for count, expected in iterates.items():
        x, iterations, _ = fixed_point.fixed_point(block.residual(), tensor(Y), 0.0, count)
        np.testing.assert_allclose(array(x)[0], expected, atol=3e-5)
        assert int(array(iterations)) == count
    solver = fixed_point.Solver(1e-6, 100)
    again = array(block.inverse(block(tensor(X)), solver))
    iterations, change = map(array, solver.worst())
    np.testing.assert_allclose(again, X, atol=1e-6)
    assert 15 < iterations < 25 and 0 <= change <= 1e-6
    bound = 0.57669288
    for k, expected in ((1, 1.22539349), (5, 0.13553577), (10, 0.00864524)):
        distance = np.abs(np.array([0.53712359, -0.45184788]) - Y[0])
        assert bound**k / (1 - bound) * np.linalg.norm(distance) == pytest.approx(expected, rel=1e-6)


def test_the_series_has_its_check_values():
    pullback = toy_pullback()
    jacobian = np.concatenate([array(pullback(tensor([axis]))) for axis in np.eye(2)])
    np.testing.assert_allclose(jacobian, [[0.48018913, 0.03968479], [-0.03028369, 0.17047282]], rtol=5e-5)
    probes = {(1, 1): (0.66006304, 0.52838509, 0.56722848, 0.55374169, 0.55882614)}
    probes[1, -1] = (0.64126086, 0.51569983, 0.55241043, 0.53971040, 0.54449161)
    for probe, values in probes.items():
        for terms, expected in enumerate(values, start=1):
            for estimate in (series, neumann):
                assert float(array(estimate(pullback, tensor([probe]), terms))[0]) == pytest.approx(expected, abs=2e-5)
    traces = {1: 0.65066195, 2: 0.52204246, 3: 0.55981945, 5: 0.55165888, 10: 0.55025298, 20: 0.55027108}
    for terms, expected in traces.items():
        assert exact_trace(neumann, terms) == pytest.approx(expected, abs=2e-5)
    outputs, log_det = log_determinant.exact(toy_block().residual(), tensor(X))
    np.testing.assert_allclose(array(outputs), Y - X, atol=3e-5)
    assert float(array(log_det)[0]) == pytest.approx(LOG_DET, abs=2e-5)


@pytest.mark.one_backend
def test_the_bound_of_what_is_left_out_has_its_check_values_and_holds():
    bounds = {1: 0.56592888, 2: 0.23335419, 3: 0.10549189, 5: 0.02467467, 10: 0.00091216, 20: 0.00000203}
    for terms, expected in bounds.items():
        assert truncation_bound(0.57669288, 2, terms) == pytest.approx(expected, abs=2e-8)
        assert abs(exact_trace(series, terms) - LOG_DET) <= expected + 3e-5
    assert truncation_bound(1.0, 2, 5) == math.inf
    assert coefficients(3) == [1.0, -0.5, 1 / 3]


def test_the_gradients_of_both_series_have_one_expectation():
    block = toy_block()
    variables = [each.kernel for each in block.maps]
    found = {}
    for estimate in (series, neumann):

        def traces(estimate=estimate):
            pullback = value_and_input_pullback(block.residual(), tensor(X))[1]
            return sum(ops.sum(estimate(pullback, tensor([axis]), 4)) for axis in np.eye(2))

        found[estimate] = value_and_gradients(traces, variables)
    for a, b in zip(found[series][2], found[neumann][2], strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=1e-4, atol=1e-6)
        assert np.abs(array(a)).min() > 1e-3


def test_roulette_has_the_whole_series_for_its_mean():
    pullback, probe = toy_pullback(), tensor([[1.0, -1.0]])
    total = 0.0
    for beyond in range(7):  # how many terms follow those that are always there; the last entry stands for 6 and more
        uniform, share = (0.75 * 0.5**beyond, 0.5 ** (beyond + 1)) if beyond < 6 else (0.5**7, 0.5**6)
        total += share * float(array(neumann(pullback, probe, 8, tensor(uniform)))[0])
    expected = float(array(series(pullback, probe, 8))[0])
    assert total == pytest.approx(expected, abs=1e-5)


@pytest.mark.one_backend
def test_bits_and_bytes_have_their_check_values():
    assert float(dequantization.bits_per_dimension(-5000.0, (32, 32, 3))) == pytest.approx(10.34813646)
    images = np.array([0, 64, 255]).reshape(1, 1, 3, 1) / 127.5 - 1
    uniform = tensor([0.5, 0.25, 0.75])[None, None, :, None]
    x = array(dequantization.dequantized(tensor(images), uniform)).ravel()
    np.testing.assert_allclose(x, [-0.49804688, -0.24902344, 0.49902344], atol=1e-7)
    nats = -0.5 * np.sum(x.astype("float64") ** 2) - 1.5 * np.log(2 * np.pi)
    assert nats == pytest.approx(-3.03635948, abs=1e-6)
    assert float(dequantization.bits_per_dimension(nats, (1, 3, 1))) == pytest.approx(9.46018025, abs=1e-6)
    assert float(dequantization.bits_per_dimension(0.0, (1, 3, 1))) == 8
    every = np.arange(256).reshape(1, 16, 16, 1) / 127.5 - 1
    for uniform in (0.01, 0.5, 0.99):
        pictures = array(dequantization.quantized(dequantization.dequantized(tensor(every), uniform)))
        np.testing.assert_array_equal(np.rint((pictures.ravel() + 1) * 127.5), np.arange(256))
    points = tensor([[3.0, -7.0]])
    assert dequantization.dequantized(points) is points and dequantization.quantized(points) is points


def test_probes_and_dequantisation_are_independent():
    normal = np.random.default_rng(0).normal(size=100_000)
    uniform, signs = (array(each) for each in dequantization.uniform_and_signs(tensor(normal)))
    assert set(signs) == {-1.0, 1.0} and 0 <= uniform.min() and uniform.max() <= 1
    heights, _ = np.histogram(uniform, 10, (0, 1))
    assert np.abs(heights / 10_000 - 1).max() < 0.03 and abs(signs.mean()) < 0.01
    assert abs(np.corrcoef(uniform, signs)[0, 1]) < 0.01


# The network ----------------------------------------------------------------------------------------------


def flow_of_16():
    """Returns a multi-scale flow on 4x4 images, whose kernels are above their bounds, and images it is initialised by.

    The last convolution of a block is the adjoint of the first: the traces of the Jacobians are far from 0.
    """
    keras.utils.set_random_seed(0)
    network = resnet.flow((4, 4, 1), width=8, depth=1, scales=2, coefficient=0.8)
    rng = np.random.default_rng(1)
    for block in network.blocks:
        first, second, third = block.maps
        first.kernel.assign(rng.normal(size=first.kernel.shape))
        second.kernel.assign(np.eye(8)[None, None])
        third.kernel.assign(first.adjoint_of(array(first.kernel)))
        for layer in block.maps:
            layer.bias.assign(0.3 * rng.normal(size=layer.bias.shape))
            layer.warm_up(400)
    x = rng.normal(size=(4, 4, 4, 1))
    network.initialize(tensor(x))
    return network, x


def test_the_log_determinant_is_that_of_the_whole_network():
    network, x = flow_of_16()
    v, log_det = network.transform(tensor(x), Estimator([], 0, "exact"))
    outputs, pullback = value_and_input_pullback(lambda inputs: network.transform(inputs)[0], tensor(x))
    np.testing.assert_allclose(array(v), array(outputs), rtol=1e-4, atol=1e-5)
    rows = [array(pullback(tensor(np.tile(axis, (4, 1))))).reshape(4, 16) for axis in np.eye(16)]
    signs, expected = np.linalg.slogdet(np.stack(rows, axis=1).astype("float64"))
    assert (np.abs(signs) == 1).all()
    np.testing.assert_allclose(array(log_det), expected, rtol=1e-4)
    scales = float(sum(array(step.transform(tensor(x))[1]) for step in network.steps if isinstance(step, ActNorm)))
    # Estimates of the blocks, within 2 %: the mean over random probes, and over the axes, that of all probes.
    draws = np.concatenate([4 * np.eye(16), np.random.default_rng(2).choice([-1.0, 1.0], (400, 16))])
    repeated, probes = np.repeat(x[:1], 416, axis=0), tensor(draws)
    _, estimates = network.transform(tensor(repeated), Estimator([probes], 20, "neumann"))
    blocks = array(estimates).astype("float64") - scales
    np.testing.assert_allclose([blocks[:16].mean(), blocks[16:].mean()], expected[0] - scales, rtol=0.02)
    assert np.std(blocks[16:]) > 0.05 * (expected[0] - scales)  # a single one is no such thing
    solver = fixed_point.Solver(1e-6, 100)
    np.testing.assert_allclose(array(network.inverse(v, solver)), x, atol=1e-4)


@pytest.mark.one_backend
def test_every_block_has_a_bound_below_one_and_a_smaller_coefficient_a_smaller_one():
    network, _ = flow_of_16()
    model = InvertibleResNet(network)
    report = model.lipschitz_report()
    assert len(report) == 8 and [row["layer"] is None for row in report] == [False] * 3 + [True] + [False] * 3 + [True]
    assert all(0.79 < row["bound"] < 0.81 and row["how"] == "exact" for row in report if row["layer"])
    assert all(row["bound"] == pytest.approx(0.8**3, rel=0.02) for row in report if not row["layer"])


@pytest.mark.one_backend
def test_data_dependent_initialisation_goes_block_by_block():
    network, x = flow_of_16()
    seen = tensor(x)
    for step in network.steps:
        outputs, _ = step.transform(seen)
        if isinstance(step, ActNorm):
            values = array(outputs).reshape(-1, outputs.shape[-1])
            np.testing.assert_allclose(values.mean(0), 0, atol=1e-5)
            np.testing.assert_allclose(values.std(0), 1, rtol=1e-3)
        seen = outputs


# One step -------------------------------------------------------------------------------------------------


def numpy_loss(theta, points, latents, terms):
    """Returns bits per dimension of points of the plane, of scale, shift, two dense layers and the prior, float64."""
    a, b, w1, b1, w2, b2, m, s = theta
    h = points * np.exp(a) + b
    before = h @ (w1 / (1 + 1e-5)) + b1
    v = h + np.where(before > 0, before, np.expm1(before)) @ (w2 / (1 + 1e-5)) + b2
    slopes = np.where(before > 0, 1.0, np.exp(before))
    signs = np.where(latents < 0, -1.0, 1.0) * (np.random.default_rng(0).integers(0, 2, 2) * 2 - 1)
    log_det = np.full(len(points), a.sum())
    for i, (slope, p) in enumerate(zip(slopes, signs, strict=True)):
        jacobian = (w1 / (1 + 1e-5) * slope) @ (w2 / (1 + 1e-5))  # its transpose: row = input
        log_det[i] += sum(
            (-1) ** (k + 1) / k * p @ np.linalg.matrix_power(jacobian, k) @ p for k in range(1, terms + 1)
        )
    z = (v - m) * np.exp(-s)
    log_prior = np.sum(-0.5 * z**2 - s, axis=1) - np.log(2 * np.pi)
    return -np.mean(log_prior + log_det) / (2 * np.log(2))


def test_one_step_is_the_hand_derived_one():
    """The derivative of a NumPy likelihood in float64, by central differences, times the learning rate."""
    rng = np.random.default_rng(3)
    maps = [LipschitzDense(3, name="first"), LipschitzDense(2, name="second")]
    steps = [ActNorm(), InvertibleBlock(maps, activate_first=False)]
    model = InvertibleResNet(Flow((2,), steps), terms=3, data_initialization=False)
    variables = [steps[0].log_scale, steps[0].bias, maps[0].kernel, maps[0].bias, maps[1].kernel, maps[1].bias]
    variables += [model.network.prior_mean, model.network.prior_log_deviation]
    theta = [0.2 * rng.normal(size=variable.shape) for variable in variables]  # kernels of norms below the bound
    for variable, value in zip(variables, theta, strict=True):
        variable.assign(value)
    points, latents = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    model.sample_latents = lambda count, training=True: tensor(latents)
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    loss = model.fit(points, batch_size=3, shuffle=False, verbose=0).history["network_loss"][0]
    assert loss == pytest.approx(numpy_loss(theta, points, latents, 3), rel=1e-5)
    for place, variable in enumerate(variables):
        expected = theta[place].copy()
        for index in np.ndindex(*expected.shape):
            nearby = []
            for h in (1e-5, -1e-5):
                moved = [each.copy() for each in theta]
                moved[place][index] += h
                nearby.append(numpy_loss(moved, points, latents, 3))
            expected[index] -= 0.1 * (nearby[0] - nearby[1]) / 2e-5
        np.testing.assert_allclose(array(variable.value), expected, atol=2e-6)
        assert np.abs(expected - theta[place]).max() > 1e-4


# Use ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    """A small model of digits, initialised by `fit` and trained for two epochs."""
    images, _ = kg.data.load("digits", image_size=8)
    keras.utils.set_random_seed(0)
    options = {"width": 8, "depth": 1, "scales": 1}
    model = kg.create("invertible_resnet", (8, 8, 1), network="resnet", network_options=options, log_det="neumann")
    model.compile()
    history = model.fit(images[:512], batch_size=64, epochs=2, verbose=0).history
    return model, images, history


def test_a_trained_model_is_inverted_and_tells_likelihoods(trained, tmp_path):
    model, images, history = trained
    assert history["network_loss"][1] < history["network_loss"][0] < 9
    assert int(array(model.initialized.value)) == 1
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert each.inversion_error(images[:100]).max() < 1e-4
        assert max(row["bound"] for row in each.lipschitz_report()) < 1
        np.testing.assert_array_equal(each.reconstruct(images[:20]), images[:20])  # to the last bit
        found = each.log_likelihood(images[:20])
        assert found.terms == 20 and found.nats.shape == (20,) and 0 < found.bound < 1
    latents = model.encode(images[:5])
    assert latents.shape == (5, 64)
    np.testing.assert_array_equal(model.decode(latents), images[:5])
    np.testing.assert_allclose(
        model.bits_per_dim(images[:20]), -found.nats / (64 * np.log(2)) + 8, rtol=1e-4, atol=1e-4
    )
    lines = model.interpolate(images[0], images[1], steps=4)
    np.testing.assert_array_equal(lines[[0, 3]], images[:2])
    assert model.generate(3, seed=0).shape == (3, 8, 8, 1)


@pytest.mark.one_backend
def test_estimates_of_the_likelihood_agree_with_the_exact_one(trained):
    model, images, _ = trained
    exact = model.log_likelihood(images[:8], exact=True)
    assert exact.terms is None and exact.bound == 0
    estimated = model.log_likelihood(images[:8], probes=4)
    assert abs(np.mean(estimated.nats - exact.nats)) < 2  # of about 20 nats
    assert model.log_likelihood(images[:8], seed=1).nats[0] != model.log_likelihood(images[:8]).nats[0]


@pytest.mark.one_backend
def test_the_evaluation_has_bits_and_the_error_of_the_inverse(trained):
    model, images, _ = trained
    scores = kg.metrics.evaluate(model, images[:16], "pixels", seed=3)["scores"]
    assert scores["bits_per_dim"] == pytest.approx(float(model.bits_per_dim(images[:16], seed=3).mean()))
    assert 0 < scores["inversion_error"] < 1e-4


@pytest.mark.one_backend
def test_an_inverse_that_does_not_converge_is_told(trained):
    model, images, _ = trained
    before = model.max_iterations
    model.max_iterations = 2
    model._compiled_functions.clear()
    try:
        with pytest.warns(
            UserWarning, match="did not converge: after 2 iterations its last change was .*tolerance=1e-06"
        ):
            model.generate(2, seed=0)
    finally:
        model.max_iterations = before
        model._compiled_functions.clear()


@pytest.mark.one_backend
def test_a_dataset_needs_initialize_first_and_it_is_saved(tmp_path):
    images, _ = small.data()
    model = small.build("invertible_resnet", data_initialization=True)
    with pytest.raises(ValueError, match=r"`initialize\(images\)` must be called before `fit` on a dataset"):
        model.fit((images[i : i + 4] for i in (0, 4)), verbose=0)
    model.initialize(images)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    before = array(again.network.steps[1].log_scale).copy()
    assert np.abs(before).min() > 0.1 and int(array(again.initialized.value)) == 1
    again.optimizer.learning_rate = 0.0
    again.fit((images[i : i + 4] for i in (0, 4)), verbose=0)
    np.testing.assert_array_equal(array(again.network.steps[1].log_scale), before)


def test_a_classifier_learns_by_cross_entropy_and_a_density_classifies_by_bayes():
    images, labels = kg.data.load("digits", image_size=8)
    keras.utils.set_random_seed(0)
    options = {"width": 32, "depth": 1, "hidden": 1}
    knobs = {"network": "mlp", "network_options": options, "mode": "classifier"}
    model = kg.create("invertible_resnet", (8, 8, 1), num_classes=10, **knobs)
    model.compile(optimizer=keras.optimizers.Adamax(1e-2))
    history = model.fit(images[:1200], labels[:1200], batch_size=60, epochs=4, verbose=0).history
    assert set(history) == {"loss", "network_loss", "accuracy"}
    classes = model.classify(images[1200:])
    assert np.mean(classes == labels[1200:]) > 0.8
    np.testing.assert_array_equal(model.classify(images[1200:], probabilities=True).argmax(1), classes)
    assert model.inversion_error(images[:20]).max() < 1e-4
    density = InvertibleResNet(model.network, num_classes=10)  # the same network: p(class | image) is that of Bayes
    repeated = np.tile(images[:3], (10, 1, 1, 1))
    v = density.network.transform(dequantization.dequantized(tensor(repeated / 127.5 - 1)))[0]
    each = array(density.log_prior(v, ops.repeat(ops.arange(10), 3))).reshape(10, 3)
    whole = array(density.log_prior(v))[:3]
    np.testing.assert_allclose(np.exp(each - whole) / 10, model.classify(images[:3], True).T, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="labels"):
        density.log_likelihood(images[:3], np.array([0, 1, 10]))


@pytest.mark.one_backend
def test_half_precision_policies_change_nothing_of_the_network():
    keras.config.set_dtype_policy("mixed_float16")
    model = small.build("invertible_resnet")
    assert model.predict(model.latents_for(2, seed=0), verbose=0).dtype == "float32"
    assert not isinstance(model.optimizer.of("network"), keras.optimizers.LossScaleOptimizer)
    assert {each.compute_dtype for each in kg.engine.private_keras.layers_of(model.network)} == {"float32"}


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: InvertibleResNet(mlp.flow((2,), depth=1), mode="classifier"), ValueError, "`num_classes` must be"),
        (lambda: InvertibleResNet(mlp.flow((2,), depth=1), mode="both"), ValueError, "`mode` must be one of"),
        (lambda: InvertibleResNet(mlp.flow((2,), depth=1), log_det="exact"), ValueError, "`log_det` must be one of"),
        (lambda: InvertibleResNet(mlp.flow((2,), depth=1), num_classes=3), TypeError, "a flow for as many classes"),
        (lambda: InvertibleResNet(mlp.generator((2,), 2)), TypeError, "`network` must be a flow"),
        (lambda: InvertibleResNet(mlp.flow((2,), depth=1), terms=0), ValueError, "`terms` must be a positive"),
        (lambda: InvertibleResNet(mlp.flow((2,), depth=1), tolerance=0), ValueError, "`tolerance` must be a number"),
        (lambda: mlp.flow((2,), coefficient=1.0), ValueError, "`coefficient` must be a number greater than 0"),
        (lambda: mlp.flow((2,), activation="swish"), ValueError, "slopes of at most 1"),
        (lambda: resnet.flow((8, 8, 1), scales=4), ValueError, "halved 4 times.*Received: 8x8"),
        (lambda: resnet.flow((7, 8, 1)), ValueError, "halved 1 times.*Received: 7x8"),
    ],
)
def test_what_cannot_be_is_refused_in_words(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.one_backend
def test_questions_that_a_model_cannot_answer_are_refused_in_words():
    model, images = small.shared("invertible_resnet"), small.data()[0]
    with pytest.raises(ValueError, match="`classify` needs a model with classes"):
        model.classify(images)
    with pytest.raises(ValueError, match="`labels` were given to an unconditional model"):
        model.log_likelihood(images, labels=np.zeros(10, int))
    with pytest.raises(ValueError, match="`terms` must be a positive integer"):
        model.log_likelihood(images, terms=0)
    with pytest.raises(ValueError, match="`images` must hold at least 2 samples"):
        model.initialize(images[:1])
    large = InvertibleResNet(resnet.flow((64, 64, 1), width=1, depth=1, scales=1))
    with pytest.raises(ValueError, match="`exact` must be False for samples of more than 1024.*samples of 4096"):
        large.log_likelihood(np.zeros((2, 64, 64, 1), "uint8"), exact=True)


@pytest.mark.one_backend
def test_a_moving_average_of_the_weights_is_bounded_and_inverted_too():
    images = small.data(64)[0]
    model = small.shared("invertible_resnet", decay=0.9)
    model.fit(images, batch_size=8, epochs=2, verbose=0)
    average = model.averages[0]
    names = [variable.name for variable in average.averages if "singular_vector" in variable.name]
    assert len(names) == 2 * len(model.network.blocks[0].maps)
    for block in model.network.blocks:  # they are those of the last weights, not their mean, which is no unit vector
        for layer in block.maps:
            copies = [v for v in average.averages if v.name == layer.u.path.replace("/", "_")]
            np.testing.assert_array_equal(array(copies[0].value), array(layer.u.value))
