"""Callbacks that can be copied, as tuners and cross-validation loops copy their list for every run."""

import copy

import keras


class CopiedFresh(keras.callbacks.Callback):
    """A callback whose deep copy is a new one with the same arguments, attached to no model.

    Callbacks among the arguments are copied along: in a copy of `[average, SampleGrid(average=average)]` the grid shows
    the copied average. Everything else, as functions and images, is shared.
    """

    def __new__(cls, *arguments, **options):
        created = super().__new__(cls)
        created._arguments = arguments, options
        return created

    def __deepcopy__(self, memo):
        def copied(value):
            return copy.deepcopy(value, memo) if isinstance(value, keras.callbacks.Callback) else value

        arguments, options = self._arguments
        memo[id(self)] = type(self)(*map(copied, arguments), **{name: copied(each) for name, each in options.items()})
        return memo[id(self)]
