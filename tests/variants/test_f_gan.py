"""FGAN: check values of every divergence, Fenchel's inequality, custom divergences, and one step with a pencil."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_gans.engine import input_gradients, value_and_gradients
from keras_gans.games.f_divergences import DIVERGENCES, CustomDivergence, wright_omega
from keras_gans.networks import mlp
from keras_gans.variants.f_gan import FGAN
from tests.conftest import sigmoid
from tests.laws import small

REAL = ops.convert_to_tensor(np.array([[0.5], [-0.3], [1.2]], "float32"))
FAKE = ops.convert_to_tensor(np.array([[-0.4], [0.2], [-1.0]], "float32"))
P, Q = np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.4, 0.2])
LOG_2 = np.log(2)

PAPER = {  # discriminator loss, saturating and non-saturating generator loss, divergence of P and Q
    "total_variation": (-0.32477116, 0.15736130, 0.15736130, 0.2),
    "kl": (-0.18957960, -0.27708707, 0.40000000, 0.09458187),
    "reverse_kl": (-0.64747211, 1.40000000, 1.67627909, 0.10690843),
    "pearson": (-0.76666667, 0.30000000, 0.40000000, 0.175),
    "neyman": (-0.76411307, 0.51664096, 0.67627909, 0.25333333),
    "squared_hellinger": (-0.49427136, 0.24679925, 0.67627909, 0.04998944),
    "jensen_shannon": (-0.31425086, 0.15167524, 0.24832476, 0.04961461),
    "gan": (1.07204350, -0.54147194, 0.94147194, -1.33667975),
    "jeffrey": (-0.78459704, 0.31793037, 0.40000000, 0.20149030),
}
LOG_RATIO = {
    "kl": (-0.71346592, -0.75320075, -0.60000000),
    "reverse_kl": (-0.64747211, 1.40000000, 1.67627909),
    "pearson": (-2.11427463, 0.30783702, 0.49359850),
    "neyman": (-1.59231945, 1.35255819, 2.42830569),
    "squared_hellinger": (-0.32670700, 0.15652256, 0.25832048),
    "jeffrey": (-1.36093803, 0.64679925, 1.07627909),
    "jensen_shannon": (-0.31425086, 0.15167524, 0.24832476),
    "gan": (1.07204350, -0.54147194, 0.94147194),
}
GRADIENTS = {  # of the generator losses, per sample: saturating, non-saturating
    "total_variation": ([-0.42781939, -0.48052149, -0.20998717], [-0.42781939, -0.48052149, -0.20998717]),
    "kl": ([-0.24659696, -0.44932896, -0.13533528], [-1, -1, -1]),
    "reverse_kl": ([-1, -1, -1], [-1.49182470, -0.81873075, -2.71828183]),
    "pearson": ([-0.8, -1.1, -0.5], [-1, -1, -1]),
    "neyman": ([-1.22140276, -0.90483742, -1.64872127], [-1.49182470, -0.81873075, -2.71828183]),
    "squared_hellinger": ([-0.67032005, -1.22140276, -0.36787944], [-1.49182470, -0.81873075, -2.71828183]),
    "jensen_shannon": ([-0.40131234, -0.54983400, -0.26894142], [-0.59868766, -0.45016600, -0.73105858]),
    "gan": ([-0.40131234, -0.54983400, -0.26894142], [-0.59868766, -0.45016600, -0.73105858]),
    "jeffrey": ([-0.82667832, -1.10798281, -0.64220070], [-1, -1, -1]),
}
F = {
    "total_variation": lambda u: np.abs(u - 1) / 2,
    "kl": lambda u: u * np.log(u),
    "reverse_kl": lambda u: -np.log(u),
    "pearson": lambda u: (u - 1) ** 2,
    "neyman": lambda u: (1 - u) ** 2 / u,
    "squared_hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
    "jensen_shannon": lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
    "gan": lambda u: u * np.log(u) - (u + 1) * np.log(u + 1),
    "jeffrey": lambda u: (u - 1) * np.log(u),
    "alpha": lambda u: (u**0.5 - 1 - 0.5 * (u - 1)) / -0.25,
}


def omega(x):
    """Returns w with w + log w = x in float64, by bisection in log w."""
    low, high = np.full(np.shape(x), -80.0), np.full(np.shape(x), 20.0)
    for _ in range(100):
        middle = (low + high) / 2
        above = np.exp(middle) + middle > x
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.exp(low)


CONJUGATES = {  # f* of t, with two values each
    "kl": (lambda t: np.exp(t - 1), {-0.5: 0.22313016, 1.2: 1.22140276}),
    "reverse_kl": (lambda t: -1 - np.log(-t), {-0.5: -0.30685282, -2: -1.69314718}),
    "pearson": (lambda t: t**2 / 4 + t, {-1: -0.75, 1.5: 2.0625}),
    "neyman": (lambda t: 2 - 2 * np.sqrt(1 - t), {-1: -0.82842712, 0.6: 0.73508894}),
    "squared_hellinger": (lambda t: t / (1 - t), {-1: -0.5, 0.6: 1.5}),
    "jensen_shannon": (lambda t: -np.log(2 - np.exp(t)), {-1: -0.48988013, 0.4: 0.67692881}),
    "gan": (lambda t: -np.log(1 - np.exp(t)), {-1.5: 0.25248246, -0.3: 1.35022561}),
    "jeffrey": (lambda t: omega(1 - t) + 1 / omega(1 - t) + t - 2, {-1: -0.80065370, 0.7: 0.84793755}),
    "alpha": (lambda t: ((1 - 0.5 * t) ** -1 - 1) / 0.5, {-0.4: -0.33333333, 0.3: 0.35294118}),
}


def networks(seed=1):
    keras.utils.set_random_seed(seed)
    options = {"width": 8, "depth": 1}
    return mlp.generator((8, 8, 1), 4, **options), mlp.discriminator((8, 8, 1), **options)


UNTRAINED = functools.cache(networks)  # building them is a third of the time of a test of losses


def model_with(divergence="js", score_clip=None, networks=UNTRAINED, **knobs):
    return FGAN(*networks(), latent_dim=4, divergence=divergence, score_clip=score_clip, **knobs)


def tensor(value):
    return ops.convert_to_tensor(np.asarray(value, "float32"))


def array(value):
    return np.asarray(ops.convert_to_numpy(value), "float64")


def gradient(fn, value):
    """Returns the gradient of a scalar function of one tensor as an array."""
    variable = keras.Variable(ops.convert_to_numpy(value))
    return array(value_and_gradients(lambda: fn(variable.value), [variable])[2][0])


def losses(model, real=REAL, fake=FAKE):
    """Returns the discriminator's loss, the saturating and the non-saturating generator loss."""
    generator = []
    for name in ("saturating", "non_saturating"):
        model.generator_loss_name = name
        generator.append(float(model.generator_loss(fake)))
    return float(model.discriminator_loss(real, fake)), *generator


