"""A ResNet over signals (ECG, sensors) or over volumes (MRI, CT): one builder, which reads the rank from the input's shape.

    python recipes/signals_and_volumes.py                    # built-in signals: a few minutes on 2 cores
    python recipes/signals_and_volumes.py --kind volumes     # built-in volumes: a few minutes
    python recipes/signals_and_volumes.py --data beats.txt   # a table: the class, then the samples, a signal a line
    python recipes/signals_and_volumes.py --data my_scans/   # one folder a class, or images/ and labels/ of volumes
    python recipes/signals_and_volumes.py --smoke            # does everything work? Under a minute

The format of --data is recognized: signals in a text table or in class folders (.npy, .csv, .txt); volumes in class folders
(.npy, .nii, .nii.gz, stacks in .tif); or volumes with a label for every voxel, from which cubes are cut: the class of a cube is
the label of its middle voxel. Each sample is standardized by itself, inside the model.

The built-in tasks are real, and small. Signals: from which of 11 photographs is this scan line of 256 pixels? Volumes: in which
of six orders are the axes of this cube of a human brain? Training and validation samples come from disjoint parts of the
same photographs, and from the two halves of the same brain: they show that everything works, not how well it generalizes.

Expected accuracy with seed 0 (ECG5000: 0 to 2); in brackets a simple baseline, measured on the same samples in each run:

    built-in signals                               0.782   (nearest neighbor 0.243; chance 0.091)
    built-in volumes                               0.906   (logistic regression 0.294; chance 0.167)
    ECG5000, 400 beats to learn from, 5 classes    0.950-0.960 (nearest neighbor 0.920-0.930; most frequent class 0.580)
    hippocampus, 1,560 cubes of 65 MRI volumes     0.898   (logistic regression 0.756; chance 0.333)
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.arrays.folders import find_arrays
from visionkit.errors import UserError
from visionkit.models.catalog import find
from visionkit.tasks.classification import evaluate_arrays, export_arrays, plan_arrays, report, train_arrays
from visionkit.tasks.classification.train import Schedule
from visionkit.training import runtime
from visionkit.training.config import RunConfig
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.training.start_model import Head
from visionkit.viz.report import class_list

HEADS = {"predictions": Head()}
SMOKE = {"epochs": 12}


@dataclass(frozen=True)
class Config(RunConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """A text table of signals, or a folder of signals or volumes. Default: the built-in data that --kind names."""
    kind: Literal["signals", "volumes"] | None = None
    """Which built-in data, without --data. Default: signals."""
    network: str | None = None
    """Any network of the catalogue that takes signals or volumes. Default: resnet20 for signals, resnet8 for volumes."""
    epochs: int | None = None
    """Default: 10 to 300, such that they make 1200 steps with signals, 600 with volumes."""
    size: int = 16
    """Side in voxels to which volumes are resized, or of the cubes that are cut from labelled volumes."""
    patches: int = 8
    """Cubes of each label that are cut from each labelled volume."""
    batch_size: int = 32
    """Samples a step."""
    learning_rate: float = 2e-3
    """The peak learning rate, after the warm-up."""
    flip: bool = False
    """Whether a volume mirrored along any axis shows the same class; then it is trained on."""

    SHAPING: ClassVar[tuple[str, ...]] = ("network", "size")
    LEAST: ClassVar[dict[str, float]] = {"epochs": 1, "size": 4, "patches": 1, "batch_size": 1, "learning_rate": 0}
    MOST: ClassVar[dict[str, float]] = RunConfig.MOST | {"size": 512}

    def checked(self) -> "Config":
        """See ``RunConfig.checked``."""
        config = super().checked()
        config = config if self.network is None else replace(config, network=find(self.network))
        if config.data is not None and (kind := f"{find_arrays(config.data).kind}s") != (config.kind or kind):
            raise UserError(
                f"--kind {config.kind}: {config.data} holds {kind}. Leave --kind out: with --data it is recognized."
            )
        return config


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="signals_and_volumes", smoke=SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    device = runtime.prepare(config.seed)
    built_in = config.kind or "signals"
    data = plan_arrays.open_data(run, config, built_in=built_in, size=config.size, patches=config.patches)
    options = {"network": config.network, "epochs": config.epochs, "batch_size": config.batch_size}
    plan = run.plan(plan_arrays.Plan, lambda: plan_arrays.choose_plan(run, data, **options))
    class_names = data.train.class_names
    model = train_arrays.array_model(plan.network, data.shape, len(class_names))
    run.start_from(config, model, class_names, HEADS)
    shape = f"{'x'.join(map(str, data.shape[:-1]))} values and {data.shape[-1]} channels"
    run.note(f"{plan.network} over {data.kind}s of {shape}: {model.count_params():,} parameters, on a {device}.")

    schedule = Schedule(epochs=plan.epochs, batch_size=config.batch_size, learning_rate=config.learning_rate)
    variation = plan_arrays.choose_variation(data, flip=config.flip)
    phase = train_arrays.phase(model, data, schedule, variation=variation, seed=config.seed)
    history = run.train({phase.name: lambda: phase}, model)

    run.say("Exporting ...")
    metadata = {"base": plan.network, **run.described(config, network=plan.network)}
    options = {"kind": data.kind, "fit": data.fit, "class_names": class_names, "metadata": metadata}
    bundle = export_arrays.export_array_classifier(model, run.model, **options)
    evaluation = evaluate_arrays.evaluate(bundle, data, seed=config.seed)
    evaluate_arrays.note_litert_difference(run, bundle, data, evaluation)
    title = f"{data.kind.capitalize()}s: {class_list(class_names, '; ')}"
    page = report.report(evaluation, data.train, history, title=title, skipped=data.skipped)
    run.finish(bundle, evaluation.metrics, page)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
