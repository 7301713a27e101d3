"""The Inception network against the peer's (torch-fidelity), against stored values, and against hostile files."""

import collections
import hashlib
import os
import pickle
import zipfile

import numpy as np
import pytest

from keras_gans.metrics import FIDInception, fid_inception, state_dict
from tests.oracles import peers

SHAPES = ((32, 32), (299, 299), (40, 64))


def random_state():
    """Returns a state dict of the network, seeded; far from 0 and 1, so that a dropped part shows."""
    rng = np.random.default_rng(0)
    tensors = collections.OrderedDict()
    for name, (_, shape) in sorted(fid_inception.targets(fid_inception.network()).items()):
        if len(shape) > 1:
            value = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith("running_var"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("bn.weight"):
            value = rng.uniform(0.7, 1.3, shape)
        else:
            value = rng.normal(size=shape) * 0.2
        tensors[name] = value.astype(np.float32)
    return tensors


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    np.savez(path, **random_state())
    return path


@pytest.fixture(scope="module")
def inception(weights):
    return FIDInception(weights, sha256=None)


def images(shape, n=2):
    return np.random.default_rng(1).integers(0, 256, (n, *shape, 3), dtype=np.uint8)


def test_the_network_has_the_published_size(inception):
    assert inception.model.count_params() == 21_820_000 + 2048 * 1008 + 1008
    assert len(fid_inception.targets(inception.model)) == 472


# Of random_state() and images((40, 64)), computed by torch-fidelity 0.4.0: five features of each tap of image 0.
STORED = {
    "64": [0.3618379, 0.09969255, 0.2024492, 0.7698547, 0.08707762],
    "192": [0.03033779, 0.0, 0.09969616, 0.9290647, 2.032509],
    "768": [0.007887199, 0.8408192, 0.0, 8.41545, 0.3335146],
    "2048": [0.3208374, 4.537139, 2.044639, 5.93856, 10.11014],
    "logits_unbiased": [2.894894, 4.589423, 2.43575, 1.733123, -6.404656],
    "logits": [3.073724, 4.249091, 2.591107, 1.441281, -6.425249],
}


@pytest.mark.parametrize("tap", fid_inception.TAPS)
def test_features_are_the_stored_ones_of_the_peer(inception, tap):
    found = inception.taps(images((40, 64)), [tap])[0]
    assert found.shape == (2, fid_inception.TAPS[tap]) and found.dtype == np.float64
    np.testing.assert_allclose(found[0, :5], STORED[tap], atol=1e-4 * np.abs(found).mean())


@pytest.fixture(scope="module")
def peer():
    """torch-fidelity's network with the same weights."""
    module = peers.torch_fidelity("feature_extractor_inceptionv3")
    import torch

    tensors = {name: torch.from_numpy(value) for name, value in random_state().items()}
    network = module.FeatureExtractorInceptionV3
    load = network.load_state_dict
    module.load_state_dict_from_url = lambda *arguments, **options: {}
    network.load_state_dict = lambda self, none: load(self, tensors, strict=False)
    try:
        return network("peer", list(fid_inception.TAPS))
    finally:
        network.load_state_dict = load


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_those_of_torch_fidelity(inception, peer, shape):
    import torch

    batch = images(shape)
    expected = [value.numpy() for value in peer(torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()))]
    for name, theirs, ours in zip(fid_inception.TAPS, expected, inception.taps(batch, fid_inception.TAPS), strict=True):
        assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).mean(), name


