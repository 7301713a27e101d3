"""The Jacobian of a game: products against differences, Arnoldi against the Dirac-GAN, verdicts and refusals."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.analysis import dynamics, game_jacobian
from keras_gans.analysis.jacobian import Game
from keras_gans.penalties import R1, R2
from tests.laws import small


def by_rotation(values):
    """Returns eigenvalues by their imaginary parts: those of a multiple one have no order otherwise."""
    return values[np.argsort(np.round(values.imag, 5), kind="stable")]


def points(variant=kg.RSGAN, state=None, dim=6, **knobs):
    return dynamics.point_model(variant, np.zeros(2 * dim) if state is None else state, 0.1, dim=dim, **knobs)


@pytest.mark.parametrize(
    "variant, knobs, dirac",
    [
        (kg.RSGAN, {}, {"objective": "rsgan"}),
        (kg.GAN, {"penalties": [R1(0.3)]}, {"objective": "sgan_ns", "r1": 0.3}),
        (kg.R3GAN, {"gamma": 0.4}, {"objective": "rsgan", "r1": 0.4, "r2": 0.4}),
    ],
)
def test_arnoldi_finds_the_eigenvalues_of_the_dirac_gan(variant, knobs, dirac):
    data = np.zeros((4, 6), "float32")
    found = game_jacobian(points(variant, **knobs), data, leading=4, tolerance=1e-8, eagerly=True)
    gan = dynamics.DiracGAN(**dirac)
    np.testing.assert_allclose(by_rotation(found.eigenvalues), by_rotation(np.tile(gan.eigenvalues(), 2)), atol=1e-6)
    assert found.converged and found.products < 60 and found.size == 12
    missing = gan.critical_weight() - gan.damping
    assert found.critical_weight == pytest.approx(max(0, missing), abs=1e-5)
    assert found.curvature == pytest.approx(1.0, abs=1e-6)
    assert found.step_radius(0.2) == pytest.approx(gan.step_radius(0.2, "simultaneous"), abs=1e-6)
    np.testing.assert_allclose(found.critic_shares, 0.5, atol=0.01)


def test_away_from_the_equilibrium_the_whole_matrix_is_that_of_the_dirac_gan():
    state, gan = [0.7, -1.2, 0.4, 0.9], dynamics.DiracGAN("sgan_ns", r1=0.3, r2=0.1, dim=2)
    model = points(kg.GAN, state, 2, penalties=[R1(0.3), R2(0.1)])
    game = Game(model, np.zeros((3, 2), "float32"), 3, 0, eagerly=True)
    matrix = np.stack([game.product(row) for row in np.eye(4)])  # rows of J
    np.testing.assert_allclose(matrix, gan.jacobian(state), atol=1e-6)
    found = game_jacobian(model, np.zeros((3, 2), "float32"), leading=4, eagerly=True)
    np.testing.assert_allclose(by_rotation(found.eigenvalues), by_rotation(gan.eigenvalues(state)), atol=1e-6)


@pytest.mark.parametrize("name", ["gan", "rsgan"])
def test_products_of_a_network_are_those_of_central_differences(name):
    model = small.shared(name, **({"penalties": [R1(0.5)]} if name == "gan" else {}))
    for variable in model.trainable_variables:  # smooth enough for differences: away from the kinks of small weights
        variable.assign(ops.convert_to_numpy(variable.value) * 1.5)
    game = Game(model, small.data()[0], 6, 0, eagerly=True)
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(2, game.size)) / np.sqrt(game.size)
    exact = game.product(left) @ right
    start = [ops.convert_to_numpy(v.value).copy() for v in game.variables]

    def field(step):
        offsets = np.split(step * right, np.cumsum(game.sizes)[:-1])
        for variable, value, offset in zip(game.variables, start, offsets, strict=True):
            variable.assign(value + offset.reshape(value.shape).astype("float32"))
        gradients = []
        for i, player in enumerate(game.players):
            _, _, found = kg.engine.value_and_gradients(lambda i=i: game.losses(*game.inputs)[i], player)
            gradients += [ops.convert_to_numpy(each).reshape(-1) for each in found]
        return -np.concatenate(gradients).astype("float64")

    difference = left @ (field(1e-2) - field(-1e-2)) / 2e-2
    field(0.0)
    assert exact == pytest.approx(difference, rel=0.02, abs=2e-4)
    small.KEPT.clear()


def test_the_model_is_left_as_it_was_and_the_noise_of_all_products_is_one():
    model = small.build("wgan_gp", compile=False)
    model.compile(run_eagerly=True)
    before = small.everything(model)
    game = Game(model, small.data()[0], 4, 0)
    vector = np.random.default_rng(0).normal(size=game.size)
    np.testing.assert_array_equal(game.product(vector), game.product(vector))
    eager = Game(model, small.data()[0], 4, 0, eagerly=True).product(vector)
    np.testing.assert_allclose(game.product(vector), eager, rtol=1e-4, atol=1e-5)
    small.assert_same(before, small.everything(model))


@pytest.mark.one_backend
def test_the_sign_of_the_largest_real_part_tells_what_a_small_game_does():
    data = np.zeros((2, 2), "float32")
    for variant, state, knobs, grows in [
        (kg.WGANGP, [0.2, 0.1, 0.1, -0.05], {"penalty_weight": 0.5}, True),  # leaves for its limit cycle
        (kg.GAN, [0.01, 0.02, 0.02, 0.01], {"penalties": [R1(0.5)]}, False),
    ]:
        found = game_jacobian(points(variant, state, 2, **knobs), data, leading=4, by="real", eagerly=True)
        gan = dynamics.DiracGAN("wgan_gp", lam=0.5, dim=2) if grows else dynamics.DiracGAN("sgan_ns", r1=0.5, dim=2)
        radii = gan.simulate(state, 200, 0.05).radii
        assert (found.eigenvalues.real.max() > 0) == grows == (radii[-1] > radii[0])
        assert ("leave this point" in found.verdict()) == grows


@pytest.mark.one_backend
def test_verdicts_and_the_figure():
    def jacobian(values, damping, strength, curvature=2.0):
        shares = np.full(len(values), 0.5)
        return kg.analysis.GameJacobian(np.array(values), "magnitude", 9, 3, True, shares, damping, strength, curvature)

    turning = jacobian([-0.3 + 0.4j, -0.3 - 0.4j], 0.6, 0.5)
    assert turning.critical_weight == pytest.approx(0.2) and turning.rotates
    assert "come back to this point along these directions, at the slowest like exp(-0.3 t)" in str(turning)
    assert "turns fastest does so by 0.4 radians" in str(turning) and "R1 of weight 0.2 more would damp" in str(turning)
    neutral = jacobian([1j, -1j], 0.0, 1.0)
    assert str(neutral).startswith("Nothing damps the slowest") and neutral.critical_weight == pytest.approx(1.0)
    assert "leave this point" in str(jacobian([0.2 + 1j, 0.2 - 1j], -0.4, 1.02))
    still = jacobian([-1.0 + 0j, -2.0 + 0j], 2.0, 1.0)
    assert not still.rotates and still.critical_weight is None and "do not turn" in str(still)
    assert "No R1 penalty reaches" in str(jacobian([1j, -1j], 0.0, 1.0, curvature=0.0))
    figure = turning.figure()
    assert figure.axes[0].get_xlabel() == "real part: growth"
    assert figure.axes[1].get_ylabel() == "share of the discriminator"


@pytest.mark.one_backend
def test_a_pair_is_kept_whole_and_too_few_products_are_told():
    data = np.zeros((2, 6), "float32")
    found = game_jacobian(points(), data, leading=3, eagerly=True)
    assert len(found.eigenvalues) == 4
    with pytest.raises(ValueError, match="No eigenvalue was found with .* products: raise `products`"):
        model = small.shared("gan")
        game_jacobian(model, small.data()[0], by="real", products=1, tolerance=1e-12, samples=2)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"model": keras.Sequential([keras.Input((2,))])}, TypeError, "`model` must be a two-player variant"),
        ({"model": "uncompiled"}, ValueError, "`model` must be compiled"),
        ({"data": np.zeros((3, 5), "float32")}, ValueError, r"`images` must have shape \(n, 6\)"),
        ({"leading": 0}, ValueError, "`leading` must be a positive integer"),
        ({"by": "reel"}, ValueError, "`by` must be one of .*Did you mean 'real'"),
        ({"tolerance": 0}, ValueError, "`tolerance` must be a number greater than 0"),
        ({"samples": 0}, ValueError, "`samples` must be a positive integer"),
        ({"seed": -1}, ValueError, "`seed` must be an integer of at least 0"),
    ],
)
def test_bad_input_gets_one_sentence(change, error, words):
    given = {"model": points(), "data": np.zeros((3, 6), "float32"), **change}
    if given["model"] == "uncompiled":
        given["model"] = small.build("gan", compile=False)
        given["data"] = small.data()[0]
    with pytest.raises(error, match=words):
        game_jacobian(**given)
