"""Which part of the package may import which, and that only the engine knows the backend."""

import ast
import pathlib

import pytest

pytestmark = pytest.mark.one_backend

PACKAGE = pathlib.Path(__file__).parent.parent / "keras_gans"
ALLOWED = {
    "schedules": set(),
    "engine": {"files", "schedules", "zoo"},  # the zoo in save_to_preset and from_preset alone
    "penalties": {"engine", "schedules"},
    "layers": {"engine"},  # the fused batch norm of TensorFlow lives in engine/kernels.py
    "networks": {"layers"},
    "variants": {"engine", "penalties", "layers", "schedules"},
    "registry": {"networks", "variants"},
    "public": {
        "callbacks",
        "data",
        "layers",
        "metrics",
        "networks",
        "penalties",
        "registry",
        "schedules",
        "variants",
        "zoo",
    },
    "data": {"engine", "files"},  # of the engine, tf.data alone
    "pictures": {"files"},
    "files": set(),
    "checks": set(),
    "callbacks": {"engine", "files", "pictures"},
    "metrics": {"files"},
    "zoo": {"engine", "pictures"},
    "recipes": {"registry", "networks", "data", "files"},
    "commands": {
        *("callbacks", "data", "engine", "files", "layers", "metrics", "networks", "penalties"),
        *("pictures", "recipes", "registry", "schedules", "zoo"),
    },
    "cli": {"commands", "recipes", "registry"},
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path):
    """Returns the dotted names of all modules that a file imports, at any level."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path):
    part = part_of(path)
    for name in imports(path):
        if not name.startswith("keras_gans"):
            continue
        target = name.split(".")[1] if "." in name else ""
        if part in ("cli", "commands") and target in ("", "__version__"):
            continue  # the command line uses the public package
        assert target == part or target == "checks" or target in ALLOWED[part], f"{path} imports {name}"
        if part == "variants":
            assert target != "variants", f"{path}: a variant imports a variant"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_engine_imports_a_backend(path):
    backends = {"tensorflow", "jax", "torch"}
    found = {name.split(".")[0] for name in imports(path)} & backends
    assert not found or part_of(path) == "engine", f"{path} imports {found}"
    assert part_of(path) == "engine" or not any(name.startswith("keras.src") for name in imports(path))


def test_nothing_private_to_a_utils_module():
    assert not [path for path in FILES if path.stem in ("utils", "misc", "common", "helpers")]
