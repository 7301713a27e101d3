"""`keras-gans data pack` and `keras-gans data check`: a folder of images as one checked HDF5 file."""

from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options

app = typer.Typer(
    name="data",
    help="Pack a folder of images into one HDF5 file, and check such a file.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=options.CONTEXT,
)


@app.command()
def pack(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Images at any depth; first-level folders are classes.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT.h5", help="The file to write.")],
    image_size: Annotated[int, typer.Option(help=options.IMAGE_SIZE_HELP)] = 64,
    channels: Annotated[int, typer.Option(help=options.CHANNELS_HELP)] = 3,
    crop: Annotated[bool, typer.Option("--crop/--squeeze", help="Cut out the middle square, or distort to it.")] = True,
    on_error: Annotated[str, typer.Option(help="skip or raise: what a file that cannot be read does.")] = "skip",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
):
    """Resize the images of a folder into one HDF5 file with checksums.

    Training reads such a file many times faster than a folder of pictures, and without holding it in memory. Ctrl-C
    stops; the same command goes on where it stopped.

    \b
    Example:
      keras-gans data pack photos/ photos.h5 --image-size 64
    """
    from rich.console import Console
    from rich.progress import Progress

    from keras_gans.data import hdf5

    checks.one_of("--on-error", on_error, ("skip", "raise"))
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Packing", total=None)
        images, skipped = hdf5.pack(
            *(folder, out, image_size, channels, crop, on_error, overwrite),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for sentence in skipped:
        typer.echo(checks.printable(f"Skipped {sentence}."), err=True)
    shape = "x".join(map(str, images.shape[1:]))
    classes = f" in {len(images.classes)} classes" if images.classes else ""
    typer.echo(f"Wrote {len(images):,} images of {shape}{classes} to {images.path}.")


@app.command()
def check(
    path: Annotated[str, typer.Argument(metavar="FILE.h5", help="A file written by keras-gans data pack.")],
):
    """Read a whole HDF5 file of images and compare it with its checksums.

    Exits with 1 if a chunk is damaged, and names it.

    \b
    Example:
      keras-gans data check photos.h5
    """
    from rich.console import Console
    from rich.progress import Progress

    from keras_gans.data.hdf5 import HDF5Images

    images = HDF5Images(path)
    if images.checksums is None:
        raise ValueError(f"The file {path} has no checksums: it was not written by keras-gans data pack.")
    console, damaged = Console(stderr=True), []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        for block in bar.track(range(images.blocks()), description="Checking"):
            try:
                images.check_block(block)
            except OSError as error:
                damaged.append(str(error))
    if damaged:
        more = f" And {len(damaged) - 1} more chunks." if len(damaged) > 1 else ""
        raise OSError(damaged[0] + more)
    typer.echo(f"All {len(images):,} images in {images.path} match their {images.blocks()} checksums.")
