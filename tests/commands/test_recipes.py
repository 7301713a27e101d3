import dataclasses

import keras
import pytest

import keras_gans as kg
from keras_gans import networks, recipes
from keras_gans.recipes import Recipe, building

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize("name", recipes.list_recipes())
def test_every_recipe_of_the_package_names_things_that_exist(name):
    recipe = recipes.find(f"recipe:{name}")
    assert recipe.variant in kg.list_models() and recipe.network in networks.NETWORKS
    assert recipe.data in kg.data.list_datasets() and recipe.description


def test_command_line_options_win_and_knobs_are_merged(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("variant: gan\nknobs: {loss: hinge, critic_steps: 2}\nlearning_rate: 1e-4\nepochs: 3\n")
    options = {"epochs": 7, "seed": None, "knobs": {"critic_steps": 5}, "network_options": {"width": 8}}
    recipe = recipes.find(str(path)).replaced(**options)
    assert recipe == Recipe(
        "gan",
        knobs={"loss": "hinge", "critic_steps": 5},
        learning_rate=0.0001,
        epochs=7,
        network_options={"width": 8},
    )
    assert recipes.from_mapping(recipe.to_dict(), "x") == recipe
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("variant: gan\nepoch: 3", "unknown key `epoch`. Did you mean 'epochs'?"),
        ("data: digits", "lacks the key `variant`"),
        ("variant: gan\nepochs: ten", "`epochs` must be an integer. It is 'ten' (str)."),
        ("variant: gan\nepochs: 0", "`epochs` must be a positive integer"),
        ("variant: gan\nepochs: true", "`epochs` must be an integer. It is True (bool)."),
        ("variant: gan\nconditional: 1", "`conditional` must be true or false"),
        ("variant: gan\nknobs: [1]", "`knobs` must be a mapping"),
        ("variant: gan\nimage_size: [32]", "`image_size` must be an integer or [height, width]"),
        ("variant: gan\nprecision: float23", "Did you mean 'float32'?"),
        ("variant: gan\naverage: 1", "`average` must be a number at least 0 and less than 1"),
        ("variant: gan\ndata:", "`data` must be text. It is empty."),
        ("- gan", "must be a mapping of keys to values"),
        ("", "must be a mapping of keys to values. It is empty."),
        ("variant: [gan", "is not valid YAML (line"),
        ("variant: !!python/object:os.system x", "is not valid YAML"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_with_file_and_key(refused, tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    for arguments in (["info", path], ["train", path, "--out", tmp_path / "run"]):
        sentence = refused(*arguments)
        assert str(path) in sentence and words in sentence


def test_a_missing_recipe_file_is_named(refused, tmp_path):
    assert "There is no recipe file" in refused("train", tmp_path / "no.yaml", "--out", tmp_path / "run", code=1)


def test_optimizers_of_a_recipe_reach_their_players():
    recipe = Recipe(
        "gan",
        network="mlp",
        network_options={"width": 4, "depth": 1},
        latent_dim=4,
        optimizers={"generator": {"class_name": "SGD", "config": {"learning_rate": 0.5}}},
    )
    model, average = building.build(recipe, (8, 8, 1), 0)
    assert type(model.optimizer.of("generator")).__name__ == "SGD"
    assert float(model.optimizer.of("generator").learning_rate) == 0.5
    assert type(model.optimizer.of("discriminator")).__name__ == "Adam"
    assert average.average.decay == 0.999


def test_the_precision_of_a_recipe_is_that_of_the_model_alone():
    recipe = Recipe("gan", network="mlp", network_options={"width": 4, "depth": 1}, latent_dim=4)
    model, _ = building.build(recipe.replaced(precision="mixed_bfloat16"), (8, 8, 1), 0)
    assert model.dtype_policy.name == model.generator.layers[1].dtype_policy.name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("optimizers", "words"),
    [
        ({"generater": {"class_name": "Adam"}}, "Did you mean 'generator'?"),
        ({"generator": {"class_name": "RMSprob"}}, "Did you mean 'rmsprop'?"),
        ({"generator": "Adam"}, "class_name"),
        ({"generator": {"class_name": "Adam", "config": {"beta": 1}}}, "Adam refuses its config for the generator"),
    ],
)
def test_a_mistake_in_the_optimizers_is_named(optimizers, words):
    recipe = Recipe("gan", network="mlp", network_options={"width": 4}, latent_dim=4, optimizers=optimizers)
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        building.build(recipe, (8, 8, 1), 0)


def test_a_recipe_file_trains(command, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "variant: rsgan\ndata: digits\nimage_size: 8\nnetwork: mlp\nnetwork_options: {width: 4, depth: 1}\n"
        "latent_dim: 4\nlimit: 16\nepochs: 1\n"
    )
    answer = command("train", path, "--out", tmp_path / "run", "--samples", 0)
    assert answer.code == 0, answer.err
    answer = command("info", tmp_path / "run")
    assert "rsgan on digits, 1 of 1 epochs done" in answer.out and "generator_loss" in answer.out


SMALL = {"network": "mlp", "network_options": {"width": 4, "depth": 1}, "latent_dim": 2}


def built(**keys):
    return building.build(recipes.from_mapping({"variant": "gan", **SMALL, **keys}, "r.yaml"), (8, 8, 1), 0)


def test_penalties_augmentations_and_schedules_are_made_from_their_mappings():
    knobs = {"penalties": [{"R1": {"weight": 2}}], "augmentation": {"DiffAugment": {"policy": "color"}}}
    rate = {"CosineBurnIn": {"start": 1e-3, "end": 1e-4, "steps": 10}}
    beta_2 = {"CosineBurnIn": {"start": 0.5, "end": 0.9, "steps": 10}}
    optimizers = {"generator": {"class_name": "ScheduledAdam", "config": {"beta_2": beta_2}}}
    model, average = built(
        knobs=knobs, learning_rate=rate, optimizers=optimizers, average={"half_life": {"CosineBurnIn": {**FROM_0_TO_9}}}
    )
    assert repr(model.penalties) == "(R1(weight=2.0),)" and type(model.augmentation).__name__ == "DiffAugment"
    assert [float(o.learning_rate) for o in model.optimizer.optimizers] == pytest.approx([1e-3, 1e-3])
    assert float(model.optimizer.of("generator").beta_2) == pytest.approx(0.5)
    assert repr(average.average.half_life) == "CosineBurnIn(0, 9, steps=3)"


FROM_0_TO_9 = {"start": 0, "end": 9, "steps": 3}


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"knobs": {"penalties": [{"R3": {}}]}}, "`penalties` must be one of .*'R1'"),
        ({"knobs": {"penalties": [{"R1": {"weight": -1}}]}}, "`penalties`: R1 refuses .*at least 0"),
        ({"knobs": {"penalties": [{"R1": {"wait": 1}}]}}, "`penalties`: R1 refuses .*wait"),
        ({"average": {"halflife": 3}}, "no argument `halflife`. Did you mean 'half_life'"),
        ({"average": "often"}, "`average` must be a number or a mapping"),
    ],
)
def test_objects_that_do_not_exist_are_refused_with_words(keys, words):
    with pytest.raises((ValueError, TypeError), match=words):
        built(**keys)


