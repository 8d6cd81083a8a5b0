"""FaceNet: is this the same person, and who is it? From a folder of images a person to a model that compares two.

    python recipes/facenet_verification.py                  # drawn faces of people who do not exist: minutes on 2 cores
    python recipes/facenet_verification.py --data people/   # a folder a person, or train/ and val/ of such folders
    python recipes/facenet_verification.py --smoke          # does everything work? Under a minute

People are split, never images: validation shows nobody whom the network was trained on. Batches hold several images of
several people; triplets of a batch are mined. Images show one face each, cut out alike; `visionkit faces` finds and aligns.
Nothing here knows of faces: other things of which there are a few images each can be told apart so, too.

Expected with seed 0 on 2 cores:

    AT&T (ORL) faces, 24 people and 6 others    area under the ROC curve 0.994, after 6 minutes
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import visionkit

visionkit.quiet_tensorflow()

import keras
import numpy as np

from visionkit.data.augmentation import presets
from visionkit.data.augmentation.parameters import lasting_ratios
from visionkit.data.demo.faces import make_face_demo
from visionkit.data.formats.identities import read_identities, split_people
from visionkit.data.formats.pairs import LfwPairs, Pairs, generated_pairs, read_lfw_pairs
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.files import cache_folder
from visionkit.metrics import verification
from visionkit.models import catalog
from visionkit.models.endpoints import without_top
from visionkit.models.facenet import facenet
from visionkit.tasks import load
from visionkit.tasks.embedding import plan as verification_plan
from visionkit.tasks.embedding.evaluate import distances_of, embeddings_of, one_shot
from visionkit.tasks.embedding.export import export_embedder, whole_embeddings
from visionkit.tasks.embedding.report import VerificationReport, write_verification_report
from visionkit.tasks.embedding.train import LossName, Mining, Objective, Schedule, Validation, embedding_phase, people_feeder
from visionkit.training import runtime
from visionkit.training.augment_device import Feeding
from visionkit.training.dataset import note_skipped
from visionkit.training.fit import load_weights, train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder

SMOKE = {"epochs": 1, "size": 64, "people": 4, "images": 2}
OWN, DROPOUT = "inception_resnet_v1", 0.2  # FaceNet's own base; of the last maps of others

COLLAPSED = 0.1  # a threshold, of embeddings of length 1


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """A folder of images a person, or train/ and val/ of such folders. Default: drawn faces of people who do not exist."""
    out: Path | None = None
    """Folder of this run. Default: runs/facenet_verification-<time>."""
    base: str = "resnet8"
    """The network: one that `visionkit models` lists; inception_resnet_v1 is FaceNet's."""
    weights: str = "none"
    """Its weights to begin with: none, imagenet, or the path of a file."""
    dimensions: int = 128
    """Numbers of an embedding."""
    loss: LossName = "triplet"
    """What is made small: triplet, contrastive or arcface."""
    mining: Mining = "semi_hard"
    """Which triplets of a batch are taken: semi_hard, hard, random or all."""
    margin: float | None = None
    """How much farther off others are to be. Default: triplet 0.2 (squared), contrastive 1, arcface 0.3 (radians)."""
    people: int = 12
    """People in a batch."""
    images: int = 4
    """Images of each of them."""
    size: int | None = None
    """Side of the input in pixels. Default: by the images."""
    epochs: int | None = None
    """Default: by the number of images."""
    learning_rate: float = 3e-3
    """The peak, after the warm-up."""
    presets: Literal["light", "medium", "strong"] = "medium"
    """How far training images are varied."""
    flip: bool = True
    """Whether a mirror image shows the same person."""
    mirror: bool = True
    """The exported model looks at the mirror image, too."""
    pairs: Path | None = None
    """A pairs.txt as LFW has it, of people in --data: these pairs are measured. Default: pairs of all validation images."""
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    """Where decoded training images are kept from epoch to epoch."""
    half_precision: bool = False
    """Export weights of 16 bits: half the size."""
    seed: int = 0
    """Makes order, augmentation and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        check_at_least(self, dimensions=2, people=2, images=2, size=32, epochs=1, learning_rate=0, margin=0, seed=0)

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or data that cannot be read, is told now."""
        catalog.find(self.base)
        weights = self.weights if self.weights in ("imagenet", "none") else str(Path(self.weights).resolve())
        data, pairs = self.data, self.pairs
        if data is not None:
            data = str(Path(data).resolve())
            split_people(read_identities(data), seed=self.seed)
        if pairs is not None:
            if data is None or not pairs.is_file():
                raise UserError(f"--pairs {pairs}: expected a file, and --data with the folder of its people.")
            pairs = pairs.resolve()
        margin = {"triplet": 0.2, "contrastive": 1.0, "arcface": 0.3}[self.loss] if self.margin is None else self.margin
        return dataclasses.replace(self, weights=weights, data=data, pairs=pairs, margin=margin)


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="facenet_verification", smoke=SMOKE)


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: people, model, training, export, report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    splits, schedule = make_plan(run, config, skipped, story)
    train, val = splits.train, splits.val
    if config.data is None:
        story.tell(
            "All faces are synthetic, of people who do not exist: this says nothing of how well real ones are told apart."
        )
    embedder = build(config, schedule.size)
    story.tell(f"{config.base}: {embedder.count_params():,} parameters, on a {device}.")
    story.tell(f"Loss {config.loss!r}{f', mined {config.mining!r}' if config.loss == 'triplet' else ''}.")

    as_it_is = whole_embeddings(embedder)

    def measured_now() -> Validation:
        places, embeddings = embeddings_of(as_it_is, val, skipped)
        found = measure(embeddings, generated_pairs(val.labels[places], seed=config.seed))
        return Validation(found.accuracy, found.auc)

    feeder = people_feeder(train, feeding_of(config, train, schedule.size, story), schedule, seed=config.seed, skipped=skipped)
    objective, num_people = Objective(config.loss, config.margin, config.mining), len(np.unique(train.labels))
    phases = {"train": lambda: embedding_phase(embedder, schedule, objective, num_people, feeder, measured_now)}
    history = train_in_order(run, phases, embedder)
    load_weights(embedder, run.weights_file("train"))

    print("Exporting ...", flush=True)
    bundle = export_embedder(
        embedder,
        run.path / "model",
        metadata={"base": config.base, "made_by": f"visionkit {visionkit.__version__}, recipes/facenet_verification.py"},
        mirror=config.mirror,
        half_precision=config.half_precision,
    )
    report(run, config, bundle, val, history, story, skipped)


