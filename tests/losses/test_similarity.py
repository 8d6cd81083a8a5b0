"""Contrastive and triplet losses: by hand, by loops, where there is nothing to learn, and where all embeddings are one."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import sweep
from visionkit.errors import UserError
from visionkit.losses.similarity import MINING, contrastive, mined, triplet
from visionkit.ops.embeddings import pair_distances

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])  # the last person has one image


def drawn(seed, *shape):
    x = np.random.default_rng(seed).normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype("float32")


def value_and_gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = function(x)
    return float(loss), keras.ops.convert_to_numpy(tape.gradient(loss, x))


def looped(embeddings, labels, mining, margin):
    """The loss of every triplet that ``mining`` chooses."""
    squared = ((embeddings[:, None].astype(float) - embeddings[None]) ** 2).sum(-1)
    costs = []
    for anchor, label in enumerate(labels):
        positives = [i for i, other in enumerate(labels) if other == label and i != anchor]
        negatives = [i for i, other in enumerate(labels) if other != label]
        if mining == "hard" and positives and negatives:
            costs.append(max(squared[anchor, positives]) - min(squared[anchor, negatives]) + margin)
        for positive in positives if negatives else ():
            near, far = squared[anchor, positive], squared[anchor, negatives]
            if mining == "all":
                costs += [near - each + margin for each in far]
            if mining == "semi_hard":
                costs.append(near - (min(far[far > near]) if any(far > near) else max(far)) + margin)
    return np.maximum(costs, 0)


@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize(
    ("embeddings", "labels"),
    [
        (np.zeros((0, 4), "float32"), np.zeros(0, "int32")),
        (drawn(0, 1, 4), np.array([3])),
        (drawn(0, 4, 4), np.array([1, 1, 1, 1])),
        (drawn(0, 4, 4), np.array([0, 1, 2, 3])),
    ],
    ids=["nobody", "one image", "one person", "no two of a person"],
)
def test_a_batch_without_a_triplet_has_no_loss_and_no_gradient(mining, embeddings, labels):
    loss, gradient = value_and_gradient(lambda x: triplet(x, labels, mining=mining), embeddings)
    assert loss == 0 and not gradient.any() and gradient.shape == embeddings.shape


def test_no_pairs_cost_nothing():
    loss, gradient = value_and_gradient(lambda x: contrastive(x, np.zeros(0, bool)), np.zeros(0, "float32"))
    assert loss == 0 and gradient.shape == (0,)


def test_contrastive_by_hand():
    distances, same = np.array([0.5, 2.0, 0.25, 1.5], "float32"), np.array([True, True, False, False])
    expected = (0.25 + 4 + 0.75**2 + 0) / 2 / 4
    assert float(contrastive(distances, same)) == pytest.approx(expected)
    assert float(contrastive(distances, same.astype("int32"))) == pytest.approx(expected)
    assert float(contrastive(distances, same, margin=2.0)) == pytest.approx((0.25 + 4 + 1.75**2 + 0.5**2) / 8)


def test_contrastive_has_a_finite_gradient_at_distance_zero():
    a, same = drawn(1, 2, 4), np.array([True, False])
    _, gradient = value_and_gradient(lambda d: contrastive(d, same), np.zeros(2, "float32"))
    np.testing.assert_allclose(gradient, [0, -0.5])
    loss, gradient = value_and_gradient(lambda x: contrastive(pair_distances(x, a), same), a)
    assert loss == pytest.approx(0.25) and np.isfinite(gradient).all()


@pytest.mark.parametrize("mining", [name for name in MINING if name != "random"])
@pytest.mark.parametrize("margin", [0.2, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_triplets_are_those_of_a_loop(mining, margin, seed):
    embeddings = drawn(seed, len(LABELS), 3)
    order = np.random.default_rng(seed).permutation(len(LABELS))
    costs = looped(embeddings, LABELS[order], mining, margin)
    assert float(triplet(embeddings, LABELS[order], margin=margin, mining=mining)) == pytest.approx(costs.mean(), rel=1e-4)


def test_mining_by_hand():
    """On a line: the anchor at 0, its positive at 1, negatives at 0.5, 1.1 and 3."""
    line, labels = np.array([[0.0], [1.0], [0.5], [1.1], [3.0]], "float32"), np.array([0, 0, 1, 2, 3])
    far = {name: np.array(mined(line, labels, mining=name).far) for name in ("semi_hard", "hard")}
    assert far["semi_hard"][0, 1] == pytest.approx(1.1**2) and far["hard"][0] == pytest.approx(0.25)
    assert far["semi_hard"][1, 0] == pytest.approx(4)  # from 1: at 0.5 and 1.1 they are nearer than the positive, at 3 farther
    none_farther = np.array(mined(line[:4], labels[:4], mining="semi_hard").far)
    assert none_farther[1, 0] == pytest.approx(0.25)  # the farthest of those that are nearer


def test_random_negatives_cover_all_other_people_and_never_the_same_person():
    places = np.arange(9, dtype="float32")[:, None] ** 2  # all distances differ: each tells whose it is
    squared = (places - places.T) ** 2
    seed = keras.random.SeedGenerator(5)
    met = set()
    for _ in range(60):
        triplets = mined(places, LABELS, mining="random", seed=seed)
        valid, far = np.array(triplets.valid), np.array(triplets.far)
        np.testing.assert_array_equal(valid, (LABELS[:, None] == LABELS) & ~np.eye(9, dtype=bool))
        for anchor, positive in np.argwhere(valid):
            negative = int(np.abs(squared[anchor] - far[anchor, positive]).argmin())
            assert LABELS[negative] != LABELS[anchor]
            met.add((anchor, negative))
    with_positives = np.isin(LABELS, [0, 1, 2])
    assert len(met) == ((LABELS[:, None] != LABELS) & with_positives[:, None]).sum()


def test_seeds_of_random_negatives():
    x = drawn(2, 9, 4)
    assert float(triplet(x, LABELS, mining="random", seed=3)) == float(triplet(x, LABELS, mining="random", seed=3))
    generator = keras.random.SeedGenerator(3)
    assert len({float(triplet(x, LABELS, mining="random", seed=generator)) for _ in range(5)}) > 1
    keras.utils.set_random_seed(4)
    first = float(triplet(x, LABELS, mining="random"))
    keras.utils.set_random_seed(4)
    assert float(triplet(x, LABELS, mining="random")) == first


@pytest.mark.parametrize("mining", MINING)
def test_collapsed_embeddings_cost_the_margin(mining):
    same = np.repeat(drawn(3, 1, 4), 9, axis=0)
    loss, gradient = value_and_gradient(lambda x: triplet(x, LABELS, margin=0.2, mining=mining, seed=1), same)
    assert loss == pytest.approx(0.2, abs=1e-6) and np.isfinite(gradient).all()


@pytest.mark.parametrize("mining", sweep(MINING, ["semi_hard"]))
def test_the_collapsed_solution_is_no_minimum(mining):
    """From beside it one step of training lowers the loss below the margin, and more steps lower it to nothing."""
    keras.utils.set_random_seed(6)
    labels = np.repeat(np.arange(4), 4)
    images = (2 * np.eye(4)[labels] + 0.1 * np.random.default_rng(0).normal(size=(16, 4))).astype("float32")
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.UnitNormalization()])
    kernel, bias = network.layers[0].weights
    kernel.assign(0.02 * np.array(kernel))
    bias.assign([1.0, 0.0, 0.0])
    optimizer = keras.optimizers.SGD(0.5)
    losses = []
    for _ in range(150):
        with tf.GradientTape() as tape:
            loss = triplet(network(images), labels, margin=0.2, mining=mining, seed=1)
        losses.append(float(loss))
        optimizer.apply(tape.gradient(loss, [kernel.value, bias.value]), [kernel, bias])
    assert losses[0] == pytest.approx(0.2, abs=0.005)
    assert losses[1] < losses[0]
    assert losses[-1] == 0


@pytest.mark.parametrize("mining", MINING)
def test_the_loss_compiles_for_batches_of_any_size(mining):
    @tf.function(input_signature=[tf.TensorSpec((None, 4)), tf.TensorSpec((None,), tf.int32)])
    def compiled(x, labels):
        return triplet(x, labels, mining=mining, seed=2)

    for x, labels in ((drawn(4, 9, 4), LABELS), (drawn(5, 6, 4), LABELS[:6]), (drawn(5, 0, 4), LABELS[:0])):
        expected = triplet(x, labels, mining=mining, seed=2)
        np.testing.assert_allclose(compiled(x, labels), expected, rtol=1e-5)


def test_labels_may_be_a_column_and_embeddings_half_precise():
    x = drawn(7, 9, 4)
    assert float(triplet(x, LABELS[:, None])) == float(triplet(x, LABELS))
    half = triplet(x.astype("float16"), LABELS)
    assert keras.backend.standardize_dtype(half.dtype) == "float32" and float(half) == pytest.approx(
        float(triplet(x, LABELS)), rel=0.02
    )


def test_an_unknown_mining_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'hardest'.*all, random, semi_hard, hard"):
        triplet(drawn(0, 2, 4), np.array([0, 1]), mining="hardest")


@pytest.mark.exhaustive
def test_another_backend_compiles_them_and_agrees():
    code = (
        "import jax, numpy as np\n"
        "from visionkit.losses.similarity import MINING, contrastive, triplet\n"
        "from visionkit.ops.embeddings import arcface_logits, pair_distances\n"
        "x = np.sin(np.arange(27, dtype='float32')).reshape(9, 3)\n"
        "labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])\n"
        "losses = [lambda x, name=name: triplet(x, labels, mining=name, seed=1) for name in MINING if name != 'random']\n"
        "losses.append(lambda x: contrastive(pair_distances(x[:4], x[:4][::-1]), np.array([0, 1, 0, 1])))\n"
        "losses.append(lambda x: arcface_logits(x, labels % 3).mean())\n"
        "for loss in losses:\n"
        "    value, gradient = jax.jit(jax.value_and_grad(loss))(x)\n"
        "    assert np.isfinite(gradient).all() and np.any(gradient != 0)\n"
        "    print(float(value))\n"
        "value, gradient = jax.jit(jax.value_and_grad(lambda x: triplet(x, labels, mining='random', seed=1)))(x)\n"
        "assert value > 0 and np.isfinite(gradient).all()\n"
        "value, gradient = jax.jit(jax.value_and_grad(lambda x: triplet(x, 0 * labels)))(x)\n"
        "assert value == 0 and not gradient.any()\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    from visionkit.ops.embeddings import arcface_logits

    x = np.sin(np.arange(27, dtype="float32")).reshape(9, 3)
    expected = [float(triplet(x, LABELS, mining=name)) for name in MINING if name != "random"]
    expected.append(float(contrastive(pair_distances(x[:4], x[:4][::-1]), np.array([0, 1, 0, 1]))))
    expected.append(float(np.mean(arcface_logits(x, LABELS % 3))))
    np.testing.assert_allclose([float(line) for line in done.stdout.split()], expected, rtol=1e-4)
