"""Gradients on JAX.

A Keras layer reads and writes variables; JAX differentiates and compiles pure functions. The bridge
is `keras.StatelessScope`: inside it a read gives the mapped value and a write goes into the mapping.
Every function here opens a scope that starts as a copy of the scope around it, and hands the writes
made inside (batch statistics, seeds) back to that outer scope, or to the variables when there is none.
"""

import jax
import keras
from jax import numpy as jnp
from jax.custom_derivatives import SymbolicZero
from keras.src.backend.common.stateless_scope import get_stateless_scope


class Scope(keras.StatelessScope):
    """A StatelessScope that begins with the values of the scope around it and remembers who was written."""

    def __init__(self, variables=(), values=()):
        super().__init__(state_mapping=list(zip(variables, values, strict=True)), collect_losses=True)
        outer = get_stateless_scope()
        if outer is not None:
            self.state_mapping = {**outer.state_mapping, **self.state_mapping}
        self.written = {}

    def add_update(self, update):
        super().add_update(update)
        self.written[id(update[0])] = update[0]

    def writes(self):
        """Returns the written variables and, in the same order, their values."""
        variables = list(self.written.values())
        return variables, [self.state_mapping[id(variable)] for variable in variables]


def _pure(fn, holder, variables=()):
    """Returns `f(values, *arguments) -> (fn's result, written values)`; `holder` receives who was written."""

    def f(values, *arguments):
        with Scope(variables, values) as scope:
            result = fn(*arguments)
        holder[:], written = scope.writes()
        return result, written

    return f


def write(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def value_and_gradients(loss_fn, variables, scale_loss):
    def objective(watch):
        loss, extras = loss_fn()
        return scale_loss(loss), (loss, extras)

    _, (loss, extras), gradients, _ = gradients_of(objective, lambda: variables, like={})
    return loss, extras, gradients


def input_gradients(fn, inputs):
    def total(watch):
        return jnp.sum(fn(watch("inputs", inputs))), ()

    inputs = jnp.asarray(inputs)
    return gradients_of(total, None, {"inputs": inputs})[3]["inputs"]


def value_and_input_pullback(fn, inputs):
    holder = []
    pure = _pure(fn, holder)
    outputs, backward, written = jax.vjp(lambda inputs: pure((), inputs), jnp.asarray(inputs), has_aux=True)
    write(holder, written)
    return outputs, lambda cotangents: backward(cotangents)[0]


def value_and_pullback(fn, inputs, variables):
    holder = []
    values = [variable.value for variable in variables]
    outputs, backward, written = jax.vjp(
        lambda inputs, values: _pure(fn, holder, variables)(values, inputs), jnp.asarray(inputs), values, has_aux=True
    )
    write(holder, written)
    # What is not wanted of the two is dead code, which the compiler removes.
    return outputs, lambda cotangents, wrt: backward(jnp.asarray(cotangents, outputs.dtype))


def jacobian_product(losses, groups, vectors):
    variables = [variable for group in groups for variable in group]
    ends = [sum(map(len, groups[: i + 1])) for i in range(len(groups))]

    def total(values):
        def loss(i):
            return lambda values: _pure(losses, [], variables)(values)[0][i]

        products = []
        for i, (end, vector) in enumerate(zip(ends, vectors, strict=True)):
            gradients = jax.grad(loss(i))(values)[end - len(vector) : end]
            products += [jnp.sum(g * part) for g, part in zip(gradients, vector, strict=True)]
        return sum(products)

    return jax.grad(total)([variable.value for variable in variables])


def depends(fn, argument):
    """Returns whether the scalar `fn(argument)` has a derivative by any tensor of a dict; nothing is computed.

    JAX itself answers with zeros for one that has none.
    """
    found = []

    @jax.custom_jvp
    def looked_at(result):
        return result

    def rule(primals, tangents):
        found.append(not isinstance(tangents[0], SymbolicZero))
        return primals[0], primals[0] * 0

    looked_at.defjvp(rule, symbolic_zeros=True)
    jax.eval_shape(lambda each: jax.jvp(lambda inner: looked_at(fn(inner)), (each,), (each,)), argument)
    return any(found)


def pullbacks(fn, variables):
    """See `keras_gans.engine.one_pass.OnePass`."""
    holder, variables = [], variables()

    def outputs_first(values):
        (outputs, extras), written = _pure(fn, holder, variables)(values)
        return outputs, (extras, written)

    values = [variable.value for variable in variables]
    outputs, backward, (extras, written) = jax.vjp(outputs_first, values, has_aux=True)
    write(holder, written)

    def pullback(cotangents, wanted):
        (found,) = backward([jnp.asarray(c, each.dtype) for c, each in zip(cotangents, outputs, strict=True)])
        by_variable = {id(variable): gradient for variable, gradient in zip(variables, found, strict=True)}
        return [by_variable[id(variable)] for variable in wanted]  # of the others the compiler removes what it can

    return outputs, extras, pullback


def gradients_of(fn, variables, like=None, differentiable=False):
    """See `keras_gans.engine.passes.gradients_of`."""
    del differentiable
    holder, shapes, variables = [], {}, variables() if variables else []
    pure, values = _pure(fn, holder, variables), [variable.value for variable in variables]

    def probe(key, tensor):
        shapes[key] = jax.ShapeDtypeStruct(tensor.shape, tensor.dtype)
        return tensor

    if like is None:  # what is watched is computed on the way: an abstract pass tells its shapes
        jax.eval_shape(lambda: pure(values, probe)[0][0])
    offsets = {key: jnp.zeros(each.shape, each.dtype) for key, each in (shapes if like is None else like).items()}

    def scalar(values, offsets):
        (loss, extras), written = pure(values, lambda key, tensor: tensor + offsets[key])
        return loss, (loss, extras, written)

    found, (loss, extras, written) = jax.grad(scalar, (0, 1), has_aux=True)(values, offsets)
    write(holder, written)
    if values and offsets and not depends(lambda offsets: scalar(values, offsets)[0], offsets):
        return loss, extras, found[0], dict.fromkeys(offsets)
    return loss, extras, *found
