"""The built-in photographs: disjoint regions, and either complete or absent on disk."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from visionkit.data.demo import photographs
from visionkit.data.sources import read_classified


def test_the_set_has_the_requested_size_and_real_variety(tmp_path):
    splits = read_classified(photographs.make_demo(tmp_path / "demo", num_train=3, num_val=2))
    assert splits.train.class_names == tuple(sorted(photographs.PHOTOGRAPHS))
    assert set(splits.train.counts()) == {3} and set(splits.val.counts()) == {2}


def test_training_and_validation_share_no_pixel():
    for axis in (0, 1):
        shape = [100, 100, 1]
        shape[axis] = 200
        numbered = np.arange(np.prod(shape)).reshape(shape)
        train, val = photographs.split_in_two(numbered)
        assert not set(train.ravel()) & set(val.ravel())
        assert train.shape[axis] == 120 and val.shape[axis] == 72


def test_a_second_call_finds_it_written_and_another_recipe_writes_anew(tmp_path):
    folder = photographs.make_demo(tmp_path / "demo", num_train=2, num_val=1)
    image = next(folder.rglob("*.png"))
    stamp = image.stat().st_mtime_ns
    assert photographs.make_demo(folder, num_train=2, num_val=1) == folder and image.stat().st_mtime_ns == stamp
    photographs.make_demo(folder, num_train=1, num_val=1)
    assert len(list(folder.rglob("*.png"))) == 2 * len(photographs.PHOTOGRAPHS)


def test_an_interruption_leaves_nothing_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "random_crop", None)
    with pytest.raises(TypeError):
        photographs.make_demo(tmp_path / "demo", num_train=1, num_val=1)
    assert [path.name for path in tmp_path.iterdir()] == [".demo.lock"]


def test_only_one_of_two_concurrent_first_calls_writes(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(photographs.make_demo, tmp_path / "demo", num_train=1, num_val=1) for _ in range(2)]
    assert {call.result() for call in calls} == {tmp_path / "demo"}
    assert len(list((tmp_path / "demo").rglob("*.png"))) == 2 * len(photographs.PHOTOGRAPHS)
