"""`keras-gans export`: a generator or an encoder as a file that runs without keras_gans."""

import os
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options
from keras_gans.commands.startup import held_back_stderr, load_library


def export(
    model: options.Model,
    out: Annotated[
        str,
        typer.Option(help="The file to write: .onnx, .tflite, .pt2 or .npz; or a folder, for a TensorFlow SavedModel."),
    ],
    part: Annotated[str, typer.Option(help="generator or encoder.")] = "generator",
    format: Annotated[
        str | None,
        typer.Option(help="tf_saved_model, onnx, litert, torch or npz. [default: that of the ending of --out]"),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of the weights: float32, or float16 or int8 for a half or a quarter of the size.")
    ] = "float32",
    inputs: Annotated[
        str, typer.Option(help="What a generator takes: latents, or seeds, an integer per image.")
    ] = "latents",
    average: options.Average = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model in the file. [default: that of the preset or model]")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, for the file. [default: that of the preset]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at --out.")] = False,
):
    """Write a generator or an encoder as a file that other programs run without keras_gans.

    A generator takes latents, float32 (n, latent_dim), and, where it is conditional, labels, int32 (n,), and gives
    uint8 images; an encoder takes uint8 images and gives encodings. The file is run and compared with the model: what
    it differs by is printed.

    \b
      .onnx    ONNX Runtime, in any language    pip install 'keras_gans[onnx]'
      .tflite  LiteRT, on phones and boards     made by TensorFlow
      folder   TensorFlow SavedModel            made by TensorFlow
      .pt2     torch.export.load                made by PyTorch
      .npz     the weights, for NumPy           made by all
    A format that the running backend does not make is made in a process of one that does, if it is installed.

    \b
    Example:
      keras-gans export o_gan_fashion_mnist --out generator.onnx
      keras-gans export runs/mine --out encoder.tflite --part encoder --precision int8
      keras-gans export runs/mine --out serving/ --inputs seeds --licence CC-BY-4.0
    """
    checks.one_of("--part", part, ("generator", "encoder"))
    if os.path.lexists(out) and not overwrite:
        raise FileExistsError(f"{out} exists. Give --overwrite to replace it, or another name.")
    load_library()
    from keras_gans.engine.export import formats
    from keras_gans.runs import loading

    formats.chosen(out, format, "--out", "--format")  # before a model is loaded
    network = loading.load_model(model)
    chosen = loading.average_in_use(network, average) is not None
    settings = {"precision": precision, "average": chosen, "name": name, "licence": licence, "overwrite": overwrite}
    if part == "encoder":
        loading.require_encoder(network, "export --part encoder")
        write = network.export_encoder
    else:
        write, settings["inputs"] = network.export_generator, inputs
    with held_back_stderr():  # what the converters tell their developers
        write(out, format, **settings)