@pytest.mark.parametrize("divergence", PAPER)
def test_losses_have_the_check_values(divergence):
    np.testing.assert_allclose(losses(model_with(divergence)), PAPER[divergence][:3], rtol=1e-6)


@pytest.mark.parametrize("divergence", LOG_RATIO)
def test_losses_of_log_ratios_have_the_check_values(divergence):
    np.testing.assert_allclose(losses(model_with(divergence, activation="log_ratio")), LOG_RATIO[divergence], rtol=1e-6)


@pytest.mark.parametrize("divergence", GRADIENTS)
def test_generator_losses_have_the_check_gradients(divergence):
    for name, expected in zip(("saturating", "non_saturating"), GRADIENTS[divergence], strict=True):
        model = model_with(divergence, generator_loss=name)
        np.testing.assert_allclose(3 * gradient(model.generator_loss, FAKE)[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_generator_loss_is_non_saturating_but_for_reverse_kl(divergence):
    model, other = model_with(divergence), "saturating" if divergence == "reverse_kl" else "non_saturating"
    default = float(model.generator_loss(FAKE))
    model.generator_loss_name = other
    assert default == float(model.generator_loss(FAKE))


@pytest.mark.parametrize("activation", ["paper", "log_ratio"])
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_bound_holds_for_every_score_and_the_activation_increases(divergence, activation):
    model = model_with(divergence, activation=activation)
    v = np.linspace(-3, 3, 61)
    g, composed = array(model.variational(tensor(v))), array(model.conjugate(tensor(v)))
    assert (np.diff(g) > 0).all()
    u = np.logspace(-6, 6, 24001)  # Fenchel: f*(t) >= ut - f(u), and the best u attains it
    highest = np.max(u[None] * g[:, None] - F[divergence](u)[None], axis=1)
    if divergence == "total_variation":
        highest = np.maximum(highest, -0.5)
    assert (composed >= highest - 1e-4 * (1 + np.abs(highest))).all()
    tight = g >= -2 if divergence == "pearson" else np.ones(61, bool)  # below it the quadratic goes on
    np.testing.assert_allclose(composed[tight], highest[tight], rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("activation", ["paper", "log_ratio"])
@pytest.mark.parametrize("divergence", CONJUGATES)
def test_the_composed_form_is_the_conjugate_of_the_activation(divergence, activation):
    conjugate, points = CONJUGATES[divergence]
    for t, value in points.items():
        assert conjugate(t) == pytest.approx(value, abs=1e-8)
    model = model_with(divergence, activation=activation)
    v = np.linspace(-3, 3, 61)
    g = array(model.variational(tensor(v)))
    np.testing.assert_allclose(array(model.conjugate(tensor(v))), conjugate(g), rtol=5e-5, atol=5e-6)


@pytest.mark.parametrize("divergence", [*LOG_RATIO, "alpha"])
def test_the_log_ratio_attains_the_divergence(divergence):
    model = model_with(divergence, activation="log_ratio")
    v = tensor(np.log(P / Q))
    bound = np.sum(P * array(model.variational(v))) - np.sum(Q * array(model.conjugate(v)))
    expected = 0.09997887 if divergence == "alpha" else PAPER[divergence][3]
    assert bound == pytest.approx(expected, abs=1e-6)
    assert np.sum(Q * F[divergence](P / Q)) == pytest.approx(expected, abs=1e-8)


def test_the_alpha_family_holds_the_others():
    u = tensor(np.linspace(-2, 2, 9))
    for alpha, divergence, factor in ((2.0, "pearson", 0.5), (0.5, "squared_hellinger", 2.0), (-1.0, "neyman", 0.5)):
        family = model_with("alpha", alpha=alpha)
        other = model_with(divergence, activation="log_ratio")
        np.testing.assert_allclose(array(family.variational(u)), factor * array(other.variational(u)), rtol=1e-5)
        np.testing.assert_allclose(array(family.conjugate(u)), factor * array(other.conjugate(u)), rtol=1e-5, atol=1e-6)
    assert model_with("alpha").alpha == 0.5


@pytest.mark.parametrize("activation", ["paper", "log_ratio"])
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_saturating_over_non_saturating_slope_is_the_ratio_the_critic_believes_in(divergence, activation):
    model = model_with(divergence, activation=activation)
    v = np.array([-1.5, -0.2, 0.0, 0.9, 2.0])
    slopes = {}
    for name in ("saturating", "non_saturating"):
        model.generator_loss_name = name
        slopes[name] = gradient(model.generator_loss, tensor(v))
    ratios = {
        "total_variation": np.ones(5),
        "kl": np.exp(v - 1),
        "reverse_kl": np.exp(v),
        "pearson": 1 + v / 2,
        "neyman": np.exp(v / 2),
        "squared_hellinger": np.exp(2 * v),
        "jeffrey": 1 / omega(1 - v),
    }
    expected = np.exp(v)
    if activation == "paper" or divergence == "total_variation":
        expected = ratios.get(divergence, expected)
    np.testing.assert_allclose(slopes["saturating"] / slopes["non_saturating"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "divergence, expected",
    [
        ("kl", 0.5),
        ("reverse_kl", 0.5),
        ("pearson", 1.71828183),
        ("neyman", 1.71828183),
        ("squared_hellinger", 0.23500619),
        ("jensen_shannon", 0.22284296),
        ("jeffrey", 1.0),
    ],
)
def test_a_linear_critic_attains_the_divergence_of_two_gaussians(divergence, expected):
    x = np.linspace(-9, 10, 4001)
    step = x[1] - x[0]
    p, q = (np.exp(-0.5 * (x - m) ** 2) / np.sqrt(2 * np.pi) for m in (0, 1))
    model, v = model_with(divergence, activation="log_ratio"), tensor(0.5 - x)
    bound = np.sum(p * array(model.variational(v)) - q * array(model.conjugate(v))) * step
    assert bound == pytest.approx(expected, abs=2e-5)


def test_wright_omega_and_its_first_two_derivatives():
    x = np.array([0, 1, 5, 100, -30, -3, 0.999, 1.001, 1e4])
    w = omega(x)
    np.testing.assert_allclose(w[:4], [0.56714329, 1, 3.69344136, 95.44148665], rtol=1e-8)
    np.testing.assert_allclose(array(wright_omega(tensor(x))), w, rtol=2e-6)
    slopes = gradient(lambda t: ops.sum(wright_omega(t)), tensor(x))
    np.testing.assert_allclose(slopes, w / (1 + w), rtol=5e-6)
    second = input_gradients(lambda t: input_gradients(wright_omega, t), tensor(x))
    np.testing.assert_allclose(array(ops.stop_gradient(second)), w / (1 + w) ** 3, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("activation", ["paper", "log_ratio"])
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_scores_of_ten_thousand_give_finite_losses_and_slopes(divergence, activation):
    extreme = tensor([[-1e4], [1e4], [-50.0], [50.0]])
    for name in ("saturating", "non_saturating"):
        model = model_with(divergence, 20.0, activation=activation, generator_loss=name)
        assert np.isfinite(float(model.generator_loss(extreme)))
        assert np.isfinite(float(model.discriminator_loss(extreme, extreme)))
        assert np.isfinite(gradient(model.generator_loss, extreme)).all()
        assert np.isfinite(gradient(lambda s, m=model: m.discriminator_loss(s, extreme), extreme)).all()
        assert np.isfinite(gradient(lambda s, m=model: m.discriminator_loss(extreme, s), extreme)).all()
    if activation == "paper" and divergence in ("kl", "reverse_kl"):  # the linear terms keep their slope
        model.generator_loss_name = "auto"
        np.testing.assert_allclose(gradient(model.generator_loss, extreme), -0.25)


def test_only_exponents_are_clipped():
    v, clipped = tensor([[-6.0], [9.0]]), tensor(20 * np.tanh(np.array([[-6.0], [9.0]]) / 20))
    for divergence, activation, g, conjugate in [
        ("kl", "paper", v, clipped),
        ("reverse_kl", "paper", clipped, v),
        ("neyman", "paper", clipped, clipped),
        ("pearson", "paper", v, v),
        ("jensen_shannon", "paper", v, v),
        ("jeffrey", "paper", v, v),
        ("pearson", "log_ratio", clipped, clipped),
    ]:
        model = model_with(divergence, 20.0, activation=activation)
        plain = model_with(divergence, None, activation=activation)
        np.testing.assert_allclose(array(model.variational(v)), array(plain.variational(g)), rtol=1e-5)
        np.testing.assert_allclose(array(model.conjugate(v)), array(plain.conjugate(conjugate)), rtol=1e-5)


@pytest.mark.parametrize("score_clip", [None, 20.0])
@pytest.mark.parametrize("divergence", PAPER)
def test_the_logs_are_the_bound_and_the_accuracies(divergence, score_clip):
    model = model_with(divergence, score_clip)
    logs = {name: float(value) for name, value in model.observe(REAL, FAKE).items()}
    bound = -PAPER[divergence][0] + (2 * LOG_2 if divergence == "gan" else 0)
    assert logs["divergence"] == pytest.approx(bound, rel=1e-5 if score_clip is None else 5e-3)
    if model.forms.exponential and score_clip:  # the bound of the clipped critic, not a mixture
        v = [20 * np.tanh(array(s) / 20) for s in (REAL, FAKE)]
        plain = model_with(divergence)
        assert logs["divergence"] == pytest.approx(-float(plain.discriminator_loss(*map(tensor, v))), rel=1e-5)
    threshold = 1.0 if divergence == "kl" else 0.0  # g(v) = f'(1) at this score
    assert logs["real_accuracy"] == pytest.approx(np.mean(array(REAL) > threshold), rel=1e-6)
    assert logs["fake_accuracy"] == pytest.approx(np.mean(array(FAKE) < threshold), rel=1e-6)


SLOPES = {  # g', (f* o g)', and minus the slope of the default generator loss
    "jensen_shannon": (lambda v: sigmoid(-v), sigmoid, lambda v: sigmoid(-v)),
    "kl": (np.ones_like, lambda v: np.exp(v - 1), np.ones_like),
    "reverse_kl": (lambda v: np.exp(-v), np.ones_like, np.ones_like),
    "pearson": (np.ones_like, lambda v: 1 + v / 2, np.ones_like),
    "jeffrey": (np.ones_like, lambda v: 1 / omega(1 - v), np.ones_like),
    "squared_hellinger": (lambda v: np.exp(-v), np.exp, lambda v: np.exp(-v)),
}


@pytest.mark.parametrize("divergence", SLOPES)
def test_one_step_is_the_hand_derived_one(shift_gan, divergence):
    x = np.array([[0.5], [-1.0]])
    first, second = np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]])
    theta, psi, rate = 0.7, -0.4, 0.1
    knobs = {"divergence": divergence, "score_clip": None}
    values, logs = shift_gan(FGAN, theta, psi, latents=[first, second], rate=rate, **knobs).step(x)

    real_slope, fake_slope, generator_slope = SLOPES[divergence]
    fakes = first + theta
    assert logs["divergence"] == pytest.approx(-logs["discriminator_loss"], rel=1e-5)
    assert logs["real_accuracy"] == np.mean(psi * x > (divergence == "kl"))
    psi += rate * np.mean(real_slope(psi * x) * x - fake_slope(psi * fakes) * fakes)
    theta += rate * np.mean(generator_slope(psi * (second + theta)) * psi)  # fresh latents, the new psi
    np.testing.assert_allclose(values, (theta, psi), rtol=1e-5)


@pytest.mark.parametrize(
    "knobs, ratio",
    [
        ({}, "per_sample"),
        ({"generator_loss": "saturating"}, "constant"),
        ({"divergence": "rkl"}, "constant"),
        ({"divergence": "tv"}, "constant"),
        ({"divergence": "pearson"}, None),
        ({"divergence": "pearson", "activation": "log_ratio"}, "per_sample"),
    ],
)
def test_the_slopes_of_the_players_have_the_announced_ratio(knobs, ratio):
    model = model_with(**knobs)
    assert model.gradient_ratio() == ratio
    critic, generator = (
        gradient(lambda f: model.discriminator_loss(REAL, f), FAKE),
        gradient(model.generator_loss, FAKE),
    )
    assert (critic > 0).all()
    assert np.allclose(generator / critic, -1) == (ratio == "constant")


# A user's divergence ------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
def registered_kl(u):
    return u * ops.log(u)


@keras.saving.register_keras_serializable("tests")
def registered_identity(t):
    return t


@keras.saving.register_keras_serializable("tests")
def registered_half_tanh(v):
    return ops.tanh(v) / 2.0


USERS = {
    "kl": registered_kl,
    "reverse_kl": lambda u: -ops.log(u),
    "pearson": lambda u: ops.square(u - 1.0),
    "neyman": lambda u: ops.square(1.0 - u) / u,
    "squared_hellinger": lambda u: ops.square(ops.sqrt(u) - 1.0),
    "jensen_shannon": lambda u: u * ops.log(u) - (u + 1.0) * ops.log((u + 1.0) / 2.0),
    "jeffrey": lambda u: (u - 1.0) * ops.log(u),
}


@pytest.mark.parametrize("name", USERS)
def test_a_custom_divergence_needs_only_f(name):
    model = model_with(CustomDivergence(USERS[name]), generator_loss="non_saturating")
    builtin = model_with(name, activation="log_ratio", generator_loss="non_saturating")
    np.testing.assert_allclose(losses(model), losses(builtin), rtol=1e-4)
    for one, other in ((model.generator_loss, builtin.generator_loss),):
        np.testing.assert_allclose(gradient(one, FAKE), gradient(other, FAKE), rtol=1e-4)
    one, other = (gradient(lambda f, m=m: m.discriminator_loss(REAL, f), FAKE) for m in (model, builtin))
    np.testing.assert_allclose(one, other, rtol=1e-4)
    assert model.forms.threshold == pytest.approx(builtin.forms.threshold, abs=1e-5)


def test_a_custom_divergence_takes_its_conjugate_and_activation():
    own = CustomDivergence(lambda u: ops.abs(u - 1.0) / 2.0, registered_identity, registered_half_tanh)
    np.testing.assert_allclose(losses(model_with(own)), PAPER["total_variation"][:3], rtol=1e-6)
    derived = CustomDivergence(registered_kl, conjugate=lambda t: ops.exp(t - 1.0))
    np.testing.assert_allclose(losses(model_with(derived)), LOG_RATIO["kl"], rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"f": lambda u: ops.sqrt(u) - 1.0}, ValueError, "`f` must be convex on u > 0.*slope falls near u="),
        ({"f": lambda u: -u * ops.log(u)}, ValueError, "`f` must be convex"),
        ({"f": lambda u: ops.square(u)}, ValueError, r"`f` must be 0 at u=1: subtract f\(1\). Received: f\(1\)=1"),
        ({"f": lambda u: ops.log(u - 1.0)}, ValueError, "one finite value for each u > 0"),
        ({"f": lambda u: ops.sum(u)}, ValueError, "one finite value for each u > 0"),
        ({"f": lambda u: ops.relu(u - 1.0)}, ValueError, "piecewise linear.*Give `conjugate` and `activation`"),
        ({"f": lambda u: u.nothing}, ValueError, "written with keras.ops. It says: .*nothing"),
        ({"f": 3}, TypeError, r"`f` must be a function. Received: f=3 \(int\)"),
        ({"f": registered_kl, "activation": lambda v: v}, ValueError, "`activation` needs `conjugate`"),
        (
            {"f": registered_kl, "conjugate": lambda t: ops.exp(t - 2.0), "activation": lambda v: v},
            ValueError,
            "`conjugate` must be f",
        ),
        (
            {"f": registered_kl, "conjugate": lambda t: ops.exp(t - 1.0), "activation": lambda v: -v},
            ValueError,
            "`activation` must be finite and increasing",
        ),
    ],
)
def test_what_is_no_divergence_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        CustomDivergence(**arguments)


