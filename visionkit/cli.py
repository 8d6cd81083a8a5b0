"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import tyro

from visionkit.errors import UserError


def predict(
    model: tyro.conf.Positional[Path],
    pictures: tyro.conf.Positional[tuple[str, ...]],
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    draw: Path | None = None,
    top: int = 5,
) -> int:
    """Say what is on pictures, with a model that a recipe exported.

    Args:
        model: RUN/model, RUN, or a folder of saved_models/.
        pictures: Files, folders or globs.
        as_json: Print one JSON object a line, and nothing else.
        draw: Write each picture with its answer into this folder.
        top: How many classes to show.

    Returns:
        the exit status: 1 if a picture could not be read.
    """
    if top < 1:
        raise UserError(f"--top {top}: expected at least 1.")
    if not pictures:
        raise UserError("No pictures given; expected files, folders or globs after the model.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.decode import read_picture
    from visionkit.inference.loading import Unreadable, expand, load
    from visionkit.viz.draw import draw_label, drawing_names

    classifier = load(model)
    files = expand(pictures)
    if not files:
        raise UserError(f"No pictures in {', '.join(pictures)}.")
    if draw is not None:
        draw.mkdir(parents=True, exist_ok=True)
    failures = 0
    for answer, drawing in zip(classifier.predict_many(files), drawing_names(files), strict=True):
        if isinstance(answer, Unreadable):
            failures += 1
            print(to_json(answer._asdict()) if as_json else f"{answer.path}\n    cannot be read: {answer.error}")
            continue
        best = answer.top[:top]
        if draw is not None:
            lines = [f"{label}  {score:.1%}" for label, score in best]
            draw_label(read_picture(answer.path), lines).save(draw / drawing)
        if as_json:
            print(to_json({"path": answer.path, "label": answer.label, "score": answer.score, "top": best}))
        else:
            print(answer.path, *(f"    {score:6.1%}  {label}" for label, score in best), sep="\n")
    if failures:
        print(f"{failures} of {len(files)} pictures cannot be read.", file=sys.stderr)
    return 1 if failures else 0


def to_json(answer: dict) -> str:
    """One line of ``--json``; file names that are not valid UTF-8 stay printable."""
    return json.dumps(answer, ensure_ascii=True)


COMMANDS = {"predict": predict}


def main() -> None:
    """Entry point of the ``visionkit`` command."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        status = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="visionkit", description="Applied vision with TensorFlow and Keras."
        )
    except (UserError, OSError) as error:
        print(f"visionkit: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
