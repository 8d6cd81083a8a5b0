"""Training of embedders: their loss in batches of several images of several people, and the phase that feeds them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.data.pipeline.identity_batches import people_batches
from visionkit.layers.arcface import ArcFaceLogits
from visionkit.losses import similarity
from visionkit.ops.embeddings import arcface_logits, pair_distances
from visionkit.training.augment_device import Feeding
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.fit import Phase

LossName = Literal["triplet", "contrastive", "arcface"]
Mining = Literal["semi_hard", "hard", "random", "all"]
SCALE = 16.0  # of ArcFace's logits: its own, 64, is for tens of thousands of people


class Validation(NamedTuple):
    """What is measured of an embedder after some epochs."""

    verification_accuracy: float
    auc: float


class Objective(NamedTuple):
    """What is made small.

    Attributes:
        loss: by name.
        margin: of a triplet's squared distances, of a different pair's distance, or of an angle in radians.
        mining: which triplets of a batch are taken.
    """

    loss: LossName = "triplet"
    margin: float = 0.2
    mining: Mining = "semi_hard"


@dataclass(frozen=True)
class Schedule:
    """How long, how large, how fast.

    Attributes:
        epochs: in all.
        steps_per_epoch: batches of an epoch.
        people: in a batch.
        images: of each of them.
        learning_rate: the peak.
        size: side of the input in pixels.
        validate_every: epochs.
    """

    epochs: int
    steps_per_epoch: int
    people: int
    images: int
    learning_rate: float
    size: int
    validate_every: int = 1


def trained_form(embedder: keras.Model, objective: Objective, num_people: int) -> keras.Model:
    """What is trained: the embedder itself; for ArcFace with a center for each person behind it, which is not kept."""
    if objective.loss != "arcface":
        return embedder
    layer = ArcFaceLogits(num_people, name="centers")
    return keras.Model(embedder.input, layer(embedder.output), name=f"{embedder.name}_with_centers")


def losses_of(objective: Objective, images: int) -> Callable[[Any, Any], dict[str, keras.KerasTensor]]:
    """A function from what the trained form says and the person of each image to the loss by its name.

    Args:
        objective: which loss.
        images: of a person, one after the other in a batch.
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
    """Each image with those that follow it, and with as many of other people: about as many same as different pairs."""
    shifts = [*range(1, images), *(images * number for number in range(1, images))]
    distances = [pair_distances(embeddings, ops.roll(embeddings, shift, axis=0)) for shift in shifts]
    same = [ops.equal(people, ops.roll(people, shift, axis=0)) for shift in shifts]
    return similarity.contrastive(ops.concatenate(distances), ops.concatenate(same), margin=margin)


def people_feeder(
    index: Index, feeding: Feeding, schedule: Schedule, *, seed: int, skipped: SkippedFiles
) -> Callable[[int], Iterable]:
    """A function from the number of an epoch to batches of images, with the number of the person on each.

    People are numbered anew, from 0, in the order of their labels: the data set's own numbers count people of all its splits.
    """
    numbers = np.zeros(int(index.labels.max()) + 1, np.int32)
    numbers[np.unique(index.labels)] = np.arange(len(np.unique(index.labels)))
    batch = {"people": schedule.people, "images": schedule.images}

    def epoch_batches(epoch: int) -> Iterable:
        rounds, count = [], 0
        while count < schedule.steps_per_epoch:
            rounds.append(
                people_batches(index.labels, **batch, seed=seed, epoch=epoch * schedule.steps_per_epoch + len(rounds))
            )
            count += len(rounds[-1])
        places = np.concatenate(rounds)[: schedule.steps_per_epoch]
        cache = None if feeding.cache is None else feeding.cache.at(places.ravel())
        options = {"size": schedule.size, "batch_size": places.shape[1], "augmentation": feeding.augmentation}
        made = batches(
            index.take(places.ravel()), skipped=skipped, shuffle=False, seed=seed, epoch=epoch, cache=cache, **options
        )
        for made_batch in made.as_numpy_iterator():
            yield made_batch["image"], numbers[made_batch["label"]]

    return epoch_batches


def embedding_phase(
    embedder: keras.Model,
    schedule: Schedule,
    objective: Objective,
    num_people: int,
    epoch_batches: Callable[[int], Iterable],
    measure: Callable[[], Validation],
) -> Phase:
    """Train an embedder.

    Args:
        embedder: what to train: pixels in 0..255 to embeddings of length 1.
        schedule: how long, how fast.
        objective: what is made small.
        num_people: in the training data.
        epoch_batches: from the number of an epoch to its batches: pixels, and the number of the person on each.
        measure: the embedder as it is.
    """
    form = trained_form(embedder, objective, num_people)
    trainer = AveragingTrainer(form, losses_of(objective, schedule.images), [objective.loss])
    return averaged_phase(
        trainer,
        measure,
        name="train",
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        steps_per_epoch=schedule.steps_per_epoch,
        batches=epoch_batches,
        validate_every=schedule.validate_every,
    )
