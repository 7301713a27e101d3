"""The command line: `keras-gans`, or `python -m keras_gans`.

A mistake of the user's is one sentence on stderr: exit code 2 for a wrong command line or value, 1 for a file that is
missing, damaged or cannot be written. Ctrl-C is 130. `--traceback` shows where a sentence comes from.
"""

import os
import re
import sys
import traceback
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options
from keras_gans.commands.attack import attack
from keras_gans.commands.attribute import attribute
from keras_gans.commands.data import app as data
from keras_gans.commands.demo import demo
from keras_gans.commands.dynamics import dynamics
from keras_gans.commands.encode import encode
from keras_gans.commands.evaluate import evaluate
from keras_gans.commands.export import export
from keras_gans.commands.generate import generate
from keras_gans.commands.info import info
from keras_gans.commands.interpolate import interpolate
from keras_gans.commands.list import list_command
from keras_gans.commands.reconstruct import reconstruct
from keras_gans.commands.train import train
from keras_gans.commands.verify import verify
from keras_gans.version import __version__

SMALLER = {  # what makes a command need less memory
    "generate": "--count or --scale",
    "reconstruct": "--count or --scale",
    "interpolate": "--pairs, --steps or --scale",
    "encode": "set of images as --data",
    "attack": "--count",
    "attribute": "--count",
    "evaluate": "--samples or set of images as --data",
    "verify": "set of images",
    "data": "--image-size",
    "info": "network",
}
TRACEBACK = "KERAS_GANS_TRACEBACK"

app = typer.Typer(
    name="keras-gans",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=options.CONTEXT,
)
app.command("list")(list_command)
for command in (
    info,
    train,
    generate,
    reconstruct,
    interpolate,
    encode,
    export,
    evaluate,
    attack,
    attribute,
    dynamics,
    verify,
    demo,
):
    app.command()(command)
app.add_typer(data)


def _version(asked):
    if asked:
        typer.echo(f"keras_gans {__version__}")
        raise typer.Exit()


@app.callback()
def keras_gans(
    traceback: Annotated[
        bool, typer.Option("--traceback", help=f"Show where an error comes from; or set {TRACEBACK}=1.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
):
    """Train GANs on your images, generate, reconstruct and interpolate. Keras 3: TensorFlow, JAX or PyTorch.

    The backend is TensorFlow unless the environment variable KERAS_BACKEND says jax or torch.

    \b
    Example:
      keras-gans demo
      keras-gans train o_gan --data photos/ --image-size 64 --out runs/photos
      keras-gans generate runs/photos --out samples.png
    """
    del version
    if traceback:
        os.environ[TRACEBACK] = "1"


def main(arguments=None):
    """Runs a command line and exits with its code.

    Args:
        arguments: List of strings, default `sys.argv[1:]`.
    """
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments):
    """Returns the exit code of a command line; prints one sentence on stderr if it is not 0."""
    before = os.environ.get(TRACEBACK)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return app(arguments, prog_name="keras-gans", standalone_mode=False) or 0
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        code, sentence = explained(error, next((each for each in arguments if not each.startswith("-")), ""))
        print(checks.printable(sentence), file=sys.stderr)
        return code
    finally:
        if before is None:
            os.environ.pop(TRACEBACK, None)


def explained(error, command=""):
    """Returns `(exit code, sentence)` of what a command raised."""
    kind = type(error).__name__
    message = " ".join(str(error).split())
    if kind == "Stopped":
        return 130, message
    if isinstance(error, KeyboardInterrupt) or kind == "Abort":
        return 130, "Stopped."
    if hasattr(error, "format_message"):  # Typer's usage errors
        if kind == "NoArgsIsHelpError":
            return 2, error.format_message()
        help_for = getattr(getattr(error, "ctx", None), "command_path", "keras-gans")
        sentence = " ".join(error.format_message().split())
        sentence = re.sub(
            r"^Got unexpected extra argument.*? \((?!s\))(.*)\)$", r"The command takes no argument \1", sentence
        )
        return 2, f"Error: {sentence}{'' if sentence.endswith(('.', '?')) else '.'} See {help_for} --help."
    full = re.search(r"(/\S+); (No space left on device|Disk quota exceeded|File too large)", message)
    if full:  # as TensorFlow says it of the files of TensorBoard
        return 1, f"Error: {full[1]}: {full[2]}."
    if isinstance(error, MemoryError) or kind in ("ResourceExhaustedError", "OutOfMemoryError"):
        advice = SMALLER.get(command, "--batch-size, --width or --image-size")
        return 1, f"Error: out of memory. Use a smaller {advice}."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return 1, f"Error: {error.filename}: {error.strerror}."
    if isinstance(error, OSError) or (isinstance(error, (ValueError, TypeError)) and deliberate(error)):
        return (1 if isinstance(error, OSError) else 2), f"Error: {message}"
    if isinstance(error, ImportError) and deliberate(error):
        return 1, f"Error: {message}"
    return 1, f"Error: {message[:300]} ({kind}; run `keras-gans --traceback ...` to see where it comes from)"


def deliberate(error):
    """Returns whether the package itself raised `error`, so that its sentence is meant for the user."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    raised_in = frame.tb_frame.f_globals.get("__name__", "") if frame is not None else ""
    return raised_in.partition(".")[0] == "keras_gans" or raised_in == "__main__"


if __name__ == "__main__":
    main()
