"""The page of layouts is the one that the table of layouts gives."""

from tests.data.layouts.page import PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.data.layouts.page"
