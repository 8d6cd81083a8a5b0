"""Every layout of the table is read with the right values, and ``check`` says how it was understood."""

import pytest

from tests.data.layouts import LAYOUTS
from visionkit.data.index import DataError
from visionkit.data.quality.check import check
from visionkit.data.sources import read


def test_an_empty_folder_has_no_layout(tmp_path):
    with pytest.raises(DataError, match="it holds nothing"):
        read(tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_is_read_with_the_right_values(tmp_path, layout):
    folder = tmp_path / "data"
    folder.mkdir()
    layout.build(folder)
    checked = check(folder)
    data_set = checked.data
    assert {name: len(index) for name, index in data_set.splits.items()} == layout.splits
    assert data_set.class_names == layout.classes
    assert data_set.format.startswith(layout.format)
    found = {finding.kind for finding in checked.findings} - {"unmeasurable split"}  # the examples are small
    assert found == layout.findings, checked.findings
    layout.verify(data_set)
