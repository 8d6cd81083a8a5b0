"""The table of a run's epochs as text and as rows."""

import pytest

from visionkit.training import history

ROWS = [{"phase": "head", "epoch": 1, "loss": 0.5}, {"phase": "head", "epoch": 2, "loss": 0.25, "val_map": 1.0}]


def test_without_epochs_there_are_no_rows():
    assert history.from_csv(b"") == history.from_csv(history.to_csv([])) == []


def test_rows_can_be_read_as_they_were_written():
    assert history.from_csv(history.to_csv(ROWS)) == ROWS


@pytest.mark.parametrize(
    "contents", [b"\xff\xfe", b"phase,epoch\nhead,x\n", b"a,b\n1,2\n", b"phase,epoch\nhead,inf\n", b"phase\n1,2\n"]
)
def test_what_is_damaged_raises_one_of_the_named_errors(contents):
    with pytest.raises(history.UNREADABLE):
        history.from_csv(contents)
