"""The networks that made the field, trained from scratch: on digits, on Fashion-MNIST, or on your own images.

    python recipes/classic_convnets.py                                          # LeNet-5 on digits: under a minute on 2 cores
    python recipes/classic_convnets.py --data fashion-mnist                     # or a folder of IDX files, such as MNIST's
    python recipes/classic_convnets.py --data my_images/ --model resnet18       # one folder a class; a table; or tfds:NAME
    python recipes/classic_convnets.py --study depth                            # why residual networks: errors against depth
    python recipes/classic_convnets.py --smoke                                  # does everything work? Under a minute

Expected of LeNet-5: accuracy 0.989 to 0.994 on digits (seeds 0 to 2), 0.902 on Fashion-MNIST (seed 0, 20 epochs).
Expected of the study: training errors of 18, 23, 31 and 38 percent for plain networks of 8, 20, 32 and 44 layers; of 17, 17, 19
and 21 for residual ones.

`visionkit models` lists the networks. Small grey images are shifted and mirrored as He et al. 2015 did; images in files are
cropped, colored and mirrored as in transfer_learning.py, which is the recipe for few images.
"""

import dataclasses
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

import keras

from visionkit.data.augmentation import presets
from visionkit.data.formats import small_sets
from visionkit.data.formats.labelled.idx import looks_like_idx
from visionkit.data.formats.small_sets import DIGITS, FASHION, find_small
from visionkit.data.index import SmallSplits
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.sources import read_classified
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.models.catalog import CATALOG, find
from visionkit.models.inception import SIDE_WEIGHTS, without_side_branches
from visionkit.tasks.classification import depth_study, evaluate, export, plan, report, train
from visionkit.training import runtime
from visionkit.training.config import RunConfig
from visionkit.training.dataset import with_cache
from visionkit.training.fit import Phase
from visionkit.training.options import whole_path
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.training.start_model import Head

GOOGLENET = "googlenet"  # trained with side branches, exported without
LETTERS = r"tfds:(binarized_mnist|mnist|emnist|kmnist|mnist_corrupted|svhn_cropped|omniglot|cmaterdb)\b"
SMALL_SIZE = 32  # pixels a side, where the network takes small images
HEADS = {name: Head() for name in ("predictions", "side1_predictions", "side2_predictions")}
SMOKE = {"epochs": 3}
SMOKE_LIMITS = (1_500, 400)  # small images of each split


