"""The peers' own code, where it is installed: torch-fidelity and prdc, needed by no user."""

import sys
import unittest.mock

import keras
import pytest


def torch_fidelity(module):
    """Returns a module of torch-fidelity, or skips the test. What it imports and does not need here is stood in for."""
    if keras.config.backend() != "torch":
        pytest.skip("torch-fidelity needs PyTorch, which this environment does not have")
    packages = ("torchvision", "tqdm")
    parts = (*packages, "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional")
    absent = {name for name in packages if name not in sys.modules}
    stubs = {name: unittest.mock.MagicMock() for name in parts if name.split(".")[0] in absent}
    if "tqdm" in stubs:
        stubs["tqdm"].tqdm = lambda values, **options: values
    sys.modules.update(stubs)
    try:
        return pytest.importorskip(f"torch_fidelity.{module}", reason="torch-fidelity is not installed")
    finally:
        for name in stubs:
            del sys.modules[name]


def prdc():
    """Returns prdc's function, or skips the test."""
    return pytest.importorskip("prdc", reason="prdc is not installed").compute_prdc
