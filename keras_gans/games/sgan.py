"""The losses of the original GAN and its near relatives, from scores of any one shape (higher = more real).

With real scores r, fake scores f and sp(t) = log(1 + exp(t)):

    non_saturating   discriminator: E sp(-r) + E sp(f)                       generator: E sp(-f)
    saturating       discriminator: the same                                 generator: -E sp(f)
    least_squares    discriminator: E (r - b)^2 + E (f - a)^2                generator: E (f - c)^2
    hinge            discriminator: E max(0, 1 - r) + E max(0, 1 + f)        generator: -E f

All are minimised; E is the mean over the global batch. Sources: arXiv:1406.2661, 1611.04076, 1705.02894, 1802.05957.
"""

from keras import ops

from keras_gans.engine import mean

LOSSES = ("non_saturating", "saturating", "least_squares", "hinge")
TARGETS = (0.0, 1.0, 1.0)  # (a, b, c) of least squares: fake, real, generator


def discriminator_loss(real, fake, kind, targets=TARGETS, label_smoothing=0.0):
    """Returns the scalar loss of the discriminator.

    Args:
        real, fake: Scores on reals and fakes.
        kind: One of `LOSSES`.
        targets: (fake, real, generator) targets of least squares.
        label_smoothing: s in [0, 0.5), one-sided (arXiv:1606.03498): the reals' term becomes (1 - s) E sp(-r) + s E
            sp(r); the real target of least squares moves by the share s towards the fake one. Not for hinge.
    """
    if kind == "least_squares":
        fake_target, real_target, _ = targets
        real_target = (1.0 - label_smoothing) * real_target + label_smoothing * fake_target
        return mean(ops.square(real - real_target)) + mean(ops.square(fake - fake_target))
    if kind == "hinge":
        return mean(ops.relu(1.0 - real)) + mean(ops.relu(1.0 + fake))
    on_reals = mean(ops.softplus(-real))
    if label_smoothing:
        on_reals = (1.0 - label_smoothing) * on_reals + label_smoothing * mean(ops.softplus(real))
    return on_reals + mean(ops.softplus(fake))


def generator_loss(fake, kind, targets=TARGETS):
    """Returns the scalar loss of the generator from the scores of its fakes; see `discriminator_loss`."""
    if kind == "least_squares":
        return mean(ops.square(fake - targets[2]))
    if kind == "hinge":
        return -mean(fake)
    if kind == "saturating":
        return -mean(ops.softplus(fake))
    return mean(ops.softplus(-fake))
