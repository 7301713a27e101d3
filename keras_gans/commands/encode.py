"""`keras-gans encode`: images to latents."""

from typing import Annotated

import typer

from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def encode(
    model: options.Model,
    data: options.Data,
    out: Annotated[str, typer.Option(help="The .npz or .csv file to write.")] = "encodings.npz",
    split: options.Split = None,
    average: options.Average = None,
):
    """Write the encodings of images, with their labels and the names of their files.

    A .npz file holds `encodings`, float32 (n, latent_dim), `labels`, (n,), where the data has labels, and `names`,
    (n,), the paths below the folder where the data is one; read it with numpy.load. A .csv file has a line per image:
    label, name, and the encoding.

    \b
    Example:
      keras-gans encode runs/digits --data digits --out codes.npz
      keras-gans encode runs/mine --data photos/ --out codes.csv
    """
    options.output("--out", out, (".npz", ".csv"))
    load_library()
    import numpy as np

    from keras_gans.output import files
    from keras_gans.runs import loading

    network = loading.load_model(model)
    loading.require_encoder(network, "encode")
    loading.require_images(network, "encode")
    if split in (None, "train") and loading.is_image_folder(data):
        found, names = loading.named_for(network, data)
    else:
        found, names = loading.all_for(network, data, split), None
    conditions = loading.conditions_for(network, found)
    with loading.weights_in_use(network, average):
        encodings = network.encode(found.images, *([] if conditions is None else [conditions]))
    extra = {"labels": found.labels, "names": None if names is None else np.array(names)}
    extra = {name: values for name, values in extra.items() if values is not None}
    if out.lower().endswith(".npz"):
        classes = {} if found.class_names is None else {"class_names": np.array(found.class_names)}
        files.write_npz(out, encodings=encodings, **extra, **classes)
    else:
        with files.replacing(out, suffix=".csv") as temporary:
            _write_csv(temporary, encodings, extra)
    shape = " x ".join(map(str, encodings.shape))
    typer.echo(f"Wrote encodings ({shape}){''.join(f' and {name}' for name in extra)} to {out}.")


def _write_csv(path, encodings, extra):
    import csv

    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name[:-1] for name in extra), *(f"encoding_{i}" for i in range(encodings.shape[1]))])
        for i, encoding in enumerate(encodings):
            writer.writerow([*(values[i] for values in extra.values()), *map(str, encoding.tolist())])
