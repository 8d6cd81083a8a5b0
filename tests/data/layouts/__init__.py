"""Every layout of a data set that visionkit reads, each with a small example: `tests/data/test_layouts.py` reads them all.

The page "Bring your data" (docs/bring_your_data.md) is written from this table: ``python -m tests.data.layouts.page``.
"""

from tests.data.layouts import annotation_tools, class_folders, detection_formats, mask_values, masks, tables
from tests.data.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = (
    *class_folders.LAYOUTS,
    *tables.LAYOUTS,
    *detection_formats.LAYOUTS,
    *annotation_tools.LAYOUTS,
    *masks.LAYOUTS,
    *mask_values.MASK_VALUES,
)
