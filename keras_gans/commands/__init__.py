"""The commands of `keras-gans`, and what they are made of: runs, models from files, sheets of pictures.

Nothing here imports Keras before a command needs it, so that `keras-gans --help` answers at once.
"""