@pytest.mark.one_backend  # batches and channels are NumPy's business
def test_batches_and_gray_images_never_matter(inception, monkeypatch):
    batch = images((32, 32), 3)
    batch[2] = batch[2, ..., :1]  # gray
    expected = inception(batch)
    monkeypatch.setattr(inception, "batch_size", 2)
    np.testing.assert_allclose(inception(batch), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(inception(batch[2:, ..., :1]), expected[2:], rtol=1e-4, atol=1e-6)


@pytest.mark.one_backend
def test_resizing_has_its_check_values():
    def one(values, target, **options):
        return fid_inception.bilinear(len(values), target, **options) @ np.array(values, np.float32)

    np.testing.assert_allclose(one([10, 20, 40], 5), [10, 16, 24, 36, 40], rtol=1e-6)
    np.testing.assert_allclose(one([10, 20, 40], 5, half_pixel=True), [10, 14, 20, 32, 40], rtol=1e-6)
    np.testing.assert_allclose(one([0, 1], 4), [0, 0.5, 1, 1])
    np.testing.assert_allclose(one([0, 1], 4, half_pixel=True), [0, 0.25, 0.75, 1])


@pytest.mark.one_backend
@pytest.mark.parametrize("how", fid_inception.RESIZERS)
def test_resized_images_have_the_range_of_the_network(how):
    white = np.full((1, 20, 30, 3), 255, np.uint8)
    found = fid_inception.resized(white, how)
    assert found.shape == (1, 299, 299, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, 1.0 if how == "torch" else 127 / 128, rtol=1e-6)
    np.testing.assert_allclose(fid_inception.resized(0 * white, how), -1.0, rtol=1e-6)


@pytest.mark.parametrize("container", ["zip", "pickles"])
def test_both_containers_of_pytorch_are_read(tmp_path, container):
    torch = pytest.importorskip("torch", reason="writes the file with PyTorch")
    base = torch.arange(24.0)
    tensors = collections.OrderedDict(
        plain=base.reshape(4, 6),
        part=base[6:18].reshape(3, 4).T,
        half=torch.ones(3, dtype=torch.float16),
        count=torch.tensor(7),
    )
    path = tmp_path / "x.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=container == "zip")
    found = state_dict.read(path)
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value.numpy())
        assert found[name].dtype == value.numpy().dtype


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/keras_gans_was_here",)


@pytest.mark.one_backend
def test_a_hostile_file_runs_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"weight": Hostile()}))
    with pytest.raises(ValueError, match="x.pth is no state dict of PyTorch, or damaged: it holds posix.system"):
        state_dict.read(tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match="it holds posix.system"):
        state_dict.read(tmp_path / "y.pth")
    assert not os.path.exists("/tmp/keras_gans_was_here")


@pytest.mark.one_backend
def test_other_files_are_refused_by_name(tmp_path, weights):
    with pytest.raises(FileNotFoundError, match="There is no weights file .*none.pth"):
        FIDInception(tmp_path / "none.pth")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    with pytest.raises(
        ValueError, match=f"random.npz is not the public one: its SHA-256 is {digest}, expected 6726825d"
    ):
        FIDInception(weights)
    (tmp_path / "cut.npz").write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cut.npz is no state dict of PyTorch, or damaged"):
        FIDInception(tmp_path / "cut.npz", sha256=None)
    with pytest.raises(ValueError, match="`resize` must be one of 'tf1', 'clean', 'torch'. Did you mean 'clean'"):
        FIDInception(weights, resize="cleen", sha256=None)


@pytest.mark.one_backend
def test_every_tensor_must_fit():
    model, good = fid_inception.network(), random_state()
    cases = {
        "lacks 1 tensors, fc.bias first": lambda tensors: tensors.pop("fc.bias"),
        "has 1 others, extra first": lambda tensors: tensors.update(extra=np.zeros(2)),
        r"fc.bias must have shape \(1008,\). It has \(7,\)": lambda tensors: tensors.update({"fc.bias": np.zeros(7)}),
        "fc.bias holds values that are not finite": lambda tensors: tensors.update({"fc.bias": np.full(1008, np.nan)}),
    }
    for words, change in cases.items():
        tensors = dict(good)
        change(tensors)
        with pytest.raises(ValueError, match=words):
            fid_inception.load(model, tensors, "w.pth")


@pytest.mark.one_backend
def test_images_must_be_uint8(inception):
    with pytest.raises(ValueError, match=r"`images` must be uint8 .* Received: float64 \(2, 32, 32, 3\)"):
        inception(np.zeros((2, 32, 32, 3)))
