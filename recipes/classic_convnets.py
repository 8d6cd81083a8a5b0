"""The networks that made the field, trained from scratch: on digits, on Fashion-MNIST, or on your own images.

    python recipes/classic_convnets.py                                          # LeNet-5 on digits: under a minute on 2 cores
    python recipes/classic_convnets.py --data fashion-mnist                     # or a folder of IDX files, such as MNIST's
    python recipes/classic_convnets.py --data my_images/ --model resnet18     # one folder a class; or train/ and val/
    python recipes/classic_convnets.py --study depth                            # why residual networks: errors against depth
    python recipes/classic_convnets.py --smoke                                  # does everything work? Under a minute

Expected of LeNet-5: accuracy 0.989 to 0.994 on digits (seeds 0 to 2), 0.902 on Fashion-MNIST (seed 0, 20 epochs).
Expected of the study: training errors of 18, 23, 31 and 38 percent for plain networks of 8, 20, 32 and 44 layers; of 17, 17, 19
and 21 for residual ones.

`visionkit models` lists the networks. Small grey images are shifted and mirrored as He et al. 2015 did; images in files are
cropped, colored and mirrored as in transfer_learning.py, which is the recipe for few images.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import visionkit

visionkit.quiet_tensorflow()

import keras
import numpy as np

from visionkit.data.augmentation import presets
from visionkit.data.augmentation.parameters import lasting_ratios
from visionkit.data.formats import small_sets
from visionkit.data.formats.class_folders import read_class_folders
from visionkit.data.formats.idx import looks_like_idx
from visionkit.data.formats.small_sets import DIGITS, FASHION, find_small
from visionkit.data.index import Index, SkippedFiles, SmallImages, SmallSplits
from visionkit.data.pipeline.in_memory import Variation
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.models.catalog import CATALOG, find
from visionkit.models.inception import SIDE_WEIGHTS, without_side_branches
from visionkit.tasks.classification import train as phases
from visionkit.tasks.classification.compare_litert import litert_difference
from visionkit.tasks.classification.depth_study import Trained, depth_section
from visionkit.tasks.classification.evaluate import answers_to_files, answers_to_small_images
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.report import ClassificationReport, write_report
from visionkit.training import runtime
from visionkit.training.augment_device import Feeding
from visionkit.training.dataset import few, usable
from visionkit.training.fit import Phase, load_weights, train_in_order
from visionkit.training.optimizers import momentum_sgd
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder
from visionkit.viz.report import Section

GOOGLENET = "googlenet"  # trained with side branches, exported without
SMALL_SIZE = 32  # pixels a side, where the network takes small images
SHIFT_SHARE = 1 / 8  # of the side: 4 pixels of 32, as in the residual paper
SMALL_SET = 10_000  # images; beyond, fewer epochs and larger batches do
FEW_PARAMETERS = 200_000  # LeNet-5 has 61,706: shifted images of a large set are too hard for it
SMOKE = {"epochs": 3}
SMOKE_TRAIN, SMOKE_VAL = 1_500, 400  # small images in all
LITERT_CHECKS = 16  # validation images on which the LiteRT model is compared

DEPTHS, SMOKE_DEPTHS = (8, 20, 32, 44), (8, 14)
STUDY = {"batch_size": 32, "learning_rate": 0.1}  # momentum and decay as in the paper
STUDY_MET = 80_000  # images that each network is trained on, over all epochs
STUDY_TRAIN, STUDY_VAL = 10_000, 2_000  # images of Fashion-MNIST, the first of each split
STUDY_SIZE = 14  # pixels a side: a quarter of the work of 28


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """digits (the default), fashion-mnist, a folder of IDX files, or of images: one folder a class, or train/ and val/."""
    out: Path | None = None
    """Folder of this run. Default: runs/classic_convnets-<time>."""
    model: str = "lenet5"
    """Network: any name that `visionkit models` lists."""
    study: Literal["depth"] | None = None
    """depth trains plain and residual networks of rising depth, and shows what becomes of their errors."""
    epochs: int | None = None
    """Epochs. Default: by the number of images."""
    batch_size: int | None = None
    """Images a step. Default: by the number of images."""
    size: int | None = None
    """Side of the network's input in pixels. Default: 32 for small images, as the network was published for others."""
    learning_rate: float | None = None
    """The highest. Default: by the network."""
    flip: Literal["auto", "yes", "no"] = "auto"
    """Whether a mirror image shows the same class; auto: not of digits and IDX files, else yes."""
    seed: int = 0
    """Makes order, augmentation and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        check_at_least(self, epochs=1, batch_size=1, size=8, learning_rate=1e-9, seed=0)

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or data that cannot be used, is told now."""
        model, data = find(self.model), self.data
        if self.study and model != Config.model:
            raise UserError(f"--study {self.study} trains networks of its own: leave --model {self.model} out.")
        if data is None:
            data = FASHION if self.study and not self.smoke and small_sets.FASHION_FOLDER.is_dir() else DIGITS
        data = data if data in (DIGITS, FASHION) else str(Path(data).resolve())
        config = dataclasses.replace(self, data=data, model=model)
        if find_small(data) is None:
            read_class_folders(data, seed=self.seed)
            if self.study:
                raise UserError(f"--study {self.study} takes small images in memory: digits, fashion-mnist or IDX files.")
        return config

    @property
    def flips(self) -> bool:
        """Whether images are mirrored in training, and answers averaged over both."""
        letters = self.data == DIGITS or (self.data != FASHION and looks_like_idx(Path(self.data)))
        return self.flip == "yes" or (self.flip == "auto" and not letters)


