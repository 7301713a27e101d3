"""The variants by name: one line each."""

import importlib
import inspect
import warnings

from keras_gans import checks, networks

VARIANTS = {
    "cascading_rejection_gan": "variants.cascading_rejection_gan:CascadingRejectionGAN",
    "energy_based_model": "variants.energy_based_model:EnergyBasedModel",
    "energy_gan": "variants.energy_gan:EnergyGAN",
    "f_gan": "variants.f_gan:FGAN",
    "gan": "variants.gan:GAN",
    "gan_qp": "variants.gan_qp:GANQP",
    "glann": "variants.glann:GLANN",
    "ign": "variants.ign:IGN",
    "invertible_resnet": "variants.invertible_resnet:InvertibleResNet",
    "likelihood_ratio_gan": "variants.likelihood_ratio_gan:LikelihoodRatioGAN",
    "o_gan": "variants.o_gan:OGAN",
    "r3gan": "variants.r3gan:R3GAN",
    "rsgan": "variants.rsgan:RSGAN",
    "wgan": "variants.wgan:WGAN",
    "wgan_div": "variants.wgan_div:WGANDiv",
    "wgan_gp": "variants.wgan_gp:WGANGP",
}
NOT_KNOBS = ("num_classes", "class_names", "averages", "name")  # arguments of create, or of the base alone


def list_models():
    """Returns the names of all variants, sorted."""
    return sorted(VARIANTS)


def get(name, argument="name"):
    """Returns the class of the variant called `name`; the error of an unknown name suggests the nearest."""
    module, _, attribute = VARIANTS[checks.one_of(argument, name, list_models())].partition(":")
    return getattr(importlib.import_module(f"keras_gans.{module}"), attribute)


def classes():
    """Returns `{class name: class}` of all variants: public names of the package."""
    found = [get(name) for name in list_models()]
    return {each.__name__: each for each in sorted(found, key=lambda each: each.__name__)}


def create(
    variant=None,
    image_shape=None,
    latent_dim=128,
    network="dcgan",
    num_classes=0,
    network_options=None,
    class_names=None,
    **knobs,
):
    """Returns a variant with networks that suit it, ready for `compile`.

    Args:
        variant: One of `list_models()`.
        image_shape: (height, width, channels) with 1 or 3 channels; `(d,)` for points, with `network="mlp"`.
        latent_dim: Length of a latent vector, default 128.
        network: Name of the networks, one of `keras_gans.networks.NETWORKS`, default `"dcgan"`.
        num_classes: 0, or the number of classes of a conditional model.
        network_options: Dict of options for both networks (`width=32`), or `{"generator": {...},
            "discriminator": {...}}`; they win over what the variant prefers.
        class_names: The names of the classes of a conditional model, or None.
        **knobs: Arguments of the variant (`loss=`, `critic_steps=`, ...), and `name=` of the model.

    Raises:
        ValueError, TypeError: For unknown names and values that do not fit, in one sentence each.
    """
    if variant is None and "name" in knobs:  # as the argument was called before a model could have a name
        variant = knobs.pop("name")
    name, variant, builders = variant, get(variant, "variant"), networks.get(network)
    known = knobs_of(variant)
    checks.no_unknown(f"The variant {name!r}", [knob for knob in knobs if knob not in (*known, "name")], known)
    if not isinstance(knobs.get("name", ""), str):
        raise TypeError(f"`name` of a model must be a string. {checks.received(name=knobs['name'])}")
    if not isinstance(image_shape, (tuple, list)):
        raise ValueError(
            "`image_shape` must be (height, width, channels), for example (32, 32, 3). "
            f"{checks.received(image_shape=image_shape)}"
        )
    for place, side in enumerate(image_shape):
        checks.positive_integer(f"image_shape[{place}]", side, maximum=checks.LARGEST_SIDE)
    smallest, largest = variant.minimum_latent_dim, checks.LARGEST_SIZE
    latent_dim = checks.positive_integer("latent_dim", latent_dim, minimum=smallest, maximum=largest)
    num_classes = checks.positive_integer("num_classes", num_classes, minimum=0, maximum=largest)
    checks.penalties(knobs.get("penalties", ()))
    network_options = _checked_options(network_options, variant.networks)
    shared = {key: value for key, value in network_options.items() if key not in variant.networks}
    labels = {"num_classes": num_classes} if variant.conditional else {}
    built = {}
    for player, part in variant.blueprint(latent_dim, **knobs).items():
        given = {**shared, **network_options.get(player, {})}
        checks.one_of("network", network, networks.having(part.builder))
        known = _options_of(builders, part.builder, given)
        checks.no_unknown(f"The {player} of network {network!r}", [o for o in given if o not in known], known)
        options = {**_suitable(part.options, known, builders), **given}
        if "normalization" not in given and player == "discriminator":
            _warn_of_no_bound(name, network, part.options, options, knobs)
        built[player] = getattr(builders, part.builder)(image_shape, part.size, **labels, **options)
    if "latent_dim" in inspect.signature(variant.__init__).parameters:
        knobs["latent_dim"] = latent_dim
    return variant(**built, num_classes=num_classes, class_names=class_names, **knobs)


def _checked_options(options, players):
    """Returns the options of networks as a dict, in which those of one network are a dict again."""
    options = {} if options is None else options
    single = [] if not isinstance(options, dict) else [options[name] for name in players if name in options]
    if not all(isinstance(each, dict) and all(isinstance(key, str) for key in each) for each in (options, *single)):
        raise TypeError(
            "`network_options` must be a dict of options, such as {'width': 32}, or of one such dict per network "
            f"({', '.join(players)}). {checks.received(network_options=options)}"
        )
    return checks.sensible_sizes("network_options", options)


def _options_of(builders, part, options):
    """Returns the names of the options that a network's builder of `part` takes."""
    parameters = list(inspect.signature(getattr(builders, part)).parameters.values())[2:]
    names = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(names) < len(parameters):  # a shorthand for another network
        names += _options_of(builders.BACKBONES[options.get("backbone", "dcgan")], part, options)
    return names


def _suitable(preferred, known, builders):
    """Returns the preferred options that the builder has; a normalisation that it does not offer becomes None.

    None, not the builder's own default: spectral normalisation under a clipped critic would make clipping void.
    """
    offered = getattr(builders, "NORMALIZATIONS", None)
    suitable = {option: value for option, value in preferred.items() if option in known}
    if offered is not None and suitable.get("normalization") not in offered and "normalization" in suitable:
        suitable["normalization"] = None
    return suitable


def _warn_of_no_bound(name, network, preferred, used, knobs):
    """Warns of a discriminator that the paper normalises spectrally and this network cannot, without a penalty."""
    wanted = preferred.get("normalization") == "spectral"
    if wanted and used.get("normalization") != "spectral" and not knobs.get("penalties"):
        warnings.warn(
            f"The network {network!r} has no spectral normalisation, by which {name!r} bounds its discriminator, and "
            'there is no penalty: nothing does. Give penalties=[keras_gans.penalties.R1(1.0)], or network="dcgan" or '
            '"resnet".',
            stacklevel=3,
        )


def knobs_of(variant):
    """Returns `{argument: default}` of a variant's own knobs and of those that all variants share."""
    knobs = {}
    for cls in reversed(variant.__mro__):
        if cls.__module__.startswith("keras_gans") and "__init__" in vars(cls):
            for name, parameter in inspect.signature(cls.__init__).parameters.items():
                if parameter.default is not inspect.Parameter.empty:
                    knobs[name] = parameter.default
    return {name: default for name, default in knobs.items() if name not in NOT_KNOBS}
