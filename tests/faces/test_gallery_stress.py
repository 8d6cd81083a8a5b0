"""Writers are killed again and again while others write and read: nothing is lost, and nothing is left behind."""

import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from visionkit.faces.gallery import Gallery
from visionkit.faces.gallery_files import GalleryMetadata, read_version

FACTS = GalleryMetadata("f" * 64, dimensions=4, threshold=0.6)
PROGRAMS = 4  # of each kind

# A writer enrols people of its own, and removes every third of them. It says what it begins, and what returned.
WRITER = """
import itertools, sys
import numpy as np
from visionkit.faces.gallery import Gallery
gallery = Gallery.open(sys.argv[1])
for number in itertools.count():
    name = f"{sys.argv[2]}-{number}"
    print("begins enrol", name, flush=True)
    assert gallery.enrol(name, np.full((1, 4), int(sys.argv[2]) * 10000 + number, np.float32)) == 1
    print("returned enrol", name, flush=True)
    if number % 3 == 2:
        print("begins remove", name, flush=True)
        assert gallery.remove(name) == 1
        print("returned remove", name, flush=True)
"""

# A reader checks that each version it sees is whole: every template says whose it is.
READER = """
import sys
from visionkit.faces.gallery import Gallery
from visionkit.faces.gallery_files import read_version
gallery = Gallery.open(sys.argv[1])
while True:
    version = read_version(gallery.folder)
    names = list(version.counts)
    assert version.templates[:, 0].tolist() == [int(a) * 10000 + int(b) for a, b in (name.split("-") for name in names)]
    if names:
        (found,) = gallery.identify(version.templates[:1])
        assert found.distance == 0 or names[0] not in gallery.names()
    print("returned read", len(names), flush=True)
"""


def start(code: str, gallery: Gallery, number: int, log: Path) -> subprocess.Popen:
    with (log / f"{number}.txt").open("w") as output, (log / f"{number}.errors").open("w") as errors:
        return subprocess.Popen([sys.executable, "-c", code, str(gallery.folder), str(number)], stdout=output, stderr=errors)


def said(log: Path, words: str) -> set[str]:
    """What programs said after these words; a killed one may have written half a line."""
    lines = [line for file in log.glob("*.txt") for line in file.read_text().split("\n")[:-1]]
    return {line.removeprefix(words + " ") for line in lines if line.startswith(words)}


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.exhaustive)])
def test_kills_lose_nothing_and_leave_nothing_behind(tmp_path, kills):
    gallery, log = Gallery.create(tmp_path / "g", FACTS), tmp_path / "log"
    log.mkdir()
    numbers, draw = itertools.count(1), random.Random(kills)
    codes = [WRITER] * PROGRAMS + [READER] * PROGRAMS
    programs = [start(code, gallery, next(numbers), log) for code in codes]
    try:
        while not (said(log, "returned remove") and said(log, "returned read")):  # starting takes longer on a busy computer
            assert all(program.poll() is None for program in programs)
            time.sleep(0.1)
        for _ in range(kills):
            time.sleep(1 + draw.uniform(-0.2, 0.2))
            slot = draw.choice([*range(PROGRAMS), *range(PROGRAMS), *range(2 * PROGRAMS)])  # writers more often
            programs[slot].kill()
            programs[slot].wait()
            programs[slot] = start(codes[slot], gallery, next(numbers), log)
    finally:
        for program in programs:
            program.kill()
            program.wait()
    assert "".join(file.read_text() for file in log.glob("*.errors")) == ""
    version = read_version(gallery.folder)
    present = set(version.counts)
    assert said(log, "returned enrol") - said(log, "begins remove") <= present <= said(log, "begins enrol")
    assert not present & said(log, "returned remove")
    values = [int(writer) * 10000 + int(number) for writer, number in (name.split("-") for name in version.counts)]
    np.testing.assert_array_equal(version.templates, np.repeat(np.array(values, np.float32)[:, None], 4, axis=1))
    Gallery.create(gallery.folder, FACTS, exist_ok=True)  # the next writer
    left = sorted(str(path.relative_to(gallery.folder)) for path in gallery.folder.rglob("*"))
    reached = [".lock", "gallery.json", version.name, f"{version.name}/people.json", f"{version.name}/templates.npy"]
    assert left == sorted(reached)
