"""Images within TFRecord and ArrayRecord files, as tensorflow-datasets writes them: each record is one ``tf.train.Example``.

An index names such an image by a virtual path, ``<shard file>@<position>#<feature>``. The position is the offset of the record
in bytes in a TFRecord file, and its number in an ArrayRecord file.
"""

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from visionkit.files import check_file, open_file

KINDS = (".tfrecord", ".array_record")  # part of the name of a shard, before its number
VIRTUAL_PATH = re.compile(r"(?P<shard>.+)@(?P<position>\d{1,18})#(?P<feature>.+)", re.DOTALL)
LENGTH_AND_CRC = struct.Struct("<QI")  # precedes the data of a TFRecord
CRC_BYTES = 4  # follow the data
READ_AT_ONCE = 64  # records of an ArrayRecord file that are read at once


class Place(NamedTuple):
    """The location of one feature of one record."""

    shard: str
    position: int
    feature: str

    def path(self) -> str:
        """The virtual path that an index holds."""
        return f"{self.shard}@{self.position}#{self.feature}"


def parse_path(path: str) -> Place | None:
    """The inverse of ``Place.path``; None for all other paths, such as those of files whose names hold @ and #."""
    match = VIRTUAL_PATH.fullmatch(path)
    if match is None or not _is_shard(match["shard"]) or not Path(match["shard"]).is_file():
        return None
    return Place(match["shard"], int(match["position"]), match["feature"])


def read_feature(place: Place) -> bytes:
    """The bytes of one feature of one record.

    Raises:
        OSError: the shard cannot be read, has no such record or feature, or is damaged there.
    """
    record = _read_array_record(place) if _is_array_record(place.shard) else _read_tfrecord(place)
    values = parse_example(record, place.shard).get(place.feature)
    if values is None or not values.bytes_list.value:
        raise OSError(f"the record has no bytes named {place.feature!r}")
    return values.bytes_list.value[0]


def parse_example(record: bytes, shard: str) -> dict:
    """Features by name, each a ``tf.train.Feature``.

    Raises:
        OSError: the record is not a ``tf.train.Example``.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        return dict(tf.train.Example.FromString(record).features.feature)
    except DecodeError as error:
        raise OSError(f"damaged record in {shard}") from error


def iterate_records(shard: str, skip: int, take: int) -> Iterator[tuple[int, bytes]]:
    """Position and data of ``take`` records of a shard after the first ``skip``.

    Raises:
        OSError: the shard cannot be read, is damaged, or ends early.
    """
    yield from (_iterate_array_records if _is_array_record(shard) else _iterate_tfrecords)(shard, skip, take)


def _is_shard(path: str) -> bool:
    return any(kind in Path(path).name for kind in KINDS)


def _is_array_record(shard: str) -> bool:
    return ".array_record" in Path(shard).name


def _iterate_tfrecords(shard: str, skip: int, take: int) -> Iterator[tuple[int, bytes]]:
    num_bytes = Path(shard).stat().st_size
    with open_file(shard) as file:
        for number in range(skip + take):
            position = file.tell()
            length = _data_length(file.read(LENGTH_AND_CRC.size), num_bytes - position)
            if number < skip:
                file.seek(length + CRC_BYTES, os.SEEK_CUR)
            else:
                yield position, file.read(length)
                file.seek(CRC_BYTES, os.SEEK_CUR)


def _read_tfrecord(place: Place) -> bytes:
    with open_file(place.shard) as file:
        file.seek(place.position)
        length = _data_length(file.read(LENGTH_AND_CRC.size), Path(place.shard).stat().st_size - place.position)
        return file.read(length)


def _data_length(header: bytes, remaining: int) -> int:
    """The length that a header declares, checked because a damaged header may declare more than can be allocated."""
    if len(header) < LENGTH_AND_CRC.size:
        raise OSError("the file of records ends early")
    length, _ = LENGTH_AND_CRC.unpack(header)
    if length + LENGTH_AND_CRC.size + CRC_BYTES > remaining:
        raise OSError("damaged record, or the file of records ends early")
    return length


def _iterate_array_records(shard: str, skip: int, take: int) -> Iterator[tuple[int, bytes]]:
    reader = _open_array_record(shard, skip + take)
    try:
        for start in range(skip, skip + take, READ_AT_ONCE):
            stop = min(start + READ_AT_ONCE, skip + take)
            yield from zip(range(start, stop), _read_range(reader, start, stop), strict=True)
    finally:
        reader.close()


def _read_array_record(place: Place) -> bytes:
    reader = _open_array_record(place.shard, place.position + 1)  # takes 20 microseconds: not worth keeping open
    try:
        return _read_range(reader, place.position, place.position + 1)[0]
    finally:
        reader.close()


def _open_array_record(shard: str, num_records: int):
    from array_record.python.array_record_module import ArrayRecordReader

    check_file(shard)  # the reader itself treats a missing file as an empty one
    reader = ArrayRecordReader(shard, options="readahead_buffer_size:0")
    if not reader.ok() or reader.num_records() < num_records:  # such a reader must not be closed
        raise OSError("the file of records is damaged or ends early")
    return reader


def _read_range(reader, start: int, stop: int) -> list[bytes]:
    try:
        return reader.read(start, stop)
    except (RuntimeError, IndexError) as error:
        raise OSError(f"damaged records ({str(error)[:80]})") from error
