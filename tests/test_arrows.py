"""The laws of the house: which part imports which, no circles, no unused permission, and the size of its rooms."""

import ast
import functools
import importlib
import inspect
import pathlib
import re

import keras
import pytest

import keras_gans as kg

pytestmark = pytest.mark.one_backend

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "keras_gans"
EVERYONE = {"checks", "version"}  # what any part may import
ALLOWED = {
    "checks": set(),
    "version": set(),
    "machine": set(),
    "schedules": set(),
    "output": set(),
    "pictures": {"output"},
    "engine": {"machine", "output", "schedules", "zoo"},  # the zoo in save_to_preset and from_preset alone
    "penalties": {"engine", "schedules"},
    "adversarial_loss": {"engine", "games", "networks"},
    "games": {"engine"},
    "samplers": {"engine"},
    "flows": {"engine"},
    "analysis": {"engine", "penalties"},
    "layers": {"engine"},  # the fused batch norm of TensorFlow lives in engine/kernels.py
    "networks": {"layers"},
    "variants": {"engine", "flows", "games", "penalties", "samplers", "schedules"},
    "registry": {"networks"},  # and the variants, by name
    "regularization": {"engine"},
    "public": {
        *("analysis", "callbacks", "data", "layers", "metrics", "networks", "penalties", "registry", "regularization"),
        *("adversarial_loss", "runs", "samplers", "schedules", "zoo"),
    },
    "data": {"engine", "output"},  # of the engine, tf.data alone
    "callbacks": {"engine", "output", "pictures"},
    "metrics": {"layers", "output"},
    "zoo": {"output", "pictures"},
    "recipes": {"callbacks", "engine", "layers", "machine", "penalties", "registry", "schedules"},
    "runs": {*("callbacks", "data", "engine", "metrics", "output", "pictures", "recipes", "registry", "zoo")},
    "commands": {
        *("analysis", "callbacks", "data", "engine", "layers", "metrics", "networks", "output", "pictures", "recipes"),
        *("registry", "regularization", "runs", "zoo"),
    },
    "cli": {"commands"},
    "__main__": {"cli"},
}
LONGEST_FILE, LONGEST_VARIANT, LONGEST_ENGINE = 450, 220, 260
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
PARTS = [path for path in FILES if path != PACKAGE / "__init__.py"]
BY_NAME = {"registry.py", "__init__.py", "engine/backend.py"}  # may import ourselves by a string
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
RELATIVE = {"ids": lambda path: str(path.relative_to(PACKAGE))}


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Returns the dotted names of all that a file imports, at any level, also inside functions."""
    names = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{_absolute(node, path)}.{alias.name}" for alias in node.names]
    return names


def _absolute(node, path):
    """Returns the module of a `from ... import`, a relative one in full."""
    if not node.level:
        return node.module
    above = ("keras_gans", *path.relative_to(PACKAGE).parts)[: -node.level]
    return ".".join([*above, *([node.module] if node.module else [])])


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def targets(path):
    """Returns the parts of the package that a file imports, but its own."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("keras_gans.")}
    known = {part_of(each) for each in PARTS}
    whole = found - known | {"the whole package" for name in imports(path) if name == "keras_gans"}
    return found - {part_of(path)} - EVERYONE | whole


def edges():
    """Returns `{file: files}`: which file of the package imports which, submodules named by `from package import`."""
    result = {}
    for module, path in MODULES.items():
        found = set()
        for name in imports(path):
            while name not in MODULES and "." in name:
                name = name.rpartition(".")[0]
            if name in MODULES and name != module and name != "keras_gans":
                found.add(name)
        result[module] = found
    return result


@pytest.mark.parametrize("path", PARTS, **RELATIVE)
def test_imports_follow_the_arrows(path):
    wrong = targets(path) - ALLOWED.get(part_of(path), set())
    assert not wrong, f"{path} imports {wrong}: the arrows of this part stand in ALLOWED, above"
    if part_of(path) == "variants":
        assert not any(name.startswith("keras_gans.variants") for name in imports(path)), "a variant imports a variant"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("from .gan import GAN", set()),  # of its own part, but a variant
        ("from . import gan", set()),
        ("from ..callbacks import Health", {"callbacks"}),
        ("from .. import zoo", {"zoo"}),
        ("import keras_gans as kg", {"the whole package"}),
        ("from keras_gans import GAN", {"GAN"}),
    ],
)
def test_an_import_is_seen_however_it_is_written(monkeypatch, line, seen):
    monkeypatch.setattr(f"{__name__}.tree_of", lambda path: ast.parse(f"def late():\n    {line}\n"))
    assert targets(PACKAGE / "variants" / "new.py") == seen
    if not seen:
        assert imports(PACKAGE / "variants" / "new.py")[0].startswith("keras_gans.variants.gan")


def test_every_permission_is_used_and_every_part_has_its_line():
    used = {}
    for path in PARTS:
        used.setdefault(part_of(path), set()).update(targets(path))
    assert used.keys() == ALLOWED.keys(), "every part of the package has its line in ALLOWED, and only those"
    unused = {part: allowed - used[part] for part, allowed in ALLOWED.items() if allowed - used[part]}
    assert unused == {}, "take these permissions out of ALLOWED: nothing uses them"


def circles(graph):
    """Returns the files that can be reached from themselves."""
    reached = {module: set(found) for module, found in graph.items()}
    for middle in graph:
        for found in reached.values():
            if middle in found:
                found |= reached[middle]
    return sorted(module for module, found in reached.items() if module in found)


