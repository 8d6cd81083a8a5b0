"""The image of a study, and its table."""

from tests.viz.test_report import report
from visionkit.tasks.classification.depth_study import Trained, depth_section
from visionkit.tasks.classification.report import write_report

STUDY = [
    Trained("residual", 20, [0.5, 0.2], [0.4, 0.25]),
    Trained("plain", 20, [0.6, 0.3], [0.5, 0.35]),
    Trained("plain", 8, [0.5, 0.1], [0.4, 0.15]),
]


def test_one_network_of_one_epoch_is_a_study():
    section = depth_section([Trained("plain", 8, [0.5], [0.25])])
    assert section.rows == [("plain, 8 layers", "50.00%", "25.00%")] and section.figure.startswith(b"\x89PNG")


def test_the_table_has_the_last_errors_of_each_kind_by_depth():
    assert depth_section(STUDY).rows == [
        ("plain, 8 layers", "10.00%", "15.00%"),
        ("plain, 20 layers", "30.00%", "35.00%"),
        ("residual, 20 layers", "20.00%", "25.00%"),
    ]


def test_a_report_shows_it(tmp_path):
    page = write_report(report(tmp_path, sections=(depth_section(STUDY),)), tmp_path / "r.html").read_text()
    assert "Error and depth" in page and "plain, 20 layers" in page and page.count("data:image/png") == 2
