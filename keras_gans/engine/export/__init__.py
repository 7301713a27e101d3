"""A model's generator or encoder as a file that other programs run without keras_gans: `model.export_generator(path)`.

formats.py     the formats: endings, which backend makes each, what must be installed
program.py     what goes into a file: one function of arrays, its weights, what is told about it
exporting.py   the methods of a model: checks, the making, the comparison with the model, the file
elsewhere.py   a format of another backend, made in a process of that backend
tensorflow.py, torch.py, onnx.py   the making and running of each format
"""
