"""The commands know the invertible residual network like any other variant."""

import numpy as np
import pytest

pytestmark = pytest.mark.one_backend
RECIPE = """
variant: invertible_resnet
data: digits
image_size: 8
channels: 1
network: resnet
network_options: {width: 4, depth: 1, scales: 1}
batch_size: 500
knobs: {log_det: neumann}
epochs: 1
"""


def test_train_generate_encode_and_info(command, tmp_path):
    run = tmp_path / "run"
    (tmp_path / "small.yaml").write_text(RECIPE)
    answer = command("train", tmp_path / "small.yaml", "--out", run, "--samples", 4)
    assert answer.code == 0, answer.err
    answer = command("generate", run, "--count", 3, "--out", tmp_path / "made.png")
    assert answer.code == 0, answer.err
    answer = command("encode", run, "--data", "digits", "--out", tmp_path / "codes.npz")
    assert answer.code == 0, answer.err
    with np.load(tmp_path / "codes.npz") as codes:
        assert codes["encodings"].shape[1] == 64 and np.isfinite(codes["encodings"]).all()
    answer = command("info", "invertible_resnet")
    assert answer.code == 0 and "1811.00995" in answer.out and "recipe:invertible_resnet_digits" in answer.out
    assert "Networks (--network): dcgan, mlp, resnet" in answer.out and "Adamax(learning_rate=0.003)" in answer.out
    assert "invertible_resnet" in command("list").out
