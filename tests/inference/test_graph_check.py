"""A SavedModel whose graph does more than compute is not loaded."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

import visionkit
from visionkit.errors import UserError
from visionkit.export.bundle import write_bundle
from visionkit.inference.graph_check import check_graph
from visionkit.inference.graph_operations import COMPUTING, SAVER, STATELESS
from visionkit.inference.saved_model import load_saved_model

WHOLE, NUMBER = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
BUNDLES = sorted(path for path in (Path(__file__).parents[2] / "saved_models").iterdir() if path.is_dir())


class Module(tf.Module):
    """A classifier of one class that also does something else with the name of a file."""

    def __init__(self, act, file: Path):
        super().__init__()
        self.act, self.file, self.scale = act, str(file), tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve_images(self, images):
        count = tf.shape(images)[:1]
        with tf.control_dependencies([each for each in tf.nest.flatten(self.act(self.file)) if each is not None]):
            scores = tf.ones([count[0], 1]) * self.scale / 2
        labels = tf.fill([count[0], 1], "thing")
        return {"label": labels[:, 0], "score": scores[:, 0], "labels": labels, "scores": scores, "probabilities": scores}


def export(act, folder: Path, file: Path) -> Path:
    module = Module(act, file)
    return write_bundle(
        module,
        folder,
        task="classification",
        signatures={"serving_default": module.serve_images},
        litert_function=None,
        litert_shape=None,
        class_names=("thing",),
        metadata={"size": 8},
    )


def changed(bundle: Path, change) -> Path:
    """Change the graph of a bundle, as a stranger does who made it, digests and all."""
    file = bundle / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(graph.meta_graphs[0])
    file.write_bytes(graph.SerializeToString())
    (bundle / "assets.extra" / "sha256.txt").unlink()
    return bundle


def nothing(file):
    return tf.constant(0)


def rows(dataset):
    return dataset.reduce(0, lambda count, _: count + 1)


def summary(file):
    writer = tf.raw_ops.SummaryWriter(shared_name="", container="")
    return tf.raw_ops.CreateSummaryFileWriter(writer=writer, logdir=file, max_queue=1, flush_millis=1, filename_suffix="")


ATTACKS = {
    "ReadFile": tf.io.read_file,
    "WriteFile": lambda file: tf.io.write_file(file, "x"),
    "MatchingFiles": tf.io.matching_files,
    "EagerPyFunc": lambda file: tf.py_function(lambda: 1.0, [], tf.float32),
    "PyFunc": lambda file: tf.numpy_function(lambda: np.float32(1), [], tf.float32),
    "TextLineDataset": lambda file: rows(tf.data.TextLineDataset(file)),
    "TFRecordDatasetV2": lambda file: tf.raw_ops.TFRecordDatasetV2(
        filenames=file, compression_type="", buffer_size=0, byte_offsets=tf.constant([0], tf.int64)
    ),
    "FixedLengthRecordDatasetV2": lambda file: tf.raw_ops.FixedLengthRecordDatasetV2(
        filenames=file, header_bytes=0, record_bytes=1, footer_bytes=0, buffer_size=0, compression_type=""
    ),
    "PrintV2": lambda file: tf.raw_ops.PrintV2(input="x", output_stream=f"file://{file}"),
    "ImmutableConst": lambda file: tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[1], memory_region_name=file),
    "RestoreV2": lambda file: tf.raw_ops.RestoreV2(prefix=file, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]),
    "SaveV2": lambda file: tf.raw_ops.SaveV2(prefix=file, tensor_names=["x"], shape_and_slices=[""], tensors=[tf.ones(1)]),
    "DebugIdentity": lambda file: tf.raw_ops.DebugIdentity(input=1.0, debug_urls=[f"file://{file}"]),
    "Abort": lambda file: tf.raw_ops.Abort(error_msg="x", exit_without_error=True),
    "CreateSummaryFileWriter": summary,
}


def test_no_folder_is_no_model(tmp_path):
    with pytest.raises(UserError, match=r"nothing/saved_model.pb cannot be read: No such file"):
        check_graph(tmp_path / "nothing")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_models_that_come_with_visionkit_compute_alone(bundle):
    check_graph(bundle)


def test_a_graph_that_computes_is_loaded(tmp_path):
    model = visionkit.load(export(nothing, tmp_path / "model", tmp_path / "file"))
    assert model.predict(np.zeros((4, 4, 3), np.uint8)).top == (("thing", 1.0),)


@pytest.mark.parametrize("operation", ATTACKS)
def test_a_graph_that_does_more_is_refused_by_name(tmp_path, operation):
    file = tmp_path / "file"
    bundle = export(ATTACKS[operation], tmp_path / "model", file)
    written = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=rf"holds the operation {operation}, which .* in the function .*--trust .*trust=True"):
        visionkit.load(bundle)
    assert sorted(tmp_path.rglob("*")) == written


def test_trust_loads_it(tmp_path):
    (tmp_path / "file").write_text("secret")
    bundle = export(lambda file: tf.io.write_file(f"{file}2", tf.io.read_file(file)), tmp_path / "model", tmp_path / "file")
    visionkit.load(bundle, trust=True).predict(np.zeros((4, 4, 3), np.uint8))
    assert (tmp_path / "file2").read_text() == "secret"


def test_a_table_that_is_read_from_a_file_at_loading_is_refused(tmp_path):
    (tmp_path / "words").write_text("a\n")

    class Table(tf.Module):
        def __init__(self):
            super().__init__()
            words = tf.lookup.TextFileInitializer(str(tmp_path / "words"), tf.string, WHOLE, tf.int64, NUMBER)
            self.table = tf.lookup.StaticHashTable(words, 0)

        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def find(self, word):
            return self.table.lookup(word)

    tf.saved_model.save(Table(), str(tmp_path / "model"))
    with pytest.raises(UserError, match="InitializeTableFromTextFileV2, which reads files"):
        load_saved_model(tmp_path / "model")


def test_the_saver_is_accepted_where_nothing_else_can_call_it(tmp_path):
    bundle = export(nothing, tmp_path / "model", tmp_path / "file")
    graph = saved_model_pb2.SavedModel.FromString((bundle / "saved_model.pb").read_bytes()).meta_graphs[0]
    assert any(node.op == "SaveV2" for function in graph.graph_def.library.function for node in function.node_def)
    check_graph(bundle)


def saver_of(graph) -> str:
    return next(
        function.signature.name
        for function in graph.graph_def.library.function
        if any(node.op == "RestoreV2" for node in function.node_def)
    )


def called_by_a_function(graph):
    caller = next(each for each in graph.graph_def.library.function if "serve_images" in each.signature.name)
    node = caller.node_def.add(name="more", op="StatefulPartitionedCall")
    node.attr["f"].func.name = saver_of(graph)


def called_by_a_branch(graph):
    caller = next(each for each in graph.graph_def.library.function if "serve_images" in each.signature.name)
    caller.node_def.add(name="more", op="Case").attr["branches"].list.func.add(name=saver_of(graph))


def function_of_an_object(graph):
    graph.object_graph_def.nodes.add().bare_concrete_function.concrete_function_name = saver_of(graph)


def gradient_of_a_function(graph):
    graph.graph_def.library.gradient.add(function_name="f", gradient_func=saver_of(graph))


def registered_gradient(graph):
    graph.graph_def.library.registered_gradients.add(gradient_func=saver_of(graph), registered_op_type="x")


def initializer(graph):
    call = next(node for node in graph.graph_def.node if node.attr["f"].func.name == saver_of(graph))
    graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = f"{call.name}:0"


def input_of_a_signature(graph):
    call = next(node for node in graph.graph_def.node if node.attr["f"].func.name == saver_of(graph))
    served = graph.signature_def["serving_default"].outputs["label"].name.split(":")[0]
    next(node for node in graph.graph_def.node if node.name == served).input.append(f"^{call.name}")


def another_implementation(graph):
    saver = next(each for each in graph.graph_def.library.function if each.signature.name == saver_of(graph))
    saver.attr["api_implements"].s = b"lstm"


def named_like_an_operation(graph):
    saver = next(each for each in graph.graph_def.library.function if each.signature.name == saver_of(graph))
    saver.signature.name = "Neg"


ROADS = (
    called_by_a_function,
    called_by_a_branch,
    function_of_an_object,
    gradient_of_a_function,
    registered_gradient,
    initializer,
    input_of_a_signature,
    another_implementation,
    named_like_an_operation,
)


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.__name__)
def test_the_saver_is_refused_where_something_else_can_call_it(tmp_path, road):
    bundle = changed(export(nothing, tmp_path / "model", tmp_path / "file"), road)
    with pytest.raises(UserError, match=r"RestoreV2, which reads files of this computer, .*the saver alone may call"):
        load_saved_model(bundle)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", r"..\secret", "C:secret"])
def test_a_file_outside_of_the_model_is_refused(tmp_path, name):
    bundle = export(nothing, tmp_path / "model", tmp_path / "file")
    changed(bundle, lambda graph: graph.asset_file_def.add(filename=name))
    with pytest.raises(UserError, match=r"names the file .*, which lies outside of the model"):
        load_saved_model(bundle)


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
def test_a_second_graph_is_refused(tmp_path, name):
    bundle = export(nothing, tmp_path / "model", tmp_path / "file")
    (bundle / name).write_bytes(b"")
    with pytest.raises(UserError, match=f"{name} is a second graph"):
        load_saved_model(bundle)


def test_a_graph_without_objects_would_be_run_by_another_loader(tmp_path):
    bundle = export(nothing, tmp_path / "model", tmp_path / "file")
    with pytest.raises(UserError, match="TensorFlow 1"):
        load_saved_model(changed(bundle, lambda graph: graph.ClearField("object_graph_def")))


def test_the_listed_operations_exist_and_open_nothing():
    definitions = {name: op_def_registry.get(name) for name in COMPUTING}
    assert not [name for name, definition in definitions.items() if definition is None]
    assert not [name for name in STATELESS.split() if definitions[name].is_stateful]
    assert not COMPUTING & (SAVER | ATTACKS.keys())
    opening = ("file", "path", "url", "address", "descriptor", "stream", "directory", "memory_region", "token")
    arguments = {
        name: [each.name for each in (*definition.input_arg, *definition.attr)] for name, definition in definitions.items()
    }
    assert not [name for name, names in arguments.items() if any(word in each for word in opening for each in names)]
