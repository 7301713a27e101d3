import json

import numpy as np
import pytest
from PIL import Image

from keras_gans import pictures
from tests.commands.conftest import train_arguments

pytestmark = pytest.mark.one_backend


def size(path):
    with Image.open(path) as picture:
        return picture.size


def test_generate_writes_a_sheet_and_an_array(command, run_folder, tmp_path):
    sheet, array = tmp_path / "new" / "sheet.png", tmp_path / "images.npz"
    answer = command("generate", run_folder, "--out", sheet, "--count", 6, "--columns", 3, "--scale", 2, "--npz", array)
    assert answer.code == 0 and not answer.err and str(sheet) in answer.out
    assert size(sheet) == (3 * 18 + 2, 2 * 18 + 2)
    assert np.load(array)["images"].shape == (6, 8, 8, 1)


def test_generate_is_fixed_by_its_seed_and_uses_the_average(command, run_folder, tmp_path):
    def draw(*options):
        path = tmp_path / "images.npz"
        options = ("--count", 4, "--npz", path, "--out", tmp_path / "sheet.png", *options)
        assert command("generate", run_folder / "model.keras", *options).code == 0
        return np.load(path)["images"]

    images = draw()
    np.testing.assert_array_equal(draw("--average"), images)
    assert not np.array_equal(draw("--no-average"), images)
    assert not np.array_equal(draw("--seed", 1), images)


def test_reconstruct_shows_pairs_and_compares_with_the_mean_image(command, run_folder, tmp_path):
    sheet = tmp_path / "sheet.png"
    answer = command("reconstruct", run_folder, "--data", "digits", "--out", sheet, "--count", 6, "--truncation", 0.9)
    assert answer.code == 0 and "Mean squared error per pixel" in answer.out and "mean image" in answer.out
    assert size(sheet) == (4 * (17 + 6) + 6, 2 * (8 + 6) + 6)


@pytest.mark.parametrize("ends", [["--data", "digits"], [], ["--renormalize"]])
def test_interpolate_draws_lines(command, run_folder, tmp_path, ends):
    sheet = tmp_path / "strip.png"
    answer = command("interpolate", run_folder, "--out", sheet, "--pairs", 3, "--steps", 5, "--gif", *ends)
    assert answer.code == 0, answer.err
    steps = 5 + 2 * ("--data" in ends)
    assert size(sheet) == (steps * 10 + 2, 3 * 10 + 2)
    with Image.open(tmp_path / "strip.gif") as animation:
        assert animation.size == (3 * 10 + 2, 10 + 2)


