"""`compile` takes its arguments by name, says which they are, and knows the names that other libraries use."""

import keras
import pytest

from tests.laws import small


def test_an_optimiser_without_a_name_is_refused_with_the_names():
    model = small.build("gan", compile=False)
    with pytest.raises(TypeError, match="by name: discriminator_optimizer=..., generator_optimizer=....*2 without"):
        model.compile("adam", keras.optimizers.Adam())
    assert not model.compiled
    with pytest.raises(TypeError, match="arguments by name: optimizer=.... Received: 1 .* a Adam"):
        small.build("ign", compile=False).compile(keras.optimizers.Adam())


@pytest.mark.parametrize("nickname", ["d", "disc", "dis", "critic"])
@pytest.mark.parametrize("ending", ["_optimizer", "_opt", ""])
def test_nicknames_of_the_discriminator_suggest_it(nickname, ending):
    with pytest.raises(TypeError, match=f"no argument `{nickname}{ending}`. Did you mean 'discriminator_optimizer'?"):
        small.build("gan", compile=False).compile(**{nickname + ending: "adam", "g_optimizer": "adam"})


@pytest.mark.parametrize("nickname", ["g_optimizer", "gen_optimizer", "gen_opt", "g"])
def test_nicknames_of_the_generator_suggest_it(nickname):
    with pytest.raises(TypeError, match=f"no argument `{nickname}`. Did you mean 'generator_optimizer'?.*update="):
        small.build("rsgan", compile=False).compile(**{nickname: "adam"})


def test_one_optimiser_for_two_players_is_refused_without_choosing_one():
    with pytest.raises(TypeError) as caught:
        small.build("gan", compile=False).compile(optimizer="adam")
    assert "Each player has an optimizer of its own. It takes" in str(caught.value)
    assert "Did you mean" not in str(caught.value)


def test_an_update_that_a_model_does_not_have_is_refused():
    with pytest.raises(ValueError, match="`update` must be one of 'alternating'. "):
        small.build("ign", compile=False).compile(update="simultaneous")
    with pytest.raises(ValueError, match="Did you mean 'simultaneous'?"):
        small.build("gan", compile=False).compile(update="simultanous")


def test_the_arguments_are_kept_for_the_file():
    model = small.build("wgan_gp", compile=False)
    model.compile(update="simultaneous", run_eagerly=True, generator_optimizer=keras.optimizers.SGD(0.5))
    again = type(model).from_config(model.get_config())
    again.compile_from_config(model.get_compile_config())
    assert again.update == "simultaneous" and again.run_eagerly
    assert float(again.optimizer.of("generator").learning_rate) == 0.5
    assert again.optimizer.of("discriminator").get_config() == model.optimizer.of("discriminator").get_config()