@dataclass(frozen=True)
class Work:
    """What the steps of a run share.

    Attributes:
        train: training images, in memory or in files.
        val: validation images.
        size: side of the network's input.
    """

    run: RunFolder
    config: Config
    story: Story
    skipped: SkippedFiles
    train: SmallImages | Index
    val: SmallImages | Index
    size: int

    @property
    def in_memory(self) -> bool:
        """Whether the images are in memory."""
        return isinstance(self.train, SmallImages)


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="classic_convnets", smoke=SMOKE)


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    small = find_small(config.data)
    work = open_files(run, config, story, skipped) if small is None else open_small(run, config, story, skipped, small)
    if config.study:
        study_depth(work)
        return
    story.tell(f"Network {config.model} from random weights, on a {device}.")
    has_sides = config.model == GOOGLENET
    model = build(config.model, work, **({"side_branches": True} if has_sides else {}))
    history = train_in_order(run, {config.model: partial(set_up, work, model)})
    story.tell("The weights after the last epoch are exported: nothing was chosen by the validation images.")
    finish(work, without_side_branches(model) if has_sides else model, history=history)


def open_small(run: RunFolder, config: Config, story: Story, skipped: SkippedFiles, small: SmallSplits) -> Work:
    """Images in memory: all of them, or the first."""
    train, val, note = small
    limits = (SMOKE_TRAIN, SMOKE_VAL) if config.smoke else (STUDY_TRAIN, STUDY_VAL) if config.study else (len(train), len(val))
    train, val = (part.take(np.arange(min(len(part), most))) for part, most in zip((train, val), limits, strict=True))
    part_of = "the first images of each split of " if len(train) + len(val) < len(small.train) + len(small.val) else ""
    story.tell(f"{len(train):,} training and {len(val):,} validation images: {part_of}{config.data}, {note}.")
    size = config.size or (STUDY_SIZE if config.study else SMALL_SIZE)
    return Work(run, config, story, skipped, train, val, size)


