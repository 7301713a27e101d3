"""Whether a result depends on its argument in a way that can be differentiated: JAX itself answers with zeros."""

import jax
from jax.custom_derivatives import SymbolicZero


def depends(fn, argument):
    """Returns whether the scalar `fn(argument)` has a derivative by any tensor of a dict; nothing is computed."""
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
