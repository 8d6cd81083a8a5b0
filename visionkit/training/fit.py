"""Phases of training: epochs that can be interrupted at any moment and resumed."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.training import early_stopping, runtime
from visionkit.training.rates.optimizers import adamw
from visionkit.training.run_folder import RunFolder
from visionkit.training.watching.watch import Watch
from visionkit.weights.keras_files import read_groups


@dataclass(frozen=True)
class Phase:
    """One part of training, with one set of trainable weights. ``loss``, ``metrics`` and ``loss_weights`` are Keras' own.

    Attributes:
        name: name of the phase in the history.
        model: the model to train, with its ``trainable`` flags set.
        epochs: number of epochs.
        learning_rate: the peak learning rate; "auto" for one that ``rates.finder.with_rate`` replaces by a number.
        steps_per_epoch: batches per epoch.
        batches: maps the number of an epoch to its batches, as ``model.fit`` takes them: ``(inputs, targets)``, maybe with
            sample weights.
        validate: measures the model, and returns metrics by name. What cannot be measured is nan,
            and is left out.
        loss: as ``model.compile`` takes it; None where the model computes its loss by itself (``compute_loss``).
        metrics: as ``model.compile`` takes them.
        loss_weights: as ``model.compile`` takes them.
        weight_decay: as the optimizer takes it.
        optimizer: makes the optimizer from the learning rate, the total number of steps and the weight decay.
        validate_every: epochs between validations; the last epoch is always validated.
        on_end: is called after the last epoch, before the weights are saved.
        batch_size: samples a step, for the report.
        loop: "train_on_batch" where a step takes about a millisecond, less than the overhead of Keras' ``fit``.
        rate_shares: the shares of the learning rate that variables have, by their ``id``; see ``rates.stages.stage_shares``.
        patience: the phase ends when so many validations brought no improvement, and leaves its best weights. None trains all
            epochs, and leaves the last weights.
        monitor: the metric of ``validate`` by which weights are best.
    """

    name: str
    model: keras.Model
    epochs: int
    learning_rate: float | Literal["auto"]
    steps_per_epoch: int
    batches: Callable[[int], Iterable]
    validate: Callable[[], dict[str, float]]
    loss: Any = None
    metrics: Any = None
    loss_weights: dict[str, float] | None = None
    weight_decay: float = 1e-4
    optimizer: Callable[[float, int, float], keras.optimizers.Optimizer] = adamw
    validate_every: int = 1
    on_end: Callable[[], None] | None = None
    batch_size: int | None = None
    loop: Literal["fit", "train_on_batch"] = "fit"
    rate_shares: Mapping[int, float] | None = None
    patience: int | None = None
    monitor: str = "loss"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast a phase trains; tasks extend it.

    Attributes:
        epochs: number of epochs.
        batch_size: samples per step.
        learning_rate: the peak learning rate, or "auto"; see ``Phase``.
        validate_every: epochs between validations.
    """

    epochs: int
    batch_size: int
    learning_rate: float | Literal["auto"]
    validate_every: int = 1


def train_in_order(run: RunFolder, phases: dict[str, Callable[[], Phase]], whole: keras.Model | None = None) -> list[dict]:
    """Train phases one after the other; continue where an interrupted run stopped.

    Args:
        run: holds the checkpoint to resume from, if there is one, and stores new checkpoints.
        phases: name -> a function that sets up the phase, called when its turn comes.
        whole: the model of which all phases train a part; its weights after each phase are saved in the run folder. None if
            each phase has a model of its own.

    Returns:
        the history: a row for each epoch, with phase, epoch, seconds and metrics: loss, accuracy, val_loss,
        val_accuracy ...
    """
    names, watch = list(phases), run.watch or Watch(run)
    saved = run.load_checkpoint()
    if saved is not None and saved[0]["phase"] not in names:
        run.drop_checkpoint(f"it is of phase '{saved[0]['phase']}', and this run has {', '.join(names)}")
        saved = None
    if saved is None:
        history, arrays = _finished_phases(run, names, whole), None
        to_do = names[len(dict.fromkeys(row["phase"] for row in history)) :]
    else:
        (state, arrays), history = saved, saved[0]["history"]
        to_do = names[names.index(state["phase"]) :]
    if history:
        run.write_history(history)  # a kill may have come between the checkpoint and this table
    for name in to_do:
        phase = phases[name]()
        compile_phase(phase)
        first_epoch, best = 0, {}
        if arrays is not None:
            arrays, best = early_stopping.split(arrays)
            try:
                restore(phase.model, arrays)
            except ValueError as error:
                run.drop_checkpoint(str(error).removesuffix("."))
                return train_in_order(run, phases, whole)
            first_epoch, arrays = state["epoch"], None
            run.say(f"Resumed after epoch {first_epoch} of '{name}'.")
        watch.begin(name, facts_of(phase), history, first_epoch, names=names)
        train(phase, run, history, watch, first_epoch, best)
        if phase.on_end is not None:
            phase.on_end()
        saved_model = whole or phase.model
        run.save_weights(name, saved_model.save_weights, _size_of_file(saved_model))
    return history