def open_files(run: RunFolder, config: Config, story: Story, skipped: SkippedFiles) -> Work:
    """Images in files, listed at the start of a run; a resumed run keeps to its list."""
    kept = run.read_json("plan.json")
    splits = read_class_folders(config.data, seed=config.seed) if kept is None else Splits.from_plain(kept["data"])
    splits = few(splits) if config.smoke and kept is None else splits
    scanned, listed = usable(splits, Path(config.data), skipped, story, resumed=kept is not None)
    if kept is None:
        run.write_json("plan.json", {"data": listed.to_plain()})
    return Work(run, config, story, skipped, scanned.train, scanned.val, config.size or CATALOG[config.model].size)


def build(name: str, work: Work, **options: Any) -> keras.Model:
    """A network of random weights for the images at hand.

    Raises:
        UserError: it cannot take images of that size.
    """
    shape = (work.size, work.size, 1 if work.in_memory else 3)
    try:
        return CATALOG[name].builder(shape, len(work.train.class_names), **options)
    except ValueError as error:
        size = CATALOG[name].size
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{name} takes no {work.size} x {work.size} pixels: give --size, for example {size}. ({reason})"
        ) from error


def set_up(work: Work, model: keras.Model) -> Phase:
    """The training of one network, ready to go."""
    config, count = work.config, len(work.train)
    large = count > SMALL_SET
    rate, reason = choose_rate(model)
    schedule = {
        "epochs": config.epochs or (20 if large else 40),
        "batch_size": config.batch_size or (128 if large else 32),
        "learning_rate": config.learning_rate or rate,
        "flips": config.flips,
        "seed": config.seed,
        "loss_weights": SIDE_WEIGHTS if config.model == GOOGLENET else None,
    }
    work.story.tell(
        f"AdamW with a learning rate of {schedule['learning_rate']:g} ({'as asked' if config.learning_rate else reason}), "
        f"{schedule['epochs']} epochs in batches of {schedule['batch_size']}, input of {work.size} x {work.size} pixels, "
        f"{'mirrored, too' if config.flips else 'not mirrored'}."
    )
    if work.in_memory:
        return phases.small_image_phase(
            model, config.model, work.train, work.val, variation=variation_of(work, model), **schedule
        )
    augmentation = presets.preset("light", flip=config.flips)
    cache = open_cache(work.train, "auto", ratios=lasting_ratios(work.train, augmentation, work.size), say=work.story.tell)
    feeding = Feeding(augmentation, cache=cache)
    return phases.image_phase(model, config.model, work.train, work.val, feeding=feeding, skipped=work.skipped, **schedule)


def variation_of(work: Work, model: keras.Model) -> Variation:
    """How small training images are varied."""
    shifts = len(work.train) <= SMALL_SET or model.count_params() > FEW_PARAMETERS
    return Variation(shift=round(SHIFT_SHARE * work.size) if shifts else 0, flip=0.5 if work.config.flips else 0.0)


def choose_rate(model: keras.Model) -> tuple[float, str]:
    """The highest learning rate, and the reason in words."""
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        return 2e-3, "it has batch normalisation"
    if model.count_params() < FEW_PARAMETERS:
        return 4e-3, "it is small"
    return 2e-4, "it is large and has no batch normalisation"


