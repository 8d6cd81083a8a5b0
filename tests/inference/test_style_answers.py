"""What ``--style`` says: a name, or shares of several; what cannot be is told."""

import pytest

import visionkit
from tests.painters import export_hand_painter
from visionkit.errors import UserError
from visionkit.inference.style_answers import style_of
from visionkit.inference.stylizing import PictureStylizer


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> PictureStylizer:
    return visionkit.load(export_hand_painter(tmp_path_factory.mktemp("hand") / "model"))


def test_none_is_the_first_style(model):
    assert style_of(None, model) is None and model.shares(None).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "negative"),
    [("dark <ü>", 0), ("negative=0.7,dark <ü>=0.3", 0.7), (" dark <ü> = 3 , negative = 1", 0.25), ("dark <ü>=2", 0)],
)
def test_a_name_or_shares(model, text, negative):
    assert model.shares(style_of(text, model)).tolist() == pytest.approx([negative, 1 - negative])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dork", r"did you mean 'dark <ü>'\? Styles: negative, dark <ü>\."),
        ("dork=1", "Unknown style 'dork'"),
        ("negative=much", 'expected a name, or shares of several: --style "negative=0.7,dark <ü>=0.3"'),
        ("negative=1,negative=2", "expected a name, or shares"),
        ("negative=1,", "expected a name, or shares"),
        ("=1", "expected a name, or shares"),
        ("negative=-1", r"A share of -1\.0"),
        ("negative=0", r"sum to 0\.0"),
    ],
)
def test_styles_that_cannot_be_are_told(model, text, message):
    with pytest.raises(UserError, match=message):
        style_of(text, model)
