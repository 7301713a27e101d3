"""The law of the dynamics: on points, a train step of every two-player variant is a step of its Dirac-GAN.

With one generated point theta, data at 0, D(x) = phi x and plain gradient descent, `train_on_batch` has a closed form:
with no penalty, R1, and R1 + R2, in alternating and in simultaneous steps. What the objectives of the table do is
written by hand in `keras_gans/analysis/dynamics/objectives.py`; a variant that is not in the table is held against its
own losses and penalties, differentiated outside of any train step: a new one is under the law without a line here.
"""

import numpy as np
import pytest
from scipy.special import expit

import keras_gans as kg
from keras_gans.analysis import dynamics
from keras_gans.analysis.dynamics import DiracGAN, Objective
from keras_gans.penalties import R1, R2
from tests.laws import small

START, RATE = (0.5, 0.8), 0.1
# name: knobs of the variant, objective of the Dirac-GAN, its knobs
TABLE = {
    "cascading_rejection_gan": ({"levels": 3}, "hinge", {}),
    "energy_gan": ({"entropy_weight": 0.0, "penalty_weight": 0.1}, "wgan", {"r1": 0.2}),
    "f_gan": ({}, "sgan_ns", {}),
    "gan": ({}, "sgan_ns", {}),
    "gan_qp": ({"lam": 1.0}, "gan_qp", {}),
    "likelihood_ratio_gan": ({}, "sgan_ns", {}),
    "o_gan": ({"correlation_weight": 0.0, "lam": 2.0}, "gan_qp", {"lam": 2.0, "distance": "mse"}),
    "r3gan": ({"gamma": 0.2}, "rsgan", {"r1": 0.2, "r2": 0.2}),
    "rsgan": ({}, "rsgan", {}),
    "wgan": ({"clip": 9.0}, "wgan", {}),
    "wgan_div": ({}, "wgan_div", {}),
    "wgan_gp": ({"penalty_weight": 0.1}, "wgan_gp", {}),
}
PENALTIES = {"none": (0.0, 0.0), "R1": (0.3, 0.0), "R1 + R2": (0.3, 0.3)}
FORMS = [  # other knobs of a variant that are another game
    ("gan", {"loss": "saturating"}, "sgan_sat", {}),
    ("gan", {"loss": "least_squares", "targets": (-1, 1, 1)}, "lsgan", {}),
    ("gan", {"loss": "least_squares"}, "lsgan", {"targets": (0, 1, 1)}),
    ("gan", {"loss": "hinge"}, "hinge", {}),
    ("wgan_gp", {"penalty_weight": 0.1, "one_sided": True}, "wgan_lp", {}),
    ("wgan", {"clip": 9.0, "penalties": [kg.penalties.GradientPenalty(0.1, target=0.0)]}, "wgan_gp", {"target": 0.0}),
    ("wgan_div", {"k": 0.1, "p": 2.0, "sampling": "mix"}, "wgan_gp", {"target": 0.0}),
    ("gan_qp", {"lam": 1.0, "distance": "mse"}, "gan_qp", {"distance": "mse"}),
    ("o_gan", {"correlation_weight": 0.0, "base": "hinge"}, "hinge", {}),
    ("cascading_rejection_gan", {"base": "non_saturating"}, "sgan_ns", {}),
    ("r3gan", {"gamma": 0.0, "saturating": True}, "sgan_sat", {}),
    ("wgan", {"clip": 9.0, "critic_steps": 3}, "wgan", {}),
]
# A(u) and B(u) of the divergences and members that are none of the above, from the tables of their variants.
SLOPES = {
    ("f_gan", "divergence", "total_variation"): (
        lambda u: (1 - np.tanh(u) ** 2) / 2,
        lambda u: (1 - np.tanh(u) ** 2) / 2,
    ),
    ("f_gan", "divergence", "kl"): (lambda u: np.exp(u - 1), lambda u: 1.0),
    ("f_gan", "divergence", "reverse_kl"): (lambda u: 1.0, lambda u: 1.0),
    ("f_gan", "divergence", "pearson"): (lambda u: u / 2 + 1, lambda u: 1.0),
    ("f_gan", "divergence", "neyman"): (lambda u: np.exp(-u / 2), lambda u: np.exp(-u)),
    ("f_gan", "divergence", "squared_hellinger"): (np.exp, lambda u: np.exp(-u)),
    ("f_gan", "divergence", "gan"): (expit, lambda u: expit(-u)),
    ("likelihood_ratio_gan", "member", "A2"): (lambda u: 1.0, lambda u: expit(-u)),
    ("likelihood_ratio_gan", "member", "B2"): (np.exp, lambda u: expit(-u)),
    ("likelihood_ratio_gan", "member", "B3"): (np.exp, lambda u: expit(-u)),
    ("likelihood_ratio_gan", "member", "C2"): (lambda u: 2 * u, lambda u: 2 * (1 - u)),
    ("likelihood_ratio_gan", "member", "C3"): (lambda u: expit(u) * expit(-u), lambda u: expit(-u)),
    ("likelihood_ratio_gan", "member", "D1"): (lambda u: 1 - np.tanh(u) ** 2, lambda u: 1 - np.tanh(u) ** 2),
    ("likelihood_ratio_gan", "member", "D2"): (lambda u: float(u > -1), lambda u: 1.0),
}


