"""Writes small data sets as tensorflow-datasets does: images of noise with a label, which is a class or a text."""

from pathlib import Path

import numpy as np


def write_tfds(folder: Path, name: str, splits: dict[str, list[str]], *, side: int = 48, text: bool = False) -> Path:
    """Write a data set that ``tfds:NAME`` finds if ``TFDS_DATA_DIR`` is ``folder``.

    Args:
        folder: the folder of all data sets.
        name: of the data set, a lower-case word.
        splits: the label of each image, by split.
        side: of the images in pixels.
        text: whether labels are texts, as the names of people in lfw, instead of classes.

    Returns:
        the folder of the data set.
    """
    import tensorflow_datasets as tfds

    names = sorted({label for labels in splits.values() for label in labels})
    rng = np.random.default_rng(0)
    label_feature = tfds.features.Text() if text else tfds.features.ClassLabel(names=names)
    image_feature = tfds.features.Image(shape=(None, None, 3), encoding_format="png")

    with tfds.core.registered.skip_registration():  # it is found by its folder, not by its class

        class Builder(tfds.core.GeneratorBasedBuilder):
            """The hook that only data sets with downloads need."""

            VERSION = tfds.core.Version("1.0.0")
            url_infos = None
            _checksums_path = None

            def _info(self):
                features = tfds.features.FeaturesDict({"image": image_feature, "label": label_feature})
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, _):
                return {split: self._generate_examples(split) for split in splits}

            def _generate_examples(self, split):
                for number, label in enumerate(splits[split]):
                    noise = rng.integers(0, 60, (side, side, 3)) + 50 * names.index(label)
                    yield f"{split}{number}", {"image": np.clip(noise, 0, 255).astype(np.uint8), "label": label}

        Builder.name = name
        tfds.disable_progress_bar()
        Builder(data_dir=folder).download_and_prepare()
        tfds.enable_progress_bar()
    return folder / name
