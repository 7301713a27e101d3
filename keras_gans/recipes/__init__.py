"""Training recipes: everything that fixes a run, as a value, from YAML files and from the command line.

A recipe file is a mapping with the keys of `Recipe`; those of the package lie beside this module. Files and
command-line options meet here and nowhere else: `find(name).replaced(epochs=5, knobs={"lam": 1.0})`.
"""

import dataclasses
import os
import re

import yaml

from keras_gans import checks, machine

FOLDER = os.path.dirname(os.path.abspath(__file__))
PREFIX = "recipe:"
LARGEST_TEXT, LARGEST_TREE = 2**16, 10_000  # characters of a recipe file, and nodes with its aliases written out

NO_KNOBS = {  # arguments of `keras_gans.create` that a recipe gives elsewhere: where
    "variant": "is a key of its own",
    "image_shape": "is that of the data, or `image_size` and `channels` (--image-size, --channels)",
    "latent_dim": "is a key of its own (--latent-dim)",
    "network": "is a key of its own (--network)",
    "network_options": "is a key of its own (--width)",
    "num_classes": "is that of the data, with `conditional` (--conditional)",
    "class_names": "are those of the data",
    "name": "is of no use in a run",
    "averages": "is `average` (--average)",
}


class _Loader(yaml.SafeLoader):
    """The safe loader, which also reads `1e-4` as a number (YAML 1.1 takes it for text)."""


_Loader.yaml_implicit_resolvers = {key: list(pairs) for key, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value):
    return _is_integer(value) or (isinstance(value, list) and len(value) == 2 and all(map(_is_integer, value)))


_KINDS = {
    "text": lambda value: isinstance(value, str),
    "an integer": _is_integer,
    "an integer or [height, width]": _is_size,
    "a number": lambda value: _is_integer(value) or isinstance(value, float),
    "a number or a mapping": lambda value: _is_integer(value) or isinstance(value, (float, dict)),
    "true or false": lambda value: isinstance(value, bool),
    "a mapping": lambda value: isinstance(value, dict) and all(isinstance(key, str) for key in value),
}


def _key(kind, default=dataclasses.MISSING, optional=False):
    metadata = {"kind": kind, "optional": optional}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