def steps_of(name, knobs, update, steps, penalties=(), start=START):
    knobs = {"critic_steps": 1, **knobs, "penalties": [*knobs.get("penalties", ()), *penalties]}
    return dynamics.train_points(kg.registry.get(name), start, steps, RATE, update, **knobs).states


def expected_steps(gan, update, steps, **options):
    return gan.simulate(START, steps, RATE, update, **options).states


def of_its_own_losses(name, knobs, penalties=()):
    """Returns the Dirac-GAN of a variant's losses and penalties, which no train step has touched."""
    knobs = {"critic_steps": 1, **knobs, "penalties": [*knobs.get("penalties", ()), *penalties]}
    model = dynamics.point_model(kg.registry.get(name), START, RATE, **knobs)
    objective, penalty = dynamics.objective_of(model)
    return DiracGAN(objective, penalty=penalty)


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("name", small.TWO_PLAYERS)
def test_a_train_step_on_points_is_a_step_of_the_dirac_gan(name, penalties):
    r1, r2 = PENALTIES[penalties]
    added = [cls(weight) for cls, weight in ((R1, r1), (R2, r2)) if weight]
    knobs, objective, own = TABLE.get(name, ({}, None, {}))
    if objective is None:
        gan = of_its_own_losses(name, knobs, added)
    else:
        gan = DiracGAN(objective, **{**own, "r1": own.get("r1", 0) + r1, "r2": own.get("r2", 0) + r2})
    steps = {"rsgan": 10}.get(name, 2) if penalties == "none" else 1
    for update in ("alternating", "simultaneous"):
        found = steps_of(name, knobs, update, steps, added)
        np.testing.assert_allclose(found, expected_steps(gan, update, steps), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", small.TWO_PLAYERS)
def test_a_variant_that_no_table_knows_is_held_against_its_own_losses(name):
    knobs, objective, own = TABLE.get(name, ({}, None, {}))
    free = of_its_own_losses(name, knobs, [R1(0.3)])
    found = expected_steps(free, "alternating", 2)
    np.testing.assert_allclose(found, steps_of(name, knobs, "alternating", 2, [R1(0.3)]), rtol=0, atol=1e-6)
    if objective is not None:
        known = DiracGAN(objective, **{**own, "r1": own.get("r1", 0) + 0.3})
        np.testing.assert_allclose(found, expected_steps(known, "alternating", 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name, knobs, objective, own", FORMS, ids=lambda case: str(case)[:60])
def test_other_forms_of_a_variant_are_their_own_games(name, knobs, objective, own):
    critic_steps = knobs.get("critic_steps", 1)
    options = {"critic_steps": critic_steps} if critic_steps > 1 else {}
    found = steps_of(name, knobs, "alternating", 1)
    np.testing.assert_allclose(
        found, expected_steps(DiracGAN(objective, **own), "alternating", 1, **options), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("case", SLOPES, ids="-".join)
def test_divergences_and_members_have_the_slopes_of_their_tables(case):
    name, knob, value = case
    a, b = SLOPES[case]
    gan = DiracGAN(Objective(value, lambda u, theta: a(u), lambda u, theta: b(u)))
    knobs = {knob: value, "score_clip": None}  # a soft clip moves the exponentials by up to 1e-4
    for update in ("alternating", "simultaneous"):
        found = steps_of(name, knobs, update, 1)
        np.testing.assert_allclose(found, expected_steps(gan, update, 1), rtol=0, atol=1e-6)


def test_points_of_the_plane_turn_as_they_should():
    start = [0.1, 0.2, 0.2, 0.1]
    found = dynamics.train_points(kg.RSGAN, start, 3, RATE, "simultaneous", dim=2, penalties=[R1(0.3)])
    expected = DiracGAN("rsgan", r1=0.3, dim=2).simulate(start, 3, RATE, "simultaneous")
    np.testing.assert_allclose(found.states, expected.states, rtol=0, atol=1e-6)


@pytest.mark.one_backend
def test_what_is_no_game_of_points_is_refused():
    with pytest.raises(TypeError, match="`variant` must be the class of a two-player variant"):
        dynamics.train_points(kg.IGN, START, 1, RATE)
    with pytest.raises(ValueError, match="`start` must be 2 numbers, phi and then theta"):
        dynamics.train_points(kg.GAN, [0.1], 1, RATE)
    with pytest.raises(ValueError, match="`penalty` is for an Objective of your own"):
        DiracGAN("wgan", penalty=dynamics.Radial(lambda r: 1.0))
