"""LikelihoodRatioGAN: check values of every member, what makes a game, the flow of the generator, and one step."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_gans.engine import value_and_gradients
from keras_gans.games.likelihood_ratios import MEMBERS, Member, get_member
from keras_gans.games.verification import slope_changes, verify
from keras_gans.networks import mlp
from keras_gans.variants.likelihood_ratio_gan import LikelihoodRatioGAN
from tests.conftest import sigmoid
from tests.laws import small

REAL = ops.convert_to_tensor(np.array([[0.5], [-0.3], [1.2]], "float32"))
FAKE = ops.convert_to_tensor(np.array([[-0.4], [0.2], [-1.0]], "float32"))
P, Q = np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.4, 0.2])
LABELS = (-1.0, 1.0)  # of C2 in the table

VALUES = {  # discriminator loss, saturating generator loss, d(.25), d(1), d(4), sum P d(Q/P)
    "A1": (-0.29615973, 0.67627909, -0.21875000, -0.5, 4.00000000, -0.37333333),
    "A2": (0.35252789, 0.40000000, -0.59657359, -1.0, 1.54517744, -0.89309157),
    "A3": (-0.02636843, 0.24832476, -0.14435736, -0.30685282, 1.27460084, -0.24955900),
    "B1": (0.37889632, 0.15167524, -0.45221623, -0.69314718, 0.27057660, -0.64353257),
    "B2": (0.50572864, 0.24679925, -0.75, -1.0, 0.0, -0.95001056),
    "B3": (-0.71346592, 0.24679925, 0.63629436, 0.0, 1.61370564, 0.09458187),
    "B4": (0.35252789, 0.40000000, -0.59657359, -1.0, 1.54517744, -0.89309157),
    "C1": (0.37889632, 0.15167524, -0.45221623, -0.69314718, 0.27057660, -0.64353257),
    "C2": (0.26, 0.4, -0.55, -1.0, 0.8, -0.90222222),
    "C3": (0.04278135, 0.09330408, -0.09814355, -0.19314718, 0.39056209, -0.16686348),
}
OMEGA_INVERSE_OF_RATIO = {  # the score at omega(r)
    **dict.fromkeys(("A1", "A2", "A3", "B1", "B3", "B4", "C1", "C3"), lambda r: -np.log(r)),
    "B2": lambda r: -np.log(r) / 2,
    "C2": lambda r: -(r - 1) / (r + 1),
}


def networks(seed=1):
    keras.utils.set_random_seed(seed)
    options = {"width": 8, "depth": 1}
    return mlp.generator((8, 8, 1), 4, **options), mlp.discriminator((8, 8, 1), **options)


UNTRAINED = functools.cache(networks)  # building them is a third of the time of a test of losses


def model_with(member="B1", score_clip=None, networks=UNTRAINED, **knobs):
    if member == "C2":
        knobs = {"targets": LABELS, **knobs}
    return LikelihoodRatioGAN(*networks(), latent_dim=4, member=member, score_clip=score_clip, **knobs)


def tensor(value):
    return ops.convert_to_tensor(np.asarray(value, "float32"))


def array(value):
    return np.asarray(ops.convert_to_numpy(value), "float64")


def gradient(fn, value):
    """Returns the gradient of a scalar function of one tensor as an array."""
    variable = keras.Variable(ops.convert_to_numpy(value))
    return array(value_and_gradients(lambda: fn(variable.value), [variable])[2][0])


def stripped(name):
    """Returns a built-in member without its closed forms, so that it is integrated."""
    member = get_member(name)
    return Member(member.omega, member.omega_inverse, member.rho, member.domain, exponent=member.exponent)


@pytest.mark.parametrize("name", VALUES)
def test_losses_have_the_check_values(name):
    model = model_with(name, generator_loss="saturating")
    found = float(model.discriminator_loss(REAL, FAKE)), float(model.generator_loss(FAKE))
    np.testing.assert_allclose(found, VALUES[name][:2], rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize(
    "gamma, expected",
    [
        (0.5, (-0.02642371, 0.51664096)),
        (-0.5, (1.34658600, 0.31304511)),
        (2.0, (-0.91303540, 1.21415285)),
        (1.0, VALUES["A1"][:2]),
    ],
)
def test_the_power_member_has_the_check_values(gamma, expected):
    model = model_with("power", gamma=gamma, generator_loss="saturating")
    found = float(model.discriminator_loss(REAL, FAKE)), float(model.generator_loss(FAKE))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_the_limits_have_the_check_values():
    assert float(model_with("D1").discriminator_loss(REAL, FAKE)) == pytest.approx(-0.64954232, rel=1e-6)
    hinge = model_with("D2")
    assert float(hinge.discriminator_loss(REAL, FAKE)) == pytest.approx(1.2, rel=1e-6)
    assert float(hinge.generator_loss(FAKE)) == pytest.approx(0.4, rel=1e-6)


@pytest.mark.parametrize("loss, expected", [("linear", 0.4), ("non_saturating", 0.94147194), ("exp", 1.67627909)])
def test_generator_losses_have_the_check_values(loss, expected):
    assert float(model_with(generator_loss=loss).generator_loss(FAKE)) == pytest.approx(expected, rel=1e-6)


def test_least_squares_aims_at_the_real_label():
    assert float(model_with("C2").generator_loss(FAKE)) == pytest.approx(2.2, rel=1e-6)
    plain = model_with("C2", targets=(0, 1))
    assert float(plain.discriminator_loss(REAL, FAKE)) == pytest.approx(1.06 - 0.25, rel=1e-6)
    assert float(plain.generator_loss(FAKE)) == pytest.approx(2.2, rel=1e-6)
    default = LikelihoodRatioGAN(plain.generator, plain.discriminator, 4, member="lsgan")
    assert float(default.discriminator_loss(REAL, FAKE)) == pytest.approx(1.06 - 0.25, rel=1e-6)


def divergence(member, r):
    """Returns d(r) = phi(omega(r)) + r psi(omega(r)) for a NumPy array r."""
    s = tensor(member.score_of(array(member.omega(tensor(r)))))
    return array(member.on_reals(s, s)) + r * array(member.on_fakes(s, s))


@pytest.mark.parametrize("name", VALUES)
def test_the_divergence_has_the_check_values(name):
    member = get_member(name, targets=LABELS if name == "C2" else None)
    d = divergence(member, np.array([0.25, 1.0, 4.0]))
    np.testing.assert_allclose(d, VALUES[name][2:5], rtol=5e-6, atol=1e-6)
    assert np.sum(P * divergence(member, Q / P)) == pytest.approx(VALUES[name][5], rel=5e-6)
    r = np.array([0.25, 1.0, 4.0])
    scores = OMEGA_INVERSE_OF_RATIO[name](r)
    np.testing.assert_allclose(member.score_of(array(member.omega(tensor(r)))), scores, atol=1e-6)


@pytest.mark.parametrize("name", VALUES)
def test_the_log_ratio_is_read_out_of_the_score(name):
    model, r = model_with(name, 20.0), np.array([0.25, 1.0, 4.0])
    found = array(model.log_ratio(tensor(OMEGA_INVERSE_OF_RATIO[name](r))))
    np.testing.assert_allclose(found, -np.log(r), atol=1e-5)
    extreme = array(model.log_ratio(tensor([-1e4, 1e4])))
    assert np.isfinite(extreme).all() and extreme[0] < -10 and extreme[1] > 10


@pytest.mark.parametrize("name", [name for name in MEMBERS if name not in ("D1", "D2")])
def test_every_member_is_a_game(name):
    assert verify(name).name == name
    verify(stripped(name))


@pytest.mark.parametrize("name", ["D1", "D2"])
def test_the_limits_are_checked_for_their_sign_only(name):
    verify(name)
    with pytest.raises(ValueError, match="is a limit: its scores estimate no log ratio"):
        model_with(name).log_ratio(REAL)
    with pytest.raises(ValueError, match="the discriminator's loss must fall with the score of reals"):
        verify(Member(None, None, None, phi=lambda s, e: -ops.tanh(s), psi=lambda s, e: ops.tanh(s)))


@pytest.mark.parametrize("name", ["A1", "A2", "A3", "B1", "B2", "C1", "C2", "C3"])
def test_integrals_have_the_values_and_gradients_of_the_closed_forms(name):
    closed = get_member(name)
    integrated = stripped(name)
    s = tensor(np.linspace(-6, 6, 13))
    equal = tensor([closed.equal])
    for one, other in ((closed.on_reals, integrated.on_reals), (closed.on_fakes, integrated.on_fakes)):
        constant = array(one(equal, equal))
        scale = np.maximum(1, np.abs(array(one(s, s))))
        np.testing.assert_allclose(array(other(s, s)) / scale, (array(one(s, s)) - constant) / scale, atol=2e-5)
        slopes = [gradient(lambda x, f=f: ops.sum(f(x, x)), s) for f in (one, other)]
        np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-4, atol=1e-4)
    assert float(integrated.on_fakes(equal, equal)[0]) == 0.0


# What is not a game -------------------------------------------------------------------------------------------


def log_member(**changes):
    return Member(**{"omega": ops.log, "omega_inverse": ops.exp, "rho": lambda t: ops.sigmoid(-t), **changes})


def squares(**changes):
    share = {"omega": lambda r: (r - 1.0) / (r + 1.0), "omega_inverse": lambda t: (1.0 + t) / (1.0 - t)}
    return Member(**{**share, "rho": lambda t: 2.0 * (1.0 - t), "domain": (-1, 1), **changes})


@pytest.mark.parametrize(
    "member, words",
    [
        (lambda: log_member(omega=lambda r: -ops.log(r)), "`omega` must be strictly increasing in r = q/p"),
        (lambda: log_member(omega_inverse=lambda t: ops.exp(2.0 * t)), "`omega_inverse` must undo `omega`"),
        (lambda: log_member(domain="positive"), "`omega` must stay inside the domain 'positive'.*from -6.9"),
        (lambda: log_member(rho=lambda t: t), "`rho` must be positive on the domain. Received: values down to -6.9"),
        (
            lambda: log_member(phi=lambda s, e: ops.softplus(-s)),  # omega^-1 with the other sign
            r"the slope of `phi` in t must be -omega_inverse\(t\) rho\(t\)",
        ),
        (lambda: log_member(psi=lambda s, e: s), r"the slope of `psi` in t must be rho\(t\)"),
        (lambda: log_member(beta=lambda t: -t * ops.exp(-t)), r"`beta\(omega\(r\)\)` must never decrease.*fakes away"),
        (lambda: squares(beta=ops.square), r"`beta\(omega\(r\)\)` must never decrease"),
        (lambda: log_member(beta=lambda t: ops.square(t + 1.0)), r"`beta\(omega\(r\)\)` must never decrease"),
        (lambda: log_member(beta=ops.zeros_like), r"`beta\(omega\(r\)\)` must never decrease and not be constant"),
    ],
)
def test_what_is_no_game_is_refused(member, words):
    with pytest.raises(ValueError, match=f"The member 'custom' is not a valid game: {words}"):
        verify(member())
    with pytest.raises(ValueError, match="is not a valid game"):
        model_with(member())


def test_losses_that_never_decrease_are_accepted():
    for beta in (lambda t: t, ops.softplus, ops.exp, lambda t: -ops.softplus(-t)):
        verify("B1", beta)
    verify(squares(), lambda t: ops.square(t + 1.0))  # the real label
    with pytest.raises(ValueError, match="must never decrease"):
        verify("B1", lambda t: -t * ops.exp(-t))  # its divergence -log r is convex: that is not enough


def test_a_concave_divergence_is_seen():
    r = np.logspace(-3, 3, 601)
    assert slope_changes(r, np.sqrt(r)).min() == pytest.approx(-5.8e-3, rel=0.02)
    assert slope_changes(r, r * np.log(r)).min() > 0
    inverse = {"omega": lambda r: r, "omega_inverse": lambda t: t, "rho": lambda t: 1.0 / t, "domain": "positive"}
    with pytest.raises(ValueError, match="the slope of `phi`"):  # d = sqrt(r)
        verify(Member(**inverse, phi=lambda s, e: ops.exp(-s / 2.0), psi=lambda s, e: 0.0 * s))


@pytest.mark.parametrize(
    "beta, one, hundred, thousand",
    [
        (
            "saturating",
            [0.59309456, 0.20413728, 0.20276816],
            [0.26442038, 0.45153974, 0.28403989],
            [0.20000122, 0.49999964, 0.29999914],
        ),
        (
            "non_saturating",
            [0.59165429, 0.20452884, 0.20381687],
            [0.25035190, 0.45358557, 0.29606253],
            [0.20000087, 0.49999974, 0.29999939],
        ),
        (
            "linear",
            [0.58470308, 0.20870917, 0.20658775],
            [0.21303516, 0.49249631, 0.29446853],
            [0.2, 0.5, 0.3],
        ),
        (
            "least_squares",
            [0.58464172, 0.20833015, 0.20702813],
            [0.21179029, 0.49233330, 0.29587641],
            [0.2, 0.5, 0.3],
        ),
        (
            "midpoint",
            [0.59880543, 0.20030908, 0.20088549],
            [0.47932455, 0.21142988, 0.30924557],
            [0.38976170, 0.01425277, 0.59598553],
        ),
    ],
)
def test_a_generator_against_an_exact_discriminator_flows_to_the_data_unless_beta_falls(beta, one, hundred, thousand):
    losses = {  # of the score s = -t at t = omega(q/p)
        "saturating": lambda s: LOG_2 - np.logaddexp(0, s),
        "non_saturating": lambda s: np.logaddexp(0, -s),
        "linear": lambda s: -s,
        "least_squares": lambda s: (s - 1) ** 2,
        "midpoint": np.square,
    }
    square = beta in ("least_squares", "midpoint")
    logits = np.log([0.6, 0.2, 0.2])
    found = {}
    for step in range(1, 1001):
        q = np.exp(logits) / np.exp(logits).sum()
        r = q / P
        b = losses[beta](-(r - 1) / (r + 1) if square else -np.log(r))
        if step == 1 and beta != "midpoint":  # the library's loss is this one
            model = model_with("C2" if square else "B1", generator_loss=beta)
            scores = tensor((-(r - 1) / (r + 1) if square else -np.log(r))[:, None])
            assert float(model.generator_loss(scores)) == pytest.approx(b.mean(), rel=1e-5)
        logits = logits - 0.1 * q * (b - np.sum(q * b))
        found[step] = np.exp(logits) / np.exp(logits).sum()
    for step, expected in ((1, one), (100, hundred), (1000, thousand)):
        np.testing.assert_allclose(found[step], expected, atol=2e-8)


LOG_2 = np.log(2)


@pytest.mark.one_backend
def test_a_falling_beta_drives_fakes_away_though_its_divergence_is_convex():
    logits, found = np.log([0.6, 0.2, 0.2]), {}
    for step in range(1, 101):
        q = np.exp(logits) / np.exp(logits).sum()
        t = np.log(q / P)
        b = -t * np.exp(-t)
        logits = logits - 0.01 * q * (b - np.sum(q * b))
        found[step] = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(found[1], [0.60156737, 0.19888113, 0.19955150], atol=2e-8)
    np.testing.assert_allclose(found[100], [0.79561860, 0.07725618, 0.12712522], atol=2e-8)
    s = array(FAKE)
    assert np.mean(s * np.exp(s)) == pytest.approx(-0.13057564, abs=1e-8)


# The model ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEMBERS)
def test_scores_of_ten_thousand_give_finite_losses_and_slopes(name):
    extreme = tensor([[-1e4], [1e4], [-50.0], [50.0]])
    members = [name] if name in ("D1", "D2") else [name, stripped(name)]
    for member in members:
        for loss in ("auto", "exp", *(["saturating"] if name != "D2" else [])):
            model = model_with(member, 20.0, generator_loss=loss)
            assert np.isfinite(float(model.generator_loss(extreme)))
            assert np.isfinite(gradient(model.generator_loss, extreme)).all()
        real = gradient(lambda s, m=model: m.discriminator_loss(s, extreme), extreme)
        fake = gradient(lambda s, m=model: m.discriminator_loss(extreme, s), extreme)
        assert np.isfinite([*real, *fake, [float(model.discriminator_loss(extreme, extreme))]]).all()
        if name != "C2":
            assert (real < 1e-8).all() and (fake > -1e-8).all()  # reals are pushed up and fakes down, everywhere


def test_only_exponents_are_clipped_and_those_of_squares_twice():
    v = np.array([[-6.0], [9.0]])
    for name, size, real, fake in [
        ("A1", 10, True, True),
        ("A2", 20, True, False),
        ("B1", 20, False, False),
        ("B3", 20, False, True),
        ("C3", 20, False, False),
    ]:
        clipped = tensor(size * np.tanh(v / size))
        model, plain = model_with(name, 20.0), model_with(name)
        loss = float(plain.discriminator_loss(clipped if real else tensor(v), clipped if fake else tensor(v)))
        assert float(model.discriminator_loss(tensor(v), tensor(v))) == pytest.approx(loss, rel=1e-5)


SLOPES = {  # of phi and psi in the score, and of the default generator loss
    "B1": (lambda s: sigmoid(-s), lambda s: -sigmoid(s), lambda s: -sigmoid(-s)),
    "A1": (lambda s: np.exp(-2 * s), lambda s: -np.exp(-s), lambda s: -sigmoid(-s)),
    "B3": (np.ones_like, lambda s: -np.exp(s), lambda s: -sigmoid(-s)),
    "C2": (lambda s: -2 * (s - 1), lambda s: -2 * s, lambda s: 2 * (s - 1)),
    "D2": (lambda s: 1.0 * (s < 1), lambda s: -1.0 * (s > -1), lambda s: -np.ones_like(s)),
    "integrated": (lambda s: sigmoid(-s), lambda s: -sigmoid(s), lambda s: -sigmoid(-s)),
}


@pytest.mark.parametrize("name", SLOPES)
def test_one_step_is_the_hand_derived_one(shift_gan, name):
    x = np.array([[0.5], [-1.0]])
    first, second = np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]])
    theta, psi, rate = 0.7, -0.4, 0.1
    member = stripped("B1") if name == "integrated" else name
    gan = shift_gan(LikelihoodRatioGAN, theta, psi, latents=[first, second], rate=rate, member=member, score_clip=None)
    values, logs = gan.step(x)

    real_slope, fake_slope, generator_slope = SLOPES[name]
    fakes = first + theta
    assert logs["game_value"] == -logs["discriminator_loss"]
    if name in ("A1", "B1", "B3", "integrated"):
        assert logs["log_ratio_real"] == pytest.approx(np.mean(psi * x), rel=1e-5)
        assert logs["log_ratio_fake"] == pytest.approx(np.mean(psi * fakes), rel=1e-5)
    psi += rate * np.mean(real_slope(psi * x) * x + fake_slope(psi * fakes) * fakes)
    theta -= rate * np.mean(generator_slope(psi * (second + theta)) * psi)  # fresh latents, the new psi
    np.testing.assert_allclose(values, (theta, psi), rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "D2"])
def test_the_saturating_game_is_zero_sum_in_the_fakes(name):
    model = model_with(name, 20.0, generator_loss="saturating")
    assert model.gradient_ratio() == "constant"
    slopes = gradient(lambda f: model.discriminator_loss(REAL, f), FAKE)
    np.testing.assert_allclose(gradient(model.generator_loss, FAKE), -slopes, rtol=1e-5)
    ratio = model_with(name, generator_loss="linear").gradient_ratio()
    assert ratio == (None if name == "C2" else "per_sample")


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "knobs, error, words",
    [
        ({"member": "B5"}, ValueError, "`member` must be one of 'A1', .*Received: member='B5'"),
        ({"member": "powr"}, ValueError, "Did you mean 'power'"),
        ({"member": ops.log}, TypeError, "`member` must be a name or a Member"),
        ({"generator_loss": "lineer"}, ValueError, "`generator_loss` must be one of .*Did you mean 'linear'"),
        (
            {"generator_loss": "least_squares"},
            ValueError,
            "`generator_loss` of the member 'B1' must be one of 'non_sat",
        ),
        ({"generator_loss": "beta"}, ValueError, "`generator_loss` of the member 'B1' must be one of"),
        ({"member": "D2", "generator_loss": "saturating"}, ValueError, "of the member 'D2' must be one of 'hinge'"),
        ({"gamma": 2.0}, ValueError, '`gamma` is used by member="power" only'),
        ({"member": "power", "gamma": -1}, ValueError, "`gamma` must not be 0 or -1"),
        ({"targets": (0, 1)}, ValueError, '`targets` is used by member="C2"'),
        ({"member": "C2", "targets": (-1, 1, 0)}, ValueError, "two numbers .fake, real.*converges to a wrong law"),
        ({"member": "C2", "targets": (1, 0)}, ValueError, "must have fake < real"),
        ({"score_clip": -1}, ValueError, "`score_clip` must be a number greater than 0"),
    ],
)
def test_bad_arguments_are_named(knobs, error, words):
    with pytest.raises(error, match=words):
        model_with(**knobs)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"omega": 3}, TypeError, r"`omega` must be a function. Received: omega=3 \(int\)"),
        ({"rho": None}, TypeError, "`rho` must be a function"),
        ({"beta": 1.0}, TypeError, "`beta` must be a function"),
        ({"domain": "unti"}, ValueError, "`domain` must be one of .*Did you mean 'unit'"),
        ({"domain": (1, 0)}, ValueError, r"`domain` \(a, b\) must have a < b"),
        ({"omega": lambda r: r.nothing}, ValueError, "written with keras.ops. It says: .*nothing"),
    ],
)
def test_members_that_cannot_be_built_are_refused(changes, error, words):
    with pytest.raises(error, match=words):
        log_member(**changes)


@pytest.mark.one_backend
@pytest.mark.parametrize("alias, name", [("sgan", "B1"), ("lsgan", "C2"), ("hinge", "D2"), ("mean_square", "A1")])
def test_readable_names_are_known(alias, name):
    model = model_with(alias)
    assert model.member.name == name and model.get_config()["member"] == name


def test_exponentials_ask_for_a_slower_and_smoother_discriminator():
    def options(**knobs):
        return LikelihoodRatioGAN.blueprint(8, **knobs)["discriminator"].options["normalization"]

    assert options() == options(member="C2", targets=(0, 1)) == "batch"
    assert options(member="B3") == options(member="hinge") == options(member=stripped("A2")) == "spectral"
    assert options(member="B3", penalties=[1]) is None
    rates = [model_with(name).default_optimizers()["discriminator"].learning_rate for name in ("B1", "B3")]
    assert [float(ops.convert_to_numpy(rate)) for rate in rates] == pytest.approx([2e-4, 1e-4])


@keras.saving.register_keras_serializable("tests")
def cube_root(r):
    return ops.log(r) / 3.0


@keras.saving.register_keras_serializable("tests")
def cube(t):
    return ops.exp(3.0 * t)


@keras.saving.register_keras_serializable("tests")
def soft(t):
    return 1.0 / ops.square(ops.cosh(t))


@keras.saving.register_keras_serializable("tests")
def rising(t):
    return ops.softplus(t)


def test_a_users_member_with_beta_trains_by_it():
    model = model_with(Member(cube_root, cube, soft, beta=rising))
    assert float(model.generator_loss(FAKE)) == pytest.approx(0.94147194, rel=1e-6)
    linear = model_with(Member(cube_root, cube, soft, beta=rising), generator_loss="linear")
    assert float(linear.generator_loss(FAKE)) == pytest.approx(0.4, rel=1e-6)


def test_a_model_with_an_unregistered_function_says_so_when_it_is_saved(tmp_path):
    model = model_with(Member(cube_root, cube, lambda t: ops.exp(-t)))
    with pytest.raises(ValueError, match="`rho` is saved by the function's registered name"):
        model.save(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "knobs",
    [
        {"member": "power", "gamma": 2.0, "score_clip": 12.0},
        {"member": "C2", "generator_loss": "saturating"},
        {"member": "D2"},
        {"member": "custom"},
    ],
)
def test_a_trained_model_is_saved_and_loaded_whole(knobs, tmp_path):
    if knobs["member"] == "custom":
        knobs = {"member": Member(cube_root, cube, soft, beta=rising, name="mine")}
    model = model_with(networks=networks, **{"score_clip": 20.0, **knobs})
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype="uint8")
    update = "simultaneous" if isinstance(knobs["member"], Member) else "alternating"
    model.compile(update=update, run_eagerly=small.EAGER)
    history = model.fit(images, batch_size=4, epochs=2, verbose=0).history
    assert {*model.all_logs(), "loss"} == set(history) and all(np.isfinite(v).all() for v in history.values())
    assert ("log_ratio_real" in history) == (knobs["member"] != "D2")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for key in ("member", "gamma", "generator_loss", "score_clip"):
        assert loaded.get_config()[key] == model.get_config()[key]
    assert loaded.member.domain == model.member.domain
    np.testing.assert_array_equal(model.generate(4, seed=0), loaded.generate(4, seed=0))
    results = [each.evaluate(images, batch_size=4, return_dict=True, verbose=0) for each in (model, loaded)]
    assert set(results[0]) == set(history)
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, rel=1e-6)
