"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from visionkit.cli_faces import faces
from visionkit.cli_understand import understand
from visionkit.errors import UserError

MOST_NAMED = 20  # problems on the screen


def predict(
    model: tyro.conf.Positional[Path],
    pictures: tyro.conf.Positional[tuple[str, ...]],
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    draw: Path | None = None,
    top: int = 5,
    threshold: float | None = None,
    tile: int | None = None,
    coco: Path | None = None,
    annotations: Path | None = None,
    instances: Literal["components", "watershed"] | None = None,
    style: str | None = None,
) -> int:
    """Say what is on pictures (or in signals, or volumes), with a model that a recipe exported.

    Detectors and stylizers also take video files, and the number of a camera, which Ctrl-C ends. A segmenter writes each
    picture's mask, the number of its class for every pixel, and a stylizer each painted picture or video, into the folder of
    --draw, or into predictions/.

    Args:
        model: RUN/model, RUN, or a folder of saved_models/.
        pictures: Files, folders or globs.
        as_json: Print one JSON object a line, and nothing else.
        draw: Write each picture with its answer into this folder; of a video, a video.
        top: How many classes to show.
        threshold: Of a detector: only boxes that score more, 0 to 1. Default: the model's own.
        tile: Of a detector: look also at overlapping tiles of so many pixels a side, for small objects on large pictures.
        coco: Of a detector: write all boxes into this file, as COCO has results.
        annotations: COCO annotations whose numbers of pictures and classes the results get. Default: running numbers.
        instances: Of a segmenter: count things, too: what touches is one (components), or parted at necks (watershed).
        style: Of a stylizer: the name of a style, or shares of several: "starry=0.7,scream=0.3". Default: its own.

    Returns:
        the exit status: 1 if a picture could not be read.
    """
    if top < 1:
        raise UserError(f"--top {top}: expected at least 1.")
    if not pictures:
        raise UserError("No pictures given; expected files, folders or globs after the model.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.inference.answering import answers
    from visionkit.inference.said import Options

    status = 0
    for said in answers(model, pictures, Options(draw, top, threshold, tile, coco, annotations, instances, style)):
        line = said.text if not as_json else "" if said.plain is None else to_json(said.plain)
        print(line, end="\n" if line else "", flush=True)
        print(said.note, end="\n" if said.note else "", file=sys.stderr)
        status = max(status, int(said.is_failure))
    return status


def check(
    data: tyro.conf.Positional[str],
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    html: Path | None = None,
    fix: Path | None = None,
) -> int:
    """Say what is wrong with a data set, before a day is lost to it: every file is opened once.

    Args:
        data: Class folders, VOC, COCO, YOLO, images and masks, lists, tables, or tfds:NAME.
        as_json: Print one JSON object a line, and nothing else: what is wrong, and last a summary.
        html: Write a page with pictures of what is wrong.
        fix: Write an index of what is sound into this new folder; pictures stay where they are.

    Returns:
        the exit status: 1 if something is wrong.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.check import check
    from visionkit.data.fixing import check_folder, write_fixed
    from visionkit.viz.check_page import write_check_page
    from visionkit.viz.check_table import check_lines, fixed_lines

    if fix is not None:
        check_folder(fix)
    checked = check(data)
    more = []
    if html is not None:
        more.append(f"page: {write_check_page(checked, html, title=f'Check of {data}')}")
    if fix is not None:
        more += fixed_lines(write_fixed(checked, fix), fix)
    if as_json:
        print(*more, sep="\n", end="\n" if more else "", file=sys.stderr)
        print(*(to_json(finding.to_plain()) for finding in checked.findings), to_json({"summary": checked.summary}), sep="\n")
    else:
        *lines, verdict = check_lines(checked)
        print(*lines, *more, verdict, sep="\n")
    return 1 if checked.findings else 0


def convert(
    source: tyro.conf.Positional[str],
    target: tyro.conf.Positional[Path],
    to: Literal["voc", "coco", "yolo"] | None = None,
    pictures: Literal["copy", "link"] = "copy",
) -> int:
    """Write annotated pictures in another format: VOC, COCO or YOLO.

    Args:
        source: What to read: class folders, VOC, COCO, YOLO, images and masks, tables, or tfds:NAME.
        target: A new folder; or a new .json file (COCO), beside which pictures stay where they are.
        to: The format. Default: by the target's name (voc, coco, yolo, .json, .yaml), else COCO.
        pictures: Copy the pictures into the target, or link to them.

    Returns:
        the exit status.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.convert import convert

    done = convert(str(source), target, to=to, pictures=pictures)
    for note in done.notes:
        print(f"note: {note}")
    for problem in done.problems[:MOST_NAMED]:
        print(f"left out: {problem.path}: {problem.kind}: {problem.detail}")
    if len(done.problems) > MOST_NAMED:
        print(f"left out: {len(done.problems) - MOST_NAMED} more; visionkit check names all")
    for loss in done.lost:
        print(f"lost: {loss}")
    counts = ", ".join(f"{name} {n} pictures, {done.num_objects[name]} objects" for name, n in done.num_pictures.items())
    print(f"{done.format}: {counts}", *done.paths, sep="\n")
    return 0


def augment(
    data: tyro.conf.Positional[str],
    out: Path,
    preset: str = "medium",
    flip: bool = True,
    mix: Literal["none", "mixup", "cutmix", "mosaic"] | None = None,
    rows: int = 6,
    columns: int = 8,
    size: int = 224,
    seed: int = 0,
) -> int:
    """Draw what augmentation makes of a data set's pictures: a row a picture, first as the model will see it when it serves.

    Args:
        data: Class folders, VOC, COCO, YOLO, images and masks, lists, tables, or tfds:NAME.
        out: The picture to write: .png, .jpg, .webp, ...
        preset: light, medium or strong, as the data's task needs it; a full name (detection-strong); or a .json or .yaml file
            that albumentations.save wrote.
        flip: Whether a mirror image shows the same.
        mix: How pictures are mixed with each other. Default: as the preset says.
        rows: How many pictures of the data set, spread over its classes.
        columns: How many views of each.
        size: Side of the network's input in pixels.
        seed: Draws the pictures and what is done to them.

    Returns:
        the exit status.
    """
    for name, value, most in (("rows", rows, 40), ("columns", columns, 24), ("size", size, 2048)):
        if not 1 <= value <= most:
            raise UserError(f"--{name} {value}: expected 1 to {most}.")
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.augment_files import find_augmentation
    from visionkit.data.sample import SkippedFiles
    from visionkit.data.sources import read
    from visionkit.viz.augmentation_grid import augmentation_grid, check_target, save, task_of, with_mixing
    from visionkit.viz.sample_choice import choose, training_split

    check_target(out)
    index, skipped = training_split(read(data)), SkippedFiles()
    augmentation = find_augmentation(preset, task=task_of(index), flip=flip)
    augmentation = with_mixing(augmentation, mix, index)
    try:
        chosen = choose(index, rows, seed=seed, skipped=skipped)
        grid = augmentation_grid(chosen, augmentation, size=size, columns=columns, seed=seed, skipped=skipped)
    finally:
        for file in skipped.list()[:MOST_NAMED]:
            print(f"skipped: {file.path}: {file.reason}", file=sys.stderr)
    save(grid, out)
    print(f"{augmentation.name}: {len(chosen)} of {len(index)} pictures, {columns} views of each: {out}")
    return 0


def models(
    name: tyro.conf.Positional[str | None] = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    input_shape: tuple[int, ...] = (),
    classes: int | None = None,
) -> int:
    """List the networks and what they cost; or, of the one that is named, what each layer costs.

    Args:
        name: A network. Default: list all of them.
        as_json: Print one JSON object a line, and nothing else.
        input_shape: What the named network reads: sides, then channels, as 224 224 3; a signal has one side, a volume three.
            Default: as published.
        classes: Outputs of the named network. Default: as published.

    Returns:
        the exit status.
    """
    if name is None and (input_shape or classes is not None):
        raise UserError("--input-shape and --classes go with the name of one network: visionkit models resnet50 --classes 2.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from tqdm import tqdm

    from visionkit.models.catalog import CATALOG
    from visionkit.models.catalog_cost import build_to_count, summary
    from visionkit.models.cost import layer_costs, separable_blocks
    from visionkit.viz.cost_table import cost_lines, list_header, list_line

    if name is not None:
        model = build_to_count(name, input_shape or None, classes)
        costs = layer_costs(model)
        if as_json:
            print(to_json(summary(model, costs) | {"layers": [cost.to_plain() for cost in costs]}))
        else:
            print(*cost_lines(model.name, costs, separable_blocks(model)), sep="\n")
        return 0
    with tqdm(CATALOG, "networks", leave=False, disable=None) as networks:
        if not as_json:
            networks.write(list_header(list(CATALOG)))
        for each in networks:
            model = build_to_count(each)
            facts = summary(model, layer_costs(model))
            networks.write(to_json(facts) if as_json else list_line(list(CATALOG), facts))
    return 0


def edges(picture: tyro.conf.Positional[Path | None] = None, *, out: Path, side: int = 256) -> int:
    """Draw what edge filters find in a picture: vertical, horizontal, Sobel, Scharr, 45 degrees, length and direction.

    Args:
        picture: Any picture file. Default: a photograph that scikit-image brings along.
        out: The picture to write: .png, .jpg, .webp, ...
        side: Longer side in pixels at which the picture is filtered and shown.

    Returns:
        the exit status.
    """
    if not 160 <= side <= 1024:
        raise UserError(f"--side {side}: expected 160 to 1024 pixels.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.decode import PictureError, read_picture
    from visionkit.viz.augmentation_grid import check_target, save
    from visionkit.viz.edge_figure import bundled_photograph, edge_figure

    check_target(out)
    try:
        photograph = bundled_photograph() if picture is None else read_picture(picture)
    except PictureError as error:
        raise UserError(f"{picture} cannot be read: {error}.") from error
    save(edge_figure(photograph, side), out)
    print(out)
    return 0


def ensemble(
    models: tyro.conf.Positional[tuple[Path, ...]],
    out: Path,
    views: Literal["one", "flips", "ten_crop", "multi_crop"] = "one",
    data: str | None = None,
    seed: int = 0,
) -> int:
    """Make one model of several classifiers, or of one that looks several times: it answers with their mean.

    Args:
        models: 1 to 15 run folders, or models that recipes exported, of the same classes.
        out: Folder of the new model.
        views: What each of them sees of a picture: one view, its mirror image too, 10 crops, or 144 crops of several sizes.
        data: Folder of pictures on whose validation split all of them are measured; or digits, or fashion-mnist.
        seed: Draws the pictures that are held out, where the folder has no validation split.

    Returns:
        the exit status.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.folders import read_class_folders
    from visionkit.data.small_pictures import find_small
    from visionkit.export.bundle import add_facts
    from visionkit.inference.ensemble import export_ensemble
    from visionkit.inference.evaluation import accuracy_of

    val = None if data is None else (find_small(data) or read_class_folders(data, seed=seed)).val
    made = export_ensemble(models, out, views=views)
    if val is not None:
        for model in models:
            print(f"{accuracy_of(model, val):.4f}  {model}")
        accuracy = accuracy_of(made, val)
        add_facts(made, metrics={"accuracy": accuracy})
        print(f"{accuracy:.4f}  {made}: the mean, of {len(val)} validation pictures")
    print(f"model    {made}")
    return 0


def to_json(answer: dict) -> str:
    """One line of ``--json``; file names that are not valid UTF-8 stay printable."""
    return json.dumps(answer, ensure_ascii=True)


COMMANDS = {
    "predict": predict,
    "check": check,
    "convert": convert,
    "augment": augment,
    "models": models,
    "edges": edges,
    "ensemble": ensemble,
    "understand": understand,
    "faces": faces,
}


def main() -> None:
    """Entry point of the ``visionkit`` command."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        status = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="visionkit", description="Applied vision with TensorFlow and Keras."
        )
    except BrokenPipeError:  # whoever reads has seen enough: head, less
        sys.stdout = None  # else Python would complain when it flushes it at the end
        status = 0
    except (UserError, OSError) as error:
        print(f"visionkit: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("visionkit: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
