"""What a command line may change of a run that it resumes: where the data lie, and the number of epochs."""

import hashlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from visionkit.command_line import flag_of
from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA, home_expanded, kind_of_file, resolved
from visionkit.training.run_folder import DATA, PLAN, RunFolder


def contradictions(given: dict[str, Any], stored: dict[str, Any], run: RunFolder) -> list[str]:
    """The options that contradict a run, in words with both values.

    Args:
        given: the options that the command line names, but for resume, data and epochs.
        stored: all options of the run.
        run: the run.
    """
    stored = stored | {"out": run.path}
    different = {name: value for name, value in given.items() if _plain(value) != _plain(stored[name])}
    return [f"{flag_of(name)} {_shown(value)} (the run has {_shown(stored[name])})" for name, value in different.items()]


def _plain(value: Any) -> Any:
    """A value by which options are compared: paths as whole paths, also where they were given as a text."""
    if isinstance(value, str | Path):
        return os.path.realpath(home_expanded(value))
    return tuple(_plain(each) for each in value) if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    if value is None:
        return "the default"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def current_epochs(run: RunFolder, stored: int | None) -> int | None:
    """The number of epochs that a run is trained for, or was; None where it is not known yet."""
    planned = (run.read_json(PLAN) or {}).get("epochs", stored)
    if planned is not None:
        return planned
    saved = run.load_checkpoint()
    return None if saved is None else saved[0]["epoch"]


def check_model(run: RunFolder) -> None:
    """Raise if the export could not put a bundle into ``RUN/model``, before hours of training.

    Raises:
        UserError: there is something else, which is not replaced.
    """
    model = run.path / "model"
    if model.is_symlink():
        raise UserError(f"{model} is a link, which an export does not replace. Remove the link, or put the folder back.")
    if model.exists() and not (model / BUNDLE_METADATA).is_file():
        kind = "a folder without a model" if model.is_dir() else kind_of_file(model) or "a file"
        raise UserError(f"{model} is {kind}, which an export does not replace. Move it away.")


def train_longer(run: RunFolder, epochs: int) -> None:
    """Let a run be trained for more epochs than it was, also one that is finished.

    Its bundle stays until there is a new one, its report until training goes on. Only ``metrics.json``, which marks a run as
    finished, goes first: a kill at any moment leaves a run that can be resumed.

    Raises:
        UserError: there is no checkpoint to go on from.
    """
    check_model(run)
    saved = run.load_checkpoint()
    finished = run.read_metrics() is not None
    if finished and saved is None:
        raise UserError(
            f"--epochs {epochs}: {run.path} has no checkpoint to go on from, and its weights alone do not say how its training "
            f"went. Start a new run from its model with --from {run.path}."
        )
    (run.path / "metrics.json").unlink(missing_ok=True)
    plan = run.read_json(PLAN)
    if plan is not None and "epochs" in plan:
        run.change_plan(plan | {"epochs": epochs})
    run.write_json("config.json", run.read_config() | {"epochs": epochs})
    if saved is not None:
        phase, epoch = saved[0]["phase"], saved[0]["epoch"]
        run.note(
            f"'{phase}' goes on from epoch {epoch} to {epochs}: with the learning rate that a schedule of {epochs} epochs has "
            f"after {epoch}, which then falls to its end. Phases that were finished before stay as they are."
        )


def describe_data(data: str | None) -> dict[str, list]:
    """The names of all files in a folder of data: ``{suffix: [how many, digest]}``; nothing for other data."""
    names = defaultdict(list)
    if data is not None and Path(data).is_dir():
        for folder, folders, files in os.walk(data):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = os.path.relpath(folder, data)
            for name in files:
                if not name.startswith("."):
                    names[_suffix(name)].append(f"{below}/{name}")
    listed = {suffix: "\0".join(sorted(of_suffix)).encode("utf-8", "surrogateescape") for suffix, of_suffix in names.items()}
    return {suffix: [len(names[suffix]), hashlib.blake2b(listed[suffix], digest_size=16).hexdigest()] for suffix in names}


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a Path costs more


def move_data(run: RunFolder, before: str, now: str) -> None:
    """Let a run find its data where they have been moved to.

    Raises:
        UserError: they are other data: a file in the place of a folder, files are missing there, or there are more.
    """
    if not Path(now).exists():
        raise UserError(f"--data {now}: no such file or folder; expected the data of this run, which were in {before}.")
    plan, known = run.read_json(PLAN) or {}, run.read_json(DATA) or {}
    kinds = ["a folder" if Path(now).is_dir() else "a file", _kind_before(before, plan, known)]
    if kinds[1] not in (None, kinds[0]):
        raise UserError(
            f"--data {now}: is {kinds[0]}, and the run was begun with {kinds[1]}, {before}; expected the same data."
        )
    old, new = (before, now) if Path(now).is_dir() else (str(Path(path).parent) for path in (before, now))

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(each) for name, each in value.items()}
        if isinstance(value, list):
            return [moved(each) for each in value]
        inside = isinstance(value, str) and (value == old or value.startswith(old + os.sep))
        if inside and new.startswith(old + os.sep) and (value == new or value.startswith(new + os.sep)):
            return value  # moved already, before a kill
        return new + value[len(old) :] if inside else value

    files = [path for path in _texts(plan) if path.startswith(old + os.sep) or path.startswith(new + os.sep)]
    absent = [path for path in map(moved, files) if not Path(path).exists()]
    if absent:
        raise UserError(
            f"--data {now}: {len(absent)} of the {len(files)} files that the run uses are not there, for example "
            f"{os.path.relpath(absent[0], new)}; expected the data that were in {before}."
        )
    there = describe_data(now) if known else {}
    used = {_suffix(path) for path in files} or known.keys() | there.keys()
    different = sorted(suffix for suffix in used if known.get(suffix) != there.get(suffix)) if known else []
    if different:
        counts = [(each.get(different[0]) or [0])[0] for each in (known, there)]
        raise UserError(
            f"--data {now}: it holds {counts[1]} {different[0]} files, and the run was begun with {counts[0]} in {before}"
            f"{', of other names' if counts[0] == counts[1] else ''}; expected the same data. For other data start a new run."
        )
    if plan:
        run.change_plan(moved(plan))
    config = run.read_config()
    pairs = {name: moved(config[name]) for name in ("pairs",) if config.get(name) is not None}  # that lie in the data
    run.write_json("config.json", config | pairs | {"data": now})
    run.note(f"The data have moved from {before} to {now}.")


def _kind_before(before: str, plan: dict[str, Any], known: dict[str, Any]) -> str | None:
    """Whether a run was begun with a folder or a file, which may be gone; None where nothing says it."""
    paths = _texts(plan)
    if known or Path(before).is_dir() or any(path.startswith(before + os.sep) for path in paths):
        return "a folder"
    beside = f"{Path(before).parent}{os.sep}"
    return "a file" if Path(before).is_file() or any(path.startswith(beside) for path in paths) else None


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def check_apart(data: str | None, out: Path) -> None:
    """Raise if a run would write into its data, or would hold them; links are followed.

    Raises:
        UserError: one folder lies in the other.
    """
    if data is None or not Path(data).is_dir():
        return
    source, target = resolved(data), resolved(out)
    if target.is_relative_to(source):
        raise UserError(f"--out {out}: it lies in the data, {data}. Give a folder outside of it.")
    if source.is_relative_to(target):
        raise UserError(f"--data {data}: it lies in the folder of the run, {out}. Give --out a folder beside the data.")
