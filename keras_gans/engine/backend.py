"""Chooses the module that does the backend's part, once, at import."""

import importlib

import keras

from keras_gans import checks

module = importlib.import_module(
    "keras_gans.engine." + checks.one_of("KERAS_BACKEND", keras.config.backend(), ("tensorflow", "jax", "torch"))
)
