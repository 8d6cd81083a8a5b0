"""Images and masks, as published data sets arrange them."""

from tests.data.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = ()
