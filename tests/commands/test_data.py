"""`data pack` and `data check`, and training on what they wrote."""

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.one_backend


@pytest.fixture
def pictures(tmp_path):
    for i in range(40):
        path = tmp_path / "pictures" / f"{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), 6 * i, np.uint8)).save(path)
    return tmp_path / "pictures"


def test_pack_check_and_train(command, refused, pictures, tmp_path):
    path = tmp_path / "set.h5"
    answer = command("data", "pack", pictures, path, "--image-size", 8, "--channels", 1)
    assert answer.code == 0 and "Wrote 40 images of 8x8x1 in 2 classes" in answer.out
    answer = command("data", "check", path)
    assert answer.code == 0 and "All 40 images" in answer.out
    assert "set.h5 exists" in refused("data", "pack", pictures, path, code=1)
    arguments = "--network mlp --width 8 --latent-dim 8 --batch-size 16 --epochs 1 --samples 0".split()
    answer = command("train", "gan", "--data", path, "--out", tmp_path / "run", *arguments)
    assert answer.code == 0 and "40 images of 8x8x1" in answer.out
    content = bytearray(path.read_bytes())
    content[content.find(np.full(64, 6, np.uint8).tobytes())] ^= 1
    path.write_bytes(content)
    assert "set.h5 is damaged: chunk 0 of 1, the images 0 to 39" in refused("data", "check", path, code=1)


def test_mistakes_are_named(command, refused, pictures, tmp_path):
    (pictures / "0" / "broken.png").write_bytes(b"x")
    answer = command("data", "pack", pictures, tmp_path / "set.h5")
    assert answer.code == 0 and "broken.png: it is not an image" in answer.err
    assert "must end in .h5" in refused("data", "pack", pictures, tmp_path / "set.npz")
    (tmp_path / "empty").mkdir()
    assert "with images" in refused("data", "pack", tmp_path / "empty", tmp_path / "x.h5")
    assert "There is no HDF5 file" in refused("data", "check", tmp_path / "none.h5", code=1)
    (tmp_path / "text.h5").write_text("no HDF5")
    assert "or no HDF5 file" in refused("data", "check", tmp_path / "text.h5", code=1)


@pytest.mark.parametrize("name", ["pack", "check"])
def test_help_has_an_example(command, name):
    answer = command("data", name, "--help")
    assert answer.code == 0 and f"    keras-gans data {name} " in answer.out
