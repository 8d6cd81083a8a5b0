"""A ResNet over signals (ECG, sensors) or over volumes (MRI, CT): one builder, which reads the rank from the input's shape.

    python recipes/signals_and_volumes.py                    # built-in signals: a few minutes on 2 cores
    python recipes/signals_and_volumes.py --kind volumes     # built-in volumes: a few minutes
    python recipes/signals_and_volumes.py --data beats.txt   # a table: the class, then the samples, a signal a line
    python recipes/signals_and_volumes.py --data my_scans/   # one folder a class, or images/ and labels/ of volumes
    python recipes/signals_and_volumes.py --smoke            # does everything work? Under a minute

What lies in --data is found out by looking: signals in a text table or in class folders (.npy, .csv, .txt); volumes in class
folders (.npy, .nii, .nii.gz, stacks in .tif); or volumes with a label for every voxel: then the label in the middle of a cube
is learnt. Each sample is standardised by itself, inside the model.

The built-in tasks are real, and small. Signals: from which of 11 photographs is this scan line of 256 pixels? Volumes: in which
of six orders do the axes of this cube of a human brain lie? Training and validation come from disjoint parts of the
same photographs, and from the two halves of the same brain: they show that everything works, not how well it generalises.

Expected accuracy with seed 0 (ECG5000: 0 to 2); in brackets a simple peer, measured on the same samples in each run:

    built-in signals                               0.782   (nearest neighbor 0.243; chance 0.091)
    built-in volumes                               0.906   (logistic regression 0.294; chance 0.167)
    ECG5000, 400 beats to learn from, 5 classes    0.950-0.960 (nearest neighbor 0.920-0.930; most frequent class 0.580)
    hippocampus, 1,560 cubes of 65 MRI volumes     0.898   (logistic regression 0.756; chance 0.333)
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import visionkit

visionkit.quiet_tensorflow()

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from visionkit.data.arrays.augment import Variation
from visionkit.data.arrays.folders import Source, find_arrays
from visionkit.data.arrays.samples import ArraySplits, kept_splits, read_samples, split_samples
from visionkit.data.demo.arrays import SIDE, demo_signals, demo_volumes
from visionkit.data.index import SkippedFiles
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, update_metadata
from visionkit.models.catalog import find
from visionkit.tasks import load
from visionkit.tasks.classification.export_arrays import export_array_classifier
from visionkit.tasks.classification.report import ClassificationReport, write_report
from visionkit.tasks.classification.train_arrays import array_model, array_phase
from visionkit.training import runtime
from visionkit.training.dataset import note_skipped
from visionkit.training.fit import train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder
from visionkit.viz.arrays import ArrayImages

NETWORKS = {"signal": "resnet20", "volume": "resnet8"}
STEPS = {"signal": 1200, "volume": 600}  # of training, where --epochs leaves it open; within EPOCHS
EPOCHS = (10, 300)
VARIATIONS = {
    "resample": Variation(shift=0.05, stretch=0.1, noise=0.1),
    "resize": Variation(shift=0.1, contrast=0.2, noise=0.1),
    "crop": Variation(contrast=0.2, noise=0.1),  # shifted, its middle would have another label
}
SMOKE = {"epochs": 12}
SMOKE_SAMPLES = {"num_train": 32, "num_val": 10}  # a class
LITERT_CHECKS = 16  # validation samples on which the LiteRT model is compared
LEAST_SIDE = 4  # voxels


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: Path | None = None
    """A text table of signals, or a folder of signals or volumes. Default: what --kind says."""
    out: Path | None = None
    """Folder of this run. Default: runs/signals_and_volumes-<time>."""
    kind: Literal["signals", "volumes"] | None = None
    """Which built-in data, without --data. Default: signals."""
    network: str | None = None
    """Any network of the catalogue that takes the rank. Default: resnet20 for signals, resnet8 for volumes."""
    epochs: int | None = None
    """Default: 10 to 300, such that they make 1200 steps with signals, 600 with volumes."""
    size: int = 16
    """Side in voxels that volumes are resized to, or that cubes are cut with."""
    patches: int = 8
    """Cubes of each label that are cut from each volume of a segmentation."""
    batch_size: int = 32
    """Samples a step."""
    learning_rate: float = 2e-3
    """The highest of a warm-up and cosine schedule."""
    flip: bool = False
    """Whether a volume mirrored along any axis shows the same class; then it is trained on."""
    seed: int = 0
    """Makes splits, order, variations and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        check_at_least(self, epochs=1, size=LEAST_SIDE, patches=1, batch_size=1, learning_rate=0, seed=0)

    def checked(self) -> "Config":
        """The configuration with whole paths; what cannot be used is told now."""
        if self.network is not None:
            find(self.network)
        if self.data is None:
            return self
        kind = find_arrays(self.data).kind
        if self.kind not in (None, f"{kind}s"):
            raise UserError(f"--kind {self.kind}: {self.data} holds {kind}s. Leave --kind out: with --data it is found out.")
        return dataclasses.replace(self, data=self.data.resolve())


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="signals_and_volumes", smoke=SMOKE)


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    data = read_data(run, config, skipped, story)
    class_names, truth = data.train.class_names, data.val.labels
    network = config.network or NETWORKS[data.kind]
    model = array_model(network, data.shape, len(class_names))
    epochs = config.epochs or int(np.clip(STEPS[data.kind] * config.batch_size // len(data.train), *EPOCHS))
    story.tell(
        f"{network} over {data.kind}s of {'x'.join(map(str, data.shape[:-1]))} values and {data.shape[-1]} channels: "
        f"{model.count_params():,} parameters, {epochs} epochs, on a {device}."
    )
    phase = array_phase(
        model,
        data,
        variation=VARIATIONS[data.fit]._replace(flip=config.flip),
        epochs=epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )
    history = train_in_order(run, {phase.name: lambda: phase}, model)

    print("Exporting ...", flush=True)
    metadata = {"base": network, "made_by": f"visionkit {visionkit.__version__}, recipes/signals_and_volumes.py"}
    bundle = export_array_classifier(
        model, run.path / "model", kind=data.kind, fit=data.fit, class_names=class_names, metadata=metadata
    )
    probabilities = load(bundle).probabilities(data.val_values)
    compare_litert(bundle, data, probabilities, story)
    name, answers = simple_peer(data, config.seed)
    metrics = scores(truth, probabilities.argmax(axis=1)) | {f"{key}_{name}": v for key, v in scores(truth, answers).items()}
    metrics["accuracy_most_frequent_class"] = float((truth == data.train.counts().argmax()).mean())
    metrics["seconds"] = round(run.seconds(), 1)
    update_metadata(bundle, metrics=metrics)
    report = ClassificationReport(
        title=f"{data.kind.capitalize()}s: {'; '.join(class_names[:6])}{'; ...' if len(class_names) > 6 else ''}",
        sentences=story.sentences,
        metrics=metrics,
        history=history,
        class_names=class_names,
        paths=list(data.val.paths),
        truth=truth,
        probabilities=probabilities,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
        train_counts=data.train.counts(),
        images=ArrayImages(data.val_values),
    )
    write_report(report, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


def read_data(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> ArraySplits:
    """Read and split the data; a resumed run keeps to its first split, classes and shape."""
    plan = run.read_json("plan.json")
    size, seed = config.size, config.seed
    if config.data is None:
        kind, where, size = (config.kind or "signals").removesuffix("s"), "built-in data", SIDE
        cut = demo_signals if kind == "signal" else demo_volumes
        source, samples = None, cut(seed=seed, **SMOKE_SAMPLES) if config.smoke else cut(seed=seed)
    else:
        source, where = find_arrays(config.data), str(config.data)
        samples = read_samples(source, skipped, size=size, patches=config.patches, seed=seed)
        kind = source.kind
    if plan is None:
        fit = "resample" if kind == "signal" else "crop" if source and source.layout == "segmentations" else "resize"
        data = split_samples(samples, kind, fit, skipped, size=size, seed=seed)
        run.write_json("plan.json", data.to_plain())
    else:
        data = kept_splits(samples, kind, plan)
    story.tell(
        f"{len(data.train)} training and {len(data.val)} validation {kind}s of {len(data.train.class_names)} classes: {where}."
    )
    note_skipped(notes_on(source, config) + data.notes, (), skipped, story)
    return data


def notes_on(source: Source | None, config: Config) -> tuple[str, ...]:
    """What a reader should know of how samples were made."""
    if source is None or source.layout != "segmentations":
        return source.notes if source else ()
    task = (
        f"cubes of {config.size} voxels a side, {config.patches} of each label from each volume, to be named by their middles"
    )
    own = ("whole volumes are held out for validation, by seed",) if "val" not in source.splits else ()
    return (task, *own, *source.notes)


def compare_litert(bundle: Path, data: ArraySplits, probabilities: np.ndarray, story: Story) -> None:
    """Tell how far the LiteRT model's answers are from the bundle's; or that there is none."""
    if not (bundle / LITERT_FILE).is_file():
        story.tell("The network has no LiteRT model; bundle.json says why.")
        return
    rows = np.unique(np.linspace(0, len(data.val) - 1, LITERT_CHECKS).astype(int))
    difference = np.abs(litert.run(bundle / LITERT_FILE, data.val_values[rows]) - probabilities[rows]).max()
    story.tell(f"The LiteRT model's probabilities differ from the SavedModel's by at most {difference:.4f}.")


def simple_peer(data: ArraySplits, seed: int) -> tuple[str, np.ndarray]:
    """Name and validation answers ``(N,)`` of what a network has to beat, on the same samples, each standardised by itself."""
    train, val = (standardized(values).reshape(len(values), -1) for values in (data.train_values, data.val_values))
    if data.kind == "signal":
        return "nearest_neighbor", KNeighborsClassifier(1).fit(train, data.train.labels).predict(val)
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, random_state=seed))
    return "logistic_regression", peer.fit(train, data.train.labels).predict(val)


def standardized(values: np.ndarray) -> np.ndarray:
    """Each channel of each sample to mean 0 and deviation 1, in NumPy."""
    axes = tuple(range(1, values.ndim - 1))
    values = values - values.mean(axes, keepdims=True)
    return values / np.maximum(values.std(axes, keepdims=True), 1e-12)


def scores(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """Accuracy; recall and F1, each a mean over the classes that are in the validation data."""
    options = {"labels": np.unique(truth), "average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float((truth == answers).mean()),
        "balanced_accuracy": float(recall_score(truth, answers, **options)),
        "macro_f1": float(f1_score(truth, answers, **options)),
    }


if __name__ == "__main__":
    command_line(main, Config, __doc__)
