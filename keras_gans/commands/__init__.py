"""The commands of `keras-gans`, one file each: options in, a few calls of the library, sentences out.

`options` has what several commands take. Nothing here imports Keras before a command needs it, so that
`keras-gans --help` answers at once; `startup` then loads it quietly.
"""