MOST = 10**9  # epochs, steps or images: more is a slip of the keyboard


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that fixes a training run.

    Args:
        variant: Name of the variant, one of `keras_gans.list_models()`.
        data: What `keras_gans.data.load` takes: the name of a set, or `folder:PATH`; a folder's path works too.
        image_size: Integer or [height, width] in pixels; None for the standard size of the data.
        channels: 1 (gray), 3 (RGB), or None for those of the data.
        network: `"dcgan"`, `"mlp"`, ...: the networks, see `keras_gans.networks`.
        network_options: Options of both networks (`{"width": 32}`) or per network.
        latent_dim: Length of a latent vector.
        conditional: Whether the model is told the labels of the data.
        knobs: Arguments of the variant.
        optimizers: `{player: {"class_name": ..., "config": {...}}}`; default those of the paper.
        learning_rate: Learning rate of all players, a number or a schedule; default that of their optimisers.
        batch_size: Images per critic update.
        epochs: Passes over the data.
        steps: Train steps, rounded up to whole passes, in place of `epochs`; None for `epochs`.
        seed: Integer that fixes weights, latents and the order of the data.
        average: Decay of the weight moving average per step, in [0, 1), 0 for none; or the arguments of
            `keras_gans.callbacks.WeightMovingAverage`, as in `{half_life: 500}`.
        precision: `"auto"` (default): bfloat16 where the machine computes it natively, else float32; or `"float32"`,
            `"mixed_bfloat16"`, `"mixed_float16"`. A run keeps what it began with.
        limit: Train on so many images, a sample that `seed` draws; None for all.
        balanced: Whether every class is seen equally often: with `limit` as many images of each; without, images of the
            smaller classes stand several times in an epoch.
        flip: Whether the mirror images are trained on, too: twice as many images.
        description: What the recipe is for, in a sentence.

    Penalties, augmentations and schedules are written as a mapping from their class to its arguments, as in
    `knobs: {penalties: [{R1: {weight: 10}}], augmentation: {DiffAugment: {policy: "color,translation"}}}` or
    `learning_rate: {CosineBurnIn: {start: 2e-4, end: 5e-5, steps: 2000}}`.

    Raises:
        ValueError, TypeError: For a value outside these ranges.
    """

    variant: str = _key("text")
    data: str = _key("text", "digits")
    image_size: int | list | None = _key("an integer or [height, width]", None, optional=True)
    channels: int | None = _key("an integer", None, optional=True)
    network: str = _key("text", "dcgan")
    network_options: dict = _key("a mapping", {})
    latent_dim: int = _key("an integer", 128)
    conditional: bool = _key("true or false", False)
    knobs: dict = _key("a mapping", {})
    optimizers: dict = _key("a mapping", {})
    learning_rate: float | dict | None = _key("a number or a mapping", None, optional=True)
    batch_size: int = _key("an integer", 64)
    epochs: int = _key("an integer", 20)
    steps: int | None = _key("an integer", None, optional=True)
    seed: int = _key("an integer", 0)
    average: float | dict = _key("a number or a mapping", 0.999)
    precision: str = _key("text", "auto")
    limit: int | None = _key("an integer", None, optional=True)
    balanced: bool = _key("true or false", False)
    flip: bool = _key("true or false", False)
    description: str = _key("text", "")

    def __post_init__(self):
        for name in ("latent_dim", "batch_size"):
            checks.positive_integer(name, getattr(self, name))
        checks.positive_integer("epochs", self.epochs, maximum=MOST)
        checks.positive_integer("seed", self.seed, minimum=0, maximum=2**32 - 1)
        for name in ("latent_dim", "batch_size", "network_options"):
            checks.sensible_sizes(name, getattr(self, name))
        for side in self.image_size if isinstance(self.image_size, list) else [self.image_size or 1]:
            checks.positive_integer("image_size", side, maximum=checks.LARGEST_SIDE)
        own = [name for name in self.knobs if name in NO_KNOBS]
        if own:
            raise ValueError(f"`knobs` must be arguments of the variant; `{own[0]}` {NO_KNOBS[own[0]]}.")
        if not isinstance(self.average, dict):
            checks.number("average", self.average, minimum=0, below=1)
        checks.one_of("precision", self.precision, machine.PRECISIONS)
        if self.learning_rate is not None and not isinstance(self.learning_rate, dict):
            checks.number("learning_rate", self.learning_rate, above=0)
        for name in ("limit", "steps"):
            if getattr(self, name) is not None:
                checks.positive_integer(name, getattr(self, name), maximum=MOST)
        if self.channels is not None:
            checks.one_of("channels", self.channels, (1, 3))

    def replaced(self, **options):
        """Returns a recipe with other values. None leaves a value; `knobs` and `network_options` are merged in, and of
        `epochs` and `steps` the given one holds.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if "epochs" in given:
            if "steps" in given:
                came = checks.received(epochs=given["epochs"], steps=given["steps"])
                raise ValueError(f"Give `epochs` or `steps`, not both. {came}")
            given["steps"] = None
        for name in ("knobs", "network_options"):
            if name in given:
                given[name] = {**getattr(self, name), **given[name]}
        return dataclasses.replace(self, **given)

    def with_warmup(self, warmup):
        """Returns a recipe whose average names its warm-up: `warmup`, where it names none."""
        if not self.average:
            return self
        average = self.average if isinstance(self.average, dict) else {"decay": self.average}
        return dataclasses.replace(self, average={"warmup": warmup, **average})

    def to_dict(self):
        """Returns the recipe as a dict that JSON and YAML can hold."""
        return dataclasses.asdict(self)


_FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


