"""How any `keras.Model` carries something in its compiled step: a moving average of its weights, today.

What is carried is updated after every train step, inside the compiled function, and saved, loaded and resumed with the
model. A model of the zoo does so itself (`Carrying`); the class of another one becomes a subclass that does.
"""

import contextlib

import keras

from keras_gans import checks
from keras_gans.engine.averaging import WeightAverage
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import plain_setattr


def attach(model, average):
    """Makes any `keras.Model` carry an average: updated in its compiled step, saved, loaded and resumed with it.

    The class of a model that is not of the zoo becomes a subclass that carries it (`isinstance` holds as before);
    after `import keras_gans`, `keras.models.load_model` gives it back.

    Returns:
        The average in use: an equal one that is already there (as after loading), or `average`.
    """
    if hasattr(model, "add_average"):
        return model.add_average(average)
    if not isinstance(model, keras.Model):
        raise TypeError(f"A moving average needs a keras.Model. {checks.received(model=model)}")
    if not model.built:
        raise ValueError("The model must be built before its weights can be averaged: call model.build(input_shape).")
    plain_setattr(model, "averages", [])
    # The object stays the user's own, with its variables and what refers to it: only its class can change.
    plain_setattr(model, "__class__", averaged(type(model)))
    return model.add_average(average)


@contextlib.contextmanager
def given_back_on_error(model):
    """Gives a model back what a loop had borrowed when the context ends by an exception.

    These are the variables, which a compiled loop on JAX holds, and the last weights, where an average was applied.
    """
    before = [average.is_applied for average in model.averages]
    try:
        yield
    except BaseException:
        backend.sync(model)
        for average, was_applied in zip(model.averages, before, strict=False):
            if average.is_applied and not was_applied:
                average.restore()
        raise


class Carrying:
    """The part of a model that holds averages."""

    def add_average(self, average):
        """Attaches a `WeightAverage`: it is updated after every train step and saved with the model.

        Returns the one that is already there when an equal one is attached twice (as after loading).
        """
        average.resolve(self)
        for present in self.averages:
            if present.get_config() == average.get_config():
                return present
        average.attach(self)
        self.averages.append(average)
        self.train_function = None
        return average


_AVERAGED: dict[type, type] = {}


def averaged(cls):
    """Returns the subclass of a model's class that carries averages."""
    if cls not in _AVERAGED:
        named = type("AveragedModel", (AveragedModel, cls), {"plain_class": cls})
        # All go by one name in files: their config says which class of model it is.
        _AVERAGED[cls] = keras.saving.register_keras_serializable("keras_gans")(named)
    return _AVERAGED[cls]


@keras.saving.register_keras_serializable("keras_gans")
class AveragedModel(Carrying):
    """What a model gets besides its own class when `attach` gives it averages."""

    plain_class: type

    def train_step(self, *arguments):
        def update():
            for average in self.averages:
                average.update(self.optimizer)

        return backend.step_then(self, super().train_step, arguments, update)

    def evaluate(self, *arguments, **options):
        with given_back_on_error(self):
            return super().evaluate(*arguments, **options)

    @property
    def average_variables(self):
        return [variable for average in self.averages for variable in average.variables]

    @property
    def variables(self):
        return [*super().variables, *self.average_variables]

    def get_config(self):
        averaged = type(self)
        plain_setattr(self, "__class__", averaged.plain_class)  # Keras writes the class of what it serialises
        try:
            config = keras.saving.serialize_keras_object(self)
        finally:
            plain_setattr(self, "__class__", averaged)
        config.pop("compile_config", None)  # stands outside
        return {"model": config, "averages": [average.get_config() for average in self.averages]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        for average in config["averages"]:
            attach(model, WeightAverage(**average))
        return model
