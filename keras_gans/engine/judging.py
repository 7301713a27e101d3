"""How any `keras.Model` trains against a critic: its step, its state and its files; the mathematics stand elsewhere.

The class of the model becomes a subclass that steps as an adversarial loss (`keras_gans.AdversarialLoss`) says. Critic,
its optimiser and counters are state of the model, saved and resumed with it. There are two programs for a step: until
the critic begins Keras's own, bit for bit, then that of the loss; which one is asked before each execution.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.attaching import AveragedModel, averaged
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import first_batch, has_own_step, plain_setattr
from keras_gans.engine.regularizing import StepSeed
from keras_gans.engine.wrapping import wrapped_by


def judge(model, adversarial_loss):
    """Makes any `keras.Model` train as an adversarial loss says; the object stays, its class becomes a subclass.

    Raises:
        TypeError: It is no `keras.Model`, or has a train step of its own.
        ValueError: It has an adversarial loss, or carries regularisers.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. {checks.received(model=model)}")
    if isinstance(model, JudgedModel):
        raise ValueError(
            f"The model {model.name!r} has an adversarial loss already. To give it another one, call "
            "kg.AdversarialLoss.undo(model) first."
        )
    if wrapped_by(model):
        raise ValueError(
            f"The model {model.name!r} carries regularisers, whose step is another one: call "
            f"kg.regularization.undo(model) first. Received: {' and '.join(each.name for each in wrapped_by(model))}."
        )
    plain = type(model).plain_class if isinstance(model, AveragedModel) else type(model)
    if has_own_step(model) or "train_step" in vars(model):
        raise TypeError(
            f"`model` must train by the train step of Keras, which {plain.__name__} replaces by its own: what it does "
            f"in a step is not known. {checks.received(model=plain.__name__)}"
        )
    plain_setattr(model, "adversarial_loss", adversarial_loss)
    plain_setattr(adversarial_loss, "seeds", StepSeed(model, 0))
    # An average of the weights is updated after the whole step: it stays outermost.
    _become(model, averaged(_judged(plain)) if isinstance(model, AveragedModel) else _judged(plain))
    if getattr(model, "inputs", None) and not adversarial_loss.built:
        x = model.inputs[0] if len(model.inputs) == 1 else model.input
        adversarial_loss.build_for(model, x, model.compute_output_spec(x))
    return model


def release(model):
    """Gives a model that `judge` changed its own class back."""
    if not isinstance(model, JudgedModel):
        raise TypeError(f"`model` must be a keras.Model with an adversarial loss. {checks.received(model=model)}")
    plain = type(model).judged_class
    _become(model, averaged(plain) if isinstance(model, AveragedModel) else plain)
    object.__delattr__(model, "adversarial_loss")
    return model


def _become(model, cls):
    plain_setattr(model, "__class__", cls)
    model.train_function = model.test_function = None


_JUDGED: dict[type, type] = {}


def _judged(cls):
    if cls not in _JUDGED:
        named = type("JudgedModel", (JudgedModel, cls), {"judged_class": cls})
        # All go by one name in files: their config says which class of model it is.
        _JUDGED[cls] = keras.saving.register_keras_serializable("keras_gans")(named)
    return _JUDGED[cls]


@keras.saving.register_keras_serializable("keras_gans")
class JudgedModel:
    """What a model gets besides its own class when `judge` gives it an adversarial loss."""

    judged_class: type

    def __new__(cls, *arguments, **options):
        return cls.judged_class(*arguments, **options)  # a clone is plain

    def train_step(self, *arguments):
        loss = self.adversarial_loss
        self._build_critic(arguments[-1])
        if loss.is_running:
            return backend.stateful(self, lambda data: loss.train_step(self, data))(*arguments)
        return backend.step_then(self, super().train_step, arguments, loss.count_step)

    def test_step(self, *arguments):
        self._build_critic(arguments[-1])
        step = backend.stateful(self, lambda data: self.adversarial_loss.test_step(self, data), training=False)
        return step(*arguments)

    def make_train_function(self, force=False):
        loss, make, programs = self.adversarial_loss, super().make_train_function, {}
        loss.is_running = loss.begins <= 0  # once it runs it is not asked again, until the next `fit`

        def program():
            # Each has a step of its own, or JAX would take the first one's trace for both.
            plain_setattr(self, "train_step", lambda *arguments: type(self).train_step(self, *arguments))
            try:
                make(force=True)
                return self.train_function
            finally:
                object.__delattr__(self, "train_step")

        def train_function(*arguments):
            if not loss.is_running:
                done = int(ops.convert_to_numpy(backend.value_at_step(self, loss.steps, arguments)))
                loss.is_running = done + self.steps_per_execution > loss.begins
            if loss.is_running not in programs:
                programs[loss.is_running] = program()
                self.train_function = train_function
            return programs[loss.is_running](*arguments)

        if self.train_function is None or force:
            self.train_function = train_function
        return self.train_function

    def _symbolic_build(self, iterator=None, data_batch=None):
        if data_batch is None and not self.adversarial_loss.built:
            data_batch = first_batch(iterator)
        super()._symbolic_build(iterator, data_batch)
        if not self.adversarial_loss.built:
            x, _, _ = keras.utils.unpack_x_y_sample_weight(data_batch)
            x = keras.tree.map_structure(lambda each: keras.KerasTensor((None, *each.shape[1:]), each.dtype), x)
            self.adversarial_loss.build_for(self, x, self.compute_output_spec(x))

    def _build_critic(self, data):
        if not self.adversarial_loss.built:  # on TensorFlow nothing else builds a model before its first step
            with backend.outside_of_graphs():
                self._symbolic_build(data_batch=data)

    def load_weights(self, *arguments, **options):
        if self.compiled and self.built and not self.optimizer.built:  # its state would be left out
            self.optimizer.build(self.trainable_variables)
        super().load_weights(*arguments, **options)

    @property
    def variables(self):
        return [*super().variables, *self.adversarial_loss.state]

    @property
    def trainable_variables(self):
        of_critic = {id(variable) for variable in self.adversarial_loss.state}
        return [variable for variable in super().trainable_variables if id(variable) not in of_critic]

    @property
    def non_trainable_variables(self):
        trained = {id(variable) for variable in self.trainable_variables}
        return [variable for variable in self.variables if id(variable) not in trained]

    @property
    def metrics(self):
        return [*super().metrics, *self.adversarial_loss.means.values()]

    @property
    def epochs_done(self):
        """The number of finished epochs, which `keras_gans.callbacks.Checkpoint` counts and goes on from."""
        return self.adversarial_loss.epochs_done

    def get_config(self):
        judged = type(self)
        plain_setattr(self, "__class__", judged.judged_class)  # Keras writes the class of what it serialises
        try:
            config = keras.saving.serialize_keras_object(self)
        finally:
            plain_setattr(self, "__class__", judged)
        config.pop("compile_config", None)  # stands outside
        return {"model": config, "adversarial_loss": keras.saving.serialize_keras_object(self.adversarial_loss)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = ("model", "adversarial_loss")
        model, loss = (keras.saving.deserialize_keras_object(config[part], custom_objects) for part in parts)
        return loss.attach(model)
