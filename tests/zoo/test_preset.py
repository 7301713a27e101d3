"""A preset is what was saved, or an error that names the file; nothing half-believed is loaded."""

import json
import os
import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_gans as kg
from keras_gans.zoo import PresetError
from keras_gans.zoo import preset as presets
from tests.laws import small

pytestmark = pytest.mark.one_backend


def declare(folder):
    """Makes metadata.json fit the files, as somebody who tampers with them would."""
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["files"] = {name: presets._facts(folder / name) for name in presets.CHECKED}
    path.write_text(json.dumps(metadata))


def edit(folder, name, change):
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


@pytest.mark.all_backends
@pytest.mark.parametrize("name", ["gan", "o_gan", "ign", "cascading_rejection_gan", "wgan_gp", "r3gan"])
def test_what_was_saved_comes_back(name, tmp_path):
    model = small.build(name)
    model.save_to_preset(tmp_path / "p")
    again = kg.from_preset(tmp_path / "p")
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.generate(4, seed=0), model.generate(4, seed=0))
    assert sorted(os.listdir(tmp_path / "p")) == sorted(presets.FILES)
    assert os.listdir(tmp_path) == ["p"]


@pytest.mark.all_backends
def test_the_spectrum_of_an_ign_comes_back(tmp_path):
    model = small.build("ign", noise="spectrum")
    model.adapt(small.data(16)[0])
    kg.callbacks.WeightMovingAverage(0.9).set_model(model)
    model.save_to_preset(tmp_path / "p", precision="float16")
    again = kg.from_preset(tmp_path / "p")
    np.testing.assert_array_equal(again.latents_for(4, seed=0), model.latents_for(4, seed=0))
    assert int(again.adapted.value) == 1  # `fit` does not measure another
    with h5py.File(tmp_path / "p" / "model.weights.h5") as file:
        assert set(file) == {"network", "state"} and len(file["state"]) == 2


@pytest.mark.all_backends
def test_a_conditional_model_keeps_its_classes(tmp_path):
    model = small.build("gan", num_classes=small.CLASSES)
    model.save_to_preset(tmp_path / "p")
    again = kg.GAN.from_preset(tmp_path / "p")
    labels = [0, 1, 0, 1]
    np.testing.assert_array_equal(again.generate(4, labels, seed=0), model.generate(4, labels, seed=0))
    again.compile()
    images, labels = small.data(8)
    again.fit(images, labels % small.CLASSES, batch_size=4, verbose=0)  # it can be trained on


@pytest.mark.all_backends
def test_the_averaged_weights_are_what_is_saved(tmp_path):
    model = small.build("gan")
    average = kg.callbacks.WeightMovingAverage(0.9)
    model.fit(small.data(16)[0], batch_size=4, callbacks=[average], verbose=0)
    raw = model.generate(4, seed=0)
    with average.applied(model):
        averaged = model.generate(4, seed=0)
    model.save_to_preset(tmp_path / "p")
    np.testing.assert_array_equal(model.generate(4, seed=0), raw)
    again = kg.from_preset(tmp_path / "p")
    np.testing.assert_array_equal(again.generate(4, seed=0), averaged)
    assert not again.averages


@pytest.mark.all_backends
def test_half_precision_halves_the_size_and_hardly_changes_the_images(tmp_path):
    model = small.build("o_gan")
    for precision in presets.PRECISIONS:
        model.save_to_preset(tmp_path / precision, precision=precision)
    values = [
        h5py.File(tmp_path / precision / "model.weights.h5")["generator/0"][()] for precision in presets.PRECISIONS
    ]
    assert values[1].nbytes * 2 == values[0].nbytes
    images = [kg.from_preset(tmp_path / precision).generate(8, seed=0).astype(int) for precision in presets.PRECISIONS]
    assert np.abs(images[0] - images[1]).max() <= 2


def test_metadata_and_card_tell_what_is_known(original):
    metadata = kg.zoo.metadata(original)
    assert metadata["class"] == "OGAN" and metadata["seed"] == 3 and metadata["scores"] == {"frechet_distance": 1.5}
    assert metadata["versions"]["keras"] == keras.__version__ and metadata["image_shape"] == list(small.SHAPE)
    card = (original / "README.md").read_text()
    assert "# small" in card and 'kg.from_preset("small")' in card and "| frechet_distance | 1.5 |" in card


def test_nothing_is_overwritten_unless_asked(preset, tmp_path):
    model = small.build("gan")
    with pytest.raises(FileExistsError, match="small exists. Give overwrite=True"):
        model.save_to_preset(preset)
    model.save_to_preset(preset, overwrite=True)
    assert isinstance(kg.from_preset(preset), kg.GAN) and os.listdir(tmp_path) == ["small"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError):
        model.save_to_preset(tmp_path / "mine", overwrite=True)
    with pytest.raises(TypeError, match="`about` must hold what JSON can hold"):
        model.save_to_preset(tmp_path / "new", {"data": np.zeros(2)})
    assert sorted(os.listdir(tmp_path)) == ["mine", "small"]


