"""Inference mode holds, whatever the model around it does, and through a .keras file."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import visionkit
from visionkit.layers.inference_mode import InferenceMode


def network() -> keras.Model:
    image = keras.Input((4,))
    return keras.Model(image, keras.layers.Dropout(0.5)(keras.layers.BatchNormalization(name="bn")(image)), name="inner")


def test_training_mode_does_not_reach_the_network(rng):
    inputs = keras.Input((4,))
    outer = keras.Model(inputs, InferenceMode(network())(inputs))
    x = rng.normal(3, 5, (16, 4)).astype("float32")
    np.testing.assert_allclose(outer(x, training=True), outer(x, training=False))
    np.testing.assert_allclose(outer(x), x / np.sqrt(1.001), rtol=1e-5)


def test_the_weights_can_be_trained():
    inner = network()
    assert len(InferenceMode(inner).trainable_weights) == 2
    inner.get_layer("bn").trainable = False
    assert InferenceMode(inner).trainable_weights == []


def test_keras_file_round_trip(rng, tmp_path):
    inputs = keras.Input((4,))
    outer = keras.Model(inputs, InferenceMode(network())(inputs))
    outer.save(tmp_path / "outer.keras")
    x = rng.normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "outer.keras")(x, training=True), outer(x))


@pytest.mark.exhaustive
def test_keras_knows_all_layers_after_the_import_of_models():
    root = Path(visionkit.__file__).parent
    texts = [file.read_text(encoding="utf-8") for folder in ("layers", "models") for file in (root / folder).glob("*.py")]
    number = sum(text.count("@keras.saving.register_keras_serializable(") for text in texts)
    code = "import keras, visionkit.models; print(list(keras.saving.get_custom_objects()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known = [name for name in ast.literal_eval(done.stdout) if name.startswith("visionkit>")]
    assert "visionkit>InferenceMode" in known and len(known) == number > 10
