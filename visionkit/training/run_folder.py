"""The folder of one run: configuration, history, checkpoint, metrics. All files are written atomically."""

import csv
import io
import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.printable import printable

OLD_NOTES = "story.json"  # the former name of notes.json, in runs that were begun under it


class RunFolderError(UserError):
    """A folder that cannot be started in or resumed from."""


class RunFolder:
    """``RUN/``: what a recipe writes, and what ``--resume`` reads. One process at a time may open it.

    Args:
        path: the folder, which is made if it is missing.

    Attributes:
        notes: sentences on what happened and why.

    Raises:
        RunFolderError: another process has opened it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(f"{path}: another process is writing this run.") from None
        self._began = time.monotonic()
        self._seconds_before = 0.0
        self._sweep()
        self.notes: list[str] = self.read_json("notes.json") or self.read_json(OLD_NOTES) or []

    @classmethod
    def start(cls, path: str | Path, config: dict[str, Any]) -> "RunFolder":
        """Make a new run folder, or reuse one whose run failed before its first epoch.

        Raises:
            RunFolderError: the folder holds a run already, or a ``model/`` that no run wrote; nothing is overwritten.
        """
        run = cls(path)
        if any((run.path / name).exists() for name in ("checkpoint.npz", "metrics.json")):
            raise RunFolderError(f"{path} holds a run already; continue it with --resume {path}, or name another --out.")
        if (run.path / "model").exists():
            raise RunFolderError(f"{path} holds a folder model/ already, which a run would replace; name another --out.")
        for name in ("plan.json", "notes.json", OLD_NOTES):
            (run.path / name).unlink(missing_ok=True)
        run.notes = []
        run.write_json("config.json", config)
        return run

    @classmethod
    def resume(cls, path: str | Path) -> "RunFolder":
        """Open a run that was interrupted.

        Raises:
            RunFolderError: the folder holds no run.
        """
        if not (Path(path) / "config.json").is_file():
            raise RunFolderError(f"--resume {path}: no config.json there; expected the folder that a run was writing to.")
        return cls(path)

    def note(self, sentence: str) -> None:
        """Print a sentence on what happens and why, and keep it for the report, also after an interruption."""
        print(printable(sentence), flush=True)
        if sentence not in self.notes:
            self.notes.append(sentence)
            self.write_json("notes.json", self.notes)

    def release(self) -> None:
        """Let another process open the folder."""
        self._lock.release()

    def _sweep(self) -> None:
        """Remove unfinished files of a killed process."""
        for pattern in (".model-*", ".*.unfinished", "unfinished_*"):
            for unfinished in self.path.glob(pattern):
                shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink()

    def seconds(self) -> float:
        """Seconds that the run has taken, including those before an interruption (up to its last checkpoint)."""
        return self._seconds_before + time.monotonic() - self._began

    def count_from(self, seconds: float) -> None:
        """Let ``seconds()`` begin with the time before an interruption, if no checkpoint holds it."""
        self._seconds_before = seconds

    def weights_file(self, phase: str) -> Path:
        """The file of the whole model's weights after a phase."""
        return self.path / f"after_{phase}.weights.h5"

    def read_json(self, name: str) -> Any:
        """The contents of ``RUN/name``; None if there is no such file."""
        file = self.path / name
        return json.loads(file.read_text()) if file.is_file() else None

    def write_json(self, name: str, contents: Any) -> None:
        """Write ``RUN/name``, atomically."""
        write_atomically(self.path / name, json.dumps(contents, indent=2).encode())

    def save_checkpoint(self, phase: str, epoch: int, arrays: dict[str, np.ndarray], history: list[dict]) -> None:
        """Save the state after ``epoch`` epochs of ``phase``: one file, so that a kill at any moment leaves an intact one."""
        state = json.dumps({"phase": phase, "epoch": epoch, "history": history, "seconds": self.seconds()})
        buffer = io.BytesIO()
        np.savez(buffer, __state__=np.array(state), **arrays)
        write_atomically(self.path / "checkpoint.npz", buffer.getvalue())
        self.write_history(history)

    def load_checkpoint(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """``({"phase", "epoch", "history", "seconds"}, arrays)`` of the last finished epoch, or None before the first.

        Raises:
            RunFolderError: the checkpoint is damaged.
        """
        file = self.path / "checkpoint.npz"
        if not file.is_file():
            return None
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            state = json.loads(str(arrays.pop("__state__")))
            self._seconds_before = state["seconds"]
            return state, arrays
        except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise RunFolderError(f"{file} is damaged ({error}); delete it to begin this run anew.") from error

    def write_history(self, history: list[dict]) -> None:
        """Write ``history.csv``, with one row per epoch."""
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in history for key in row))
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(history)
        write_atomically(self.path / "history.csv", text.getvalue().encode())
