"""The folder of one run: configuration, history, checkpoint, metrics. All files are written atomically.

What cannot be read as it was written is set aside under another name and said in a line, and the run goes on without it where
it can: ``digests.json`` holds the digests of the files in which a changed byte would not show.
"""

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.files import naming, read_file, remove, reserve, sync, write_atomically
from visionkit.printable import printable
from visionkit.progress import say
from visionkit.training import history as histories
from visionkit.training import run_files
from visionkit.training.run_files import RunFolderError
from visionkit.training.run_lock import locked_folder

DIGESTS, CONFIG, PLAN, CHECKPOINT = "digests.json", "config.json", "plan.json", "checkpoint.npz"
ABOUT = "about.json"  # when the run was begun, by which command, and what its phases are
LOG = "log.txt"  # all lines that the run printed
DATA = "data.json"  # the names of the files of the data set, by suffix: how many, and their digest
DIGESTED = (CONFIG, PLAN, "metrics.json")  # and files of weights
STATES = ".npz"  # the suffix of what a run goes on from, which has a digest, too: the checkpoint, a painting
OLD_NOTES = "story.json"  # the former name of notes.json, in runs that were begun under it


class RunFolder:
    """``RUN/``: what a recipe writes, and what ``--resume`` reads. One process at a time may open it.

    Args:
        path: the folder, which is made if it is missing.

    Attributes:
        notes: sentences on what happened and why.
        watch: shows how training goes on, a ``watch.Watch``; None where lines do.

    Raises:
        RunFolderError: see ``run_lock.locked_folder``.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = locked_folder(path)
        self._began = time.monotonic()
        self._seconds_before = 0.0
        self._kept = ""
        self.watch: Any = None
        self._sweep()
        self._digests: dict[str, list[str]] = (
            self._read_whole(DIGESTS, run_files.as_digests, "files are not compared with it") or {}
        )
        name = "notes.json" if os.path.lexists(self.path / "notes.json") else OLD_NOTES
        self.notes: list[str] = self._read_whole(name, run_files.as_notes, "the notes so far are lost") or []

    @classmethod
    def start(cls, path: str | Path, config: dict[str, Any]) -> "RunFolder":
        """Make a new run folder, or reuse one whose run failed before it had a state.

        Raises:
            RunFolderError: the folder holds a run already, or a ``model/`` that no run wrote; nothing is overwritten.
        """
        run = cls(path)
        if (run.path / "metrics.json").exists() or any(run.path.glob(f"*{STATES}")):
            raise RunFolderError(f"{path} holds a run already; continue it with --resume {path}, or name another --out.")
        if os.path.lexists(run.path / "model"):
            raise RunFolderError(
                f"{path} holds a folder or link model/ already, which a run would replace; name another --out."
            )
        common = [run.path / name for name in (DATA, LOG, "history.csv", "report.html")]
        common += [*run.path.glob("after_*.weights.h5"), *run.path.glob("logs/*/events.out.tfevents.*")]
        theirs = [] if os.path.lexists(run.path / CONFIG) else [file for file in common if os.path.lexists(file)]
        if theirs:
            raise RunFolderError(
                f"{theirs[0]} exists already, and no run wrote it; a run would replace it: name another --out."
            )
        for file in [*common, *(run.path / name for name in (PLAN, "notes.json", OLD_NOTES, DIGESTS, ABOUT))]:
            remove(file)  # a phase must not be taken for finished with weights of other data
        run.notes, run._digests = [], {}
        run.write_json("config.json", config)
        return run

    @classmethod
    def resume(cls, path: str | Path) -> "RunFolder":
        """Open a run that was interrupted.

        Raises:
            RunFolderError: the folder holds no run.
        """
        if not os.path.lexists(Path(path) / "config.json"):
            raise RunFolderError(f"--resume {path}: no config.json there; expected the folder that a run was writing to.")
        run = cls(path)
        try:
            run.read_config()
        except RunFolderError:
            run.release()
            raise
        return run

    def note(self, sentence: str) -> None:
        """Print a sentence on what happens and why, and keep it for the report, also after an interruption."""
        self.say(sentence)
        if sentence not in self.notes:
            self.notes.append(sentence)
            self.write_json("notes.json", self.notes)

    def say(self, line: str) -> None:
        """Print a line, and append it to ``log.txt``, without what commands a terminal."""
        say(line)
        self.log(line)

    def log(self, line: str) -> None:
        """Append a line to ``log.txt`` alone."""
        with naming(self.path / LOG), (self.path / LOG).open("a+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                is_whole = file.read(1) == b"\n"  # a kill may have come within a line
                file.write(b"" if is_whole else b"\n")
            file.write(f"{printable(line)}\n".encode())

    def release(self) -> None:
        """Let another process open the folder."""
        self._lock.release()

    def _sweep(self) -> None:
        """Remove unfinished files of a killed process."""
        for pattern in (".model-*", ".*.unfinished", "unfinished_*"):
            for unfinished in self.path.glob(pattern):
                remove(unfinished)

    def seconds(self) -> float:
        """Seconds that the run has taken, including those before an interruption (up to its last checkpoint)."""
        return self._seconds_before + time.monotonic() - self._began

    def count_from(self, seconds: float) -> None:
        """Let ``seconds()`` begin with the time before an interruption, if no checkpoint holds it."""
        self._seconds_before = seconds

    def weights_file(self, phase: str) -> Path:
        """The file of the whole model's weights after a phase."""
        return self.path / f"after_{phase}.weights.h5"

    def read_config(self) -> dict[str, Any]:
        """The options of the run, from ``config.json``.

        Raises:
            RunFolderError: the file is damaged; without its options a run cannot go on.
        """
        file = self.path / "config.json"
        try:
            return run_files.as_object(run_files.parsed(self._read_bytes(CONFIG)))
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"{file} is damaged ({run_files.reason(error)}): the options of this run are lost, and it cannot be resumed. "
                f"Put it back, or start a new run with another --out. If you changed it yourself, delete {DIGESTS} beside it."
            ) from error

    def read_metrics(self) -> dict[str, float | None] | None:
        """The metrics of a finished run; None where there are none, so that the run is not finished."""
        return self._read_whole("metrics.json", run_files.as_metrics, "the run counts as not finished, and is measured again")

    def read_json(self, name: str) -> Any:
        """The object in ``RUN/name``; None if there is no such file, or if it is damaged, which is said and set aside."""
        lost = "it is decided anew, from the same data" if name == PLAN else "it is made anew"
        check = run_files.as_object if name in (PLAN, DATA, ABOUT) else lambda contents: contents
        return self._read_whole(name, check, lost)

    def _read_whole(self, name: str, check: Callable[[Any], Any], lost: str) -> Any:
        if not os.path.lexists(self.path / name):
            return None
        try:
            return check(run_files.parsed(self._read_bytes(name)))
        except (OSError, ValueError) as error:
            self.set_aside(name, run_files.reason(error), lost)
            return None

    def read_arrays(self, name: str, lost: str) -> dict[str, np.ndarray] | None:
        """The arrays in ``RUN/name``; None if there is no such file, or if it is damaged, which is said and set aside.

        Args:
            name: of an .npz file.
            lost: how the run goes on without it, for the line that says so.
        """
        if not os.path.lexists(self.path / name):
            return None
        try:
            return run_files.read_arrays(self._read_bytes(name))
        except (OSError, ValueError) as error:
            self.set_aside(name, run_files.reason(error), lost)
            return None

    def _read_bytes(self, name: str) -> bytes:
        """The contents of a file, compared with its digest if there is one.

        Raises:
            OSError: it cannot be read.
            ValueError: it has changed since it was written.
        """
        contents = read_file(self.path / name)
        known = self._digests.get(name) if name != DIGESTS else None
        if known:
            found = run_files.digest(contents)
            if found not in known:
                raise ValueError("its contents have changed since they were written")
            self._digests[name] = [found]
        return contents

    def set_aside(self, name: str, reason: str, lost: str) -> None:
        """Rename what is damaged, and say in a line what is lost and how the run goes on."""
        numbers = ("", *(f"{number}_" for number in range(2, 1000)))
        target = next(file for number in numbers if not os.path.lexists(file := self.path / f"damaged_{number}{name}"))
        (self.path / name).rename(target)
        self.say(f"{self.path / name} is damaged ({reason}), and kept as {target.name}: {lost}.")

    def write(self, name: str, contents: bytes) -> None:
        """Write ``RUN/name``, atomically; what is no file is moved out of the way.

        Raises:
            OSError: the disk is full, or the folder cannot be written; the file is as it was.
        """
        file = self.path / name
        if os.path.lexists(file) and not file.is_file():
            self.set_aside(name, "it is no file", "it is written anew")
        if name in DIGESTED or name.endswith(STATES):
            self._note_digest(name, run_files.digest(contents))
        write_atomically(file, contents)

    def _note_digest(self, name: str, digest: str) -> None:
        """Keep a digest before the file has its name, beside the last ones: kills may come between the two."""
        self._digests[name] = [*self._digests.get(name, [])[-3:], digest]
        self.write_json(DIGESTS, run_files.with_own_digest(self._digests))

    def write_json(self, name: str, contents: Any) -> None:
        """Write ``RUN/name``, atomically."""
        self.write(name, _as_json(contents))

    def change_plan(self, plan: dict[str, Any]) -> None:
        """Write another plan on purpose. The checkpoint is marked as fitting it first: a kill may come between.

        Raises:
            RunFolderError: see ``load_checkpoint``.
        """
        saved = self.load_checkpoint()
        if saved is not None:
            state, arrays = saved
            self._write_checkpoint(state | {"plan": [*self._plan_digests(), *run_files.plan_digests(_as_json(plan))]}, arrays)
        self.write_json(PLAN, plan)

    def _plan_digests(self) -> list[str]:
        file = self.path / PLAN
        return run_files.plan_digests(read_file(file)) if file.is_file() else [""]

    def save_weights(self, phase: str, save: Callable[[Path], object], num_bytes: int = 0) -> None:
        """Save the weights after a phase, atomically.

        Args:
            phase: name of the phase.
            save: writes the weights into a file.
            num_bytes: about how large the file becomes. If there is not so much space, ``save`` is not called: HDF5 ends the
                process where it cannot write.

        Raises:
            OSError: the disk is full, or the folder cannot be written; the file is as it was.
        """
        target = self.weights_file(phase)
        unfinished = target.with_name(f"unfinished_{target.name}")  # Keras wants the suffix
        try:
            with unfinished.open("wb") as file:
                reserve(file.fileno(), max(1, num_bytes))
            save(unfinished)
            sync(unfinished)
            if os.path.lexists(target) and not target.is_file():
                self.set_aside(target.name, "it is no file", "it is written anew")
            self._note_digest(target.name, run_files.file_digest(unfinished))
            unfinished.replace(target)
        except BaseException as error:
            unfinished.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(target)
            raise

    def has_weights(self, phase: str) -> bool:
        """Whether the weights after a phase are there, and as they were written."""
        file = self.weights_file(phase)
        known = self._digests.get(file.name)
        try:
            return file.is_file() and (not known or run_files.file_digest(file) in known)
        except OSError:
            return False

    def with_weights(self, history: list[dict]) -> list[dict]:
        """The rows of the phases whose weights are whole; a note names the others.

        Raises:
            RunFolderError: none are.
        """
        phases = dict.fromkeys(row["phase"] for row in history)
        lost = [phase for phase in phases if not self.has_weights(phase)]
        if lost and len(lost) == len(phases):
            raise RunFolderError(f"{self.weights_file(lost[0])} is damaged or missing; start a new run with another --out.")
        for phase in lost:
            self.note(f"{self.weights_file(phase).name} is damaged or missing: '{phase}' cannot be exported any more.")
        return [row for row in history if row["phase"] not in lost]

    def kept(self) -> str:
        """What is kept of the training, in words."""
        return self._kept or "no epoch is finished yet"

    def save_checkpoint(self, phase: str, epoch: int, arrays: dict[str, np.ndarray], history: list[dict]) -> None:
        """Save the state after ``epoch`` epochs of ``phase``: one file, so that a kill at any moment leaves an intact one."""
        known = {"phase": phase, "epoch": epoch, "history": history, "seconds": self.seconds(), "plan": self._plan_digests()}
        self._write_checkpoint(known, arrays)
        self._kept = f"the state after epoch {epoch} of '{phase}' is kept"
        self.write_history(history)

    def _write_checkpoint(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, __state__=np.array(json.dumps(state)), **arrays)
        self.write(CHECKPOINT, buffer.getvalue())

    def load_checkpoint(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """``({"phase", "epoch", "history", "seconds"}, arrays)`` of the last finished epoch.

        Returns:
            the state; None before the first epoch, or if the checkpoint is damaged, which is said and set aside.

        Raises:
            RunFolderError: the checkpoint belongs to another plan, since the plan was lost and decided anew.
        """
        if not os.path.lexists(self.path / CHECKPOINT):
            return None
        try:
            state, arrays = run_files.as_checkpoint(self._read_bytes(CHECKPOINT))
        except (OSError, ValueError) as error:
            self.drop_checkpoint(run_files.reason(error))
            return None
        plans = state.get("plan")  # the digests of its plan, also of that before a change; one or none in older runs
        known = {plans} if isinstance(plans, str) else plans
        is_decided = os.path.lexists(self.path / PLAN)  # a lost plan is decided before training goes on, and compared then
        if known is not None and is_decided and not set(known) & set(self._plan_digests()):
            raise RunFolderError(
                f"{self.path / PLAN} is not the plan that {CHECKPOINT} was written under: it was lost, and the data have "
                "changed since. A new split could move validation images into training. Put the file or the data back, or "
                "start a new run with another --out."
            )
        self._seconds_before, self._began = state["seconds"], time.monotonic()
        self._kept = f"the state after epoch {state['epoch']} of '{state['phase']}' is kept"
        return state, arrays

    def drop_checkpoint(self, reason: str) -> None:
        """Set a checkpoint aside that cannot be used."""
        is_finished = os.path.lexists(self.path / "metrics.json")
        then = "goes on after the last phase whose weights are whole, or begins anew"
        self.set_aside(CHECKPOINT, reason, "the finished model stays as it is" if is_finished else f"the run {then}")

    def read_history(self) -> list[dict]:
        """The rows of ``history.csv``, with numbers where there are; none where it is damaged or missing."""
        if not os.path.lexists(self.path / "history.csv"):
            return []
        try:
            return histories.from_csv(read_file(self.path / "history.csv"))
        except histories.UNREADABLE as error:
            self.set_aside("history.csv", run_files.reason(error), "the rows of the finished epochs are lost")
            return []

    def write_history(self, history: list[dict]) -> None:
        """Write ``history.csv``, with one row per epoch."""
        self.write("history.csv", histories.to_csv(history))


def _as_json(contents: Any) -> bytes:
    return json.dumps(contents, indent=2).encode()
