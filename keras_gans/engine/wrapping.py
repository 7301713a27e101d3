"""How any `keras.Model` comes to train with regularisers, and how it gets its own train step back.

The step takes the place of Keras's own on the object alone: its class, its saved files and its clones are plain.
"""

import functools

import keras

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import build_on, has_own_step, keep_state, plain_setattr
from keras_gans.engine.regularizing import NOT_FINITE, check_batch, listed, split, step

_REPLACED = ("train_step", "make_train_function", "_symbolic_build")


def wrap(model, regularizer):
    """Makes the train step of a model carry a regulariser besides those that it carries.

    Raises:
        TypeError: It is no `keras.Model`, or has a train step of its own.
        ValueError: It carries a regulariser of this name.
    """
    present = wrapped_by(model)
    if any(each.name == regularizer.name for each in present):
        raise ValueError(
            f"The model {model.name!r} is wrapped by {regularizer.name} already. To change its arguments, call "
            "kg.regularization.undo(model) first, which takes all wrappers off."
        )
    plain_setattr(model, "carried_regularizers", (*present, regularizer))
    for name, function in zip(_REPLACED, (_train_step, _make_train_function, _symbolic_build), strict=True):
        plain_setattr(model, name, functools.partial(function, model))
    model.train_function = None
    return model


def wrapped_by(model):
    """Returns the regularisers that a model carries, in the order in which they came."""
    return vars(model).get("carried_regularizers", ())


def unwrap(model):
    """Gives a model its own train step back.

    Raises:
        TypeError: It is no `keras.Model`.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. {checks.received(model=model)}")
    for name in ("carried_regularizers", *_REPLACED):
        if name in vars(model):
            object.__delattr__(model, name)
    model.train_function = None
    return model


def check_model(model):
    """Refuses what cannot carry a regulariser."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. {checks.received(model=model)}")
    if has_own_step(model) or ("train_step" in vars(model) and not wrapped_by(model)):
        raise TypeError(
            f"`model` must train by the train step of Keras, which {type(model).__name__} replaces by its own: what it "
            "does in a step is not known. The models of the zoo take `penalties=`. "
            f"{checks.received(model=type(model).__name__)}"
        )


def _train_step(model, *arguments):
    """Takes the place of `model.train_step`: Keras's own where nothing is added, else the step with regularisers."""
    active = [each for each in wrapped_by(model) if each.active()]
    if not active:
        return type(model).train_step(model, *arguments[:-1], _labelled(arguments[-1]))
    if not model.built:  # on TensorFlow: a first call within the step would call the layers twice
        _symbolic_build(model, data_batch=arguments[-1])
    taken = backend.stateful(model, lambda data: step(model, active, data))
    averages = getattr(model, "averages", ())
    if not averages:
        return taken(*arguments)

    def update():
        for average in averages:
            average.update(model.optimizer)

    return backend.step_then(model, taken, arguments, update)


def _symbolic_build(model, iterator=None, data_batch=None):
    def labelled(data):
        check_batch(model, [each for each in wrapped_by(model) if each.active()], data)
        return _labelled(data)

    build_on(model, iterator, data_batch, labelled)


def _labelled(data):
    """Returns a batch without unlabelled examples."""
    return (split(data)[0], *data[1:]) if isinstance(data, (list, tuple)) else data


def _make_train_function(model, force=False):
    if model.train_function is None or force:
        type(model).make_train_function(model, force)
        model.train_function = _told(model, model.train_function)
    return model.train_function


def _told(model, function):
    """Returns a train function that raises where a perturbed point had a loss that is not finite."""

    def train_function(*arguments):
        result = function(*arguments)
        logs = result[0] if isinstance(result, tuple) else result
        wrong = int(logs.pop(NOT_FINITE, -1))
        if wrong != -1:
            if isinstance(result, tuple):
                keep_state(model, result[1])
            which = "All outputs are finite there, but the loss is not"
            if wrong >= 0:
                which = f"Example {wrong} of the batch has outputs there that are NaN or infinite"
            raise ValueError(
                f"The loss is not finite at the point that {listed(wrapped_by(model))} makes of the batch, while it is "
                f"finite at the batch itself. {which}. Take a smaller epsilon (or std). The weights have not taken "
                "this step, but for the optimiser's momentum."
            )
        return result

    return train_function
