"""The advice on penalties: exact for two numbers, sensible for a network, and the model is left as it was."""

import numpy as np
import pytest

import keras_gans as kg
from keras_gans.analysis import dynamics, penalty_advice, suggest_penalty
from keras_gans.penalties import R1
from tests.laws import small

pytestmark = pytest.mark.one_backend  # products have their tests on all


@pytest.mark.parametrize(
    "variant, knobs, weight, ratio",
    [
        (kg.RSGAN, {}, 1.0, None),  # sqrt(a b) = 1/2
        (kg.GAN, {"loss": "hinge"}, 2.0, None),
        (kg.GAN, {"penalties": [R1(0.4)]}, 1.0, (2 * 0.5 / 0.4) ** 2),
    ],
)
def test_for_two_numbers_the_advice_is_the_critical_weight(variant, knobs, weight, ratio, capsys):
    model = dynamics.point_model(variant, (0.0, 0.0), 0.1, **knobs)
    advice = suggest_penalty(model, np.zeros((4, 1), "float32"), warmup_steps=0)
    assert advice.r1 == pytest.approx(weight, abs=1e-5) and advice.r1_and_r2 == pytest.approx(weight / 2, abs=1e-5)
    assert advice.learning_rate_ratio == (None if ratio is None else pytest.approx(ratio, rel=1e-4))
    told = capsys.readouterr().out
    assert f"R1 of weight {weight:.3g}" in told and "Limits:" in told and "At the present weights 1 pairs" in told
    # with that weight the two eigenvalues of the game meet: critical damping
    objective = "hinge" if "loss" in knobs else "sgan_ns"
    values = dynamics.DiracGAN(objective, r1=advice.r1).eigenvalues()
    assert abs(values[0] - values[1]) < 0.01


def test_a_ratio_of_learning_rates_damps_as_well():
    advice = suggest_penalty(
        dynamics.point_model(kg.GAN, (0.0, 0.0), 0.1, penalties=[R1(0.4)]), np.zeros((4, 1)), 0, verbose=False
    )
    faster = np.diag([advice.learning_rate_ratio, 1.0]) @ dynamics.DiracGAN("sgan_ns", r1=0.4).jacobian()
    values = np.linalg.eigvals(faster)
    assert abs(values[0] - values[1]) < 0.02


def test_a_network_is_warmed_up_measured_and_left_as_it_was():
    model = small.build("gan", compile=False, penalties=[R1(0.1)])
    model.compile(run_eagerly=True)
    before = small.everything(model)
    advice = suggest_penalty(model, small.data()[0], warmup_steps=2, batch_size=4, samples=8, pairs=2, verbose=False)
    small.assert_same(before, small.everything(model))
    assert advice.present == 0.1 and advice.r1 >= 0.1 and advice.r1_and_r2 == advice.r1 / 2
    assert "After 2 steps" in str(advice) and len(advice.strengths) <= 2
    assert (advice.curvatures > 0).all()


def test_a_game_that_does_not_turn_needs_nothing():
    still = kg.analysis.PenaltyAdvice(0.0, 0.0, None, np.zeros(0), np.zeros(0), np.zeros(0), 0.0, 5)
    assert str(still).startswith("After 5 steps no pair of directions turns: no penalty is needed")


def test_bad_input_gets_one_sentence():
    model = dynamics.point_model(kg.GAN, (0.0, 0.0), 0.1)
    data = np.zeros((4, 1), "float32")
    for change, error, words in [
        ({"warmup_steps": -1}, ValueError, "`warmup_steps` must be an integer of at least 0"),
        ({"pairs": 0}, ValueError, "`pairs` must be a positive integer"),
        ({"batch_size": 0.5}, TypeError, "`batch_size` must be an integer"),
        ({"images": np.zeros((4, 3), "float32")}, ValueError, r"`images` must have shape \(n, 1\)"),
        ({"model": kg.IGN}, TypeError, "`model` must be a two-player variant"),
    ]:
        with pytest.raises(error, match=words):
            suggest_penalty(**{"model": model, "images": data, **change})


def test_pairs_that_no_penalty_reaches_are_not_called_still():
    nothing = np.zeros(0)
    found = penalty_advice.PenaltyAdvice(0.0, 0.0, None, nothing, nothing, nothing, 0.0, 0, turning=2)
    assert "2 pairs of directions turn, none of which an R1 penalty reaches" in str(found)
