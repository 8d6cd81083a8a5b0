"""``visionkit evaluate``: exported models, measured on any data of their task."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from visionkit.bundle_files import find_bundle, finite, read_metadata
from visionkit.cli.arguments import AllowOutside, AsJson, MaskValues, Trust
from visionkit.cli.output import MOST_NAMED, say, to_json
from visionkit.errors import UserError
from visionkit.files import home_expanded
from visionkit.outputs import PAGES, check_output

if TYPE_CHECKING:
    from visionkit.data.index import Skipped
    from visionkit.inference.measuring import Measured, Opened

ModelsAndData = Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL [MODEL ...] DATA")]
SMALL_SETS = ("digits", "fashion-mnist")
TAKES = ("task", "input", "multi_label")  # of bundle.json: models that are measured together have the same


def evaluate(
    models: tyro.conf.Positional[ModelsAndData],
    as_json: AsJson = False,
    html: Path | None = None,
    split: str = "auto",
    mask_values: MaskValues = (),
    trust: Trust = False,
    allow_outside: AllowOutside = False,
) -> int:
    """Measure models on data of their task: the metrics and the report page of training.

    Classes are matched by their names; what a model does not know is left out, and named.

    Args:
        models: RUN/model, RUN, or folders of saved_models/; and last a data set of their task, in any layout that training
            reads, or tfds:NAME; for classifiers also digits and fashion-mnist; for stylizers a folder of photographs.
        as_json: Print one JSON object a line for each model, and nothing else.
        html: Write the report; of several models, a table of them, with a page for each beside it.
        split: The split that is measured: train, val, test or all. auto takes test, or else val, or else all.
        mask_values: What the values of masks mean: 0=background 128=cell 255=ignore other=ignore, or #ff0000=road.
        trust: Load the models even if their graphs do more than compute, such as read files. Only if you trust their makers.
        allow_outside: Also read images outside of the data set's folder that its lists or annotations name.

    Returns:
        the exit status: 1 if an image could not be read.
    """
    began = time.monotonic()
    *models, data = models or ("",)
    described = _described(models)
    _check_data(data)
    if html is not None:
        html = check_output(html, "--html", suffixes=PAGES)
    pages_of = [] if html is None else _pages(html, len(models))
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.inference.measuring import EvaluateOptions
    from visionkit.tasks import PACKAGES, measuring
    from visionkit.viz.evaluation_table import single_lines, table_lines, write_comparison

    task = described[0]["task"]
    if task not in PACKAGES:
        raise UserError(f"{models[0]} does {task!r}; this version of visionkit measures {', '.join(PACKAGES)}.")
    evaluate_of_task, report_of_task = measuring(task)
    told = sys.stderr if as_json else sys.stdout
    rows, pages, skipped = [], [], {}
    with tempfile.TemporaryDirectory(prefix="visionkit-") as scratch:
        options = EvaluateOptions(split, mask_values, trust, allow_outside, Path(scratch))
        opened = evaluate_of_task.read_data(data, described[0], options)
        say(opened.sentence, *(f"Note: {note}." for note in opened.notes), file=told)
        for number, (model, metadata) in enumerate(zip(models, described, strict=True), start=1):
            measured = evaluate_of_task.evaluate_data(find_bundle(model), opened.for_one_model(), options)
            of_model = f"{model}: " if len(models) > 1 else ""
            say(*(f"Note: {of_model}{note}." for note in measured.notes), file=told)
            _say_skipped([file for file in measured.skipped if file.path not in skipped])  # most are the same for each model
            skipped |= {file.path: file for file in measured.skipped}
            rows.append(_numbers(measured, find_bundle(model)))
            if as_json:
                print(to_json(_record(model, data, opened, measured, rows[-1])), flush=True)
            if html is not None:
                report = report_of_task.report_on(measured, f"{model} on {data}")
                config = {"model": model, "data": data, "split": opened.split, "mask_values": " ".join(mask_values)}
                config |= {name: metadata[name] for name in ("base", "made_by") if name in metadata}
                notes = [opened.sentence, *(f"Note: {note}." for note in (*opened.notes, *measured.notes))]
                shown = finite(measured.metrics) | {"images": measured.images}
                pages.append(report.write(pages_of[number - 1], notes=notes, metrics=shown, config=config))
    if not as_json:
        say(*(single_lines(rows[0]) if len(models) == 1 else table_lines(models, rows)))
    if html is not None and len(models) > 1:
        notes = [opened.sentence, *(f"Note: {note}." for note in opened.notes)]
        options = {"names": models, "pages": pages, "rows": rows, "notes": notes}
        write_comparison(html, title=f"{len(models)} models on {data}", **options)
    say(*([] if html is None else [f"report   {html}"]), f"measured in {time.monotonic() - began:.0f} seconds", file=told)
    if skipped:
        print(f"{len(skipped)} files cannot be used; the numbers are without them.", file=sys.stderr)
    return 1 if skipped else 0


def _pages(html: Path, num_models: int) -> list[Path]:
    """The page of each model: several have theirs beside the table.

    Raises:
        UserError: one may not be written.
    """
    if num_models == 1:
        return [html]
    pages = [html.with_name(f"{html.stem}-{number}{html.suffix}") for number in range(1, num_models + 1)]
    return [check_output(page, "--html", suffixes=PAGES) for page in pages]


def _described(models: Sequence[str]) -> list[dict[str, Any]]:
    """The metadata of the models, which all take the same data.

    Raises:
        UserError: there is no model, or one is missing or damaged, or they take different data.
    """
    if not models:
        raise UserError("Expected one model or several, and then the data: visionkit evaluate MODEL [MODEL ...] DATA.")
    described = [read_metadata(find_bundle(model)) for model in models]
    for model, metadata in zip(models, described, strict=True):
        for name in TAKES:
            one, other = described[0].get(name), metadata.get(name)
            if (one or None) != (other or None):
                raise UserError(
                    f"{models[0]} and {model} cannot be measured on the same data: {name} is {one or 'not set'} and "
                    f"{other or 'not set'}. Measure them one by one."
                )
        if "crop" in (metadata.get("fit"), described[0].get("fit")) and metadata.get("shape") != described[0].get("shape"):
            raise UserError(f"{models[0]} and {model} take cubes of different sizes. Measure them one by one.")
    return described


def _check_data(data: str) -> None:
    if data in SMALL_SETS or data.startswith("tfds:") or Path(home_expanded(data)).exists():
        return
    raise UserError(
        f"{data}: no such file or folder. The last argument is the data: visionkit evaluate MODEL [MODEL ...] DATA; expected a "
        f"folder, a file, tfds:NAME, {' or '.join(SMALL_SETS)}."
    )


def _say_skipped(skipped: Sequence["Skipped"]) -> None:
    """Name the first files that cannot be used, on standard error."""
    say(*(f"Skipped {file.path}: {file.reason}." for file in skipped[:MOST_NAMED]), file=sys.stderr)
    if len(skipped) > MOST_NAMED:
        say(f"... and {len(skipped) - MOST_NAMED:,} more.", file=sys.stderr)


def _numbers(measured: "Measured", bundle: Path) -> dict[str, float | None]:
    """The row of a model in a table."""
    size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file()) / 1e6
    costs = {"megabytes": round(size, 1), "seconds_an_image": measured.seconds_an_image}
    return finite(measured.metrics) | {"images": measured.images} | finite(costs)


def _record(model: str, data: str, opened: "Opened", measured: "Measured", row: dict[str, float | None]) -> dict[str, Any]:
    """The object of ``--json``."""
    about = {"model": model, "data": data, "split": opened.split, "images": measured.images, "skipped": len(measured.skipped)}
    return about | row