def test_generate_writes_single_files_into_a_folder(command, run_folder, tmp_path):
    folder, array = tmp_path / "images", tmp_path / "images.npz"
    answer = command("generate", run_folder, "--out", f"{folder}/", "--count", 3, "--scale", 2, "--npz", array)
    assert answer.code == 0 and f"Wrote 3 images to the folder {folder}/, drawn with the moving" in answer.out
    assert sorted(path.name for path in folder.iterdir()) == ["00001.png", "00002.png", "00003.png"]
    with Image.open(folder / "00002.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (16, 16)
    np.testing.assert_array_equal(pixels[::2, ::2], np.load(array)["images"][1, :, :, 0])


def test_encode_writes_encodings_and_labels(command, run_folder, tmp_path):
    path = tmp_path / "codes.npz"
    answer = command("encode", run_folder, "--data", "digits", "--out", path)
    assert answer.code == 0 and "297 x 8" in answer.out
    arrays = np.load(path)
    assert arrays["encodings"].shape == (297, 8) and arrays["encodings"].dtype == "float32"
    assert arrays["labels"].shape == (297,)
    np.testing.assert_allclose(arrays["encodings"].std(axis=1), 1, rtol=1e-2)


def test_encode_writes_the_names_of_the_files_beside_the_rows(command, run_folder, tmp_path):
    for i, name in enumerate(("a b/1.png", "a b/2.png", "\u00e9t\u00e9/3.png")):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 40 * i, "uint8")).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "a b" / "broken.png").write_bytes(b"no picture")
    for suffix in ("npz", "csv"):
        path = tmp_path / f"codes.{suffix}"
        assert command("encode", run_folder, "--data", tmp_path / "photos", "--out", path).code == 0
    found = np.load(tmp_path / "codes.npz")
    assert found["names"].tolist() == ["a b/1.png", "a b/2.png", "\u00e9t\u00e9/3.png"]
    assert found["encodings"].shape == (3, 8) and found["labels"].tolist() == [0, 0, 1]
    assert found["class_names"].tolist() == ["a b", "\u00e9t\u00e9"]
    header, *lines = (tmp_path / "codes.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("label,name,encoding_0,")
    assert [line.split(",")[1] for line in lines] == found["names"].tolist()
    np.testing.assert_allclose([float(x) for x in lines[1].split(",")[2:]], found["encodings"][1], rtol=1e-6)


def test_a_conditional_encoder_uses_the_labels_of_the_data(command, tmp_path):
    folder = tmp_path / "run"
    assert command(*train_arguments(folder, "o_gan", 1, "--conditional")).code == 0
    for name, suffix in (("reconstruct", "png"), ("interpolate", "png"), ("encode", "npz")):
        answer = command(name, folder, "--data", "digits", "--out", tmp_path / f"out.{suffix}")
        assert answer.code == 0, answer.err
    array = ("--npz", tmp_path / "a.npz", "--out", tmp_path / "a.png")
    assert command("generate", folder, "--labels", "0,1", "--count", 4, *array).code == 0
    assert np.load(tmp_path / "a.npz")["labels"].tolist() == [0, 1, 0, 1]


@pytest.fixture(scope="module")
def plain_gan(tmp_path_factory):
    import keras_gans as kg

    path = tmp_path_factory.mktemp("gan") / "gan.keras"
    kg.create("gan", (8, 8, 1), latent_dim=4, network="mlp", network_options={"width": 4, "depth": 1}).save(path)
    return path


def test_a_model_without_encoder_is_refused_where_one_is_needed(refused, plain_gan, tmp_path):
    for name, suffix in (("reconstruct", "png"), ("encode", "npz"), ("interpolate", "png")):
        sentence = refused(name, plain_gan, "--data", "digits", "--out", tmp_path / f"out.{suffix}")
        assert "o_gan" in sentence and "The model is a GAN" in sentence
    assert "no moving average" in refused("generate", plain_gan, "--average", "--out", tmp_path / "out.png")
    assert "unconditional" in refused("generate", plain_gan, "--labels", "3", "--out", tmp_path / "out.png")
    assert "commas" in refused("generate", plain_gan, "--labels", "x", "--out", tmp_path / "out.png")


def test_files_that_are_no_models_are_named(refused, run_folder, tmp_path):
    import keras

    whole = (run_folder / "model.keras").read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 255
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    for name, content, words in (
        ("cut.keras", whole[:-1000], "cut short"),
        ("text.keras", b"not a model", "cut short, or no .keras file"),
        ("empty.keras", b"", "cut short"),
        ("flipped.keras", bytes(broken), "flipped.keras"),
        ("other.keras", None, "holds a Sequential"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        sentence = refused("generate", tmp_path / name, "--out", tmp_path / "sheet.png")
        assert str(tmp_path / name) in sentence and words in sentence
    missing = tmp_path / "missing.keras"
    assert f"no model file or run folder {missing}" in refused("generate", missing, "--out", tmp_path / "s.png", code=1)
    assert "it has no config.json" in refused("generate", tmp_path, "--out", tmp_path / "sheet.png", code=1)


def test_output_files_are_checked_first(refused, run_folder, tmp_path):
    (tmp_path / "file").write_text("")
    for arguments in (
        ["generate", run_folder],
        ["interpolate", run_folder],
        ["reconstruct", run_folder, "--data", "digits"],
    ):
        assert "must be the name of a .png file" in refused(*arguments, "--out", tmp_path / "sheet.jpg")
        assert "can be written" in refused(*arguments, "--out", tmp_path / "file" / "sheet.png")
    sentence = refused("encode", run_folder, "--data", "digits", "--out", "codes.txt")
    assert "must be the name of a .npz or .csv file" in sentence
    assert "--count" in refused("generate", run_folder, "--count", 0, "--out", tmp_path / "sheet.png")
    assert "--steps" in refused("interpolate", run_folder, "--steps", 1, "--out", tmp_path / "sheet.png")
    assert "--truncation" in refused("reconstruct", run_folder, "--data", "digits", "--truncation", 0)
    assert "Did you mean 'digits'" in refused("encode", run_folder, "--data", "digit", "--out", tmp_path / "a.npz")


def test_side_by_side_keeps_every_pixel():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 255, (2, 3, 4, 4, 1), dtype="uint8")
    sheet = pictures.side_by_side(first, second, pairs_per_row=2, gap=6)
    assert sheet.shape == (2 * 10 + 6, 2 * 15 + 6, 1)
    np.testing.assert_array_equal(sheet[6:10, 6:10], first[0])
    np.testing.assert_array_equal(sheet[6:10, 11:15], second[0])
    np.testing.assert_array_equal(sheet[16:20, 11:15], second[2])


def test_demo_writes_pictures_and_a_report(command, tmp_path):
    folder = tmp_path / "demo"
    arguments = ["demo", "--out", folder, "--epochs", 1, "--width", 4, "--limit", 64]
    answer = command(*arguments)
    assert answer.code == 0, answer.err
    for name in ("samples.png", "reconstructions.png", "interpolation.png", "training.gif", "model.keras"):
        assert (folder / name).stat().st_size > 0 and (name == "model.keras" or str(folder / name) in answer.out)
    report = json.loads((folder / "report.json").read_text())
    assert report["images_measured"] == 297 and report["epochs"] == 1
    assert -1 <= report["latent_correlation"] <= 1
    assert 0 < report["mean_image_error"] < report["reconstruction_error"] < 4
    assert "Latent correlation" in answer.out and "held-out" in answer.out
    again = command(*arguments)
    assert again.code == 0 and "is finished" in again.out
    assert json.loads((folder / "report.json").read_text()) == report
