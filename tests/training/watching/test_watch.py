"""What people see of a training: lines, log, and the page while it runs, where it was killed, and at the end."""

import dataclasses
import itertools
import re
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from tests.training.test_fit import Killed, head, phases
from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA
from visionkit.training.config import RunConfig
from visionkit.training.fit import train_in_order
from visionkit.training.recipe import run_recipe
from visionkit.training.run_folder import RunFolder
from visionkit.training.watching.about import MEANINGLESS
from visionkit.viz.report import Report

LINE = r"epoch (\d)/3  loss \d[\d.]*  accuracy [\d.]+  val loss 0\.5  val accuracy [\d.]+  [\d.]+ m?i?n?s?"
RELOADS = '<meta http-equiv="refresh" content="10">'


@dataclass(frozen=True)
class Config(RunConfig):
    epochs: int | None = None
    size: int | None = None


def start(config, *, at_epoch=lambda run, epoch: None, only="first", release=True):
    """Run a recipe of one phase of three epochs; ``at_epoch`` is called before each."""

    def work(run, config):
        model = head()
        phase = phases(model)[only]()

        def batches(epoch):
            at_epoch(run, epoch)
            return phase.batches(epoch)

        history = run.train({only: lambda: dataclasses.replace(phase, batches=batches, batch_size=10)}, model)
        (run.model / BUNDLE_METADATA).parent.mkdir(parents=True, exist_ok=True)
        (run.model / BUNDLE_METADATA).write_text("{}")
        at_epoch(run, 3)
        run.finish(run.model, {"accuracy": 0.9666666865}, Report("The end", None, {}, history, ()))

    run = run_recipe(config, work, name="example", smoke={})
    run.release()
    return run


def page_of(run):
    return (run.path / "report.html").read_text(encoding="utf-8")


def test_no_phase_is_no_line(tmp_path, capsys):
    train_in_order(RunFolder.start(tmp_path / "run", {}), {}, head())
    assert capsys.readouterr() == ("", "")


def test_each_epoch_is_a_line_without_a_carriage_return(tmp_path, capsys):
    model = head()
    train_in_order(RunFolder.start(tmp_path / "run", {}), {"first": phases(model)["first"]}, model)
    out, err = capsys.readouterr()
    assert [re.match(LINE, line)[1] for line in out.splitlines()] == ["1", "2", "3"]
    assert err == "" and "\r" not in out
    assert (tmp_path / "run" / "log.txt").read_text() == out


def test_the_lines_of_several_phases_name_them(tmp_path, capsys):
    model = head()
    train_in_order(RunFolder.start(tmp_path / "run", {}), phases(model), model)
    assert re.findall(r"^(\w+)  epoch (\d)/3", capsys.readouterr().out, re.MULTILINE) == [
        (name, number) for name in ("first", "second") for number in "123"
    ]


def test_the_time_that_is_left_is_that_of_the_phase(tmp_path, monkeypatch, capsys):
    clock = itertools.count(0, 100)
    monkeypatch.setattr(
        "visionkit.training.watching.watch.time", SimpleNamespace(monotonic=lambda: next(clock), strftime=time.strftime)
    )
    model = head()
    train_in_order(RunFolder.start(tmp_path / "run", {}), phases(model), model)
    ends = [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()]
    assert ends[:3] == ["1 min 40 s, about 3 min left of 'first'", "1 min 40 s, about 2 min left of 'first'", "1 min 40 s"]
    assert ends[3:] == ["1 min 40 s, about 3 min left", "1 min 40 s, about 2 min left", "1 min 40 s"]


def test_the_log_holds_notes_and_is_appended_by_a_run_that_goes_on(tmp_path):
    def killed(run, epoch):
        run.note("A note\r\x1b[2J.")
        if epoch == 1:
            run.release()
            raise Killed

    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run"), at_epoch=killed)
    first = (tmp_path / "run" / "log.txt").read_text()
    assert "A note\\r\\x1b[2J.\n" in first and first.count("epoch") == 1
    with (tmp_path / "run" / "log.txt").open("a") as file:
        file.write("half a li")  # as a kill may leave it
    run = start(Config(resume=tmp_path / "run"))
    log = (run.path / "log.txt").read_text()
    assert log.startswith(f"{first}half a li\n") and "\r" not in log and "\x1b" not in log
    assert "Resumed after epoch 1 of 'first'.\n" in log and len(re.findall("^epoch", log, re.MULTILINE)) == 3
    assert log.endswith(f"report   {run.path / 'report.html'}\nmodel    {run.path / 'model'}\n")


