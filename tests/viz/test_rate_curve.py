"""The part of a report on learning rates that were found by trying."""

import pytest

from visionkit.viz.rate_curve import rate_section, with_found_rates
from visionkit.viz.report import Report

FOUND = {"rate": 0.0042, "reason": "where the loss falls longest", "rates": [1e-7, 1e-4, 1e-1], "losses": [2.0, 1.0, 9.0]}
REPORT = Report("A run", "visionkit.tasks.classification", {}, [], [])


def test_without_a_search_the_report_stays_as_it_is():
    assert with_found_rates(REPORT, {}) is REPORT


def test_each_phase_has_a_row_and_a_panel():
    section = with_found_rates(REPORT, {"train": FOUND, "train_8": FOUND | {"rate": 1e-5}}).sections[-1]
    assert section.rows == [("train", "0.0042", FOUND["reason"]), ("train_8", "1e-05", FOUND["reason"])]
    assert section.figure.startswith(b"\x89PNG") and len(section.columns) == 3


@pytest.mark.parametrize(("rates", "losses"), [([], []), ([1e-7], [2.0]), ([1e-7, 1e-6], [2.0, 2.0])])
def test_a_search_that_ended_at_once_is_drawn(rates, losses):
    assert rate_section({"train": FOUND | {"rates": rates, "losses": losses}}).figure.startswith(b"\x89PNG")
