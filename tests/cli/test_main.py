"""The command line as a separate process."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import visionkit
from tests.conftest import CLI
from visionkit.cli import COMMANDS
from visionkit.tasks.classification.export import export_classifier


@pytest.fixture(scope="module")
def model(small_classifier, tmp_path_factory):
    return export_classifier(
        small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=("a", "b", "é"), metadata={}
    )


@pytest.fixture
def run(program):
    return partial(program, CLI)


def test_without_images_the_message_says_what_is_expected(run, model, tmp_path):
    for arguments in ([], [tmp_path]):
        done = run("predict", model, *arguments)
        assert done.returncode == 2 and "images" in done.stderr.lower() and "Traceback" not in done.stderr


def test_a_folder_without_a_model_is_an_error_of_one_line(run, tmp_path):
    done = run("predict", tmp_path, "a.jpg")
    assert done.returncode == 2 and "not a model that visionkit exported" in done.stderr and "Traceback" not in done.stderr


def test_json_lines_drawings_and_the_exit_status(run, model, class_folders, tmp_path):
    broken = class_folders / "red" / "zz.jpg"
    broken.write_text("text")
    done = run("predict", model, class_folders / "red", "nowhere.jpg", "--json", "--top", "2", "--draw", tmp_path / "drawn")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and len(lines) == 10
    assert set(lines[0]) == {"path", "label", "score", "top"} and len(lines[0]["top"]) == 2
    assert [lines[0]["label"], lines[0]["score"]] == lines[0]["top"][0]
    assert [set(line) for line in lines[8:]] == [{"path", "error"}] * 2
    assert len(list((tmp_path / "drawn").iterdir())) == 8


def test_the_table_names_classes_and_failures(run, model, class_folders):
    done = run("predict", model, class_folders / "red" / "00.jpg")
    assert done.returncode == 0 and done.stdout.count("%") == 3
    assert done.stderr == ""


def test_augment_draws_a_grid_and_lists_broken_images(run, class_folders, tmp_path):
    for file in (class_folders / "red").iterdir():
        file.write_text("text")
    done = run("augment", class_folders, "--preset", "light", "--rows", "9", "--columns", "2", "--out", tmp_path / "grid.png")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1 and "8 of 16 images" in lines[0] and str(tmp_path / "grid.png") in lines[0]
    assert done.stderr.count("not an image") == 8 and (tmp_path / "grid.png").stat().st_size > 1000


def test_without_a_sound_image_augment_fails_in_one_line_and_writes_nothing(run, class_folders, tmp_path):
    for file in class_folders.rglob("*.jpg"):
        file.write_text("text")
    done = run("augment", class_folders, "--out", tmp_path / "out" / "grid.png")
    assert done.returncode == 2 and "None of the 16 images" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "" and not (tmp_path / "out").exists()


def test_no_command_is_answered_with_all_commands(run):
    empty, asked = run(), run("--help")
    assert empty.returncode == 2 and asked.returncode == 0 and empty.stderr == asked.stdout
    for name in COMMANDS:
        assert sum(line.split()[:1] == [name] and len(line.split()) > 4 for line in asked.stdout.splitlines()) == 1, name


def test_the_version_is_printed(run):
    assert run("--version").stdout == f"visionkit {visionkit.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predcit", "a"], "visionkit has no command 'predcit'. Did you mean predict? The commands are train, tune, predict, "),
        (["faces", "enroll"], "visionkit faces has no command 'enroll'. Did you mean enrol? The commands are enrol, "),
        (["check", "a", "--jsn"], "visionkit check has no option --jsn. Did you mean --json?"),
        (["faces", "list", "--galery=g"], "visionkit faces list has no option --galery. Did you mean --gallery?"),
    ],
)
def test_what_is_misspelt_ends_in_one_line_that_names_the_nearest(run, arguments, message):
    done = run(*arguments)
    assert done.returncode == 2 and message in done.stderr


HELP = ("predict", "check", "augment", "tune signals")


@pytest.mark.parametrize("arguments", [["--help"], ["train"], *([*name.split(), "--help"] for name in HELP)])
def test_help_needs_no_tensorflow(arguments):
    code = f"import sys; sys.argv = ['visionkit', *{arguments}]\nfrom visionkit.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print('heavy', sorted({'tensorflow', 'keras', 'numpy', 'cv2', 'albumentations', 'optuna'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy []"


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_in_one_line_and_leaves_no_half_output(run, class_folders, tmp_path, monkeypatch, name, status):
    from visionkit.data.formats import annotation_files

    put_image, calls = annotation_files.put_image, []

    def interrupted(*arguments):
        calls.append(arguments)
        put_image(*arguments)
        if len(calls) == 2:
            signal.raise_signal(getattr(signal, name))

    from visionkit.data.formats.writers import voc

    monkeypatch.setattr(voc, "put_image", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "voc").mkdir()
    Path(class_folders / "boxes.csv").write_text(
        "image,xmin,ymin,xmax,ymax,label\n" + "".join(f"red/{i:02d}.jpg,1,2,30,40,cat\n" for i in range(8))
    )
    done = run("convert", class_folders / "boxes.csv", tmp_path / "out", "--to", "voc")
    assert done.returncode == status and len(calls) == 2
    assert done.stderr == "visionkit: interrupted\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "voc"] and signal.getsignal(signal.SIGTERM) == before


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_real_signal_ends_a_real_prediction(model, class_folders, number):
    command = [sys.executable, "-m", "visionkit.cli", "predict", str(model), *[str(class_folders)] * 50]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 128 + number and errors == "visionkit: interrupted\n"


LINES = """
import sys
from visionkit import cli

def lines() -> int:
    for number in range(100_000): print("line", number)
    print("said", file=sys.stderr)
    return 0

cli.COMMANDS, sys.argv = {"lines": lines, "other": lines}, ["visionkit", "lines"]
cli.main()
"""


@pytest.mark.parametrize(
    ("streams", "status", "out", "err"),
    [
        ("> /dev/full", 2, "", "visionkit: No space left on device\n"),
        ("| head -1", 0, "line 0\n", ""),
        (">&-", 0, "", "said\n"),
        ("2>&- | tail -1", 0, "line 99999\n", ""),
    ],
)
def test_streams_that_take_nothing_are_no_traceback(streams, status, out, err):
    command = f"set -o pipefail; '{sys.executable}' -c '{LINES}' {streams}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, out, err)


def test_a_working_folder_that_was_deleted_is_an_error_of_one_line(run, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = run("convert", "nothing", "there")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


@pytest.mark.exhaustive
def test_streams_of_ascii_and_names_that_begin_with_a_dash(class_folders, tmp_path):
    (class_folders / "red").rename(class_folders / "-röt")
    environment = os.environ | {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-O", CLI, "check", "--duplicates", "pixels", "--", str(class_folders)]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode in (0, 1) and rb"(-r\xf6t, blue)" in done.stdout and b"Traceback" not in done.stderr
