"""`python -m keras_gans` is `keras-gans`."""

from keras_gans.cli import main

main()
