"""Bundles that cannot be loaded, or whose metadata is that of another model."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from visionkit.errors import UserError
from visionkit.inference import saved_model
from visionkit.inference.saved_model import check_metadata, load_saved_model


def model(**outputs: list[int | None] | None) -> SimpleNamespace:
    """Stands in for a loaded SavedModel with one signature."""
    specs = {name: tf.TensorSpec(shape, tf.float32) for name, shape in outputs.items()}
    signature = SimpleNamespace(structured_input_signature=((), {}), structured_outputs=specs)
    return SimpleNamespace(signatures={"serving_default": signature})


@pytest.mark.parametrize(
    "outputs", [{}, {"probabilities": [None, 2]}, {"probabilities": [None, None]}, {"probabilities": None}]
)
def test_lengths_that_fit_or_are_not_known(tmp_path, outputs):
    check_metadata(tmp_path, model(**outputs), {"task": "classification", "labels": ["a", "b"]}, ())


@pytest.mark.parametrize(("shape", "length"), [([None, 3], 3), ([], 0)])
def test_the_graph_of_another_model(tmp_path, shape, length):
    with pytest.raises(UserError, match=f"the graph has {length} probabilities, and bundle.json speaks of 2"):
        check_metadata(tmp_path, model(probabilities=shape), {"task": "classification", "labels": ["a", "b"]}, ())


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")])
def test_a_lack_of_memory_is_no_damage(tmp_path, monkeypatch, error):
    for name in ("check_files", "check_graph"):
        monkeypatch.setattr(saved_model, name, lambda folder: None)
    monkeypatch.setattr(tf.saved_model, "load", lambda path: (_ for _ in ()).throw(error))
    with pytest.raises(UserError, match="cannot be loaded: there is not enough memory"):
        load_saved_model(tmp_path)
