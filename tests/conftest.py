"""What the tests share: small images on disk, and a small trained-looking classifier."""

import gc
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

gc.set_threshold(200_000, 5, 2)  # graphs are millions of small objects: a tenth of the time went into counting them

CLI = Path(__file__).parents[1] / "visionkit" / "cli" / "__main__.py"


def pytest_configure(config):
    """Settings that save time, of this process and of xdist's, which start after this.

    Memory that was freed is used again; else it is given back to the system, which clears it each time it is asked for more:
    half the time that it took. Graphs that are run a few times are not worth TensorFlow's optimizer, which takes a fifth of the
    time of a recipe; the exhaustive tests run recipes as people do, with it. Each process has its share of the cores. The
    processor stands for two devices, for a test of replicas: devices are set up once a process, and another takes seconds.
    """
    share = max(1, (os.cpu_count() or 1) // (config.option.numprocesses or 1))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(share))
    is_quick = config.option.markexpr == "not exhaustive"
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_quick})
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for setting, size in (("MMAP_THRESHOLD", 2**30), ("TRIM_THRESHOLD", 2**32), ("TOP_PAD", 2**26)):
        os.environ.setdefault(f"MALLOC_{setting}_", str(size))


def pytest_collection_modifyitems(items):
    """The recipes come first: what is left for the end is short, so that no process waits long for the last test of the other.

    They are then in one process at a time, mostly, which makes each smoke run that several tests look at.
    """
    items.sort(key=lambda item: "recipes" not in item.path.parts)


def pytest_collection_finish():
    """What is imported stays: nobody need look whether it is garbage, and what is can be looked for often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("VISIONKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def program(monkeypatch, capsys) -> Callable[..., subprocess.CompletedProcess]:
    """Run a program in this process, which has imported TensorFlow already: ``program(file, *arguments)``."""

    def run(file: Path, *arguments) -> subprocess.CompletedProcess:
        command = [str(file), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        status = 0
        try:
            runpy.run_path(str(file), run_name="__main__")
        except SystemExit as ended:
            status = ended.code or 0
        return subprocess.CompletedProcess(command, status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def tensorflow_alone() -> Iterator[Callable[[str], str]]:
    """Run code where nothing but TensorFlow (``tf``) can be imported: ``tensorflow_alone(code)`` is what it printed.

    It runs in one process for all tests, whose time is that of importing TensorFlow.
    """
    command = [sys.executable, "-P", Path(__file__).with_name("tensorflow_alone.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as process:

        def run(code: str) -> str:
            print(json.dumps(code), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """A real photograph, uint8 (300, 451, 3): skimage's cat."""
    import skimage.data

    return skimage.data.chelsea()


def sweep(values: Iterable, quick: Iterable) -> list:
    """Cases of a test, of which those that are not among ``quick`` are exhaustive."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.exhaustive) for value in values]


def write_classes(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Class folders of small JPEGs; each class has a colour of its own, under noise."""
    rng = np.random.default_rng(seed)
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        color = np.array([220, 120, 40]).take([number, number + 1, number + 2], mode="wrap")
        for i in range(count):
            noise = rng.integers(-30, 30, (48 + i % 5, 64, 3))
            Image.fromarray(np.clip(color + noise, 0, 255).astype(np.uint8)).save(folder / name / f"{i:02d}.jpg")
    return folder


@pytest.fixture
def class_folders(tmp_path) -> Path:
    """Two classes, eight images each."""
    return write_classes(tmp_path / "images", {"blue": 8, "red": 8})


@pytest.fixture(scope="session")
def small_classifier() -> keras.Model:
    """Pixels (N, 32, 32, 3) to logits of three classes: a network of one convolution, with BatchNorm."""
    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, strides=2)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(3, name="predictions")(x), name="small")


@pytest.fixture(scope="session")
def square_bundle(tmp_path_factory) -> Path:
    """A run folder with a detector that boxes bright squares; see ``square_detector``."""
    from tests.tasks.detection.square_detector import NAMES, square_detector
    from visionkit.tasks.detection.export import export_detector

    run = tmp_path_factory.mktemp("detector")
    export_detector(square_detector(), run / "model", class_names=NAMES, threshold=0.3, metadata={"base": "squares"})
    return run
