"""A recipe becomes a compiled model and its moving average."""

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_gans import callbacks, checks, engine, layers, penalties, registry, schedules

OBJECTS = {  # what a recipe can name, and where it is
    "R1": penalties,
    "R2": penalties,
    "GradientPenalty": penalties,
    "DiffAugment": layers,
    "CosineBurnIn": schedules,
}
AVERAGE_KEYS = ("decay", "half_life", "warmup", "include_statistics")


def with_precision(recipe):
    """Returns a recipe whose precision is a Keras policy: for `"auto"` that of this machine."""
    if recipe.precision != "auto":
        return recipe
    return recipe.replaced(precision=engine.precision())


def build(recipe, image_shape, num_classes, class_names=None):
    """Returns the compiled model of a recipe and its `WeightMovingAverage` (None for `average: 0`).

    The seed of the recipe is set first, so that the same recipe gives the same weights.

    Args:
        recipe: A `Recipe`.
        image_shape: `(height, width, channels)` of the training images.
        num_classes: Number of classes; 0 for an unconditional model.
        class_names: Their names, or None.

    Raises:
        ValueError, TypeError: For an unknown variant, class or argument, with the nearest.
    """
    checks.one_of("variant", recipe.variant, registry.list_models())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(engine.precision(recipe.precision))
    try:
        keras.utils.set_random_seed(recipe.seed)
        model = registry.create(
            recipe.variant,
            tuple(image_shape),
            latent_dim=recipe.latent_dim,
            network=recipe.network,
            num_classes=num_classes,
            network_options=recipe.network_options,
            class_names=class_names,
            **{name: _objects(name, value) for name, value in recipe.knobs.items()},
        )
        model.compile(**_optimizers(recipe, model))
        average = _average(recipe, model)
    finally:
        keras.config.set_dtype_policy(before)
    return model, average


def _average(recipe, model):
    """Returns the `WeightMovingAverage` of a recipe, attached to its model; None for `average: 0`."""
    if not recipe.average:
        return None
    options = recipe.average if isinstance(recipe.average, dict) else {"decay": recipe.average}
    checks.no_unknown("`average` of a recipe", [name for name in options if name not in AVERAGE_KEYS], AVERAGE_KEYS)
    options = {name: _objects(f"average: {name}", value) for name, value in options.items()}
    average = callbacks.WeightMovingAverage(**options)
    average.set_model(model)
    return average


def _objects(argument, value):
    """Returns a recipe's value with its objects made: `{"R1": {"weight": 10}}` becomes `R1(weight=10)`.

    Raises:
        ValueError: For an unknown class, with the nearest, or arguments that it refuses.
    """
    if isinstance(value, list):
        return [_objects(argument, each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not str(next(iter(value)))[:1].isupper():
        return {name: _objects(argument, each) for name, each in value.items()}
    ((name, arguments),) = value.items()
    checks.one_of(argument, name, OBJECTS)
    if not isinstance(arguments, (dict, type(None))):
        raise ValueError(f"`{argument}`: {name} takes a mapping of its arguments. Received: {checks.shown(value)}.")
    try:
        return getattr(OBJECTS[name], name)(**_objects(argument, arguments or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{argument}`: {name} refuses {arguments!r}: {error}") from error


def _optimizers(recipe, model):
    """Returns the arguments of `model.compile`: the paper's optimisers, changed as the recipe says."""
    chosen = model.default_optimizers()
    for player, config in recipe.optimizers.items():
        checks.one_of("optimizers", player, model.players)
        chosen[player] = _optimizer(player, config)
    if recipe.learning_rate is not None:
        for optimizer in chosen.values():
            optimizer.learning_rate = _rate(recipe.learning_rate)
    return {model.optimizer_argument(player): optimizer for player, optimizer in chosen.items()}


def _rate(value):
    """Returns a learning rate of a recipe: a number, or the schedule that a mapping describes."""
    rate = _objects("learning_rate", value)
    if isinstance(value, dict) and not isinstance(rate, LearningRateSchedule):
        raise ValueError(
            "`learning_rate` must be a number or a schedule, as in {CosineBurnIn: {start: 0.0002, end: 0.00005, steps: "
            f"2000}}}}. Received: {checks.shown(value)}."
        )
    return rate


def _optimizer(player, config):
    """Returns the optimiser that a recipe gives to a player."""
    if not isinstance(config, dict) or "class_name" not in config or {*config} - {"class_name", "config"}:
        raise ValueError(
            f"`optimizers` must map {player} to a class_name and a config, as in {{class_name: Adam, config: "
            f"{{learning_rate: 0.0002}}}}. Received: {config!r}."
        )
    known = [name for name in dir(keras.optimizers) if isinstance(getattr(keras.optimizers, name), type)]
    # Without the base class and what wraps optimisers; capitals do not matter, as in `keras.optimizers.get`.
    known = {name.lower(): getattr(keras.optimizers, name) for name in known if "Optimizer" not in name}
    known["scheduledadam"] = schedules.ScheduledAdam
    optimizer = known[checks.one_of("class_name", str(config["class_name"]).lower(), known)]
    try:
        return optimizer(**_objects("optimizers", config.get("config") or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`optimizers`: {optimizer.__name__} refuses its config for the {player}. Keras says: {error}"
        ) from error