def _size_of_file(model: keras.Model) -> int:
    """About how many bytes a file of weights takes, with the optimizer's, which Keras saves as well."""
    optimizer = getattr(model, "optimizer", None)  # a model that was never compiled has none
    variables = [*model.variables, *(() if optimizer is None else optimizer.variables)]
    return sum(int(np.prod(variable.shape)) * 4 + 4096 for variable in variables)


def _finished_phases(run: RunFolder, names: list[str], whole: keras.Model | None) -> list[dict]:
    """The history of the first phases whose weights are whole, where there is no checkpoint; ``whole`` gets those weights."""
    rows = run.read_history()
    finished = list(itertools.takewhile(lambda name: any(r["phase"] == name for r in rows) and run.has_weights(name), names))
    if not finished:
        return []
    if whole is not None:
        try:
            load_weights(whole, run.weights_file(finished[-1]))
        except UserError as error:
            run.say(f"{error} The run begins anew.")
            return []
    run.say(f"The run goes on after '{finished[-1]}', whose weights are whole.")
    return [row for row in rows if row["phase"] in finished]


def facts_of(phase: Phase) -> dict[str, Any]:
    """What a report says of a phase; numbers that JSON can hold."""
    shape = getattr(phase.model, "input_shape", None)
    return {
        "epochs": phase.epochs,
        "steps_per_epoch": phase.steps_per_epoch,
        "batch_size": phase.batch_size,
        "size": shape[1] if isinstance(shape, tuple) and len(shape) == 4 else None,
        "learning_rate": phase.learning_rate,
        "weights_trained": sum(int(np.prod(weight.shape)) for weight in phase.model.trainable_weights),
    }


def train(
    phase: Phase,
    run: RunFolder,
    history: list[dict],
    watch: Watch,
    first_epoch: int = 0,
    best: dict[str, np.ndarray] | None = None,
) -> None:
    """Train a compiled phase, with a line and a checkpoint after every epoch.

    Args:
        phase: the phase to train.
        run: stores the checkpoints.
        history: rows of all epochs so far; each epoch appends one.
        watch: shows the epochs.
        first_epoch: number of epochs that are finished already.
        best: the best weights so far, of a phase with patience.

    Raises:
        UserError: the loss of an epoch, or a weight after it, is not finite.
    """
    best, stopping = best or {}, (phase.name, phase.monitor, phase.patience)
    for epoch in range(first_epoch, phase.epochs):
        if phase.patience is not None and early_stopping.is_over(history, *stopping):
            break
        with watch.epoch(epoch, phase.steps_per_epoch) as progress:
            measured = run_epoch(phase, epoch, progress.update)
            if not np.isfinite(measured["loss"]):
                raise _diverged(phase, epoch, f"the loss is {measured['loss']}")
            if (epoch + 1) % phase.validate_every == 0 or epoch + 1 == phase.epochs:
                progress.set_postfix_str("validating")
                validation = {name: value for name, value in phase.validate().items() if np.isfinite(value)}
                measured |= {f"val_{name}": value for name, value in validation.items()}
        row = {"phase": phase.name, "epoch": epoch + 1, **{name: round(float(value), 5) for name, value in measured.items()}}
        state = snapshot(phase.model)
        if not all(np.isfinite(each).all() for each in state.values() if each.dtype.kind == "f"):
            raise _diverged(phase, epoch, "the weights are not finite")
        history.append(row | {"seconds": round(run.seconds(), 1)})
        if phase.patience is not None and early_stopping.best_row(history, *stopping[:2]) is history[-1]:
            best = early_stopping.best_of(state)
        run.save_checkpoint(phase.name, epoch + 1, state | best, history)
        watch.ended()
    if phase.patience is not None:
        early_stopping.put_back(phase.model.variables, best)
        run.note(early_stopping.sentence(history, *stopping))


