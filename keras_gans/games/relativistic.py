"""The losses of relativistic games, which judge real against fake, from scores of any one shape (higher = more real).

With real scores r_i, fake scores f_i, sp(t) = log(1 + exp(t)), and a = r - E f, b = f - E r:

    pairwise                  E sp(f - r), real and fake paired by position
    averaged                  1/2 [E sp(-a) + E sp(b)]
    averaged_least_squares    1/2 [E (a - 1)^2 + E (b + 1)^2]
    averaged_hinge            1/2 [E max(0, 1 - a) + E max(0, 1 + b)]

That is the discriminator's side, minimised; the generator's is the same with the sides exchanged. No loss sees a common
shift of the scores. Source: Jolicoeur-Martineau, 2018, arXiv:1807.00734; the factor 1/2 is that of its code.
"""

from keras import ops

from keras_gans import checks
from keras_gans.engine import mean

FORMS = ("pairwise", "averaged", "averaged_least_squares", "averaged_hinge")


def discriminator_loss(real, fake, form):
    """Returns the scalar loss of the discriminator; that of the generator is `discriminator_loss(fake, real, form)`.

    Args:
        real, fake: Scores on reals and fakes, of one shape.
        form: One of `FORMS`.
    """
    checks.same_shape(real_logits=real, fake_logits=fake)
    if form == "pairwise":
        return mean(ops.softplus(fake - real))
    real, fake = real - mean(fake), fake - mean(real)
    if form == "averaged":
        return (mean(ops.softplus(-real)) + mean(ops.softplus(fake))) / 2.0
    if form == "averaged_least_squares":
        return (mean(ops.square(real - 1.0)) + mean(ops.square(fake + 1.0))) / 2.0
    return (mean(ops.relu(1.0 - real)) + mean(ops.relu(1.0 + fake))) / 2.0
