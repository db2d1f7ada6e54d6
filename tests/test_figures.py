"""Live figures: what is written can be read by a reader of TensorBoard's format that knows nothing of the writer."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from dressform.errors import StoreError
from dressform.train import tfevents
from dressform.train.events import StepDone
from dressform.train.figures import Meter, Record
from dressform.workspace.training import Counted


def test_the_checksum_is_that_of_the_rfc() -> None:
    assert tfevents.crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert tfevents.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert tfevents.crc32c(bytes(range(32))) == 0x46DD794E
    assert tfevents.crc32c(b"123456789") == 0xE3069283


def messages(data: bytes) -> Iterator[bytes]:
    """The records of a file, their checksums verified bit by bit."""

    def masked(part: bytes) -> int:
        crc = 0xFFFFFFFF
        for byte in part:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
        crc ^= 0xFFFFFFFF
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32

    while data:
        length, check = struct.unpack("<QI", data[:12])
        body, tail = data[12 : 12 + length], data[12 + length : 16 + length]
        assert check == masked(data[:8]) and struct.unpack("<I", tail)[0] == masked(body)
        yield body
        data = data[16 + length :]


def fields(message: bytes) -> dict[int, list[bytes | int | float]]:
    """A protocol buffer message as field number -> values."""
    found: dict[int, list[bytes | int | float]] = {}

    def varint() -> int:
        nonlocal message
        value = shift = 0
        while True:
            byte, message = message[0], message[1:]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while message:
        key = varint()
        if key & 7 == 0:
            value: bytes | int | float = varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            value, message = message[:size], message[size:]
            if key & 7 != 2:
                value = struct.unpack("<d" if size == 8 else "<f", value)[0]
        found.setdefault(key >> 3, []).append(value)
    return found


def test_events_say_what_was_written() -> None:
    event = fields(tfevents.scalars(12.5, 300, {"loss/a": 0.25, "loss/b": -2.0}))
    assert event[1] == [12.5] and event[2] == [300]
    said = {f[1][0]: f[2][0] for f in (fields(v) for v in fields(event[5][0])[1])}  # type: ignore[arg-type]
    assert said == {b"loss/a": 0.25, b"loss/b": -2.0}


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(StoreError, match="could not be written"):
        Record(tmp_path / "reports" / "train").write("identity", StepDone(1, 2, {"aoi": 0.5}, 3))


def test_a_record_has_every_step_twice_and_no_words_of_pictures(tmp_path: Path) -> None:
    ticks = iter(range(100))
    meter = Meter(lambda: 5 << 30, lambda: float(next(ticks)) / 2)
    first, second = Record(tmp_path, lambda: 7.0), Record(tmp_path, lambda: 7.0)
    for step in (1, 2, 3):
        (first if step < 3 else second).write("outfits", meter(StepDone(step, 10, {"aoi-dress": 1 / step}, 6, {"aoi-dress": 0.5})))
    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3] and lines[2]["loss"] == {"aoi-dress": pytest.approx(1 / 3)}
    assert lines[2]["steps_a_second"] == 2.0 and lines[2]["pictures_a_second"] == 12.0 and lines[2]["seconds_left"] == 3.5
    files = sorted(tmp_path.glob("events.out.tfevents.*"))
    read = [[fields(m) for m in messages(file.read_bytes())] for file in files]
    assert [len(events) for events in read] == [3, 2] and all(events[0][3] == [b"brain.Event:2"] for events in read)
    tags = [fields(v)[1][0] for v in fields(read[1][1][5][0])[1]]  # type: ignore[arg-type]
    assert tags == [
        b"loss/aoi-dress", b"held_out/aoi-dress", b"outfits/steps_a_second", b"outfits/pictures_a_second", b"outfits/memory_bytes",
        b"outfits/seconds_left",
    ]  # fmt: skip


def test_groups_that_end_early_are_counted_as_they_are() -> None:
    """Two groups of at most 250 steps; the first knows at step 125 that it ends at 150."""
    told: list[tuple[int, int]] = []
    counted = Counted(lambda _, event: told.append((event.step, event.steps)), 2, 250)
    for ends in (150, 140):
        counted.begin_group()
        for step in range(1, ends + 1):
            counted("outfits", StepDone(step, 250 if step < 125 else ends, {}))
    assert [step for step, _ in told] == list(range(1, 291))
    assert (told[0], told[124], told[150], told[-1]) == ((1, 500), (125, 400), (151, 400), (290, 290))