@dataclass(frozen=True)
class Config(RunConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """digits (the default), fashion-mnist, a folder of IDX files or of images (one folder a class, a table), or tfds:NAME."""
    model: str = "lenet5"
    """Network: any name that `visionkit models` lists."""
    study: Literal["depth"] | None = None
    """depth trains plain and residual networks of rising depth, and compares their errors."""
    epochs: int | None = None
    """Default: by the number of images."""
    batch_size: int | None = None
    """Images a step. Default: by the number of images."""
    size: int | None = None
    """Side of the network's input in pixels. Default: 32 for small images, as the network was published for others."""
    learning_rate: float | None = None
    """The peak learning rate. Default: by the network."""
    flip: Literal["auto", "yes", "no"] = "auto"
    """Whether a mirror image shows the same class; auto: not of digits, letters and IDX files, otherwise yes."""

    SHAPING: ClassVar[tuple[str, ...]] = ("model", "size")
    LEAST: ClassVar[dict[str, float]] = {"epochs": 1, "batch_size": 1, "size": 8, "learning_rate": 1e-9}

    def checked(self) -> "Config":
        """See ``RunConfig.checked``."""
        model, data = find(self.model), self.data
        if self.study and self.from_model is not None:
            raise UserError(
                f"--from {self.from_model}: --study {self.study} trains networks of its own; leave one of them out."
            )
        if self.study and model != Config.model:
            raise UserError(f"--study {self.study} trains networks of its own: leave --model {self.model} out.")
        if data is None:
            data = FASHION if self.study and not self.smoke and small_sets.FASHION_FOLDER.is_dir() else DIGITS
        data = data if data in (DIGITS, FASHION) else whole_path(data)
        if find_small(data) is None:
            read_classified(data, seed=self.seed, allow_outside=self.allow_outside)
            if self.study:
                raise UserError(f"--study {self.study} takes small images in memory: digits, fashion-mnist or IDX files.")
        return dataclasses.replace(self, data=data, model=model)

    def why_not_longer(self) -> str | None:
        """See ``RunConfig.why_not_longer``."""
        return "a study compares networks that were trained alike" if self.study else None

    @property
    def flips(self) -> bool:
        """Whether images are mirrored in training, and predictions averaged over both."""
        are_letters = self.data == DIGITS or (self.data != FASHION and looks_like_idx(Path(self.data)))
        are_letters = are_letters or re.match(LETTERS, self.data) is not None
        return self.flip == "yes" or (self.flip == "auto" and not are_letters)


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="classic_convnets", smoke=SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    device = runtime.prepare(config.seed)
    small = find_small(config.data)
    limits = SMOKE_LIMITS if config.smoke else depth_study.LIMITS if config.study else None
    data = plan.open_data(run, config) if small is None else plan.open_small_images(run, config.data, small, limits)
    if config.study:
        study = study_depth(run, config, data)
        model, history, metrics, sections = study.best, [], study.metrics, (study.section,)
        trained = model
        title = "Depth, with and without shortcuts"
    else:
        run.note(f"Network {config.model} from random weights, on a {device}.")
        size = config.size or (CATALOG[config.model].size if small is None else SMALL_SIZE)
        branches = {"side_branches": True} if config.model == GOOGLENET else {}
        model = plan.build_network(config.model, size, data.train, **branches)
        run.start_from(config, model, data.train.class_names, HEADS)
        history = run.train({config.model: partial(set_up, run, config, data, model)}, model)
        run.note("The weights after the last epoch are exported: nothing was chosen by the validation images.")
        trained, model = model, without_side_branches(model) if branches else model
        metrics, sections, title = {}, (), f"{model.name} on {Path(config.data).name}"

    run.say("Exporting ...")
    options = {"flips": config.flips and not config.study, "whole": small is not None, "trained": trained}
    described = run.described(config, size=model.input_shape[1])
    described |= {"training": None} if config.study else {}  # its network is not one of the catalogue
    metadata = {"base": model.name, **described}
    bundle = export.export_classifier(model, run.model, class_names=data.train.class_names, metadata=metadata, **options)
    evaluation = evaluate.evaluate(bundle, data.val)
    evaluate.note_litert_difference(run, bundle, evaluation)
    skipped = data.skipped if small is None else ()
    page = report.report(evaluation, data.train, history, title=title, skipped=skipped, sections=sections)
    run.finish(bundle, evaluation.metrics | metrics, page)


def set_up(run: Run, config: Config, data: Splits | SmallSplits, model: keras.Model) -> Phase:
    """The training of one network, ready to start."""
    requested = {name: getattr(config, name) for name in ("epochs", "batch_size", "learning_rate", "flips")}
    schedule = plan.choose_schedule(run, model, len(data.train), **requested)
    options = {"name": config.model, "flips": config.flips}
    options |= {"loss_weights": SIDE_WEIGHTS if config.model == GOOGLENET else None}
    if isinstance(data, SmallSplits):
        variation = plan.choose_variation(model, len(data.train), flips=config.flips)
        return train.small_image_phase(model, *data[:2], schedule, variation=variation, seed=config.seed, **options)
    augmentation = presets.preset("light", flip=config.flips)
    pipeline = TrainingPipeline(data.train, model.input_shape[1], schedule.batch_size, augmentation, seed=config.seed)
    return train.image_phase(model, with_cache(pipeline, "auto", note=run.note), data.val, schedule, **options)


def study_depth(run: Run, config: Config, data: SmallSplits) -> depth_study.Study:
    """Plain and residual networks of rising depth, trained alike."""
    schedule = train.Schedule(
        epochs=config.epochs or max(1, round(depth_study.IMAGES_SHOWN / len(data.train))),
        batch_size=config.batch_size or depth_study.BATCH_SIZE,
        learning_rate=config.learning_rate or depth_study.LEARNING_RATE,
    )
    size, options = config.size or depth_study.SIZE, {"smoke": config.smoke, "flips": config.flips, "seed": config.seed}
    return depth_study.train_networks(run, data, size, schedule, **options)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