LAUGHS = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    "text",
    [
        f"a: &a [{', '.join('x' * 9)}]\n{LAUGHS}variant: gan\ndescription: *i\n",
        f"a: &a [{', '.join('x' * 9)}]\n{LAUGHS}<<: *i\nvariant: gan\n",
        "variant: gan\nknobs: &a {b: *a}\n",
        "variant: " + "[" * 20_000,
        "variant: gan\nepochs: " + "9" * 5000,
        "variant: gan\nseed: 2020-13-45\n",
        "variant: gan\nseed: !!int ''\n",
        "variant: gan\ndescription: " + "x" * 2**20,
    ],
)
def test_a_crafted_recipe_is_refused_at_once(refused, tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    sentence = refused("info", tmp_path / "x.yaml")
    assert "x.yaml is not valid YAML" in sentence and len(sentence) < 1000


def test_a_terminal_sees_no_control_characters_of_a_recipe(command, refused, tmp_path):
    (tmp_path / "x.yaml").write_text('variant: gan\ndescription: "\\e]0;owned\\a \\u202e \\ud800"\n')
    answer = command("info", tmp_path / "x.yaml")
    assert answer.code == 0 and r"\x1b]0;owned\x07 \u202e" in answer.out and "\x1b" not in answer.out
    (tmp_path / "x.yaml").write_text('variant: gan\n"a\\e]0;owned": 1\n')
    assert "\x1b" not in refused("info", tmp_path / "x.yaml")
