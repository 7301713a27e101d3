"""Layers of bounded norm: check values of arXiv:1811.00995 worked out in float64, and what must hold for all."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gans.engine import value_and_gradients
from keras_gans.layers import ActNorm, Flattened, InvertibleBlock, LipschitzConv2D, LipschitzDense, Split, Squeeze
from keras_gans.layers.lipschitz import ACTIVATIONS, contractive

W = np.array([[1, 2], [0.5, -1]])  # y = W x
SOBEL = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])[:, :, None, None] / 4
BLUR = np.full((3, 3, 1, 1), 1 / 9)
RNG = np.random.default_rng(0)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def built(layer, shape, kernel=None):
    layer.build((None, *shape))
    if kernel is not None:
        layer.kernel.assign(kernel)
        layer.warm_up()
    return layer


def test_a_dense_kernel_is_divided_only_as_far_as_its_norm_is_above_the_bound():
    layer = built(LipschitzDense(2), (2,), W.T)
    expected = [[0.38285148, 0.76570295], [0.19142574, -0.38285148]]
    np.testing.assert_allclose(array(layer.used_kernel()).T, expected, rtol=2e-5)  # all but the slack of 1e-5
    assert layer.norm_bound() == (pytest.approx(0.9, rel=2e-5), "exact") and layer.norm_bound()[0] < 0.9
    np.testing.assert_array_equal(array(layer.kernel), W.T.astype("float32"))  # the raw kernel stays
    layer = built(LipschitzDense(2), (2,), 0.2 * W.T)
    np.testing.assert_allclose(array(layer.used_kernel()).T, 0.2 * W, rtol=2e-5)
    assert layer.norm_bound()[0] == pytest.approx(0.47015621, rel=2e-5)


def test_the_power_iteration_goes_through_its_check_values():
    layer = built(LipschitzDense(2), (2,), W.T)
    layer.u.assign([[1, 0]])
    found = []
    for _ in range(5):
        u, v = layer.iterate()
        found.append(float(array(ops.sum(u * layer.mapped(v, layer.kernel)))))
    np.testing.assert_allclose(found, [2.33452351, 2.35049869, 2.35077621, 2.35078098, 2.35078106], rtol=3e-7)
    assert layer.norm_bound()[0] == pytest.approx(0.9, rel=2e-5)


def test_the_power_iteration_of_a_convolution_has_its_real_padding():
    layer = built(LipschitzConv2D(1), (8, 8, 1), SOBEL)
    rows, columns = np.mgrid[:8, :8]
    start = np.sin(1 + rows + 2.3 * columns)[None, :, :, None]
    first = layer.mapped_array(start, SOBEL)
    layer.u.assign(first / np.linalg.norm(first))
    found = []
    for _ in range(20):
        before = ops.copy(ops.convert_to_tensor(layer.u))
        _, v = layer.iterate()
        found.append(float(array(ops.sum(before * layer.mapped(v, layer.kernel)))))
    np.testing.assert_allclose([found[i - 1] for i in (1, 5, 20)], [0.69016836, 1.69959838, 1.82201394], rtol=2e-6)
    layer.warm_up(80)
    np.testing.assert_allclose(array(layer.used_kernel()), SOBEL * 0.9 / 1.82271484, rtol=2e-5, atol=1e-7)


@pytest.mark.one_backend
@pytest.mark.parametrize(("side", "sobel", "blur"), [(4, 1.46352549, 0.76156689), (8, 1.82271484, 0.92120660)])
def test_the_norm_of_a_convolution_is_that_of_the_whole_operator(side, sobel, blur):
    layer = built(LipschitzConv2D(1), (side, side, 1))
    assert layer.norm_of(SOBEL) == (pytest.approx(sobel, rel=1e-8), "exact")
    assert layer.norm_of(BLUR) == (pytest.approx(blur, rel=1e-7), "exact")
    assert np.linalg.norm(SOBEL.reshape(9, 1), 2) == pytest.approx(0.8660254)  # what another layer would take for it
    layer = built(LipschitzConv2D(1), (32, 32, 1))
    assert layer.norm_of(SOBEL) == (pytest.approx(2.0, rel=1e-9), "upper bound")
    circular = built(LipschitzConv2D(1, padding="circular"), (side, side, 1))
    assert circular.norm_of(SOBEL) == (pytest.approx(2.0, rel=1e-9), "exact")


@pytest.mark.parametrize("padding", ["same", "circular"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_convolution_its_adjoint_and_the_verified_norm_belong_together(padding, kernel_size):
    layer = built(LipschitzConv2D(3, kernel_size, padding=padding), (4, 6, 2))
    kernel = np.random.default_rng(kernel_size).normal(size=layer.kernel.shape, scale=2)
    layer.kernel.assign(kernel)
    layer.warm_up(400)
    x, y = RNG.normal(size=(2, 4, 6, 2)), RNG.normal(size=(2, 4, 6, 3))
    mapped = array(layer.mapped(tensor(x), layer.kernel))
    np.testing.assert_allclose(mapped, layer.mapped_array(x, kernel), rtol=1e-4, atol=1e-4)
    adjoint = array(layer.adjoint(tensor(y), layer.kernel))
    np.testing.assert_allclose(np.sum(mapped * y), np.sum(x * adjoint), rtol=1e-4)
    matrix = layer.mapped_array(np.eye(48).reshape(48, 4, 6, 2), kernel).reshape(48, -1)
    norm, how = layer.norm_of(kernel)
    assert how == "exact" and norm == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-9)
    assert layer.norm_bound()[0] == pytest.approx(0.9, rel=1e-3)  # that of the estimate is the same


def test_a_constant_vector_does_not_hold_the_power_iteration_on_circular_images():
    layer = built(LipschitzConv2D(1, padding="circular"), (8, 8, 1), BLUR)  # constant images have the largest norm, 1
    layer.u.assign(np.full((1, 8, 8, 1), 1 / 8))
    layer.kernel.assign(BLUR + 2 * SOBEL)  # now others have: 4.03; that of constant ones is still 1
    for _ in range(4):
        layer(ops.zeros((1, 8, 8, 1)), training=True)
    assert layer.norm_bound()[0] == pytest.approx(0.9, rel=0.05)


def test_the_bound_of_large_images_is_never_below_the_norm():
    kernel = RNG.normal(size=(3, 3, 8, 8))
    exact = built(LipschitzConv2D(8), (4, 6, 8))
    norm, how = exact.norm_of(kernel)
    exact.size = (40, 60)  # too many to look at the matrix: its norm is above that of a part of the image
    bound, told = exact.norm_of(kernel)
    assert (how, told) == ("exact", "upper bound") and norm < bound < 1.5 * norm


def test_the_gradient_goes_through_the_norm():
    layer = built(LipschitzDense(2), (2,), np.diag([3.0, 1.0]))

    def first_row():
        return ops.sum(layer.mapped(tensor(np.eye(2)), layer.used_kernel())[0])

    _, _, (gradient,) = value_and_gradients(first_row, [layer.kernel])
    np.testing.assert_allclose(array(gradient), [[0, 0.3], [0, 0]], atol=1e-5)  # 0.9 / 3: the scale is free


@pytest.mark.parametrize("make", [lambda: LipschitzDense(3, 0.5), lambda: LipschitzConv2D(3, 3, 0.5)])
def test_vectors_move_in_training_alone_and_a_frozen_layer_keeps_them(make):
    layer = make()
    shape = (4, 4, 2) if isinstance(layer, LipschitzConv2D) else (2,)
    layer = built(layer, shape, RNG.normal(size=built(make(), shape).kernel.shape))
    layer.u.assign(RNG.normal(size=layer.u.shape))
    inputs = tensor(RNG.normal(size=(2, *shape)))
    before = [array(layer.u).copy(), array(layer.kernel).copy()]
    layer(inputs)
    layer.trainable = False
    layer(inputs, training=True)
    np.testing.assert_array_equal(array(layer.u), before[0])
    layer.trainable = True
    for _ in range(12):
        layer(inputs, training=True)
    assert (array(layer.u) != before[0]).any()
    np.testing.assert_array_equal(array(layer.kernel), before[1])
    assert layer.norm_bound()[0] == pytest.approx(0.5, rel=0.02)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.one_backend
def test_layers_are_float32_under_every_policy():
    keras.config.set_dtype_policy("mixed_float16")
    layer = built(LipschitzDense(3), (2,))
    outputs = layer(ops.ones((1, 2), "float16"), training=True)
    assert {each.dtype for each in layer.weights} == {"float32"} == {keras.backend.standardize_dtype(outputs.dtype)}


@pytest.mark.one_backend
def test_no_activation_is_steeper_than_one_and_swish_is_refused_with_the_reason():
    points = np.linspace(-8, 8, 400_001)
    for name, phi in ACTIVATIONS.items():
        slopes = np.diff(array(phi(ops.convert_to_tensor(points, "float64")))) / np.diff(points)
        assert np.abs(slopes).max() <= 1 + 1e-9, name
    for name, slope in (("swish", "1.0999"), ("silu", "1.0999"), ("gelu", "1.129"), ("mish", "1.0885")):
        with pytest.raises(ValueError, match=f"slopes of at most 1.*{name} has slopes up to {slope}.*'lipswish'"):
            contractive(name)
    with pytest.raises(ValueError, match="`activation` must be one of 'elu'.*Did you mean 'elu'"):
        contractive("elus")


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("make", "words"),
    [
        *((lambda c=c: LipschitzDense(2, c), "`coefficient` must be a number greater than 0") for c in (0, -1, 1, 1.5)),
        (lambda: LipschitzDense(2, "x"), "`coefficient` must be a number"),
        (lambda: LipschitzDense(0), "`units` must be a positive integer"),
        (lambda: LipschitzDense(2, power_iterations=0), "`power_iterations` must be a positive integer"),
        (lambda: LipschitzConv2D(2, 4), "`kernel_size` must be odd"),
        (lambda: LipschitzConv2D(2, padding="valid"), "`padding` must be one of 'same', 'circular'"),
        (lambda: LipschitzConv2D(2, 7, padding="circular").build((None, 2, 8, 1)), "at most 5 for circular images"),
        (lambda: Squeeze().build((None, 5, 4, 1)), r"even height and width to be squeezed.*\(5, 4, 1\)"),
        (lambda: Split().build((None, 4, 4, 3)), r"even number of channels to be split.*\(4, 4, 3\)"),
        (lambda: InvertibleBlock([LipschitzDense(3)]).build((None, 2)), r"`maps` must return what they take, \(2,\)"),
    ],
)
def test_what_cannot_be_is_refused_in_words(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


def test_a_squeeze_has_its_order_of_channels_and_an_inverse():
    layer = built(Squeeze(), (4, 4, 1))
    images = np.arange(16.0).reshape(1, 4, 4, 1)
    squeezed = array(layer(tensor(images)))
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(squeezed.reshape(4, 4), expected)
    images = RNG.normal(size=(2, 4, 6, 3)).astype("float32")
    for layer in (built(Squeeze(), (4, 6, 3)), built(Flattened(), (4, 6, 3))):
        np.testing.assert_array_equal(array(layer.inverse(layer(tensor(images)))), images)
    assert array(built(Squeeze(), (4, 6, 3))(tensor(images))).shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(array(built(Squeeze(), (4, 6, 3))(tensor(images)))[0, 1, 2, 7], images[0, 3, 4, 1])


def test_actnorm_begins_with_standardised_values():
    layer = built(ActNorm(), (2,))
    rows = tensor([[1, 10], [3, 14], [5, 18], [7, 22]])
    np.testing.assert_array_equal(array(layer(rows)), array(rows))
    layer.initialize(rows)
    np.testing.assert_allclose(array(layer.log_scale), [-0.80471996, -1.49786639], rtol=1e-6)
    np.testing.assert_allclose(array(layer.bias), [-1.78885259, -3.57770787], rtol=1e-6)
    outputs, log_det = layer.transform(rows)
    np.testing.assert_allclose(array(outputs)[0], [-1.34163944, -1.34164045], rtol=1e-6)
    assert float(array(log_det)) == pytest.approx(-2.30258634, rel=1e-6)
    np.testing.assert_allclose(array(layer.inverse(outputs)), array(rows), rtol=1e-6)
    images = built(ActNorm(), (2, 8, 2))
    images.initialize(ops.reshape(ops.repeat(rows, 16, axis=0), (4, 2, 8, 2)))
    _, log_det = images.transform(ops.zeros((1, 2, 8, 2)))
    assert float(array(log_det)) == pytest.approx(-36.84138149, rel=1e-6)
