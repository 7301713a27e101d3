"""The loss and the penalties of a critic's step are made of the same passes."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import Score, input_gradients, value_and_gradients
from keras_gans.penalties import R1, R2, GradientPenalty
from tests.laws import small


@keras.saving.register_keras_serializable("tests")
class Counted(keras.layers.Layer):
    """Returns its inputs and counts how often it is called."""

    calls = 0

    def call(self, x):
        Counted.calls += 1
        return x


def counted(name, **knobs):
    """Returns a small variant that runs eagerly, whose discriminator counts its passes."""
    model = small.build(name, compile=False, **knobs)
    images = keras.Input(small.SHAPE)
    critic = keras.Model(images, model.discriminator(Counted()(images)), name="critic")
    model = type(model)(model.generator, critic, small.LATENT_DIM, critic_steps=1, **knobs)
    model.compile(run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("name", "knobs", "passes"),
    [
        ("gan", {}, 3),  # reals and fakes; the generator's fakes
        ("gan", {"penalties": [R1(1.0)]}, 3),
        ("gan", {"penalties": [R1(1.0), R2(1.0), GradientPenalty(1.0, at="real")]}, 3),
        ("gan", {"penalties": [GradientPenalty(1.0)]}, 4),  # and the points between
        ("gan", {"penalties": [R1(1.0, estimate="noise"), R2(1.0, estimate="noise")]}, 5),  # and what is near both
        ("gan", {"penalties": [R1(1.0, every=2)]}, 3),
        ("r3gan", {"estimate": "noise"}, 6),
        ("wgan_gp", {}, 4),
        ("r3gan", {}, 4),  # the relativistic generator sees the reals, too
    ],
)
def test_a_step_makes_as_many_passes_as_its_mathematics_needs(name, knobs, passes):
    model = counted(name, **knobs)
    images, _ = small.data(4)
    Counted.calls = 0
    model.fit(images, batch_size=4, verbose=0)
    assert Counted.calls == passes


def test_the_penalty_sees_the_draw_that_the_loss_sees():
    """A critic whose slope is drawn anew in every pass: the gradient is the slope of the pass of the outputs."""
    seeds = keras.random.SeedGenerator(3)

    def outputs(images, training=True):
        return keras.random.uniform((1,), seed=seeds) * images

    score = Score(outputs, lambda outputs: 2.0 * outputs[:, 0])
    points, others = ops.ones((3, 1)), ops.full((3, 1), 2.0)
    seen, also = (ops.convert_to_numpy(score.outputs(each)) for each in (points, others))

    def gradients(images):
        return ops.convert_to_numpy(input_gradients(score, images))

    np.testing.assert_allclose(gradients(points), 2.0 * seen, rtol=1e-6)
    np.testing.assert_allclose(gradients(others), also, rtol=1e-6)
    assert not np.allclose(gradients(ops.ones((3, 1))), 2.0 * seen)  # other points are another pass


def test_its_gradient_has_a_gradient():
    """C(x) = psi x^2: the mean of |C'(x)|^2 = 4 psi^2 x^2 has the slope 8 psi E x^2 in psi."""
    psi, points = keras.Variable(0.5), ops.convert_to_tensor([[1.0], [3.0]])

    def penalty():
        score = Score(lambda x: psi.value * x * x, lambda outputs: outputs[:, 0])
        score.outputs(points)
        return ops.mean(ops.square(input_gradients(score, points)))

    value, _, (slope,) = value_and_gradients(penalty, [psi])
    assert float(value) == pytest.approx(4 * 0.25 * 5) and float(slope) == pytest.approx(8 * 0.5 * 5)


def test_augmented_images_are_those_of_the_score():
    model = kg.create(
        "gan", (8, 8, 1), 4, network="mlp", network_options={"width": 4}, penalties=[R1(1.0)],
        augmentation=kg.layers.DiffAugment("translation"),
    )  # fmt: skip
    model.compile(run_eagerly=True)
    calls, augment = [], model.augmentation.call
    model.augmentation.call = lambda images: calls.append(1) or augment(images)
    model.fit(small.data(4)[0], batch_size=4, verbose=0)
    assert len(calls) == 3
