"""The rule by which the tests and ``record_torch_peers.py`` draw the same weights and pixels."""

import json
import zlib
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_name("torch_peers.json")
FACENET = "facenet-pytorch InceptionResnetV1"
LOGITS = 16  # the first so many are recorded


def pixels(side: int) -> np.ndarray:
    """Two images ``(2, side, side, 3)``, float32 in 0..255."""
    return np.random.default_rng(side).uniform(0, 255, (2, side, side, 3)).astype("float32")


def draw(key: str, shape: list[int]) -> np.ndarray:
    """The tensor of one key of a state dict; its name alone is the seed."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return np.zeros((), "int64")
    if key.endswith((".bias", ".running_mean")):
        return rng.standard_normal(shape, "float32") / 10
    if len(shape) == 1:  # scale and variance of a normalisation
        return 0.5 + rng.random(shape, "float32")
    return rng.standard_normal(shape, "float32") * np.float32((2 / np.prod(shape[1:])) ** 0.5)


def state_dict(prefixes: dict) -> dict[str, np.ndarray]:
    """The tensors of a peer.

    Args:
        prefixes: as recorded: prefix -> channels of a batch normalisation, or else the shapes of weight and, if any, bias.
    """
    tensors = {}
    for prefix, shapes in prefixes.items():
        if isinstance(shapes, int):
            parts = ("weight", "bias", "running_mean", "running_var")
            shapes = {part: [shapes] for part in parts} | {"num_batches_tracked": []}
        else:
            shapes = dict(zip(("weight", "bias"), shapes, strict=False))
        tensors |= {f"{prefix}.{part}": draw(f"{prefix}.{part}", shape) for part, shape in shapes.items()}
    return tensors


def peer(name: str) -> dict:
    """What was recorded of one: "state_dict", and "logits": side -> ``(2, LOGITS)``."""
    return json.loads(RECORD.read_text())[name]


def names() -> list[str]:
    """All that were recorded of the catalogue: library and network."""
    return [name for name in json.loads(RECORD.read_text()) if name != FACENET]
