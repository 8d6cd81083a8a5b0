"""The training of embedders: batches of several images of several people, and the losses on them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.data.augmentation import presets
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.formats.pairs import generated_pairs
from visionkit.data.index import Index
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.identity_batches import people_batches
from visionkit.layers.arcface import ArcFaceLogits
from visionkit.losses import similarity
from visionkit.ops.embeddings import arcface_logits, pair_distances
from visionkit.tasks.embedding.evaluate import Embed, embeddings_of, measure_pairs
from visionkit.tasks.embedding.export import whole_embeddings
from visionkit.training import fit
from visionkit.training.averaging import AveragingTrainer, averaged_phase

LossName = Literal["triplet", "contrastive", "arcface"]
Mining = Literal["semi_hard", "hard", "random", "all"]
MARGINS: dict[LossName, float] = {"triplet": 0.2, "contrastive": 1.0, "arcface": 0.3}  # squared distance, distance, radians
SCALE = 16.0  # of ArcFace's logits: the paper's 64 is for tens of thousands of people


class Objective(NamedTuple):
    """The loss and its parameters.

    Attributes:
        loss: its name.
        margin: of a triplet's squared distances, of a different pair's distance, or of an angle in radians.
        mining: how the triplets of a batch are chosen; see ``losses.similarity.triplet``.
    """

    loss: LossName = "triplet"
    margin: float = MARGINS["triplet"]
    mining: Mining = "semi_hard"


@dataclass(frozen=True, kw_only=True)
class Schedule(fit.Schedule):
    """How long and how fast an embedder trains.

    Attributes:
        steps_per_epoch: batches an epoch.
        images: images of each person in a batch.
    """

    steps_per_epoch: int
    images: int

    @property
    def people(self) -> int:
        """People in a batch."""
        return self.batch_size // self.images


def augmentation_of_people(strength: str, *, flip: bool) -> Augmentation:
    """The augmentation of training images: each stays whole, and is scaled a little.

    Args:
        strength: "light", "medium" or "strong".
        flip: whether a mirror image shows the same person.
    """
    augmentation = presets.preset(strength, task="keypoints")
    return replace(augmentation, name=f"{augmentation.name}, people", flip=0.5 if flip else 0.0)


def phase(embedder: keras.Model, pipeline: TrainingPipeline, val: Index, schedule: Schedule, objective: Objective) -> fit.Phase:
    """Train an embedder.

    Args:
        embedder: pixels ``(N, size, size, 3)`` in 0..255 to embeddings of length 1.
        pipeline: makes the images.
        val: images of other people, to validate with.
        schedule: how long and how fast.
        objective: the loss.
    """
    network = with_loss_layer(embedder, objective, len(np.unique(pipeline.index.labels)))
    trainer, embed = (
        AveragingTrainer(network, losses_of(objective, schedule.images), [objective.loss]),
        whole_embeddings(embedder),
    )
    return averaged_phase(
        trainer,
        lambda: measure(embed, val, seed=pipeline.seed),
        schedule,
        name="train",
        steps_per_epoch=schedule.steps_per_epoch,
        batches=people_feeder(pipeline, schedule),
        monitor="auc",
    )


def measure(embed: Embed, val: Index, *, seed: int) -> dict[str, float]:
    """Measure an embedder on pairs of validation images.

    Args:
        embed: computes embeddings of images.
        val: the images.
        seed: draws the pairs.
    """
    places, embeddings = embeddings_of(embed, val)
    measured = measure_pairs(embeddings, generated_pairs(val.labels[places], seed=seed))
    return {"verification_accuracy": measured.accuracy, "auc": measured.auc}


def with_loss_layer(embedder: keras.Model, objective: Objective, num_people: int) -> keras.Model:
    """The network to train: the embedder itself; for ArcFace followed by a center for each person, which is not exported."""
    if objective.loss != "arcface":
        return embedder
    layer = ArcFaceLogits(num_people, name="centers")
    return keras.Model(embedder.input, layer(embedder.output), name=f"{embedder.name}_with_centers")


def losses_of(objective: Objective, images: int) -> Callable[[Any, Any], dict[str, keras.KerasTensor]]:
    """A function from the outputs of ``with_loss_layer`` and the person on each image to the loss, by its name.

    Args:
        objective: the loss.
        images: images of each person, which are adjacent in a batch.
    """
    if objective.loss == "arcface":
        return lambda cosines, people: {"arcface": _arcface(cosines, people, objective.margin)}
    if objective.loss == "contrastive":
        return lambda embeddings, people: {"contrastive": _contrastive(embeddings, people, objective.margin, images)}
    options = {"margin": objective.margin, "mining": objective.mining}
    return lambda embeddings, people: {"triplet": similarity.triplet(embeddings, people, **options)}


def _arcface(cosines: Any, people: Any, margin: float) -> keras.KerasTensor:
    logits = arcface_logits(cosines, people, margin, SCALE)
    return ops.mean(keras.losses.sparse_categorical_crossentropy(people, logits, from_logits=True))


def _contrastive(embeddings: Any, people: Any, margin: float, images: int) -> keras.KerasTensor:
    """Pair each image with the next ones, and with as many of other people: about as many same as different pairs."""
    shifts = [*range(1, images), *(images * number for number in range(1, images))]
    distances = [pair_distances(embeddings, ops.roll(embeddings, shift, axis=0)) for shift in shifts]
    same = [ops.equal(people, ops.roll(people, shift, axis=0)) for shift in shifts]
    return similarity.contrastive(ops.concatenate(distances), ops.concatenate(same), margin=margin)


def people_feeder(pipeline: TrainingPipeline, schedule: Schedule) -> Callable[[int], Iterable]:
    """A function from the number of an epoch to its batches: images, and the number of the person on each.

    People are renumbered from 0 in the order of their labels, which count the people of all splits.
    """
    index = pipeline.index
    numbers = np.zeros(int(index.labels.max()) + 1, np.int32)
    numbers[np.unique(index.labels)] = np.arange(len(np.unique(index.labels)))
    options = {"people": schedule.people, "images": schedule.images, "seed": pipeline.seed}

    def batches(epoch: int) -> Iterable:
        rounds, num_batches = [], 0
        while num_batches < schedule.steps_per_epoch:
            rounds.append(people_batches(index.labels, **options, epoch=epoch * schedule.steps_per_epoch + len(rounds)))
            num_batches += len(rounds[-1])
        places = np.concatenate(rounds)[: schedule.steps_per_epoch]
        # An index of its own, so that each repetition of an image is augmented differently.
        drawn = replace(
            pipeline,
            index=index.take(places.ravel()),
            batch_size=places.shape[1],
            cache=None if pipeline.cache is None else pipeline.cache.at(places.ravel()),
        )
        for batch in drawn.epoch(epoch, order=np.arange(places.size)).as_numpy_iterator():
            yield batch["image"], numbers[batch["label"]]

    return batches
