"""The Dirac-GAN against the check values of its methods page: fields, flows, eigenvalues, invariants, steps."""

import numpy as np
import pytest

import keras_gans as kg
from keras_gans.analysis import dynamics
from keras_gans.analysis.dynamics import DiracGAN

pytestmark = pytest.mark.one_backend  # NumPy in float64

START = np.array([0.1, 0.2, 0.2, 0.1])
PLANE = {  # name: arguments, field at START, state of the flow at t = 10
    "sgan_ns": (
        {},
        (-0.10199973, -0.05099987, 0.04900013, 0.09800027),
        (0.21309595, 0.14204722, -0.03101273, -0.16145437),
    ),
    "sgan_sat": (
        {},
        (-0.10199973, -0.05099987, 0.05099987, 0.10199973),
        (0.21989684, 0.15157949, -0.04056330, -0.16438874),
    ),
    "lsgan": ({}, (-0.416, -0.208, 0.192, 0.384), (-0.14436923, 0.02791412, 0.11901053, 0.18478955)),
    "wgan": ({}, (-0.2, -0.1, 0.1, 0.2), (0.02489707, -0.11341219, -0.22221642, -0.19271138)),
    "wgan_lp": ({}, (-0.2, -0.1, 0.1, 0.2), (0.02489707, -0.11341219, -0.22221642, -0.19271138)),
    "wgan_sn": (
        {},
        (-0.53665631, 0.26832816, 0.44721360, 0.89442719),
        (-0.22345191, -0.00832140, -0.07190635, 0.39010044),
    ),
    "wgan_gp": ({}, (-0.13055728, 0.03888544, 0.1, 0.2), (0.18032601, -0.62771658, -0.65844894, -0.36240492)),
    "wgan_gp 0": (
        {"target": 0.0},
        (-0.22, -0.14, 0.1, 0.2),
        (0.00709089, -0.04142194, -0.08590491, -0.07075431),
    ),
    "wgan_div": ({}, (-0.203, -0.106, 0.1, 0.2), (0.02845338, -0.10248878, -0.18369944, -0.15592102)),
    "gan_qp": ({}, (-0.23577709, -0.11788854, 0.1, 0.2), (0.06299297, -0.12729077, -0.17153377, -0.12962296)),
    "sgan_ns R1": (
        {"r1": 0.3},
        (-0.13199973, -0.11099987, 0.04900013, 0.09800027),
        (0.05404380, 0.03866827, -0.03368279, -0.05173706),
    ),
}
LINE = {  # name: arguments, (phi, theta) from (.5, .8) with rate .1: alternating 1 and 10 steps, simultaneous 10 steps
    "sgan_sat": ({}, (0.45210499, 0.82664924, 0.00742694, 0.92951419, -0.00031060, 0.95829572)),
    "sgan_ns": ({}, (0.45210499, 0.81856126, 0.01888764, 0.90169291, 0.01465639, 0.91995296)),
    "rsgan": ({}, (0.45210499, 0.81856126, 0.01888764, 0.90169291, 0.01465639, 0.91995296)),
    "lsgan": ({}, (0.27600000, 0.84301184, -0.68108032, -0.06231703, -0.78229444, 0.04199970)),
    "wgan": ({}, (0.42000000, 0.84200000, -0.38315593, 0.81962618, -0.42061118, 0.89788636)),
    "hinge": ({}, (0.42000000, 0.84200000, -0.38315593, 0.81962618, -0.42061118, 0.89788636)),
    "wgan_lp": ({}, (0.42000000, 0.84200000, -0.38315593, 0.81962618, -0.42061118, 0.89788636)),
    "wgan_gp": ({}, (0.43000000, 0.84300000, -0.35294003, 0.86952274, -0.38430669, 0.94643921)),
    "wgan_gp 0": ({"target": 0}, (0.41000000, 0.84100000, -0.39080816, 0.79832008, -0.42811577, 0.87695805)),
    "wgan_div": ({}, (0.38250000, 0.83825000, -0.40764549, 0.77904855, -0.44483081, 0.85836573)),
    "gan_qp": ({}, (0.38000000, 0.83800000, -0.38150960, 0.75096017, -0.41045128, 0.82801756)),
    "sgan_ns R1": ({"r1": 0.3}, (0.43710499, 0.81807250, -0.04094582, 0.88082464, -0.04555729, 0.90206548)),
    "sgan_ns R1 R2": (
        {"r1": 0.3, "r2": 0.3},
        (0.42210499, 0.81757528, -0.08128841, 0.86318214, -0.08605661, 0.88650714),
    ),
}