def _diverged(phase: Phase, epoch: int, what: str) -> UserError:
    return UserError(
        f"Training diverged in epoch {epoch + 1} of '{phase.name}': {what}, expected finite numbers. "
        "Nothing of that epoch was saved. Start again with another seed or a lower learning rate."
    )


def run_epoch(phase: Phase, epoch: int, after_step: Callable[[], object]) -> dict[str, float]:
    """Train for one epoch.

    Returns:
        ``loss`` and the metrics that the model tracks: means over the epoch's batches, each measured before its step. Of a
        model with several weighted outputs, the metrics of the first: Keras begins their names with the output's.
    """
    if phase.loop == "train_on_batch":
        steps, sizes = [], []
        for batch in phase.batches(epoch):
            steps.append(phase.model.train_on_batch(*batch, return_dict=True))  # metrics of this batch alone, in Keras 3.15
            sizes.append(len(batch[1]))
            after_step()
        measured = {name: np.average([step[name] for step in steps], weights=sizes) for name in steps[0]}
    else:
        after_each = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: after_step())
        options = {"steps_per_epoch": phase.steps_per_epoch, "shuffle": False, "verbose": 0, "callbacks": [after_each]}
        history = phase.model.fit(phase.batches(epoch), **options).history
        measured = {name: values[0] for name, values in history.items()}
    if phase.loss_weights is not None:
        main = f"{phase.model.output_names[0]}_"
        of_main = {name.removeprefix(main): value for name, value in measured.items() if name.startswith(main)}
        measured = of_main | {"loss": measured["loss"]}
    return {name: float(value) for name, value in measured.items()}


def load_weights(model: keras.Model, path: Path) -> None:
    """Load the weights that ``train_in_order`` saved after a phase, however the model was compiled since.

    Raises:
        UserError: the file is missing or damaged, of another model, or holds numbers that are not finite; the model is as it
            was.
    """
    before = model.get_weights()
    try:
        _load_all(model, path)
    except UserError:
        model.set_weights(before)
        raise


def _load_all(model: keras.Model, path: Path) -> None:
    numbers = [each for each in model.variables if each.dtype.startswith(("float", "bfloat"))]
    try:
        read_groups(path)  # refuses what Keras' own reader would follow or run out of memory on
        for each in numbers:
            each.assign(keras.ops.full_like(each, np.nan))  # where Keras finds nothing in the file, it only warns
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer|Skipping nested container")
            model.load_weights(path)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} cannot be loaded into {model.name}: {reason}. It is damaged, or was written by another model: start "
            "a new run with another --out."
        ) from error
    if bad := [each.path for each in numbers if not np.isfinite(keras.ops.convert_to_numpy(each)).all()]:
        raise UserError(
            f"{path} gives {model.name} no finite numbers for {len(bad)} of its {len(numbers)} weights, the first of them "
            f"{bad[0]}: it is damaged, or was written by another model: start a new run with another --out."
        )


def compile_phase(phase: Phase) -> None:
    """Compile the phase's model. A model with its own loss is not compiled by XLA, which would compile anew for every number
    of objects and every size.
    """
    optimizer = phase.optimizer(phase.learning_rate, phase.epochs * phase.steps_per_epoch, phase.weight_decay)
    if phase.rate_shares:
        optimizer.scale_rates(phase.rate_shares)
    optimizer.build(phase.model.trainable_variables)
    jit_compile = False if phase.loss is None else runtime.jit_compile()
    options = {"metrics": phase.metrics, "loss_weights": phase.loss_weights, "jit_compile": jit_compile}
    phase.model.compile(optimizer, phase.loss, **options)


def snapshot(model: keras.Model) -> dict[str, np.ndarray]:
    """Everything that a compiled model needs to continue: weights, random states and the optimizer, by position."""
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        f"{owner}/{position}": keras.ops.convert_to_numpy(variable)
        for owner, owned in variables.items()
        for position, variable in enumerate(owned)
    }


def restore(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Put a ``snapshot`` back into a model that is compiled alike.

    Raises:
        ValueError: the snapshot is of another model.
    """
    owners = {"model": model.variables, "optimizer": model.optimizer.variables}
    variables = {f"{owner}/{position}": each for owner, owned in owners.items() for position, each in enumerate(owned)}
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    are_numbers = all(array.dtype.kind in "fiub" or array.dtype.itemsize == 2 for array in state.values())  # bfloat16 is void
    if {name: array.shape for name, array in state.items()} != shapes or not are_numbers:
        raise ValueError(f"The checkpoint does not fit {model.name}: it was written by another version or model.")
    for name, variable in variables.items():
        variable.assign(state[name])