def report(
    run: RunFolder, config: Config, bundle: Path, val: Index, history: list[dict], story: Story, skipped: SkippedFiles
) -> None:
    """Measure what was exported, and say it."""
    listed = None if config.pairs is None else listed_pairs(config, story)
    index = val if listed is None else listed.index
    places, embeddings = embeddings_of(load(bundle).embed, index, skipped)
    kept = index.take(places)
    pairs = generated_pairs(kept.labels, seed=config.seed) if listed is None else listed.pairs.among(places)
    distances = distances_of(embeddings, pairs)
    measured = measure(embeddings, pairs)
    threshold = measured.threshold
    story.tell(
        f"Threshold {threshold:.3f}: where most pairs of validation people, as many of one person as of two, are told right. "
        "The accuracy is that at thresholds chosen on other people."
    )
    if threshold < COLLAPSED:
        story.tell(
            "Note: all embeddings lie nearly on one point, the trivial solution that hard triplets draw to; in 16 bits little "
            "is left of their differences. Semi-hard ones keep them apart."
        )
    identified = one_shot(embeddings, kept.labels, threshold)
    metrics = measured.numbers() | identified.numbers()
    metrics["seconds"] = round(run.seconds(), 1)
    update_metadata(bundle, threshold=threshold, alignment=None, metrics=metrics)
    written = VerificationReport(
        title=f"Verification: the same person?{' Synthetic faces' if config.data is None else ''}",
        sentences=story.sentences,
        metrics=metrics,
        history=history,
        paths=list(kept.paths),
        people=kept.labels,
        embeddings=embeddings,
        first=pairs.first,
        second=pairs.second,
        same=pairs.same,
        distances=distances,
        false_rates=measured.fpr,
        true_rates=measured.tpr,
        threshold=threshold,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
    )
    write_verification_report(written, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


def listed_pairs(config: Config, story: Story) -> LfwPairs:
    """The pairs that the user names."""
    listed = read_lfw_pairs(config.pairs, config.data)
    note_skipped(listed.notes, listed.problems, SkippedFiles(), story)
    return listed


def measure(embeddings: np.ndarray, pairs: Pairs) -> verification.Verification:
    """Of pairs of images; thresholds are chosen on other folds, which are other people where that is possible."""
    return verification.measure(distances_of(embeddings, pairs), pairs.same, folds=pairs.folds)


def make_plan(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> tuple[Splits, Schedule]:
    """Index the people, open each image once, and decide how to train; a resumed run keeps to its first list."""
    kept = run.read_json("plan.json")
    source = config.data or built_in(config)
    splits = split_people(read_identities(source), seed=config.seed) if kept is None else Splits.from_plain(kept["data"])
    splits = verification_plan.few(splits) if config.smoke and kept is None else splits
    scanned, listed = verification_plan.usable(splits, source, skipped, story)
    people = min(config.people, len(np.unique(scanned.train.labels)))
    steps_per_epoch = verification_plan.steps_of(scanned.train, people * config.images)
    steps_per_epoch = 4 if config.smoke else steps_per_epoch
    if kept is None:
        size, reason = (config.size, "as asked") if config.size else verification_plan.choose_size(scanned.train)
        story.tell(f"Input of {size} x {size} pixels: {reason}.")
        batch = people * config.images
        epochs, reason = (
            (config.epochs, "as asked") if config.epochs else verification_plan.choose_epochs(steps_per_epoch, batch)
        )
        story.tell(f"{epochs} epochs of {steps_per_epoch} batches, {people} people with {config.images} images each: {reason}.")
        kept = {"data": listed.to_plain(), "size": size, "epochs": epochs}
        run.write_json("plan.json", kept)
    epochs, every = kept["epochs"], max(1, kept["epochs"] // 10)
    options = {"learning_rate": config.learning_rate, "size": kept["size"], "validate_every": every}
    return scanned, Schedule(epochs, steps_per_epoch, people, config.images, **options)


def built_in(config: Config) -> Path:
    """The drawn faces, made when they are first asked for; a smoke run makes as few as it needs."""
    if not config.smoke:
        return make_face_demo(cache_folder() / "face_demo")
    few = verification_plan.SMOKE_PEOPLE
    options = {"num_train": few["training"], "num_val": few["validation"], "images": verification_plan.SMOKE_IMAGES}
    return make_face_demo(cache_folder() / "face_demo_smoke", **options)


def build(config: Config, size: int) -> keras.Model:
    """The embedder with the weights to begin with."""
    shape, weights = (size, size, 3), None if config.weights == "none" else config.weights
    if config.base == OWN:
        return facenet(shape, config.dimensions, weights=weights)
    base = without_top(catalog.build(config.base, shape, None, weights=weights))
    return facenet(shape, config.dimensions, backbone=base, pretrained=weights is not None, dropout=DROPOUT)


def feeding_of(config: Config, train: Index, size: int, story: Story) -> Feeding:
    """How training images are made: the whole image, a little nearer or farther off."""
    augmentation = presets.preset(config.augment, task="keypoints")
    augmentation = dataclasses.replace(augmentation, name=f"{augmentation.name}, people", flip=0.5 if config.flip else 0.0)
    ratios = lasting_ratios(train, augmentation, size)
    return Feeding(augmentation, cache=open_cache(train, config.cache, ratios=ratios, say=story.tell))


if __name__ == "__main__":
    command_line(main, Config, __doc__)
