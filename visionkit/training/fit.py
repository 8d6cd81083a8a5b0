"""One phase of training: epochs that can be interrupted at any moment and resumed."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from visionkit.errors import UserError
from visionkit.training import runtime
from visionkit.training.optimizers import adamw
from visionkit.training.run_folder import RunFolder


@dataclass(frozen=True)
class Phase:
    """One stretch of training with one set of trainable weights.

    Attributes:
        name: stands in the history.
        model: what is trained, its ``trainable`` flags set.
        epochs: how many.
        learning_rate: the highest.
        steps_per_epoch: batches an epoch.
        batches: from the epoch's number to its batches ``(inputs, one_hot_labels, sample_weights)``.
        validate: measures the model as it is: a named tuple, whose last value is shown while training goes on.
        label_smoothing: share of each label that is spread over all classes (https://arxiv.org/abs/1512.00567).
        weight_decay: as the optimizer takes it.
        optimizer: from the learning rate, the steps in all and the weight decay to the optimizer.
        loss_weights: of a model with several outputs: name -> share of its loss. The first is the one whose accuracy counts.
            Labels and sample weights are then dicts of the same names.
        brings_loss: the model computes its loss by itself (``compute_loss``); what it tracks stands in the history.
        validate_every: epochs; after the last one it is validated in any case.
        finish: called after the last epoch, before the weights are kept.
        short_steps: a step takes a millisecond or so, and Keras' ``fit`` would spend more on itself.
    """

    name: str
    model: keras.Model
    epochs: int
    learning_rate: float
    steps_per_epoch: int
    batches: Callable[[int], Iterable]
    validate: Callable[[], tuple]
    label_smoothing: float = 0.0
    weight_decay: float = 1e-4
    optimizer: Callable[[float, int, float], keras.optimizers.Optimizer] = adamw
    loss_weights: dict[str, float] | None = None
    brings_loss: bool = False
    validate_every: int = 1
    finish: Callable[[], None] | None = None
    short_steps: bool = False


def train_in_order(run: RunFolder, phases: dict[str, Callable[[], Phase]], whole: keras.Model | None = None) -> list[dict]:
    """Train phases one after the other; go on where an interrupted run stopped.

    Args:
        run: holds the checkpoint to resume from, if there is one, and takes those to come.
        phases: name -> a function that sets up the phase, called when its turn comes.
        whole: the model of which all phases train a part; its weights after each phase are kept in the run folder. None where
            each phase has a model of its own.

    Returns:
        the history: a row an epoch, with phase, epoch, seconds, and what was measured: loss, accuracy, val_loss,
        val_accuracy ...
    """
    state, arrays = run.load_checkpoint() or ({"phase": None, "epoch": 0, "history": []}, None)
    names, history = list(phases), state["history"]
    if history:
        run.write_history(history)  # a kill may have come between the checkpoint and this table
    for name in names[names.index(state["phase"]) if arrays else 0 :]:
        phase = phases[name]()
        compile_phase(phase)
        first_epoch = 0
        if arrays is not None:
            restore(phase.model, arrays)
            first_epoch, arrays = state["epoch"], None
            tqdm.write(f"Resumed after epoch {first_epoch} of '{name}'.")
        train(phase, run, history, first_epoch)
        if phase.finish is not None:
            phase.finish()
        target = run.weights_file(name)
        unfinished = target.with_name(f"unfinished_{target.name}")  # Keras wants the suffix
        (whole or phase.model).save_weights(unfinished)
        unfinished.replace(target)
    return history


def train(phase: Phase, run: RunFolder, history: list[dict], first_epoch: int = 0) -> None:
    """Train a compiled phase, with a progress bar, and a checkpoint after every epoch.

    Args:
        phase: what to train.
        run: takes the checkpoints.
        history: rows of all epochs so far; grows by one an epoch.
        first_epoch: how many epochs were finished before.

    Raises:
        UserError: the loss of an epoch is no number, or a weight after it.
    """
    total, done = phase.epochs * phase.steps_per_epoch, first_epoch * phase.steps_per_epoch
    with tqdm(total=total, initial=done, desc=phase.name, unit=" steps") as bar:
        for epoch in range(first_epoch, phase.epochs):
            measured = run_epoch(phase, epoch, lambda: bar.update(1))
            if not np.isfinite(measured["loss"]):
                raise _diverged(phase, epoch, f"the loss is {measured['loss']}")
            if (epoch + 1) % phase.validate_every == 0 or epoch + 1 == phase.epochs:
                validation = phase.validate()._asdict()
                measured |= {f"val_{name}": value for name, value in validation.items()}
                bar.set_postfix_str(f"validation {', '.join(f'{name} {value:.3f}' for name, value in validation.items())}")
            row = {
                "phase": phase.name,
                "epoch": epoch + 1,
                **{name: round(float(value), 5) for name, value in measured.items()},
            }
            state = snapshot(phase.model)
            if not all(np.isfinite(each).all() for each in state.values() if each.dtype.kind == "f"):
                raise _diverged(phase, epoch, "the weights are no numbers")
            history.append(row | {"seconds": round(run.seconds(), 1)})
            run.save_checkpoint(phase.name, epoch + 1, state, history)


def _diverged(phase: Phase, epoch: int, what: str) -> UserError:
    return UserError(
        f"Training diverged in epoch {epoch + 1} of '{phase.name}': {what}, expected numbers. Nothing of that epoch was kept. "
        "Start anew with another seed, or with a lower learning rate, where there is an option for this training's."
    )


def run_epoch(phase: Phase, epoch: int, after_step: Callable[[], object]) -> dict[str, float]:
    """Train for one epoch.

    Returns:
        ``loss`` and ``accuracy``, or what the model tracks: means over the epoch's batches as they were met.
    """
    if phase.short_steps:
        steps, sizes = [], []
        for batch in phase.batches(epoch):
            steps.append(phase.model.train_on_batch(*batch, return_dict=True))  # of this batch alone, in Keras 3.15
            sizes.append(len(batch[1]))
            after_step()
        measured = {name: np.average([step[name] for step in steps], weights=sizes) for name in steps[0]}
    else:
        after_each = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: after_step())
        options = {"steps_per_epoch": phase.steps_per_epoch, "shuffle": False, "verbose": 0, "callbacks": [after_each]}
        history = phase.model.fit(phase.batches(epoch), **options).history
        measured = {name: values[0] for name, values in history.items()}
    if phase.brings_loss:
        return {name: float(value) for name, value in measured.items()}
    counted = "accuracy" if phase.loss_weights is None else f"{next(iter(phase.loss_weights))}_accuracy"
    return {"loss": float(measured["loss"]), "accuracy": float(measured[counted])}


def load_weights(model: keras.Model, path: Path) -> None:
    """Load what ``train_in_order`` kept after a phase, whatever the model was compiled for since."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        model.load_weights(path)


def compile_phase(phase: Phase) -> None:
    """Compile the phase's model: cross-entropy on logits or its own loss, and the phase's optimizer."""
    optimizer = phase.optimizer(phase.learning_rate, phase.epochs * phase.steps_per_epoch, phase.weight_decay)
    optimizer.build(phase.model.trainable_variables)
    if phase.brings_loss:
        phase.model.compile(optimizer, jit_compile=False)  # XLA would compile anew for every number of objects and every size
        return
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=phase.label_smoothing)
    metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if phase.loss_weights is not None:
        loss, metrics = dict.fromkeys(phase.loss_weights, loss), {next(iter(phase.loss_weights)): metrics}
    phase.model.compile(optimizer, loss, metrics=metrics, loss_weights=phase.loss_weights, jit_compile=runtime.jit_compile())


def snapshot(model: keras.Model) -> dict[str, np.ndarray]:
    """Everything that a compiled model needs to go on: weights, random states and the optimizer, by place."""
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{owner}/{place}": keras.ops.convert_to_numpy(variable)
        for owner, owned in variables.items()
        for place, variable in enumerate(owned)
    }


def restore(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Put a ``snapshot`` back into a model that is compiled alike.

    Raises:
        ValueError: it was taken of another model.
    """
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    for owner, owned in variables.items():
        for place, variable in enumerate(owned):
            stored = state.get(f"{owner}/{place}")
            if stored is None or stored.shape != tuple(variable.shape):
                raise ValueError(f"The checkpoint does not fit {model.name}: it was written by another version or model.")
            variable.assign(stored)