def test_a_model_with_an_unregistered_function_says_so_when_it_is_saved(tmp_path):
    model = model_with(CustomDivergence(USERS["pearson"]))
    with pytest.raises(ValueError, match="`f` is saved by the function's registered name.*register_keras_serializable"):
        model.save(tmp_path / "model.keras")


# The model ----------------------------------------------------------------------------------------------------


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "knobs, error, words",
    [
        ({"divergence": "pierson"}, ValueError, "`divergence` must be one of .*Did you mean 'pearson'"),
        ({"divergence": registered_kl}, TypeError, r"a name or a CustomDivergence; pass CustomDivergence\(f\)"),
        ({"activation": "logratio"}, ValueError, "`activation` must be one of .*Did you mean 'log_ratio'"),
        ({"generator_loss": "nonsaturating"}, ValueError, "`generator_loss` must be one of .*'non_saturating'"),
        ({"score_clip": 0}, ValueError, "`score_clip` must be a number greater than 0"),
        ({"alpha": 0.5}, ValueError, "`alpha` is used by divergence=\"alpha\" only. Received: divergence='js'"),
        ({"divergence": "alpha", "alpha": 1}, ValueError, "`alpha` must not be 0 or 1"),
        ({"divergence": "alpha", "alpha": "1"}, TypeError, "`alpha` must be a number"),
    ],
)
def test_bad_arguments_are_named(knobs, error, words):
    with pytest.raises(error, match=words):
        model_with(**knobs)


