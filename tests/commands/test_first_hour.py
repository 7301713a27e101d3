"""What a new user with a folder of pictures sees: a plan, the data, names of classes, and weights that are named."""

import json

import numpy as np
import pytest
from PIL import Image

import keras_gans as kg
from keras_gans.commands import options
from keras_gans.recipes import Recipe
from keras_gans.runs import drawing, loading, plan, settings
from keras_gans.runs.folder import Run

pytestmark = pytest.mark.one_backend

SMALL = "--image-size 8 --network mlp --width 8 --latent-dim 8 --batch-size 8 --samples 4".split()
SIZES = {"Ankle boot": 12, "Dress": 6, "H\u00fcte": 3}


@pytest.fixture(scope="module")
def clothes(tmp_path_factory):
    """Class folders of 12, 6 and 3 gray pictures, of a gray level that tells the class."""
    folder = tmp_path_factory.mktemp("clothes")
    for level, (name, count) in enumerate(SIZES.items()):
        (folder / name).mkdir()
        for i in range(count):
            pixels = np.full((8, 8), 80 * level, "uint8")
            pixels[:, i % 8] += 60
            Image.fromarray(pixels).save(folder / name / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def clothes_run(clothes, tmp_path_factory):
    """The run folder of a conditional model of the class folders."""
    from keras_gans import cli

    out = tmp_path_factory.mktemp("runs") / "clothes"
    arguments = ["train", "o_gan", "--data", str(clothes), "--out", str(out), "--conditional", "--steps", "5", *SMALL]
    assert cli.run(arguments) == 0
    return out


def test_a_run_says_what_it_plans_and_shows_the_data(command, clothes, tmp_path):
    out = tmp_path / "run"
    answer = command("train", "gan", "--data", clothes, "--out", out, "--steps", 5, *SMALL)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert "21 images of 8x8x1" in lines[0]
    assert "DiffAugment (color,translation)" in lines[1] and "--augment none" in lines[1] and "--flip" in lines[1]
    assert lines[2].startswith("Planned: 6 steps of 8 images, about 0:0")
    assert "presets of such data took 7,504 to 11,256 steps" in lines[3] and "--steps 7504" in lines[3]
    assert lines[4] == "Training for 2 epochs."
    assert "moving average of the weights (decay 0.999)" in lines[5] and str(out / "reals.png") in lines[5]
    config = json.loads((out / "config.json").read_text())
    assert config["recipe"]["epochs"] == 2 and config["recipe"]["steps"] is None
    assert config["recipe"]["average"] == {"warmup": 50, "decay": 0.999}
    with Image.open(out / "samples" / "epoch_0002.png") as picture:
        assert picture.text["Description"] == "epoch 2, moving average of the weights (decay 0.999)"
    with Image.open(out / "reals.png") as picture:
        pixels = np.asarray(picture)
    images = loading.load_data(str(clothes), "train", 8).images[drawing.sample(21, 4, seed=0)]
    np.testing.assert_array_equal(pixels[6:22, 6:22], np.kron(images[0, :, :, 0], np.ones((2, 2), "uint8")))

    answer = command("train", "gan", "--data", clothes, "--out", out, "--steps", 9, *SMALL)  # goes on, as it began
    assert answer.code == 0 and "Planned: 3 of 9 steps" in answer.out
    answer = command("train", "gan", "--data", clothes, "--out", out, "--steps", 9, "--augment", "none", *SMALL)
    assert answer.code == 2 and "knobs is {'augmentation': {'DiffAugment'" in answer.err


def test_class_names_go_from_the_folders_to_the_pictures(command, refused, clothes, clothes_run, tmp_path):
    config = json.loads((clothes_run / "config.json").read_text(encoding="utf-8"))
    assert config["class_names"] == list(SIZES) and config["num_classes"] == 3
    assert "3: Ankle boot, Dress, H\u00fcte" in command("info", clothes_run).out
    arrays = []
    for labels in ("Dress", "1"):
        arguments = ("--labels", labels, "--count", 2, "--npz", tmp_path / "x.npz", "--out", tmp_path / "x.png")
        answer = command("generate", clothes_run, *arguments)
        assert answer.code == 0 and "drawn with the moving average of the weights" in answer.out
        arrays.append(np.load(tmp_path / "x.npz")["images"])
    np.testing.assert_array_equal(*arrays)
    sentence = refused("generate", clothes_run, "--labels", "Drss", "--out", tmp_path / "x.png")
    assert "of Ankle boot, Dress, H\u00fcte" in sentence and "Did you mean 'Dress'?" in sentence

    model = kg.load(clothes_run)
    np.testing.assert_array_equal(model.generate(2, labels="Dress", seed=0), arrays[0])
    found = model.generate(2, labels=["H\u00fcte", "Dress"], seed=0)
    np.testing.assert_array_equal(found, model.generate(2, labels=[2, 1], seed=0))
    with pytest.raises(ValueError, match="Did you mean 'Dress'"):
        model.generate(2, labels="dres")
    model.averages[0].restore()
    model.save_to_preset(tmp_path / "preset")
    assert kg.from_preset(tmp_path / "preset").class_names == tuple(SIZES)
    assert json.loads((tmp_path / "preset" / "metadata.json").read_text())["class_names"] == list(SIZES)
    assert "Conditional on 3 classes: Ankle boot, Dress" in (tmp_path / "preset" / "README.md").read_text("utf-8")
    assert "Ankle boot, Dress" in command("info", tmp_path / "preset").out


def test_labels_of_other_data_are_matched_by_name(clothes, clothes_run, tmp_path):
    model = loading.load_model(clothes_run)
    (tmp_path / "Dress").mkdir()
    Image.open(clothes / "Dress" / "00.png").save(tmp_path / "Dress" / "x.png")
    assert loading.images_for(model, str(tmp_path))[1].tolist() == [1]  # the only class here, the second there
    (tmp_path / "Dres").mkdir()
    Image.open(clothes / "Dress" / "00.png").save(tmp_path / "Dres" / "x.png")
    with pytest.raises(ValueError, match=r"classes of the data are not those of the model.*Did you mean 'Dress'"):
        loading.images_for(model, str(tmp_path))


def recipe_of(clothes, **keys):
    return Recipe("gan", data=str(clothes), image_size=8, **keys)


def test_a_limit_draws_a_sample_of_all_classes(clothes):
    found = loading.training_data(recipe_of(clothes, conditional=True, limit=10))
    assert len(found.images) == 10 and set(found.labels.tolist()) == {0, 1, 2} and found.class_names == list(SIZES)
    again = loading.training_data(recipe_of(clothes, conditional=True, limit=10))
    np.testing.assert_array_equal(found.images, again.images)
    other = loading.training_data(recipe_of(clothes, conditional=True, limit=10, seed=1))
    assert not np.array_equal(found.images, other.images)
    first = loading.training_data(recipe_of(clothes, limit=10), first=True)  # as a run of version 0.1 began
    np.testing.assert_array_equal(first.images, loading.load_data(str(clothes), "train", 8).images[:10])


def test_balanced_data_show_every_class_equally_often(clothes, refused, tmp_path):
    found = loading.training_data(recipe_of(clothes, balanced=True, conditional=True))
    assert np.bincount(found.labels).tolist() == [12, 12, 12]
    assert len(np.unique(found.images[found.labels == 2], axis=0)) == 3  # all that there are
    found = loading.training_data(recipe_of(clothes, balanced=True, limit=9))
    assert len(found.images) == 9 and found.labels is None
    assert np.bincount(found.images.min(axis=(1, 2, 3)) // 80).tolist() == [3, 3, 3]
    with pytest.raises(ValueError, match="`limit` must be at least 3, an image of each class"):
        loading.training_data(recipe_of(clothes, balanced=True, limit=2))
    arguments = ("--data", clothes / "Dress", "--out", tmp_path / "run", "--balanced", *SMALL)
    assert "leave out --balanced" in refused("train", "gan", *arguments)


def test_flipped_data_hold_the_mirror_images_too(clothes):
    plain = loading.training_data(recipe_of(clothes, conditional=True))
    found = loading.training_data(recipe_of(clothes, conditional=True, flip=True))
    np.testing.assert_array_equal(found.images[:21], plain.images)
    np.testing.assert_array_equal(found.images[21:], plain.images[:, :, ::-1])
    assert found.labels.tolist() == 2 * plain.labels.tolist()


def test_images_beside_class_folders_matter_only_where_classes_do(clothes, tmp_path, recwarn):
    import shutil

    folder = shutil.copytree(clothes, tmp_path / "clothes")
    Image.new("L", (8, 8)).save(folder / "loose.png")
    assert len(loading.training_data(recipe_of(folder)).images) == 22 and not recwarn.list
    with pytest.warns(UserWarning, match="'loose.png'"), pytest.raises(ValueError, match="leave out --conditional"):
        loading.training_data(recipe_of(folder, conditional=True))


def test_augmentation_is_for_few_own_images(clothes):
    recipe = recipe_of(clothes)
    chosen = plan.augmented(recipe, 4999)
    assert chosen.knobs == {"augmentation": {"DiffAugment": {"policy": "color,translation"}}}
    assert plan.augmented(recipe, 5000) == recipe
    assert plan.augmented(Recipe("gan", data="digits"), 100).knobs == {}
    assert plan.augmented(recipe.replaced(variant="ign"), 100).knobs == {}  # takes none
    none = recipe.replaced(knobs={"augmentation": None})
    assert plan.augmented(none, 100) == none and "by heart" in plan.sentence_about_few(none, 100)
    assert plan.sentence_about_few(recipe, 5000) is None
    assert "--flip" not in plan.sentence_about_few(chosen.replaced(flip=True), 100)


def test_presets_of_such_data_are_those_of_the_set_or_of_the_channels():
    assert plan.presets_steps(Recipe("gan", data="digits"), (32, 32, 1)) == [1440]
    assert plan.presets_steps(Recipe("invertible_resnet", data="digits"), (8, 8, 1)) == [2400]  # steps of its own kind
    assert plan.presets_steps(Recipe("gan", data="folder:x"), (64, 64, 3))[0] == 15640
    assert plan.presets_steps(Recipe("gan", data="folder:x"), (64, 64, 1))[0] == 7504


def test_a_run_of_version_0_1_keeps_its_average_and_a_new_one_forgets_its_beginning(tmp_path):
    recipe = Recipe("gan", average={"half_life": 500}).with_warmup(settings.WARMUP)
    assert recipe.average == {"warmup": 50, "half_life": 500}
    assert Recipe("gan", average=0).with_warmup("fast").average == 0
    run = Run("tests/fixtures/version_0_1/run")
    assert run.recipe().average == {"warmup": "mean", "decay": 0.999}
    resumed = settings.resolved(Recipe("o_gan", data="digits"), run)
    assert resumed.average == {"warmup": "mean", "decay": 0.999}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--epochs", "2", "--steps", "3"), "Give `epochs` or `steps`, not both. Received: epochs=2 (int), steps=3"),
        (("--steps", "0"), "`steps` must be a positive integer"),
        (("--augment", "colour"), "`--augment` must be one of 'none', 'color'"),
    ],
)
def test_a_mistake_is_one_sentence(refused, tmp_path, arguments, words):
    assert words in refused("train", "gan", "--data", "digits", "--out", tmp_path / "run", *arguments)


def test_labels_are_names_or_integers():
    class Named:
        class_names = ("3", "Bags, shoes", "x")

    assert options.parse_labels("3,x", Named) == [0, 2]
    with pytest.raises(ValueError, match="must be names of classes, since some of these are numbers"):
        options.parse_labels("3,1", Named)  # of the class "3" and of the second class?
    assert options.parse_labels("Bags, shoes", Named) == [1] and options.parse_labels("x", Named) == [2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"class_names": ["a", "b"], "num_classes": 3}, "`class_names` must be 3 different names"),
        ({"class_names": ["a", "a"], "num_classes": 2}, "Received: 2 names, 1 of them different"),
        ({"class_names": [1, 2], "num_classes": 2}, "`class_names` must be a list of strings"),
        ({"class_names": ["a"]}, "`class_names` must be 0 different names"),
    ],
)
def test_names_that_do_not_fit_the_classes_are_refused(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        kg.create("gan", (8, 8, 1), 4, network="mlp", network_options={"width": 4, "depth": 1}, **options)
