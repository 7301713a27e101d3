"""How labels and latents enter the convolutional networks: the norms of a generator, the head of a discriminator."""

import keras

from keras_gans import checks
from keras_gans.layers import (
    BatchNormalization,
    CascadingRejection,
    ConditionalBatchNormalization,
    LabelledLatents,
    LabelProjection,
    LabelScaling,
    SelfModulatedBatchNormalization,
    SpectralNormalization,
)

HEADS = ("linear", "cascading_rejection")
MOMENTUM, EPSILON = 0.9, 1e-5  # of every batch norm; short runs do not wait for Keras's 0.99


def inputs_of(first, num_classes):
    """Returns `(inputs, labels)` of a model on `first` and, with `num_classes` > 0, integer labels."""
    if not num_classes:
        return first, None
    labels = keras.Input((), dtype="int32", name="labels")
    return [first, labels], labels


def generator_norms(latents, labels, num_classes, modulation, gamma_initializer, kernel_initializer, spectral=False):
    """Returns `norm(x, name, modulated=True)`, which applies one norm of a generator to features `x`.

    Without modulation it is batch norm, conditional where there are labels; with `modulation="self"` scale and shift
    are computed from the latents, into which labels are mixed first. `modulated=False` asks for plain batch norm
    where only labels would modulate.

    Args:
        latents, labels: the inputs of the generator; labels None without classes.
        modulation: None or "self".
        gamma_initializer, kernel_initializer: functions without arguments that return a new initializer.
        spectral: whether the kernels of self-modulation are spectrally normalised.
    """
    modulation = checks.one_of("modulation", modulation, (None, "self"))
    if modulation == "self" and num_classes:
        latents = LabelledLatents(num_classes, name="labelled_latents")([latents, labels])

    def norm(x, name, modulated=True):
        if modulation == "self":
            layer = SelfModulatedBatchNormalization(
                momentum=MOMENTUM,
                epsilon=EPSILON,
                kernel_initializer=kernel_initializer(),
                spectral=spectral,
                name=name,
            )
            return layer([x, latents])
        if num_classes and modulated:
            layer = ConditionalBatchNormalization(
                num_classes, MOMENTUM, EPSILON, gamma_initializer=gamma_initializer(), name=name
            )
            return layer([x, labels])
        return batch_norm(name, gamma_initializer())(x)

    return norm


def batch_norm(name, gamma_initializer="ones"):
    return BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, gamma_initializer=gamma_initializer, name=name)


def score(features, labels, units, num_classes, use_bias, spectral, kernel_initializer, head="linear"):
    """Returns the raw scores (n, units), float32, of features (n, F).

    With a linear head: one unit and labels, projection; more units and labels, the features are scaled by `1 + E[y]`
    first (ours; a projection adds one number and has no natural form for many outputs). With
    `head="cascading_rejection"` the units are the levels of a `CascadingRejection` layer, without biases.
    """
    if checks.one_of("head", head, HEADS) == "cascading_rejection":
        layer = CascadingRejection(units, num_classes, spectral=spectral, name="score")
        return layer([features, labels] if num_classes else features)
    if num_classes and units == 1:
        head = LabelProjection(
            num_classes,
            use_bias=use_bias,
            spectral=spectral,
            kernel_initializer=kernel_initializer(),
            embeddings_initializer=kernel_initializer(),
            dtype="float32",
            name="score",
        )
        return head([features, labels])
    if num_classes:
        features = LabelScaling(num_classes, spectral=spectral, name="label_scaling")([features, labels])
    head = keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer=kernel_initializer(), dtype="float32", name="score"
    )
    return constrained(head, spectral)(features)


def constrained(layer, spectral):
    """Returns `layer`, spectrally normalised on request, under its own name."""
    return SpectralNormalization(layer, name=layer.name) if spectral else layer
