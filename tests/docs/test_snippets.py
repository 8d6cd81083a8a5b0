"""The commands and the code of the documentation run, on small data; trainings take their ``--smoke`` form."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of, text_of
from tests.docs.small_data import write_small_data

MODELS = {  # RUN/model of a page, by the page's name; others have a classifier, and None a run of the page itself
    "detection": "blood_cells",
    "segmentation": "membranes",
    "verification_and_faces": "orl_faces",
    "style": "painting",
    "signals_and_volumes": None,
}
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SCHEDULES = {  # words of --unfreeze, and options: a smoke run has too few epochs for them, and each phase is traced anew
    "10:none": ["--epochs", "11", "--size", "64", "--scales", "1", "--no-multi-scale"],
    "gradual": ["--epochs", "6", "--size", "32"],
}
SMALLER = {"understand": ["--units", "1", "--images-shown", "1"]}  # options of commands that otherwise take minutes


def as_run(words: list[str], number: int) -> list[str]:
    """A command of a page as the test runs it: a training takes its smoke form, in a folder of its own."""
    if words[0] == "visionkit" and words[1] in SMALLER:
        return [*words, *SMALLER[words[1]]]
    if (words[:2] == ["visionkit", "train"] and len(words) > 2) or (words[0] == "python" and words[1].startswith("recipes/")):
        longer = next((options for word, options in SCHEDULES.items() if word in words), [])
        return [*words, "--smoke", *longer, *([] if "--out" in words else ["--out", f"run_{number}"])]
    return words


def runnable(page: Path) -> list[Block]:
    """The blocks of a page that are run: that are not marked."""
    return [block for block in blocks(text_of(page)) if block.reason is None]


def scripts_of(page: Path) -> list[list[str]]:
    """What is run for a page, a command each; those that an earlier page has, too, are left out unless they take a model."""
    earlier = [words for other in PAGES[: PAGES.index(page)] for block in runnable(other) for words in block.commands]
    scripts = []
    for block in runnable(page):
        if block.language == "python":
            scripts.append(["python", "-c", block.text])
        for words in block.commands:
            is_repeated = words in earlier and not any("RUN" in word for word in words)
            if not is_repeated:
                scripts.append(as_run(words, len(scripts)))
    return scripts


@pytest.fixture(scope="module")
def small_data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_small_data(folder)
    return folder


@pytest.fixture
def folder(tmp_path, small_data) -> Path:
    """A folder with small data, in which ``visionkit`` is the command of this source tree."""
    shutil.copytree(small_data, tmp_path, dirs_exist_ok=True)
    for name in ("recipes", "benchmarks", "saved_models"):
        (tmp_path / name).symlink_to(ROOT / name)
    program = tmp_path / "bin" / "visionkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m visionkit.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "VISIONKIT_CACHE": str(folder / "cache"), "MPLBACKEND": "agg"}


def use_model(folder: Path, name: str) -> None:
    """Make folders RUN, RUN1, ... with a model of saved_models/."""
    for run in ("RUN", "RUN1", "RUN2", "RUN3"):
        (folder / run).mkdir()
        (folder / run / "model").symlink_to(ROOT / "saved_models" / name)


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", [page for page in PAGES if scripts_of(page)], ids=name_of)
def test_what_a_page_shows_runs(page, folder):
    model = MODELS.get(page.stem, "flowers")
    if model is not None:
        use_model(folder, model)
    for words in scripts_of(page):
        done = subprocess.run(words, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=600)
        fails_where_something_is_found = words[:2] in (["visionkit", "check"], ["visionkit", "faces"])
        assert "Traceback" not in done.stderr, f"{shlex.join(words)}\n{done.stderr}"
        assert done.returncode in ((0, 1) if fails_where_something_is_found else (0,)), f"{shlex.join(words)}\n{done.stderr}"


@pytest.mark.exhaustive
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook, folder):
    pytest.importorskip("nbconvert", reason="pip install '.[docs]'")
    text = notebook.read_text(encoding="utf-8")
    (folder / "notebook.ipynb").write_text(text.replace("SMOKE = False", "SMOKE = True"))
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "done", "notebook.ipynb"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    cells = json.loads((folder / "done.ipynb").read_text())["cells"]
    printed = "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", []))
    assert "Traceback" not in printed and "visionkit: " not in printed, printed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs(notebook):
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert cells and all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)


def test_trainings_become_smoke_runs_and_blocks_with_a_reason_are_not_run():
    assert as_run(["visionkit", "train"], 0) == ["visionkit", "train"]
    style = ["visionkit", "train", "style", "a.jpg"]
    assert as_run(style, 2) == [*style, "--smoke", "--out", "run_2"]
    assert as_run(["python", "recipes/x.py", "--out", "RUN"], 0) == ["python", "recipes/x.py", "--out", "RUN", "--smoke"]
    marked, plain = blocks("<!-- not run: a reason -->\n```sh\nls a && ls b\n```\n\n```python\nx = 1\n```\n")
    assert marked.reason == "a reason" and marked.commands == [["ls", "a"], ["ls", "b"]]
    assert plain == Block("python", "x = 1\n", None) and plain.commands == []