def gan(name, dim=1, **more):
    table = PLANE if name in PLANE else LINE
    return DiracGAN(name.split(" ")[0], dim=dim, **{**table.get(name, ({},))[0], **more})


@pytest.mark.parametrize("name", PLANE)
def test_field_and_flow_have_the_check_values(name):
    game, (_, field, end) = gan(name, 2), PLANE[name]
    np.testing.assert_allclose(game.field(START), field, atol=6e-9)
    np.testing.assert_allclose(game.simulate(START, 10, 1.0, "flow").states[-1], end, atol=1e-8)


@pytest.mark.parametrize("name", LINE)
def test_discrete_steps_have_the_check_values(name):
    game, expected = gan(name), LINE[name][1]
    alternating = game.simulate((0.5, 0.8), 10, 0.1).states
    simultaneous = game.simulate((0.5, 0.8), 10, 0.1, "simultaneous").states
    np.testing.assert_allclose([*alternating[1], *alternating[10], *simultaneous[10]], expected, atol=6e-9)


@pytest.mark.parametrize("name", [*PLANE, "hinge"])
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_the_jacobian_is_that_of_central_differences(name, noise):
    if noise and name not in ("sgan_ns", "sgan_sat", "lsgan", "wgan"):
        noise = 0.0
    game = gan(name, 2, instance_noise=noise)
    state = np.array([0.7, -1.2, 0.4, 0.9])
    np.testing.assert_allclose(game.jacobian(state), game._differences(state), atol=1e-7)


@pytest.mark.parametrize(
    "game, expected",
    [
        (gan("sgan_ns"), (0.5j,)),
        (gan("sgan_sat"), (0.5j,)),
        (gan("rsgan"), (0.5j,)),
        (gan("lsgan"), (2j,)),
        (gan("wgan"), (1j,)),
        (gan("wgan_lp"), (1j,)),
        (gan("hinge"), (1j,)),
        (gan("gan_qp"), (1j,)),
        (gan("wgan_div"), (1j,)),
        (DiracGAN("sgan_ns", r1=0.3), (-0.15 + 0.47696960j,)),
        (DiracGAN("sgan_ns", r2=0.3), (-0.15 + 0.47696960j,)),
        (DiracGAN("sgan_ns", weight_decay=0.3), (-0.15 + 0.47696960j,)),
        (DiracGAN("sgan_ns", r1=2.0), (-0.13397460, -1.86602540)),
        (DiracGAN("sgan_ns", r1=0.3, r2=0.3), (-0.3 + 0.4j,)),
        (DiracGAN("wgan_gp", target=0, lam=0.1), (-0.1 + 0.99498744j,)),
        (DiracGAN("wgan_gp", target=0, lam=2.0), (-0.26794919, -3.73205081)),
        (DiracGAN("lsgan", r1=1.0), (-0.5 + 1.93649167j,)),
        (DiracGAN("sgan_ns", instance_noise=0.7), (-0.1225 + 0.48476154j,)),
        (DiracGAN("sgan_sat", instance_noise=1.0), (-0.25 + 0.43301270j,)),
    ],
    ids=str,
)
def test_eigenvalues_have_the_check_values(game, expected):
    expected = expected if len(expected) == 2 else (expected[0], np.conj(expected[0]))
    np.testing.assert_allclose(game.eigenvalues(), expected, atol=1e-8)


def test_the_best_damping_makes_both_eigenvalues_one():
    for name, weight in [("sgan_ns", 1.0), ("wgan", 2.0), ("lsgan", 4.0)]:
        game = DiracGAN(name)
        assert game.critical_weight() == pytest.approx(weight)
        values = DiracGAN(name, r1=weight).eigenvalues()
        np.testing.assert_allclose(values, -weight / 2, atol=1e-6)