def test_a_model_with_nan_is_no_preset(tmp_path):
    model = small.build("gan")
    model.generator.weights[0].assign(np.nan * np.ones(model.generator.weights[0].shape))
    with pytest.raises(ValueError, match="Weight 0 of the generator is not finite"):
        model.save_to_preset(tmp_path / "p")
    assert os.listdir(tmp_path) == []


def test_a_class_of_its_own_refuses_another(original):
    assert isinstance(kg.OGAN.from_preset(original), kg.OGAN)
    with pytest.raises(PresetError, match="small holds a OGAN, not a WGANGP"):
        kg.WGANGP.from_preset(original)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped bit": (lambda p: flip(p / "model.weights.h5"), "model.weights.h5 is damaged or tampered with: SHA-256"),
    "cut": (
        lambda p: (p / "model.weights.h5").write_bytes((p / "model.weights.h5").read_bytes()[:-10]),
        "model.weights.h5 is cut short or another one",
    ),
    "missing": (lambda p: (p / "config.json").unlink(), "lacks the file .*config.json"),
    "config changed": (lambda p: edit(p, "config.json", lambda c: c.update(x=1)), "config.json is cut short"),
    "no metadata": (lambda p: (p / "metadata.json").unlink(), "is no preset: it has no metadata.json"),
    "no JSON": (lambda p: (p / "metadata.json").write_text("{"), "metadata.json is damaged: it is no JSON"),
    "newer": (
        lambda p: edit(p, "metadata.json", lambda m: m.update(format=9, versions={"keras_gans": "7.0"})),
        r"written by a newer keras_gans \(7.0, format 9\)",
    ),
    "older": (lambda p: edit(p, "metadata.json", lambda m: m.update(format=0)), "has format 0, which is not known"),
    "no digest": (
        lambda p: edit(p, "metadata.json", lambda m: m["files"]["config.json"].pop("sha256")),
        "does not declare size and SHA-256 of config.json",
    ),
    "absurd size": (
        lambda p: edit(p, "metadata.json", lambda m: m["files"]["model.weights.h5"].update(bytes=10**15)),
        "declares 1,000,000,000,000,000 bytes for model.weights.h5",
    ),
    "huge metadata": (
        lambda p: (p / "metadata.json").write_text(" " * (2**20 + 1)),
        "metadata.json is too large",
    ),
    "no class": (lambda p: edit(p, "metadata.json", lambda m: m.pop("class")), r"must have `class` \(str\)"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_preset_is_refused_by_the_name_of_its_file(preset, name):
    damage, words = DAMAGES[name]
    damage(preset)
    with pytest.raises(PresetError, match=words):
        kg.from_preset(preset)


def set_weight(folder, change):
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        change(file)


def spoil(name, value):
    def change(file):
        file[name][...] = value

    return lambda p: set_weight(p, change)


def replace_with(shape, **options):
    def change(file):
        del file["generator/0"]
        file.create_dataset("generator/0", shape, "float32", **options)

    return lambda p: set_weight(p, change)


def in_config(change):
    return lambda p: edit(p, "config.json", change)


def hostile_layer(config):
    config["config"]["generator"] = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"function": {"class_name": "__lambda__", "config": {"value": "x"}}},
    }


