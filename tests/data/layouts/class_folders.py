"""Images whose label is the name of a folder or a file."""

from tests.data.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = ()