def test_the_page_shows_the_run_from_the_first_epoch_on(tmp_path):
    pages = []
    run = start(Config(out=tmp_path / "run"), at_epoch=lambda run, epoch: pages.append(page_of(run)))
    assert all(RELOADS in page and "--resume" in page and "unfinished" in page for page in pages)
    assert "epoch 1 of 3" in pages[0] and "data:image/png" not in pages[0]
    assert "epoch 2 of 3" in pages[1] and "data:image/png" in pages[1]
    assert "exported and measured" in pages[3]
    final = page_of(run)
    assert "refresh" not in final and "unfinished" not in final and "<h1>The end</h1>" in final


def test_the_report_says_with_what_it_was_made(tmp_path):
    run = start(Config(out=tmp_path / "run", seed=7))
    cells = dict(re.findall(r"<td>([\w ]+)</td><td><code>([^<]*)</code>", page_of(run)))
    assert cells["folder"] == str(run.path) and cells["seed"] == "7" and re.match(r"\d{4}-\d\d-\d\d", cells["begun"])
    assert re.fullmatch(r"visionkit [\d.]+\w*, TensorFlow [\d.]+, Keras [\d.]+, Python [\d.]+", cells["versions"])
    assert cells["epochs"] == "3 (the recipe&#39;s own)" and cells["data"] == "the built-in data" and cells["device"]
    assert "<code>None</code>" not in page_of(run) and "<b>0.9667</b>" in page_of(run)
    assert '<td class="n">4</td>\n    <td class="n">10</td><td class="n">0.05</td>' in page_of(run)  # steps, batch size, rate


@pytest.mark.parametrize("seconds", [[], ["first"]])
def test_a_run_that_is_interrupted_says_so_on_its_page_and_how_to_go_on(tmp_path, seconds):
    def interrupted(run, epoch):
        if epoch == len(seconds):
            run.release()
            raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        start(Config(out=tmp_path / "a run"), at_epoch=interrupted)
    page = (tmp_path / "a run" / "report.html").read_text()
    after = "epoch 1 of &#39;first&#39;" if seconds else "no epoch"
    assert f"This run is unfinished. It was interrupted. Its last state is that after {after}." in page
    assert f"visionkit train --resume &#39;{tmp_path}/a run&#39;" in page and "refresh" not in page


def test_a_run_that_fails_says_so_on_its_page(tmp_path):
    def fails(run, epoch):
        if epoch == 1:
            raise UserError("Something <b> is wrong.")

    with pytest.raises(UserError):
        start(Config(out=tmp_path / "run"), at_epoch=fails)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "This run is unfinished. It ended with an error: Something &lt;b&gt; is wrong. Its last state" in page


def test_a_run_that_is_killed_leaves_a_page_that_says_how_to_go_on(tmp_path):
    def killed(run, epoch):
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run"), at_epoch=killed)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "If that time is long past, the run" in page and f"visionkit train --resume {tmp_path / 'run'}" in page


def test_the_numbers_of_a_smoke_run_are_called_meaningless_everywhere(tmp_path, capsys):
    run = start(Config(out=tmp_path / "run", smoke=True))
    out = capsys.readouterr().out.splitlines()
    assert out[0] == MEANINGLESS == out[-4] and out[-3].startswith("accuracy 0.9667")
    assert f'<p class="notice warning">{MEANINGLESS}</p>' in page_of(run)
    assert run.notes[0] == MEANINGLESS
    assert MEANINGLESS in (run.model / BUNDLE_METADATA).read_text()


def test_a_new_run_in_a_folder_without_a_state_begins_its_log_anew(tmp_path):
    def fails(run, config):
        raise UserError("No data.")

    with pytest.raises(UserError):
        run_recipe(Config(out=tmp_path / "run"), fails, name="example", smoke={})
    run = start(Config(out=tmp_path / "run"))
    assert len(re.findall(r"^\d{4}-\d\d-\d\d", (run.path / "log.txt").read_text(), re.MULTILINE)) == 1