TAMPERED = {
    "NaN": (spoil("generator/0", np.nan), "generator/0 holds values that are not finite numbers. Nothing was loaded"),
    "another shape": (replace_with((3, 3)), r"generator/0 must be a plain array of shape .* It has \(3, 3\)"),
    "bomb": (replace_with((10**6, 10**4), chunks=(1000, 1000), compression="gzip"), "must be a plain array of shape"),
    "one missing": (
        lambda p: set_weight(p, lambda f: f.__delitem__("generator/0")),
        "generator/0 is missing or too many",
    ),
    "one more": (lambda p: set_weight(p, lambda f: f.create_dataset("x", (1,), "f4")), "x is missing or too many"),
    "no HDF5": (lambda p: (p / "model.weights.h5").write_text("x"), "model.weights.h5 cannot be read"),
    "foreign class": (
        in_config(lambda c: c.update(module="os", class_name="system")),
        "asks for os.system, which no preset may hold. Nothing was loaded",
    ),
    "look-alike": (in_config(lambda c: c.update(module="keras_evil.x")), "asks for keras_evil.x.OGAN"),
    "lambda": (in_config(hostile_layer), "asks for keras.layers.Lambda"),
    "absurd layer": (
        in_config(lambda c: c["config"].update(latent_dim=10**12)),
        "`latent_dim` = 1,000,000,000,000, which is absurd",
    ),
    "unknown class": (
        in_config(lambda c: c.update(class_name="XGAN", registered_name="keras_gans>XGAN")),
        "Keras says",
    ),
    "no config": (lambda p: (p / "config.json").write_text("[1]"), "config.json"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_preset_with_right_digests_and_wrong_contents_is_refused(preset, name):
    damage, words = TAMPERED[name]
    damage(preset)
    declare(preset)
    with pytest.raises(PresetError, match=words):
        kg.from_preset(preset)


def archive(folder, path, extra=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in presets.FILES:
            file.write(folder / name, name)
        for name, content in extra:
            file.writestr(name, content)
    return path


def test_an_archive_is_a_preset(original, tmp_path, cache):
    model = kg.from_preset(archive(original, tmp_path / "p.zip"))
    np.testing.assert_array_equal(model.generate(4, seed=0), kg.from_preset(original).generate(4, seed=0))


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("../evil.txt", "x", "holds '../evil.txt', which is no file of a preset. Nothing was unpacked"),
        ("/tmp/evil.txt", "x", "holds '/tmp/evil.txt'"),
        ("model.py", "x", "holds 'model.py'"),
        ("a/metadata.json", "{}", "holds 'a/metadata.json'"),
    ],
)
def test_a_hostile_archive_unpacks_nothing(original, tmp_path, cache, name, content, words):
    with pytest.raises(PresetError, match=words):
        kg.from_preset(archive(original, tmp_path / "p.zip", [(name, content)]))
    assert not (tmp_path / "evil.txt").exists() and not os.listdir(cache)


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("README.md", b"\0" * 2**23)
    with pytest.raises(PresetError, match="README.md of 8,388,608 bytes, which is absurd"):
        kg.from_preset(tmp_path / "p.zip")
    (tmp_path / "q.zip").write_bytes((tmp_path / "p.zip").read_bytes()[:-30])
    with pytest.raises(PresetError, match="q.zip is damaged"):
        kg.from_preset(tmp_path / "q.zip")


def test_an_unknown_name_gets_the_list(monkeypatch):
    monkeypatch.delenv("KERAS_GANS_HUB", raising=False)
    monkeypatch.setattr(kg.zoo, "list_presets", lambda: ["o_gan_digits", "wgan_gp_digits"])
    with pytest.raises(ValueError, match=r"\('o_gan_digits', 'wgan_gp_digits'\).*not set.*Did you mean 'o_gan_d"):
        kg.from_preset("o_gan_digit")
    with pytest.raises(TypeError, match="`name` must be the name, path or URL of a preset"):
        kg.from_preset(3)


@pytest.mark.all_backends
def test_a_preset_computes_in_float32_whatever_trained_it(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small.build("gan")
    finally:
        keras.config.set_dtype_policy("float32")
    model.save_to_preset(tmp_path / "p")
    again = kg.from_preset(tmp_path / "p")
    assert {layer.dtype_policy.name for layer in again.generator.layers} == {"float32"}
    assert np.abs(again.generate(8, seed=0).astype(int) - model.generate(8, seed=0)).mean() < 4


@pytest.mark.all_backends
def test_latents_are_the_same_on_every_backend():
    latents = small.build("gan").latents_for(2, seed=7)
    expected = np.random.default_rng(7).standard_normal(latents.shape, dtype=np.float32)
    np.testing.assert_array_equal(latents, expected)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        *((({key: 1500}), f"must not have '{key}', which the preset says itself") for key in presets.OWN),
        ({"scores": {"fid": "low"}}, "`scores` that map names to numbers"),
        ({"scores": [1.0]}, "`scores` that map names to numbers"),
        ({"scores": {"fid": float("nan")}}, "what JSON can hold"),
        ({"note": 5}, "a `note` of text. It has 5"),
        ("a note", "`about` must be a dict"),
    ],
)
def test_what_would_make_a_preset_unreadable_is_refused_before_the_old_one_goes(preset, about, words):
    before = {path.name: path.read_bytes() for path in preset.iterdir()}
    with pytest.raises((ValueError, TypeError), match=words):
        small.shared("o_gan").save_to_preset(preset, about=about, overwrite=True)
    assert {path.name: path.read_bytes() for path in preset.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": [1]}, "must have `scores`"),
        ({"scores": "low"}, "must have `scores`"),
        ({"note": 5}, "must have a `note`"),
        ({"parameters": {"generator": "many"}}, "must have `parameters`"),
    ],
)
def test_metadata_of_the_wrong_kind_are_named(preset, change, words):
    edit(preset, "metadata.json", lambda metadata: metadata.update(change))
    with pytest.raises(PresetError, match=f"metadata.json {words}"):
        kg.zoo.metadata(preset)
    edit(preset, "metadata.json", lambda metadata: metadata.update(scores=None, note=None, parameters={"generator": 1}))
    kg.zoo.metadata(preset)


def test_a_terminal_sees_no_control_characters_of_a_preset(preset):
    edit(preset, "metadata.json", lambda metadata: metadata["files"].update({"config.json": None}))
    moved = preset.rename(preset.parent / "a\x1b]0;owned\x07b")
    with pytest.raises(PresetError) as raised:
        kg.from_preset(moved)
    assert str(raised.value).isprintable() and "owned" in str(raised.value)
