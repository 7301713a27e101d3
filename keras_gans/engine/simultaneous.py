"""Simultaneous updates: both players move from the same weights, with one forward pass of each network on the fakes.

With f = D(G(z)) the discriminator's outputs on the fakes, a = dL_D/df and b = dL_G/df, both players' gradients come
from one pass: a goes back through D to its weights, and what reaches the fakes goes on into G. What reaches them is

    two_pullbacks    b sent back through D to the fakes: always exact
    constant_ratio   -1 times what a brought to the fakes, where L_G = -L_D on the fakes: saves a backward pass of D
    per_sample       b_i / a_i times what a brought to fake i, where D treats samples independently, every fake has one
                     score and a_i is never 0: saves the same; where a ratio exceeds 1e6 the step uses two pullbacks

Which one is exact is known from the variant (`gradient_ratio`) and the discriminator's layers: `form` decides.
Source: Su, article 6387; our proofs and conditions stand in the tests.
"""

import keras
from keras import ops

from keras_gans.engine.backend import module as backend
from keras_gans.engine.calls import collected
from keras_gans.engine.gradients import descend, input_gradients, value_and_gradients, value_and_pullback
from keras_gans.engine.private_keras import layers_of
from keras_gans.engine.score import Score

LARGEST_RATIO = 1e6


def couples_samples(layer):
    """Returns whether a layer in training mode mixes the samples of a batch."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return True
    return getattr(layer, "couples_samples", False)


def coupled_layers(network):
    """Returns the names of a network's layers that mix the samples of a batch in training."""
    return [layer.name for layer in layers_of(network) if couples_samples(layer)]


def form(model):
    """Returns how the generator's gradient is obtained: `"constant_ratio"`, `"per_sample"` or `"two_pullbacks"`."""
    ratio = model.gradient_ratio()
    if ratio == "constant":
        return "constant_ratio"
    if ratio == "per_sample" and not coupled_layers(model.discriminator):
        return "per_sample"
    return "two_pullbacks"


def train_step(model, data):
    """Returns the logs of one step of `update="simultaneous"`: the critic steps but the last, then both players."""
    *earlier, (reals, labels) = model.critic_batches(data)
    for images, classes in earlier:
        latents = model.sample_latents(ops.shape(images)[0])
        fakes = ops.stop_gradient(model.fake(latents, classes))
        descend(model.critic_objective, model, "discriminator", images, fakes, latents, classes)
        model.after_discriminator_step()
    return model.report(**simultaneous_step(model, reals, labels))


def simultaneous_step(model, reals, labels):
    """Takes one step of both players from the same weights and returns the values to report.

    Args:
        model: An `AdversarialModel`; its `critic_terms` and `generator_terms` give both losses from the
            discriminator's outputs.
        reals: Images (n, ...), float32.
        labels: Labels (n,) or None.
    """
    generator, discriminator = model.generator.trainable_variables, model.discriminator.trainable_variables
    d_optimizer, g_optimizer = model.optimizer.of("discriminator"), model.optimizer.of("generator")
    latents = model.sample_latents(ops.shape(reals)[0])
    with collected(model.generator) as of_generator:
        fakes, into_generator = value_and_pullback(lambda z: model.fake(z, labels), latents, generator)
    fakes = ops.stop_gradient(fakes)
    with collected(model.discriminator) as of_discriminator:
        real_outputs, from_reals = value_and_pullback(lambda x: model.score(x, labels), reals, discriminator)
        fake_outputs, from_fakes = value_and_pullback(lambda x: model.score(x, labels), fakes, discriminator)
    if of_generator or of_discriminator:
        raise ValueError(
            "`update` must be 'alternating' for networks whose layers add to the loss (activity regularisers, "
            "add_loss). Received: update='simultaneous'."
        )

    def critic(real, fake):
        return model.critic_terms(real, fake, reals, fakes, latents)

    both = ops.stack([ops.stop_gradient(real_outputs), ops.stop_gradient(fake_outputs)])
    d_loss, observed = critic(both[0], both[1])
    g_loss, more = model.generator_terms(both[0], both[1], latents)
    observed = {**observed, **more}
    to_reals, to_fakes = _halves(input_gradients(lambda outputs: critic(outputs[0], outputs[1])[0], both))
    _, for_generator = _halves(
        input_gradients(lambda outputs: model.generator_terms(both[0], outputs[1], latents)[0], both)
    )

    share = 1.0 / backend.replicas()  # optimizers add up the gradients of all replicas
    d_scale, g_scale = (ops.cast(o.scale_loss(ops.ones(())), "float32") for o in (d_optimizer, g_optimizer))
    _, real_gradients = from_reals(to_reals * d_scale * share, "variables")
    how = form(model)
    if how == "two_pullbacks":
        _, fake_gradients = from_fakes(to_fakes * d_scale * share, "variables")
        at_fakes, _ = from_fakes(for_generator * g_scale * share, "inputs")
    else:
        at_fakes, fake_gradients = from_fakes(to_fakes * d_scale * share, "both")
        at_fakes = ops.cast(at_fakes, "float32") * (g_scale / d_scale)
        if how == "constant_ratio":
            at_fakes = -at_fakes
        else:
            ratios = for_generator / ops.where(to_fakes == 0.0, 1.0, to_fakes)  # (n, 1)
            exact = ops.logical_and(ops.max(ops.abs(ratios)) < LARGEST_RATIO, ops.all(to_fakes != 0.0))
            shape = (-1,) + (1,) * (len(at_fakes.shape) - 1)
            at_fakes = ops.cond(
                exact,
                lambda: ops.reshape(ratios, shape) * at_fakes,
                lambda: ops.cast(from_fakes(for_generator * g_scale * share, "inputs")[0], "float32"),
            )
    gradients = [a + b for a, b in zip(real_gradients, fake_gradients, strict=True)]

    def penalty():
        if "penalty" not in model.all_logs():
            return _regularization(discriminator), {}
        loss = model.penalized(Score.of(model, labels), reals, fakes)
        return loss + _regularization(discriminator), {"penalty": loss}

    if "penalty" in model.all_logs() or any(variable.regularizer is not None for variable in discriminator):
        loss, extras, more = value_and_gradients(penalty, discriminator, d_optimizer.scale_loss)
        gradients = [a + b for a, b in zip(gradients, more, strict=True)]
        d_loss, observed = d_loss + loss, {**observed, **extras}
    _, generator_gradients = into_generator(at_fakes, "variables")
    if any(variable.regularizer is not None for variable in generator):
        loss, _, more = value_and_gradients(lambda: _regularization(generator), generator, g_optimizer.scale_loss)
        generator_gradients = [a + b for a, b in zip(generator_gradients, more, strict=True)]
        g_loss = g_loss + loss
    backend.apply_gradients(d_optimizer, gradients, discriminator)
    backend.apply_gradients(g_optimizer, generator_gradients, generator)
    model.after_discriminator_step()
    return {"discriminator_loss": d_loss, "generator_loss": g_loss, **observed}


def _halves(gradients):
    return gradients[0], gradients[1]


def _regularization(variables):
    losses = [variable.regularizer(variable) for variable in variables if variable.regularizer is not None]
    return sum(losses, ops.zeros(()))
