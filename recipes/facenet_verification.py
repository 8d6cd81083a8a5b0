"""FaceNet: is this the same person, and who is it? From folders of images to a model that compares two.

    python recipes/facenet_verification.py                  # synthetic faces of people who do not exist: minutes on 2 cores
    python recipes/facenet_verification.py --data people/   # one folder for each person; train/ and val/; a table; or tfds:NAME
    python recipes/facenet_verification.py --smoke          # does everything work? Under a minute

The split is by person: validation has nobody whom the network was trained on. Batches hold several images of several people;
the triplets of a batch are mined. Each image shows one face, cut out alike; `visionkit faces` finds and aligns faces. Nothing
here is specific to faces: other things with a few images each can be verified, too.

Expected with seed 0 on 2 cores:

    AT&T (ORL) faces, 24 people and 6 others    area under the ROC curve 0.994, after 6 minutes
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.demo.faces import make_face_demo
from visionkit.data.formats.identities import split_people
from visionkit.data.formats.pairs import read_lfw_pairs
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.sources import read_people
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.files import resolved
from visionkit.models import catalog
from visionkit.tasks.embedding import embedders, evaluate, export, plan, report, train
from visionkit.training import runtime
from visionkit.training.config import TrainConfig
from visionkit.training.dataset import with_cache
from visionkit.training.fine_tuning import check_base, parts_of, phases_of
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.viz.rate_curve import with_found_rates

SMOKE = {"epochs": 1, "size": 64, "people": 4, "images": 2}


@dataclass(frozen=True)
class Config(TrainConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """One folder for each person, or train/ and val/ of such folders; a table of images and names; or tfds:NAME. Default:
    synthetic faces."""
    base: str = "resnet8"
    """Backbone: a network that `visionkit models` lists; inception_resnet_v1 is FaceNet's."""
    weights: str = "none"
    """Its initial weights: none, imagenet, or the path of a file."""
    dimensions: int = 128
    """Length of an embedding."""
    loss: train.LossName = "triplet"
    """The loss: triplet, contrastive or arcface."""
    mining: train.Mining = "semi_hard"
    """Which triplets of a batch are trained on: semi_hard, hard, random or all."""
    margin: float | None = None
    """How much farther other people should be. Default: triplet 0.2 (squared), contrastive 1, arcface 0.3 (radians)."""
    people: int = 12
    """People in a batch."""
    images: int = 4
    """Images of each person in a batch."""
    learning_rate: float | Literal["auto"] = 3e-3
    """The peak learning rate, after the warm-up; auto tries about 100 steps with rising rates first."""
    flip: bool = True
    """Whether a mirror image shows the same person."""
    mirror: bool = True
    """Whether the exported model averages the embeddings of an image and its mirror image."""
    pairs: Path | None = None
    """Pairs of people in --data to evaluate on, a pairs.txt in LFW's format. Default: pairs of all validation images."""

    SHAPING: ClassVar[tuple[str, ...]] = ("base", "dimensions")
    batch_size: ClassVar[int]  # no option: it follows from people and images
    LEAST: ClassVar[dict[str, float]] = {"dimensions": 2, "people": 2, "images": 2, "margin": 0} | TrainConfig.LEAST

    @property
    def batch_size(self) -> int:
        """Images a step."""
        return self.people * self.images

    def check_options(self) -> None:
        """See ``RunConfig.check_options``."""
        super().check_options()
        check_base(self, self.why_random())

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or data that cannot be read, is reported now."""
        config, pairs = dataclasses.replace(super().checked(), base=catalog.find(self.base)), self.pairs
        if config.data is not None:
            split_people(read_people(config.data, allow_outside=config.allow_outside), seed=config.seed)
        if pairs is not None:
            if config.data is None or not pairs.is_file():
                raise UserError(f"--pairs {pairs}: expected a file, and --data with the folder of its people.")
            pairs = resolved(pairs, "--pairs")
            read_lfw_pairs(pairs, config.data)
        margin = train.MARGINS[config.loss] if config.margin is None else config.margin
        return dataclasses.replace(config, pairs=pairs, margin=margin)


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="facenet_verification", smoke=SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: people, model, training, export, report."""
    device = runtime.prepare(config.seed)
    data = plan.open_data(run, config, built_in=make_face_demo)
    listed = None if config.pairs is None else plan.read_pairs(run, config.pairs, config.data, data.train)
    people, images = min(config.people, plan.count_people(data.train)), config.images
    chosen = run.plan(plan.Plan, lambda: plan.choose_plan(run, data.train, config, people=people, images=images))
    options = {"weights": config.pretrained_weights, "pretrained": config.pretrained}
    embedder = embedders.build(config.base, chosen.size, config.dimensions, **options)
    base = embedders.base_of(embedder) if config.pretrained else None
    run.start_from(config, embedder, (), {})
    run.note(f"{config.base}: {embedder.count_params():,} parameters, on a {device}.")
    run.note(f"Loss {config.loss!r}{f', mining {config.mining!r}' if config.loss == 'triplet' else ''}.")

    schedule = train.Schedule(
        epochs=chosen.epochs,
        batch_size=people * images,
        learning_rate=config.learning_rate,
        validate_every=max(1, chosen.epochs // 10),
        steps_per_epoch=plan.steps_per_epoch(data.train, people * images, smoke=config.smoke),
        images=images,
    )
    augmentation = train.augmentation_of_people(config.augment, flip=config.flip)
    pipeline = TrainingPipeline(data.train, chosen.size, people * images, augmentation, seed=config.seed)
    pipeline = with_cache(pipeline, config.cache, note=run.note)
    objective = train.Objective(config.loss, config.margin, config.mining)
    parts = parts_of(config, base, chosen.epochs)
    phases = phases_of(run, config, base, parts, lambda: train.phase(embedder, pipeline, data.val, schedule, objective))
    history = run.train(phases, embedder)

    run.say("Exporting ...")
    bundle = export.export_embedder(
        embedder,
        run.model,
        metadata={"base": config.base, "alignment": None, **run.described(config, size=chosen.size)},
        mirror=config.mirror,
        half_precision=config.half_precision,
    )
    if listed is None:
        evaluation = evaluate.evaluate(bundle, data.val, seed=config.seed)
    else:
        evaluation = evaluate.evaluate(bundle, listed.index, listed.pairs, seed=config.seed)
    evaluate.note_threshold(run, evaluation.threshold)
    update_metadata(bundle, threshold=evaluation.threshold)
    page = report.report(evaluation, data, history, synthetic=config.data is None)
    run.finish(bundle, evaluation.metrics, with_found_rates(page, run.found_rates))


if __name__ == "__main__":
    command_line(main, Config, __doc__)