def test_there_is_no_circle_between_files():
    graph = edges()
    # A package's __init__ and its own files: what it gathers may import what stands beside it.
    for package in [module for module, path in MODULES.items() if path.name == "__init__.py"]:
        for module, found in graph.items():
            if module.startswith(f"{package}."):
                found.discard(package)
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]


@pytest.mark.parametrize("path", FILES, **RELATIVE)
def test_only_registry_and_entrances_import_ourselves_by_a_string(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            by_string = "keras_gans" in ast.unparse(node)
            assert not by_string or str(path.relative_to(PACKAGE)) in BY_NAME, ast.unparse(node)


@pytest.mark.parametrize("path", PARTS, **RELATIVE)
def test_only_the_engine_imports_a_backend(path):
    backends = {"tensorflow", "jax", "torch"}
    found = {name.split(".")[0] for name in imports(path)} & backends
    assert not found or part_of(path) == "engine", f"{path} imports {found}"


BACKEND_FILES = {"engine/tensorflow.py", "engine/jax.py", "engine/jax_gradients.py", "engine/torch.py"}
PRIVATE = "engine/private_keras.py"
# Keras objects whose private names nobody else touches; what a class of ours defines itself is ours.
KERAS = (keras.Model, keras.layers.Layer, keras.optimizers.Optimizer, keras.callbacks.Callback, keras.Variable)
KERAS += (keras.Function, keras.metrics.Metric, keras.random.SeedGenerator, keras.optimizers.LossScaleOptimizer)


@functools.cache
def private_names_of_keras():
    names = {name for each in KERAS for name in dir(each) if name[0] == "_" and name[1] != "_"}
    for each in {base for kind in KERAS for base in kind.__mro__ if base.__module__.startswith("keras.")}:
        names |= set(re.findall(r"self\.(_[a-z]\w*)", inspect.getsource(each)))  # what their objects hold
    return names


def private_uses(path, ours):
    """Returns the private names of Keras objects that a file uses and no class of the package defines."""
    found = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree_of(path)):  # getattr(model, "_losses")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr"):
            found |= {each.value for each in node.args[1:2] if isinstance(each, ast.Constant)}
    return {name for name in found if name in private_names_of_keras() and name not in ours}


@functools.cache
def names_defined_by_us():
    """Returns the private names of our functions and methods, and of attributes of classes that are none of Keras's."""
    names = set()
    for path in PARTS:
        if str(path.relative_to(PACKAGE)) in {PRIVATE, *BACKEND_FILES}:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
            if isinstance(node, ast.ClassDef) and not re.search(
                r"keras\.(?!utils)", str([*map(ast.unparse, node.bases)])
            ):
                inside = [each for each in ast.walk(node) if isinstance(each, ast.Attribute)]
                names |= {each.attr for each in inside if isinstance(each.ctx, ast.Store)}
    return names


@pytest.mark.parametrize("path", PARTS, **RELATIVE)
def test_private_names_of_keras_stand_in_one_file(path):
    if str(path.relative_to(PACKAGE)) in {PRIVATE, *BACKEND_FILES}:
        return
    used = private_uses(path, names_defined_by_us())
    assert used == set(), f"{path} uses private names of Keras: give them a function in {PRIVATE}, with the reason"
    inner = [name for name in imports(path) if name.startswith("keras.src")]
    assert inner == [], f"{path} imports the inside of Keras: give it a function in {PRIVATE}, with the reason"


def test_a_private_name_would_be_seen(tmp_path):
    path = tmp_path / "new.py"
    path.write_text("def f(m):\n    return m._flatten_layers(), m._initial_epoch, m._ours, getattr(m, '_losses')\n")
    assert private_uses(path, {"_ours"}) == {"_flatten_layers", "_initial_epoch", "_losses"}


@pytest.mark.parametrize("path", FILES, **RELATIVE)
def test_files_keep_to_their_size(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = {"variants": LONGEST_VARIANT, "engine": LONGEST_ENGINE}.get(part_of(path), LONGEST_FILE)
    assert lines <= limit, f"{path} has {lines} lines; split it by duty (at most {limit})"


def own_methods(cls):
    """Returns the public methods and properties that a class adds to those of its bases."""
    kinds = (property, classmethod, staticmethod)
    bases = {name for base in cls.__mro__[1:] for name in vars(base)}
    found = [name for name, value in vars(cls).items() if inspect.isfunction(value) or isinstance(value, kinds)]
    return sorted(name for name in found if not name.startswith("_") and name not in bases)


@pytest.mark.parametrize(("cls", "limit"), [(kg.engine.GenerativeModel, 8), (kg.engine.AdversarialModel, 6)])
def test_base_classes_keep_to_few_methods(cls, limit):
    found = own_methods(cls)
    assert len(found) <= limit, f"{cls.__name__} has the public methods {found}: at most {limit}; give one a function"


def test_a_new_variant_is_its_file_and_one_line():
    files = {path.stem for path in (PACKAGE / "variants").glob("*.py")} - {"__init__"}
    assert {name: path.partition(":")[0] for name, path in kg.registry.VARIANTS.items()} == {
        name: f"variants.{name}" for name in files
    }
    for name, cls in kg.registry.classes().items():
        assert getattr(kg, name) is cls and name in importlib.import_module("keras_gans.public").__all__
    # The class names stand nowhere else in the package but in their own files and docstrings.
    for path in PARTS:
        if part_of(path) in ("variants", "registry"):
            continue
        named = {node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)}
        assert not named & kg.registry.classes().keys(), path


def test_nothing_private_to_a_utils_module():
    assert not [path for path in PARTS if path.stem in ("utils", "misc", "common", "helpers")]
