"""Attributions: published check values, the axioms, embeddings, targets of every kind, and what is refused."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.analysis import gradient, gradient_x_input, integrated_gradients, smooth_grad
from keras_gans.analysis.quadrature import RULES, nodes_and_weights
from tests.laws import small

W, B, V = np.array([[1, -0.5], [0.3, 0.8], [-0.7, 0.2]]), np.array([0.1, -0.1]), np.array([1.5, -2.0])
POINT = np.array([[1.0, -2.0, 0.5]], "float32")


class Fn(keras.layers.Layer):
    """Any function as a layer."""

    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def call(self, *inputs):
        return self.fn(*inputs)


def model_of(fn, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs[0] if len(inputs) == 1 else inputs, Fn(fn)(*inputs))


def network():
    """h = tanh(x W + b), F = sigmoid(h v)."""
    layers = keras.layers.Dense(2, "tanh", name="h"), keras.layers.Dense(1, "sigmoid", use_bias=False)
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.set_weights([W, B, V[:, None]])
    return model


def tanh_net(outputs=3, seed=0):
    """Returns a random net of three layers, and its gradient at points (n, 4) in float64."""
    rng = np.random.default_rng(seed)
    kernels = [rng.normal(size=shape) for shape in ((4, 5), (5, 5), (5, outputs))]
    layers = [keras.layers.Dense(k.shape[1], "tanh" if i < 2 else None, use_bias=False) for i, k in enumerate(kernels)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.set_weights(kernels)

    def outputs_of(x):
        return np.tanh(np.tanh(x @ kernels[0]) @ kernels[1]) @ kernels[2]

    def gradient_of(x, k):
        first = np.tanh(x @ kernels[0])
        second = np.tanh(first @ kernels[1])
        back = (kernels[2][:, k] * (1 - second**2)) @ kernels[1].T
        return (back * (1 - first**2)) @ kernels[0].T

    return model, outputs_of, gradient_of


@pytest.mark.one_backend
@pytest.mark.parametrize("rule", RULES)
def test_rules_integrate_constants_exactly_and_a_cubic_as_they_should(rule):
    nodes, weights = nodes_and_weights(rule, 40)
    errors = {"gauss_legendre": 1e-14, "midpoint": 2e-4, "trapezoid": 4e-4, "left": 0.0124, "right": 0.0127}
    assert weights.sum() == pytest.approx(1) and len(nodes) == 40 + (rule == "trapezoid")
    error = abs(weights @ nodes**3 - 0.25)
    assert error < errors[rule] and (rule == "gauss_legendre" or error > errors[rule] / 3)


@pytest.mark.parametrize(
    "rule, nodes, values, gap",
    [
        ("right", 10, (9.24, 4.62), 1.86),
        ("left", 10, (6.84, 3.42), -1.74),
        ("midpoint", 10, (7.98, 3.99), -0.03),
        ("trapezoid", 10, (8.04, 4.02), 0.06),
        ("gauss_legendre", 2, (8, 4), 0),
    ],
)
def test_a_polynomial_has_the_check_values_of_every_rule(rule, nodes, values, gap):
    found = integrated_gradients(polynomial(), np.array([[2.0, 3.0]]), rule=rule, nodes=nodes)
    np.testing.assert_allclose(found.values, [values], rtol=1e-6)
    np.testing.assert_allclose(found.gaps, [gap], atol=2e-6)
    assert found.nodes[0] == nodes and found.outputs[0] == 12


MODELS = {}


def polynomial():
    if "polynomial" not in MODELS:
        MODELS["polynomial"] = model_of(lambda x: ops.square(x[:, 0]) * x[:, 1], (2,))
    return MODELS["polynomial"]


def test_a_saturated_unit_gets_its_due_where_the_gradient_is_0():
    model, x = model_of(lambda x: 1.0 - ops.relu(1.0 - x), (1,)), np.array([[2.0]])
    assert gradient(model, x).values == 0
    for rule, expected in [("midpoint", 1.0), ("left", 1.0), ("right", 0.96)]:
        found = integrated_gradients(model, x, rule=rule, nodes=50)
        np.testing.assert_allclose(found.values, [[expected]], rtol=1e-5)


def test_a_small_network_has_the_check_values():
    model = network()
    found = integrated_gradients(model, POINT, rule="gauss_legendre", nodes=200)
    np.testing.assert_allclose(found.values, [[0.28275297, 0.11560582, -0.08770337]], atol=3e-7)
    np.testing.assert_allclose([found.outputs[0], found.baseline_outputs[0]], [0.89699118, 0.58633576], atol=1e-6)
    right = integrated_gradients(model, POINT, rule="right", nodes=10)
    np.testing.assert_allclose(right.values, [[0.26016926, 0.08532466, -0.08152926]], atol=3e-7)
    np.testing.assert_allclose(right.gaps, [-4.67e-2], atol=5e-5)
    other = integrated_gradients(model, POINT, baseline=0.5)
    np.testing.assert_allclose(other.values, [[0.13483735, 0.19453236, 0]], atol=3e-7)
    assert other.values[0, 2] == 0.0
    product = gradient_x_input(model, POINT)
    np.testing.assert_allclose(product.values, [[0.14090445, -0.06409984, -0.04850960]], atol=3e-7)
    assert product.gaps is None and gradient(model, POINT).values[0, 0] == pytest.approx(product.values[0, 0])


def test_classes_baselines_and_backends_agree_with_a_float64_integral():
    model, outputs_of, gradient_of = tanh_net()
    rng = np.random.default_rng(3)
    x, starts = rng.normal(size=(5, 4)), rng.normal(size=(2, 5, 4))
    classes = [2, 0, 1, 1, 2]
    nodes, weights = nodes_and_weights("gauss_legendre", 200)
    expected = np.zeros((5, 4))
    for row, k in enumerate(classes):
        for start in starts[:, row]:
            points = start + nodes[:, None] * (x[row] - start)
            expected[row] += (x[row] - start) * (weights @ gradient_of(points, k)) / 2
    found = integrated_gradients(model, x, classes, baseline=list(starts), tolerance=1e-6, batch_size=7)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    differences = outputs_of(x) - outputs_of(starts).mean(0)
    np.testing.assert_allclose(found.outputs - found.baseline_outputs, differences[range(5), classes], atol=2e-6)
    np.testing.assert_allclose(found.gaps, found.values.sum(1) - differences[range(5), classes], atol=1e-5)
    assert found.converged.all() and found.baseline == "mean of 2 baselines"
    best = integrated_gradients(model, x, "predicted", baseline=starts[0])
    np.testing.assert_allclose(best.outputs, outputs_of(x).max(1), atol=2e-6)


def test_linearity_insensitivity_and_the_gap_of_the_tolerance():
    model, _, _ = tanh_net()
    x = np.random.default_rng(1).normal(size=(3, 4))
    x[:, 2] = 0.0  # as the baseline

    def both(outputs):
        return 2.0 * outputs[:, 0] - 3.0 * outputs[:, 1]

    options = {"rule": "midpoint", "nodes": 64}
    first, second = (integrated_gradients(model, x, k, **options) for k in (0, 1))
    mixed = integrated_gradients(model, x, both, **options)
    np.testing.assert_allclose(mixed.values, 2 * first.values - 3 * second.values, atol=1e-5)
    assert (mixed.values[:, 2] == 0.0).all() and mixed.target == "both"
    assert (np.abs(first.gaps) < 1e-3 * np.abs(first.outputs - first.baseline_outputs) + 1e-5).all()
    assert first.converged.all() and (first.relative_gaps < 2e-3).all()


def test_nodes_are_added_sample_by_sample_and_what_is_missing_is_said():
    model = model_of(lambda x: ops.relu(x[:, 0] - 0.7), (1,))
    x = np.array([[1.0], [0.5], [-3.0]])
    with pytest.warns(UserWarning, match=r"1 of 3 samples did not reach tolerance=1e-05 with 64 nodes.*largest gap is"):
        found = integrated_gradients(model, x, tolerance=1e-5, maximum_nodes=64)
    assert found.nodes.tolist() == [64, 16, 16] and found.converged.tolist() == [False, True, True]
    assert found.values[1, 0] == 0.0
    assert found.shortfall().startswith("Integrated gradients:")
    enough = integrated_gradients(model, x, tolerance=0.01)
    assert enough.converged.all() and enough.nodes[0] > 16 and enough.nodes[1] == 16


@pytest.mark.one_backend
def test_the_model_never_sees_more_points_than_a_batch():
    sizes = []

    def watched(x):
        sizes.append(x.shape[0])
        return ops.sum(ops.square(x), axis=1)

    class Dynamic(keras.Model):
        def call(self, x):
            return watched(x)

    model = Dynamic()
    model.build((None, 2))
    integrated_gradients(model, np.ones((5, 2)), nodes=1000, batch_size=24)
    assert sizes and max(size for size in sizes if size) <= 24


def embedded():
    """F of the small network on the mean embedding of two tokens, with its three rows of embeddings."""
    model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(3, 3, name="tokens")])
    model.add(keras.layers.GlobalAveragePooling1D())
    for layer in network().layers:
        model.add(layer)
    model.layers[0].set_weights([np.array([[0.1, 0.2, 0], [0.3, -0.4, 0.5], [-0.5, 0.6, 1.0]])])
    return model


def test_tokens_get_the_check_values_at_their_embedding():
    model, ids = embedded(), np.array([[2, 1], [0, 0]])
    found = integrated_gradients(model, ids, on="tokens", tolerance=1e-5)
    np.testing.assert_allclose(found.per_position()[0], [-0.38348836, 0.05764218], atol=1e-6)
    np.testing.assert_allclose(found.values[0].sum(), -0.32584618, atol=1e-6)
    padding = integrated_gradients(model, ids, on=model.layers[0], baseline=np.array([0, 0]))
    assert (padding.values[1] == 0.0).all() and padding.values[0].any()
    before = model.predict(ids, verbose=0)
    np.testing.assert_allclose(before[:, 0], found.outputs, atol=1e-6)  # the layer is as it was


def test_masked_positions_get_exactly_0():
    layers = keras.layers.Embedding(4, 2, mask_zero=True, name="tokens"), keras.layers.GlobalAveragePooling1D()
    model = keras.Sequential([keras.Input((3,), dtype="int32"), *layers, keras.layers.Dense(1, "tanh")])
    found = integrated_gradients(model, np.array([[3, 1, 0], [2, 0, 0]]), on="tokens")
    moved = np.abs(found.values).sum(-1) > 0
    np.testing.assert_array_equal(moved, [[True, True, False], [True, False, False]])


def test_several_inputs_move_together_and_integers_are_held():
    def fn(a, k, b):
        return ops.sum(a, axis=(1, 2)) * b[:, 0] + ops.cast(k[:, 0], "float32") * a[:, 0, 0]

    inputs = keras.Input((2, 1)), keras.Input((1,), dtype="int32"), keras.Input((1,))
    model = keras.Model(list(inputs), Fn(fn)(*inputs))
    arrays = [np.array([[[1.0], [2.0]]]), np.array([[3]]), np.array([[4.0]])]
    found = integrated_gradients(model, arrays)
    np.testing.assert_allclose(found.values[0], [[[2 + 3], [4]]], rtol=1e-5)
    np.testing.assert_allclose(found.values[1], [[6]], rtol=1e-5)
    np.testing.assert_allclose(found.gaps, 0, atol=1e-5)
    other = integrated_gradients(model, arrays, baseline=(np.array([[1.0], [2.0]]), 0.0))
    assert not other.values[0].any() and other.values[1][0, 0] == pytest.approx(12, rel=1e-5)
    figure = found.figure()
    assert len([each for each in figure.axes if each.get_title()]) == 2


def test_a_critic_an_encoder_and_a_layer_of_a_variant_are_explained():
    model = small.shared("o_gan")
    images, _ = small.data(3)
    found = integrated_gradients(model, images)
    scores = ops.convert_to_numpy(model.realness(ops.convert_to_tensor(images / np.float32(127.5) - 1)))
    np.testing.assert_allclose(found.outputs, scores, atol=1e-5)
    np.testing.assert_allclose(found.values.sum((1, 2, 3)), found.outputs - found.baseline_outputs, atol=1e-3)
    assert found.converged.all() and found.target == "score" and found.values.shape == images.shape
    one = integrated_gradients(model, images, ("encoding", 2), baseline="mean", tolerance=0.05)
    np.testing.assert_allclose(one.outputs, model.encode(images)[:, 2], atol=1e-5)
    place = next(path for path in kg.engine.layer_paths(model) if path.startswith("discriminator/"))
    at_layer = integrated_gradients(model, images, on=place, tolerance=0.01)
    np.testing.assert_allclose(at_layer.outputs, scores, atol=1e-5)
    assert at_layer.converged.all() and at_layer.on == place


def test_labels_of_a_conditional_critic_are_held():
    model = small.shared("gan", num_classes=small.CLASSES)
    images, labels = small.data(3)
    found = integrated_gradients(model, (images, labels), tolerance=0.01)
    assert found.values.shape == images.shape and found.converged.all()
    other = integrated_gradients(model, (images, (labels + 1) % small.CLASSES), tolerance=0.01)
    assert np.abs(other.outputs - found.outputs).max() > 1e-6


def test_smooth_grad_is_the_gradient_of_a_smoothed_function():
    model = model_of(lambda x: ops.sum(x**3, axis=1), (2,))
    x = np.array([[1.0, 3.0], [0.0, 4.0]])
    found = smooth_grad(model, x, noise=0.25, samples=400)
    deviation = 0.25 * np.array([[2.0], [4.0]])
    np.testing.assert_allclose(found.values, 3 * (x**2 + deviation**2), rtol=0.15)
    np.testing.assert_array_equal(found.values, smooth_grad(model, x, noise=0.25, samples=400).values)
    assert found.method == "SmoothGrad" and str(found).startswith("SmoothGrad of output for 2 samples")
    np.testing.assert_allclose(smooth_grad(model, x, noise=0, samples=2).values, gradient(model, x).values)


def test_training_noise_and_batch_statistics_do_not_enter():
    layers = keras.layers.Dense(3, "tanh"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
    found = integrated_gradients(model, np.random.default_rng(0).normal(size=(4, 2)))
    assert found.converged.all()


@pytest.mark.one_backend
def test_a_trained_model_is_explained_with_its_present_weights():
    model = network()
    first = integrated_gradients(model, POINT).outputs
    model.layers[-1].set_weights([2 * V[:, None]])
    second = integrated_gradients(model, POINT).outputs
    assert abs(first - second)[0] > 0.01
    assert second[0] == pytest.approx(model.predict(POINT, verbose=0)[0, 0], rel=1e-5)


@pytest.mark.one_backend
def test_figures_show_image_attribution_and_gap():
    model = small.shared("gan")
    found = integrated_gradients(model, small.data(3)[0])
    figure = found.figure(count=2, absolute=True, titles=["a", "b"])
    titles = [axes.get_title() for axes in figure.axes]
    assert any(title.startswith("a: score = ") for title in titles)
    assert sum("gap" in title for title in titles) == 2
    assert len(figure.axes) == 5  # two rows, and one scale for both
    tokens = integrated_gradients(embedded(), np.array([[2, 1]]), on="tokens").figure()
    assert tokens.axes[1].get_xlabel() == "position"


CLASSIFIER, EMBEDDED = tanh_net()[0], embedded()
X = np.ones((2, 4), "float32")


@pytest.mark.parametrize(
    "model, inputs, options, error, words",
    [
        (CLASSIFIER, X, {"target": 3}, ValueError, r"`target` must be in 0..2: the model has 3 outputs.*target=3"),
        (CLASSIFIER, X, {"target": [0, 5]}, ValueError, "Received: target=5"),
        (CLASSIFIER, X, {"target": [0, 1, 2]}, ValueError, "one class, or one for each of the 2 samples. Received: 3"),
        (CLASSIFIER, X, {}, ValueError, r"one number per sample.*without a `target` gives shape .*3"),
        (CLASSIFIER, X, {"target": 0.5}, TypeError, "`target` must be None, a class, 'predicted'"),
        (CLASSIFIER, X, {"target": "score"}, ValueError, "'score' is that of a two-player variant"),
        (CLASSIFIER, X, {"target": ("encoding", 0)}, ValueError, "needs a model with an encoder"),
        (CLASSIFIER, X, {"target": lambda y: ops.argmax(y, 1)}, ValueError, "`target` must be differentiable"),
        (
            CLASSIFIER,
            X,
            {"target": lambda y: ops.cast(ops.floor(3 * y[:, 0]), "float32")},
            ValueError,
            "`target` must be differentiable: it changes .* gradient is 0 all the way",
        ),
        (
            CLASSIFIER,
            X,
            {"target": 0, "on": "dens"},
            ValueError,
            r"`on` must be 'inputs' or a layer.*Did you mean 'dense",
        ),
        (CLASSIFIER, X, {"target": 0, "on": keras.layers.Dense(1, name="x")}, ValueError, "The layers are dense"),
        (CLASSIFIER, X, {"target": 0, "baseline": np.ones(3)}, ValueError, r"of all: \(4,\) or \(2, 4\).*shape=\(3,\)"),
        (CLASSIFIER, X, {"target": 0, "baseline": "zeroes"}, ValueError, "`baseline` must be one of.*mean 'zeros'"),
        (CLASSIFIER, X, {"target": 0, "baseline": None}, TypeError, "`baseline` must be 'zeros', 'mean', a number"),
        (CLASSIFIER, X, {"target": 0, "baseline": []}, ValueError, "`baseline` must hold at least one"),
        (CLASSIFIER, X, {"target": 0, "baseline": (0.0, 0.0)}, ValueError, "one for each of the 1 inputs that move"),
        (CLASSIFIER, X, {"target": 0, "baseline": np.nan}, ValueError, "`baseline` must be finite"),
        (CLASSIFIER, X[:1], {"target": 0, "baseline": "mean"}, ValueError, "'mean' needs at least 2 samples"),
        (CLASSIFIER, X, {"target": 0, "tolerance": 0}, ValueError, "`tolerance` must be a number greater than 0"),
        (
            CLASSIFIER,
            X,
            {"target": 0, "rule": "gauss_legender"},
            ValueError,
            "`rule` must be one of.*Did you mean 'gauss_legendre'",
        ),
        (CLASSIFIER, X, {"target": 0, "nodes": 0}, ValueError, "`nodes` must be a positive integer"),
        (CLASSIFIER, X * np.nan, {"target": 0}, ValueError, "`inputs` must be finite"),
        (CLASSIFIER, X[:0], {"target": 0}, ValueError, "at least one sample"),
        (CLASSIFIER, "image.png", {"target": 0}, TypeError, "`inputs` must be arrays"),
        (CLASSIFIER, X.astype(int), {"target": 0}, TypeError, "`inputs` must be floats.*int64.*no embedding"),
        (EMBEDDED, np.array([[2, 1]]), {}, TypeError, "unless `on` names an embedding.*on='tokens'"),
        (lambda x: x, X, {}, TypeError, "`model` must be a keras.Model"),
    ],
)
@pytest.mark.one_backend
def test_bad_input_gets_one_sentence(model, inputs, options, error, words):
    with pytest.raises(error, match=words) as told:
        integrated_gradients(model, inputs, **options)
    assert "unexpected" not in str(told.value)


def test_a_variant_that_has_no_critic_names_its_networks():
    with pytest.raises(TypeError, match="for a IGN pass one of its networks: model.network"):
        integrated_gradients(small.shared("ign"), small.data()[0])


def test_a_detached_target_is_refused_everywhere():
    with pytest.raises(ValueError, match="`target` must be differentiable"):
        integrated_gradients(CLASSIFIER, X, lambda outputs: ops.stop_gradient(outputs[:, 0]))


def test_a_kink_near_the_end_gets_more_nodes():
    """F = 1000 relu(x - 0.999): none of the first nodes is behind the kink."""
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, "relu")
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([np.array([[1000.0]]), np.array([-999.0])])
    found = kg.analysis.integrated_gradients(model, np.ones((1, 1), "float32"), tolerance=0.1)
    assert found.values[0, 0] == pytest.approx(1.0, rel=0.15)
