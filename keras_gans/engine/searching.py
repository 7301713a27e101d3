"""Inputs of a network that lower a loss, found by descent with the network held fixed."""

from keras import ops

from keras_gans.engine.gradients import input_gradients

RATE, BETAS = 0.1, (0.9, 0.999)


def search(losses, starts, steps, put_back):
    """Returns inputs (n, d) after steps of Adam (Kingma and Ba, 2014, arXiv:1412.6980) from `starts`, row by row.

    The rate falls from 0.1 to 0 along a half cosine: our choice.

    Args:
        losses: Function of inputs that returns the loss (n,) of each row.
        starts: Tensor (n, d).
        steps: Integer, how many.
        put_back: Function of inputs, applied after every step; it keeps them where they must be.
    """
    first, second = BETAS

    def step(place, state):
        inputs, mean, square = state
        gradients = ops.cast(input_gradients(losses, inputs), "float32")
        mean = first * mean + (1.0 - first) * gradients
        square = second * square + (1.0 - second) * ops.square(gradients)
        done = ops.cast(place, "float32") + 1.0
        unbiased = mean / (1.0 - first**done), square / (1.0 - second**done)
        rate = RATE * 0.5 * (1.0 + ops.cos(3.14159265 * ops.cast(place, "float32") / steps))
        return put_back(inputs - rate * unbiased[0] / (ops.sqrt(unbiased[1]) + 1e-8)), mean, square

    starts = ops.stop_gradient(ops.cast(starts, "float32"))
    found, _, _ = ops.fori_loop(0, steps, step, (starts, ops.zeros_like(starts), ops.zeros_like(starts)))
    return ops.stop_gradient(found)