def from_mapping(mapping, source):
    """Returns the `Recipe` of a mapping read from a file.

    Args:
        mapping: What the file holds.
        source: Name of the file, for the error sentences.

    Raises:
        ValueError: For an unknown key (the nearest is suggested), a missing one, or a value of the wrong type.
    """
    if not isinstance(mapping, dict):
        raise ValueError(f"The recipe {source} must be a mapping of keys to values. It is {_described(mapping)}.")
    for key in mapping:
        if key not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise ValueError(
                f"The recipe {source} has an unknown key `{checks.printable(str(key)[:60])}`. "
                f"{checks.nearest(key, _FIELDS)}It takes {known}."
            )
    if mapping.get("steps") is not None and "epochs" in mapping:
        raise ValueError(f"The recipe {source} must have `epochs` or `steps`, not both.")
    if "variant" not in mapping:
        raise ValueError(f"The recipe {source} lacks the key `variant`, the name of a variant.")
    for key, value in mapping.items():
        kind, optional = _FIELDS[key].metadata["kind"], _FIELDS[key].metadata["optional"]
        if not (_KINDS[kind](value) or (optional and value is None)):
            raise ValueError(f"The recipe {source}: `{key}` must be {kind}. It is {_described(value)}.")
    try:
        return Recipe(**mapping)
    except (ValueError, TypeError) as error:
        raise ValueError(f"The recipe {source}: {error}") from error


def _described(value):
    return "empty" if value is None else f"{checks.shown(value)} ({type(value).__name__})"


def parse_value(text):
    """Returns the value of a piece of YAML: `parse_value("1e-4")` is 0.0001, `parse_value("[0, 1]")` a list.

    Raises:
        yaml.YAMLError: It is no YAML, longer than 64 KiB, or, with its aliases written out, of more than 10,000 nodes.
    """
    if len(text) > LARGEST_TEXT:
        raise yaml.YAMLError(f"it has more than {LARGEST_TEXT:,} characters")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if _nodes(node, {}) > LARGEST_TREE:
            raise yaml.YAMLError(f"with its aliases written out it has more than {LARGEST_TREE:,} nodes")
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError:
        raise
    except Exception as error:  # PyYAML raises nearly anything for what it takes for a date, a number or a tag
        raise yaml.YAMLError(f"a value in it cannot be read ({type(error).__name__}: {error})") from error
    finally:
        loader.dispose()


def _nodes(node, known):
    """Returns the number of nodes with all aliases written out; a node within itself counts as too many."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = LARGEST_TREE + 1  # while it is counted
        parts = node.value if isinstance(node, yaml.SequenceNode) else [each for pair in node.value for each in pair]
        known[id(node)] = min(1 + sum(_nodes(part, known) for part in parts), LARGEST_TREE + 1)
    return known[id(node)]


def load(path):
    """Returns the `Recipe` in a YAML file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not YAML, or not a recipe; the sentence names the file and the key or line.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no recipe file {path}.")
    try:
        with open(path, encoding="utf-8") as file:
            mapping = parse_value(file.read(LARGEST_TEXT + 1))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ValueError(f"The recipe {path} is not valid YAML{where}: {problem}.") from error
    return from_mapping(mapping, path)


def list_recipes():
    """Returns the names of the recipes of the package, sorted."""
    return sorted(name[: -len(".yaml")] for name in os.listdir(FOLDER) if name.endswith(".yaml"))


def is_recipe(name):
    """Returns whether `name` asks for a recipe (`recipe:NAME`, or a path that ends in .yaml) rather than a variant."""
    return name.startswith(PREFIX) or name.endswith((".yaml", ".yml"))


def find(name):
    """Returns the recipe called `recipe:NAME`, or that in a YAML file.

    Raises:
        ValueError: For an unknown name, with the nearest.
        FileNotFoundError: There is no such file.
    """
    if not name.startswith(PREFIX):
        return load(name)
    name = checks.one_of("recipe", name[len(PREFIX) :], list_recipes())
    return load(os.path.join(FOLDER, f"{name}.yaml"))