@pytest.mark.one_backend
@pytest.mark.parametrize("alias, name", [("js", "jensen_shannon"), ("rkl", "reverse_kl"), ("tv", "total_variation")])
def test_short_names_are_known(alias, name):
    assert model_with(alias).divergence == name


@pytest.mark.one_backend
def test_networks_of_bounded_divergences_may_have_batch_norm():
    def normalization(**knobs):
        return FGAN.blueprint(8, **knobs)["discriminator"].options["normalization"]

    assert normalization() == "batch" and normalization(divergence="hellinger") == "batch"
    assert normalization(divergence="kl") == normalization(divergence=CustomDivergence(registered_kl)) == "spectral"
    assert normalization(divergence="kl", penalties=[1]) is None


@pytest.mark.parametrize(
    "knobs",
    [
        {"divergence": "alpha", "alpha": 3.0, "score_clip": 12.0},
        {"divergence": "neyman", "activation": "log_ratio", "generator_loss": "saturating"},
        {"divergence": "custom"},
        {"divergence": "own"},
    ],
)
def test_a_trained_model_is_saved_and_loaded_whole(knobs, tmp_path):
    custom = {
        "custom": CustomDivergence(registered_kl, name="mine"),
        "own": CustomDivergence(registered_kl, registered_exponential, registered_identity),
    }
    update = "simultaneous" if knobs["divergence"] in ("alpha", "custom") else "alternating"
    knobs = {**knobs, "divergence": custom.get(knobs["divergence"], knobs["divergence"])}
    model = model_with(networks=networks, **{"score_clip": 20.0, **knobs})
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype="uint8")
    model.compile(update=update, run_eagerly=small.EAGER)
    history = model.fit(images, batch_size=4, epochs=2, verbose=0).history
    assert {*model.logs, "loss"} == set(history) and all(np.isfinite(v).all() for v in history.values())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_config()["activation"] == model.activation
    for key in ("score_clip", "alpha", "generator_loss", "divergence"):
        assert loaded.get_config()[key] == model.get_config()[key]
    np.testing.assert_array_equal(model.generate(4, seed=0), loaded.generate(4, seed=0))
    results = [each.evaluate(images, batch_size=4, return_dict=True, verbose=0) for each in (model, loaded)]
    assert set(results[0]) == {*model.logs, "loss"}
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, rel=1e-6)


@keras.saving.register_keras_serializable("tests")
def registered_exponential(t):
    return ops.exp(t - 1.0)
