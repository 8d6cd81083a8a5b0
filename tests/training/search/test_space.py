"""What is searched: the table beside the options that the recipes have."""

import dataclasses
import importlib
from typing import Any, Literal

import pytest

from visionkit.errors import UserError
from visionkit.training.search.space import FACTOR, SPACES, Option, Space, first_values, literals, shown, space_of, words_of

train = importlib.import_module("visionkit.cli.train")


def config_of(recipe: str, **changes: Any) -> Any:
    return train.imported(train.recipe_file(recipe)).Config(**changes)


def names_of(recipe: str, given: tuple[str, ...] = (), **changes: Any) -> list[str]:
    return [option.name for option in space_of(recipe, config_of(recipe, **changes), {*changes, *given}).options]


@pytest.mark.parametrize("recipe", SPACES)
def test_the_table_agrees_with_the_options_of_the_recipe(recipe):
    config = config_of(recipe)
    fields = {field.name: field for field in dataclasses.fields(config)}
    for option in SPACES[recipe].options:
        if option.name not in fields:
            continue
        if option.rate is not None:
            assert fields[option.name].default in (None, option.rate)
            assert option.rates == (option.rate / FACTOR, option.rate * FACTOR)
        else:
            known = set(map(str, literals(fields[option.name].type)))
            assert len(known & set(option.values) if known else option.values) > 1, option
    assert "learning_rate" in fields


@pytest.mark.parametrize("recipe", SPACES)
def test_each_value_that_is_searched_is_one_that_the_recipe_takes(recipe):
    config = config_of(recipe)
    space = space_of(recipe, config, set())
    assert [option.name for option in space.options if option.rate is not None] == ["learning_rate"]
    first = first_values(space, config)
    assert list(first) == [option.name for option in space.options]
    assert all(option.rate is not None or first[option.name] in option.values for option in space.options)


def test_the_recipes_are_those_of_train_without_style():
    assert set(SPACES) == set(train.RECIPES) - {"style"}
    with pytest.raises(UserError, match=r"nothing says which of two results is better. The recipes that can be tuned are "):
        space_of("style", None, set())


def test_what_is_given_is_not_searched():
    assert names_of("classification") == ["unfreeze", "learning_rate", "augment", "mix"]
    assert names_of("classification", mix="cutmix") == ["unfreeze", "learning_rate", "augment"]
    assert names_of("classification", given=("augment",)) == ["unfreeze", "learning_rate", "mix"]
    with pytest.raises(UserError, match=r"nothing is left to search. Leave out one of --learning-rate"):
        names_of("signals", learning_rate=0.001)


def test_what_has_no_effect_is_not_searched():
    assert names_of("classification", weights="none") == ["learning_rate", "augment", "mix"]
    assert space_of("classification", config_of("classification", weights="none"), {"weights"}).options[0].rate == 1e-3
    kind = type(config_of("classification").unfreeze)
    assert names_of("classification", unfreeze="head" if kind is str else ("head",)) == ["augment"]
    head = config_of("classification", unfreeze="head" if kind is str else ("head",))
    assert (space_of("classification", head, {"unfreeze"}).shared, SPACES["classification"].shared) == (None, "head")
    assert "freeze" in names_of("detection") and "freeze" not in names_of("detection", weights="none")
    assert "freeze" not in names_of("segmentation", base="none")


def test_landmarks_are_better_with_a_smaller_error_and_the_study_of_depth_is_refused():
    space = space_of("localization", config_of("localization", step="landmarks"), set())
    assert (space.metrics, space.direction) == (("median_error",), "minimize")
    assert space_of("localization", config_of("localization"), set()).direction == "maximize"
    with pytest.raises(UserError, match="leave --study depth out"):
        space_of("from-scratch", config_of("from-scratch", study="depth"), set())


def test_the_first_trial_has_the_defaults_where_they_are_searched():
    config = config_of("detection")
    first = first_values(space_of("detection", config, set()), config)
    assert first["learning_rate"] == 2e-3 and first["augment"] == "strong"
    config = config_of("segmentation")  # whose augment decides by the data
    assert first_values(space_of("segmentation", config, set()), config)["augment"] == "medium"


def test_literals_are_found_in_unions():
    assert literals(int) == () and literals(float | Literal["auto"] | None) == ("auto",)
    assert literals(Literal[0, 2] | None) == (0, 2)


def test_values_are_shown_as_they_are_passed_on():
    assert words_of((), {}) == []
    assert words_of((Option("learning_rate", rate=1.0),), {"learning_rate": 0.000123456}) == ["--learning-rate", "0.000123"]
    assert (shown(3e-5), shown("head"), shown(0.01)) == ("3e-05", "head", "0.01")
    assert Option("learning_rate", rate=1e-4).in_words == "--learning-rate (1e-05 to 0.001)"
    assert Space((), ()).direction == "maximize"