def test_invariants_stay_and_wedges_decay_as_they_should():
    end = gan("sgan_sat", 2).simulate(START, 10, 1.0, "flow").states[-1]
    found = gan("sgan_sat", 2).invariants(end)
    assert found == pytest.approx({"wedge": -0.03, "radius_squared": 0.1}, abs=1e-9)
    ns = gan("sgan_ns", 2).simulate(START, 10, 1.0, "flow")
    assert ns.radii[-1] ** 2 == pytest.approx(0.09261660, abs=1e-8)
    assert "radius_squared" not in gan("sgan_ns", 2).invariants(START)
    for name, wedge in [("sgan_ns R1", -0.00149361), ("wgan_gp 0", -0.00406006)]:
        game = gan(name, 2)
        end = game.simulate(START, 10, 1.0, "flow").states[-1]
        assert dynamics.wedge(*game.split(end)) == pytest.approx(wedge, abs=1e-8)
        assert -0.03 * np.exp(-10 * game.wedge_rate()) == pytest.approx(wedge, abs=1e-8)
        assert game.invariants(end) == {}
    sn = gan("wgan_sn", 2)
    first, last = (sn.invariants(state) for state in sn.simulate(START, 2, 5.0, "flow").states[[0, -1]])
    assert first["energy"] == pytest.approx(0.25086918, abs=1e-8) and first == pytest.approx(last, abs=1e-9)
    three = DiracGAN("wgan", dim=3)
    states = three.simulate([1, 2, 3, 0.5, -1, 0.1], 2, 1.0, "flow").states
    assert three.invariants(states[0]) == pytest.approx(three.invariants(states[2]), abs=1e-8)


def test_radii_after_long_times():
    for name, at_100 in [("sgan_ns", 0.06713952), ("wgan_gp", 1.99989915), ("gan_qp", 0.06), ("wgan_div", 0.03056432)]:
        radii = gan(name, 2).simulate(START, 1, 100.0, "flow").radii ** 2
        assert radii[1] == pytest.approx(at_100, abs=2e-8)
    line = {
        "sgan_ns": (0.67601726, 0.27171748),
        "lsgan": (0.30036536, 0.09956908),
        "wgan_div": (0.28654586, 0.16046949),
    }
    for name, expected in {**line, "gan_qp": (0.32354341, 0.04497087)}.items():
        radii = gan(name).simulate((0, 1), 10, 10.0, "flow").radii
        np.testing.assert_allclose(radii[[1, 10]], expected, atol=2e-8)


def test_exact_solutions_are_those_of_the_flow():
    np.testing.assert_allclose(
        DiracGAN("wgan_gp", target=0).exact(10.0, (1, 0))[0], [-0.29978254, -0.18534571], atol=1e-8
    )
    game = DiracGAN("wgan", r1=0.2, r2=0.1, dim=2)
    times = np.array([0.0, 3.0, 6.0])
    np.testing.assert_allclose(game.exact(times, START), game.simulate(START, 2, 3.0, "flow").states, atol=1e-8)
    phi, theta = 0.5, 0.8
    turned = [phi * np.cos(2) - theta * np.sin(2), theta * np.cos(2) + phi * np.sin(2)]
    np.testing.assert_allclose(DiracGAN("wgan").exact(2.0, (phi, theta))[0], turned, atol=1e-12)
    # the linear part of the non-saturating game, by the same propagator
    matrix = DiracGAN("sgan_ns", r1=1.0).jacobian()
    from scipy.linalg import expm

    np.testing.assert_allclose(expm(10 * matrix)[0], [-0.02695179, -0.03368973], atol=1e-8)


def test_steps_of_runge_kutta_long_steps_and_several_critic_steps():
    states = gan("sgan_ns", 2).simulate(START, 100, 0.1, "rk4").states
    np.testing.assert_allclose(states[-1], [0.21309594, 0.14204718, -0.03101279, -0.16145441], atol=6e-9)
    game = DiracGAN("sgan_ns", r1=0.3)
    for method, end in [("simultaneous", (0.24273746, -0.21233962)), ("alternating", (0.21645716, -0.18927872))]:
        np.testing.assert_allclose(game.simulate((1, 1), 100, 0.1, method).states[-1], end, atol=1e-8)
    assert gan("wgan").simulate((0, 1), 50, 0.1, "simultaneous").radii[-1] == pytest.approx(1.28243200, abs=1e-8)
    phi = 0.5 - 3 * 0.1 * 0.8  # three critic steps of wgan, then the generator against the new critic
    np.testing.assert_allclose(
        gan("wgan").simulate((0.5, 0.8), 1, 0.1, critic_steps=3).states[1], [phi, 0.8 + 0.1 * phi]
    )