def study_depth(work: Work) -> None:
    """Train plain and residual networks of rising depth alike, and compare their errors."""
    config, story = work.config, work.story
    depths = SMOKE_DEPTHS if config.smoke else DEPTHS
    asked = {name: getattr(config, name) or value for name, value in STUDY.items()}
    asked["epochs"] = config.epochs or max(1, round(STUDY_MET / len(work.train)))
    story.tell(
        f"Networks of {', '.join(map(str, depths))} layers, plain and residual, with as many parameters, "
        f"each trained for {asked['epochs']} epochs in batches of {asked['batch_size']}, on {work.size} x {work.size} pixels, "
        f"shifted{' and mirrored' if config.flips else ''}."
    )
    story.tell(
        f"As in the paper: gradient descent with momentum 0.9, weight decay 0.0001, no warm-up; a learning rate of "
        f"{asked['learning_rate']:g}, divided by 10 at half and at three quarters of the steps."
    )
    names = {
        f"{kind}{depth}": (label, depth) for depth in depths for kind, label in (("plain", "plain"), ("resnet", "residual"))
    }
    history = train_in_order(work.run, {name: partial(set_up_of_study, work, name, asked) for name in names})
    rows = {name: [row for row in history if row["phase"] == name] for name in names}
    networks = {
        name: Trained(*names[name], *([1 - row[key] for row in rows[name]] for key in ("accuracy", "val_accuracy")))
        for name in names
    }
    best = min((name for name in names if names[name][0] == "residual"), key=lambda name: networks[name].validation[-1])
    story.tell(f"'{best}' is exported: the best residual network, chosen by these same validation images.")
    model = build_for_study(work, best)
    load_weights(model, work.run.weights_file(best))
    metrics = {f"accuracy_{name}": round(1 - network.validation[-1], 5) for name, network in networks.items()}
    metrics |= {f"training_error_{name}": round(network.training[-1], 5) for name, network in networks.items()}
    finish(work, model, history=[], more_metrics=metrics, sections=(depth_section(list(networks.values())),))


def set_up_of_study(work: Work, name: str, asked: dict[str, Any]) -> Phase:
    """One network of the study; all start from the same seed and meet the same images."""
    keras.utils.set_random_seed(work.config.seed)
    model = build_for_study(work, name)
    options = {"variation": variation_of(work, model), "flips": False, "seed": work.config.seed, "label_smoothing": 0.0}
    phase = phases.small_image_phase(model, name, work.train, work.val, **asked, **options)
    return dataclasses.replace(phase, optimizer=momentum_sgd)


def build_for_study(work: Work, name: str) -> keras.Model:
    return build(name, work, **({} if name.startswith("plain") else {"shortcut": "zeros"}))


def finish(
    work: Work,
    model: keras.Model,
    *,
    history: list[dict],
    more_metrics: dict[str, float] | None = None,
    sections: tuple[Section, ...] = (),
) -> None:
    """Export, measure what was exported, and write the report."""
    run, config, val = work.run, work.config, work.val
    print("Exporting ...", flush=True)
    bundle = export_classifier(
        model,
        run.path / "model",
        class_names=work.train.class_names,
        metadata={"base": model.name, "made_by": f"visionkit {visionkit.__version__}, recipes/classic_convnets.py"},
        flips=config.flips and not config.study,
        whole=work.in_memory,
    )
    if work.in_memory:
        probabilities = answers_to_small_images(bundle, val)
        paths, images = [f"validation image {number}" for number in range(len(val))], val.pixels
    else:
        val, probabilities = answers_to_files(bundle, val, work.skipped)
        paths, images = list(val.paths), None
    checked = np.unique(np.linspace(0, len(val) - 1, LITERT_CHECKS).astype(int))
    shown = [val.as_rgb(i, i + 1)[0] if work.in_memory else val.paths[i] for i in checked]
    difference = litert_difference(bundle, shown, probabilities[checked])
    if difference is not None:
        work.story.tell(f"The LiteRT model's probabilities differ from the SavedModel's by at most {difference:.4f}.")
    metrics = {"accuracy": float((probabilities.argmax(axis=1) == val.labels).mean()), **(more_metrics or {})}
    metrics["seconds"] = round(run.seconds(), 1)
    update_metadata(bundle, metrics=metrics)
    report = ClassificationReport(
        title="Depth, with and without shortcuts" if config.study else f"{model.name} on {Path(config.data).name}",
        sentences=work.story.sentences,
        metrics=metrics,
        history=history,
        class_names=work.train.class_names,
        paths=paths,
        images=images,
        truth=val.labels,
        probabilities=probabilities,
        skipped=work.skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
        train_counts=work.train.counts(),
        sections=sections,
    )
    write_report(report, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


if __name__ == "__main__":
    command_line(main, Config, __doc__)
