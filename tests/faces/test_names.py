"""Texts that are one name, and names that are alike."""

import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.faces.names import by_person, canonical, is_blank, nearest_name, variants, with_escapes


@pytest.mark.parametrize("blank", ["", " ", "\n\t", None, 3])
def test_a_blank_is_no_name(blank):
    with pytest.raises(UserError, match="not blank"):
        canonical(blank)


def test_spaces_and_encoding_do_not_count_but_case_does():
    assert canonical(" Jose\u0301\n") == "José" == canonical("José") and canonical("bob") != canonical("Bob")
    assert canonical("\udcff.jpg") == "\udcff.jpg"
    assert variants("bob", []) == [] and variants("bob", ["BOB", "bob", "rob", "Bob"]) == ["BOB", "Bob"]


@pytest.mark.parametrize("unseen", ["\u200b", "\u00ad", "\ufeff", "\u2060", "\u034f", "\ufe0f", "\u3164"])
def test_invisible_characters_make_no_other_name_unnoticed(unseen):
    assert is_blank(f" {unseen} ") and not is_blank(f"{unseen}é")
    twin = f"René{unseen}"
    assert variants("rené", [twin, "Rena"]) == [twin] and variants(twin, ["René", twin]) == ["René"]
    assert with_escapes(twin) == "René" + unseen.encode("unicode_escape").decode() and with_escapes("René") == "René"


def test_the_nearest_name_is_a_variant_first():
    assert nearest_name("anna", {"Hanna": 1, "ANNA": 1}) == "; is it 'ANNA'?"
    assert "is it 'Hanna'" in nearest_name("Hana", {"Hanna": 1}) and "knows 1 people" in nearest_name("Xy", {"Hanna": 1})


def test_templates_are_collected_under_one_name():
    assert by_person({}, np.zeros((0, 2))) == {}
    people = by_person({"Jose\u0301": 1, "Ada": 2, "José": 1}, np.arange(4)[:, None])
    assert {name: rows[:, 0].tolist() for name, rows in people.items()} == {"José": [0, 3], "Ada": [1, 2]}