@pytest.mark.parametrize(
    "objective, r1, rate, simultaneous, alternating",
    [
        ("wgan", 0.0, 0.2, 1.01980390, 1.0),
        ("wgan", 0.1, 0.2, 1.00995049, 0.98994949),
        ("wgan", 0.5, 0.2, 0.96953597, 0.94868330),
        ("sgan_ns", 0.3, 0.2, 0.97467943, 0.96953597),
    ],
)
def test_a_step_scales_the_radius_by_the_check_values(objective, r1, rate, simultaneous, alternating):
    game = DiracGAN(objective, r1=r1, dim=2)
    assert game.step_radius(rate, "simultaneous") == pytest.approx(simultaneous, abs=1e-8)
    assert game.step_radius(rate) == pytest.approx(alternating, abs=1e-8)


@pytest.mark.parametrize(
    "rate, momentum, simultaneous, alternating",
    [
        (0.2, -0.5, 1.00299996, 0.99406251),
        (0.2, -0.3, 1.00645149, 0.99451265),
        (0.2, 0.3, 1.06260592, 1.03091554),
        (0.2, 0.5, 1.12483590, 1.09182785),
        (1.0, -0.5, 1.10479312, 1.0),
        (1.0, -0.3, 1.20992638, 0.84640097),
    ],
)
def test_momentum_has_the_check_values_and_the_simulation_follows(rate, momentum, simultaneous, alternating):
    game = DiracGAN("wgan")
    for method, expected in [("simultaneous", simultaneous), ("alternating", alternating)]:
        assert game.step_radius(rate, method, momentum) == pytest.approx(expected, abs=1e-8)
        radii = game.simulate((1e-3, 2e-3), 400, rate, method, momentum=momentum).radii
        assert (radii[-1] / radii[-201]) ** (1 / 200) == pytest.approx(expected, abs=0.01)


def test_averages_have_the_check_values():
    path = gan("sgan_ns", 2).simulate(START, 8000, 0.05, "flow", ema_decay=0.999)
    np.testing.assert_allclose(path.states[-1], [0.15338088, 0.08816560, 0.08062823, -0.14924522], atol=1e-7)
    np.testing.assert_allclose(path.averages[-1], [0.00357003, -0.00571176, -0.00588584, -0.00380014], atol=1e-7)
    residuals = [dynamics.average_residual(0.05, decay) for decay in (0.99, 0.999, 0.9999)]
    np.testing.assert_allclose(residuals, [0.19708559, 0.02000809, 0.00200030], atol=1e-8)


@pytest.mark.parametrize(
    "game, kind",
    [
        (gan("sgan_ns"), "sublinear"),
        (gan("sgan_ns", 2), "orbit"),
        (gan("sgan_sat"), "orbit"),
        (gan("wgan"), "orbit"),
        (gan("wgan_sn", 2), "orbit"),
        (gan("wgan_div"), "sublinear"),
        (gan("gan_qp"), "sublinear"),
        (gan("wgan_gp", 2), "limit-cycle"),
        (DiracGAN("sgan_ns", r1=0.3), "exponential"),
        (DiracGAN("sgan_ns", instance_noise=0.5, dim=2), "exponential"),
    ],
    ids=lambda case: case if isinstance(case, str) else f"{case.name} {case.dim}",
)
def test_verdicts_are_those_of_the_page(game, kind):
    found = game.verdict()
    assert found.kind == kind and str(found).startswith(game.name)


