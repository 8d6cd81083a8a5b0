"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Predict:
    """Say what is on pictures, with a model that a recipe exported."""

    model: tyro.conf.Positional[Path]
    """RUN/model, RUN, or a folder of saved_models/."""
    pictures: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders or globs."""
    json: bool = False
    """Print one JSON object a line, and nothing else."""
    draw: Path | None = None
    """Write each picture with its answer into this folder."""
    top: int = 5
    """How many classes to show."""


def predict(options: Predict) -> int:
    """Run ``visionkit predict``; the exit status is 1 if a picture could not be read."""
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.decode import read_picture
    from visionkit.inference.loading import Unreadable, expand, load
    from visionkit.viz.draw import draw_label, save_drawing

    if options.top < 1:
        raise ValueError(f"--top {options.top}: expected at least 1.")
    model = load(options.model)
    files = expand(options.pictures)
    if not files:
        raise ValueError(f"No pictures in {', '.join(options.pictures)}.")
    failures = 0
    for answer in model.predict_many(files):
        if isinstance(answer, Unreadable):
            failures += 1
            print(json.dumps(answer._asdict()) if options.json else f"{answer.path}\n    cannot be read: {answer.error}")
            continue
        top = answer.top[: options.top]
        if options.draw is not None:
            lines = [f"{label}  {score:.1%}" for label, score in top]
            save_drawing(draw_label(read_picture(answer.path), lines), options.draw, answer.path)
        if options.json:
            line = {"path": answer.path, "label": answer.label, "score": answer.score, "top": [list(pair) for pair in top]}
            print(json.dumps(line, ensure_ascii=False))
        else:
            print(f"{answer.path}\n" + "\n".join(f"    {score:6.1%}  {label}" for label, score in top))
    if failures and not options.json:
        print(f"{failures} of {len(files)} pictures cannot be read.", file=sys.stderr)
    return 1 if failures else 0


Command = Annotated[Predict, tyro.conf.subcommand("predict")]
RUN = {Predict: predict}


def main() -> None:
    """Entry point of the ``visionkit`` command."""
    options = tyro.cli(
        tyro.conf.OmitArgPrefixes[tyro.conf.OmitSubcommandPrefixes[tyro.conf.ConsolidateSubcommandArgs[Command]]],
        prog="visionkit",
        description="Applied vision with TensorFlow and Keras.",
    )
    try:
        status = RUN[type(options)](options)
    except (ValueError, OSError) as error:
        print(f"visionkit: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
