"""Updates and compiled calls on JAX, and the part of Keras's trainer that differs; its gradients: `jax_gradients`."""

import contextlib

import jax
import keras
from keras import ops

from keras_gans.engine.jax_gradients import Scope, write  # and, below, the names of a backend's file
from keras_gans.engine.jax_gradients import gradients_of as gradients_of
from keras_gans.engine.jax_gradients import input_gradients as input_gradients
from keras_gans.engine.jax_gradients import jacobian_product as jacobian_product
from keras_gans.engine.jax_gradients import pullbacks as pullbacks
from keras_gans.engine.jax_gradients import value_and_gradients as value_and_gradients
from keras_gans.engine.jax_gradients import value_and_input_pullback as value_and_input_pullback
from keras_gans.engine.jax_gradients import value_and_pullback as value_and_pullback


def apply_gradients(optimizer, gradients, variables):
    state, values = [v.value for v in optimizer.variables], [v.value for v in variables]
    values, state = optimizer.stateless_apply(state, gradients, values)
    write(variables, values)
    write(optimizer.variables, state)


def read(variable):
    return variable.value


def mean(values):
    return ops.mean(ops.cast(values, "float32"))  # arrays are global under keras.distribution: so is their mean


def replicas():
    return 1


def replica_seed(seed):
    return seed


def compiled(model, fn):
    @jax.jit
    def run(values, arguments):
        with keras.StatelessScope(state_mapping=list(zip(model.variables, values, strict=True))):
            return fn(*arguments)

    return lambda *arguments: run([variable.value for variable in model.variables], arguments)


def traced_once(key, fn):
    """Returns `fn`, which a step calls several times."""
    del key
    return fn


def replaced(pairs):
    """Returns a context in which variables have other values, for `[(variable, value), ...]`; they are not assigned."""
    return Scope(*zip(*pairs, strict=True))


def rows_per_call(count):
    """Returns the rows with which a compiled function is called for `count` rows: every shape is compiled once."""
    return 1 << (count - 1).bit_length()


def fed(dataset, **options):
    """Returns a dataset as Keras takes it: as it is."""
    del options
    return dataset


def end_epoch():
    """Called after the last step of an epoch that has fewer steps than Keras expects."""
    pass  # Keras sees for itself that there is no batch left


def after(data):
    """Returns an empty context: a step here begins with its batch."""
    del data
    return contextlib.nullcontext()


def outside_of_graphs():
    """Returns a context in which variables may be made while a step is traced."""
    return contextlib.nullcontext()


def sync(model):
    """Puts the values of the running step back into the variables (they are donated to the step)."""
    model.jax_state_sync()
    # Where the first step of an epoch failed, Keras has nothing to put back: the values are those of the epoch's start.
    for variable, value in getattr(model, "_purged_values", ()):
        if variable._value is None and not value.is_deleted():
            variable.assign(value)
    object.__setattr__(model, "_purged_values", ())


def with_shape(tensor, shape):
    """Returns the tensor: its shape is always known here."""
    del shape
    return tensor


def accelerator():
    """Returns `(kind, capability)` of the device that computes; see `keras_gans.machine.precision`."""
    device = jax.devices()[0]
    if device.platform == "gpu":
        return "gpu", tuple(int(part) for part in device.compute_capability.split("."))
    return device.platform, None


def step_then(model, step, arguments, then):
    """Returns what a stock model's `train_step(state, data)` returns, with what `then()` writes after it."""
    logs, state = step(*arguments)
    groups = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
    pairs = [pair for group, values in zip(groups, state, strict=False) for pair in zip(group, values, strict=True)]
    with keras.StatelessScope(state_mapping=pairs) as scope:
        then()
    carried = [[scope.get_current_value(variable) for variable in group] for group in groups]
    return logs, (*carried, *state[len(groups) :])


def lacks_derivative(error):
    """Returns whether an error says that some operation has no gradient."""
    sentences = ("Differentiation rule", "not support JVP", "not support reverse", "not support VJP")
    return any(sentence in str(error) for sentence in sentences)


def _stateless(step, groups):
    """Returns `step(data)`, which writes variables, as the pure `(state, data) -> (logs, state)`."""

    def stateless_step(state, data):
        variables = [variable for group in groups for variable in group]
        values = [value for group in state for value in group]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            logs = step(data)
        return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)

    return stateless_step


def stateful(model, step, training=True):
    """Returns what Keras's trainer calls as a `train_step` or `test_step`, from `step(data)` that writes variables."""

    def stateless_step(state, data):
        groups = [model.trainable_variables, model.non_trainable_variables, model.metrics_variables]
        if training:
            groups.insert(2, model.optimizer.variables)
        return _stateless(step, groups)(state, data)

    return stateless_step


def value_at_step(model, variable, arguments):
    """Returns the value of a model's variable that is not trained when its train function is called."""
    state, _ = arguments
    return next(value for each, value in zip(model.non_trainable_variables, state[1], strict=True) if each is variable)


class BackendTrainer:
    """Turns the stateful `train_step(data)` and `test_step(data)` into the `(state, data)` of Keras's JAX trainer."""

    def _purge_model_variables(self, **groups):
        variables = [*self.variables, *self.optimizer.variables, *self.metrics_variables]
        values = [(variable, variable._value) for variable in variables if variable._value is not None]
        object.__setattr__(self, "_purged_values", values)
        super()._purge_model_variables(**groups)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            groups = [
                self.trainable_variables,
                self.non_trainable_variables,
                self.optimizer.variables,
                self.metrics_variables,
            ]
            self.train_function = self._step_function(self.train_step, groups, (0, 1, 2, 3))

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            groups = [self.trainable_variables, self.non_trainable_variables, self.metrics_variables]
            self.test_function = self._step_function(self.test_step, groups, (0, 1, 3))

    def _step_function(self, step, groups, shardings):
        stateless_step = _stateless(step, groups)
        if self.jit_compile and not self.run_eagerly:
            out_shardings = None
            if keras.distribution.distribution() is not None:
                specs = self._get_state_sharding_spec()
                out_shardings = (None, tuple(specs[i] for i in shardings))
            stateless_step = jax.jit(stateless_step, donate_argnums=0, out_shardings=out_shardings)
        return self._make_function(stateless_step)
