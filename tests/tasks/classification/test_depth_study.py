"""The figure of a study, its table and its metrics."""

from tests.tasks.classification.test_report import page_of
from visionkit.tasks.classification.depth_study import Study, Trained, depth_section

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
    page = page_of(tmp_path, sections=(depth_section(STUDY),))
    assert "Error and depth" in page and "plain, 20 layers" in page and page.count("data:image/png") == 3


def test_the_metrics_are_those_after_the_last_epoch():
    study = Study(None, {"plain8": STUDY[2]})
    assert study.metrics == {"accuracy_plain8": 0.85, "training_error_plain8": 0.1}
    assert study.section.rows == [("plain, 8 layers", "10.00%", "15.00%")]