def test_an_objective_of_ones_own_that_pushes_away_is_divergent():
    away = dynamics.Objective("away", lambda u, theta: 1.0, lambda u, theta: -1.0)
    found = DiracGAN(away).verdict()
    assert found.kind == "divergent" and "leaves the equilibrium like exp(1 t)" in str(found)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: DiracGAN("sgan_nss"), ValueError, "`objective` must be one of .*Did you mean 'sgan_ns'"),
        (lambda: DiracGAN("wgan", r1=-1), ValueError, "`r1` must be a number at least 0.*r1=-1"),
        (lambda: DiracGAN("wgan", dim=0), ValueError, "`dim` must be a positive integer"),
        (lambda: DiracGAN("wgan_div", lam=1), TypeError, r"DiracGAN\('wgan_div'\) has no argument `lam`.*takes k=, p="),
        (lambda: DiracGAN("gan_qp", distance="l3"), ValueError, "`distance` must be one of 'l2', 'l1', 'mse'"),
        (lambda: DiracGAN("wgan_div", p=1), ValueError, "`p` must be a number greater than 1"),
        (lambda: DiracGAN("lsgan", targets=(0, 1)), ValueError, r"`targets` must be three numbers"),
        (lambda: DiracGAN("rsgan", instance_noise=0.1), ValueError, "`instance_noise` is known for 'sgan_sat'"),
        (lambda: DiracGAN("wgan_sn").eigenvalues(), ValueError, "has no derivative at the equilibrium"),
        (lambda: DiracGAN("wgan_gp").step_radius(0.1), ValueError, "has no derivative at the equilibrium"),
        (lambda: DiracGAN("sgan_ns").exact(1.0, (1, 1)), ValueError, "There is no closed form for 'sgan_ns'"),
        (lambda: DiracGAN("wgan").field((1, 2, 3)), ValueError, r"`state` must be 2 numbers.*Received: shape \(3,\)"),
        (lambda: DiracGAN("wgan").simulate((1, 1), 5, -0.1), ValueError, "`rate` must be a number greater than 0"),
        (lambda: DiracGAN("wgan").simulate((1, 1), 0, 0.1), ValueError, "`steps` must be a positive integer"),
        (lambda: DiracGAN("wgan").simulate((1, 1), 5, 0.1, "simultanous"), ValueError, "Did you mean 'simultaneous'"),
        (lambda: DiracGAN("wgan").simulate((1, 1), 5, 0.1, momentum=1), ValueError, "greater than -1 and less than 1"),
        (lambda: DiracGAN("wgan").simulate((1, 1), 5, 0.1, "flow", momentum=0.1), ValueError, "for discrete steps"),
        (
            lambda: DiracGAN("wgan").simulate((1, 1), 5, 0.1, "rk4", critic_steps=2),
            ValueError,
            "`critic_steps` is for method='alternating'",
        ),
        (lambda: DiracGAN("wgan").simulate((1, 1), 5, 0.1, ema_decay=1), ValueError, "`ema_decay` must be a number"),
    ],
)
def test_bad_input_gets_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_six_figures_show_what_they_should():
    portrait = dynamics.phase_portrait(DiracGAN("sgan_ns", r1=0.3), steps=20)
    (axes,) = portrait.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["flow", "simultaneous", "alternating", "alternating, 5 critic steps"]
    end = DiracGAN("sgan_ns", r1=0.3).simulate((1, 1), 20, 0.2).states[-1]
    np.testing.assert_allclose(axes.lines[2].get_xydata()[-1], end)
    paths = dynamics.trajectories([gan("wgan", 2), gan("sgan_ns", 2)], time=5.0)
    assert [each.get_title() for each in paths.axes] == ["wgan", "sgan_ns"]
    lines = dynamics.radii([gan("wgan"), DiracGAN("sgan_ns", r1=0.3)], time=20.0, points=50).axes[0].lines
    np.testing.assert_allclose(lines[0].get_ydata(), 1.0, atol=1e-8)
    assert lines[1].get_ydata()[-1] < 0.1
    curves = dynamics.eigenvalue_curves("lsgan").axes[0]
    assert "critical weight 4" in [text.get_text() for text in curves.get_legend().get_texts()]
    stability = dynamics.stability_map("sgan_ns", points=8)
    assert [each.get_title() for each in stability.axes[:2]] == [
        f"{m} steps of sgan_ns" for m in ("simultaneous", "alternating")
    ]
    attenuation = dynamics.average_attenuation((0.9, 0.99)).axes[0].lines
    assert len(attenuation) == 2 and attenuation[1].get_ydata()[-1] == pytest.approx(0.01 / 1.99)
    with pytest.raises(ValueError, match="`gan` must be a DiracGAN with dim=1"):
        dynamics.phase_portrait(gan("wgan", 2))


@pytest.mark.all_backends
def test_a_models_own_penalty_can_be_linearised():
    model = dynamics.point_model(kg.GAN, (0.5, 0.8), 0.1, penalties=[kg.penalties.R1(0.3)])
    objective, penalty = dynamics.objective_of(model)
    found = DiracGAN(objective, penalty=penalty).eigenvalues()
    np.testing.assert_allclose(
        np.sort_complex(found), np.sort_complex(DiracGAN("sgan_ns", r1=0.3).eigenvalues()), atol=1e-3
    )
