"""Reads a recording of DecoderFixture with pyarrow and polars.

    read_columns.py LIBRARY RECORDING
"""

import ctypes
import json
import os
import sys

import polars
import pyarrow

START = 1_700_000_000_000_000_000
TRADES, QUOTES, DEPTH, BARS, GAPS = 1, 2, 3, 4, 5
MARK_HOLES = 1
PACKETS, PER_PACKET = 70, 1_000
# What pyarrow's own Arrow calls of its C structs take: an address each.
STREAM_BYTES, SCHEMA_BYTES = 5 * 8, 9 * 8


class Error(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_int32), ("partition", ctypes.c_int32), ("from_", ctypes.c_uint64),
        ("to", ctypes.c_uint64), ("sequence", ctypes.c_uint64), ("offset", ctypes.c_int64),
        ("source", ctypes.c_char * 32), ("text", ctypes.c_char * 1024),
    ]


class Selection(ctypes.Structure):
    _fields_ = [
        ("symbols", ctypes.POINTER(ctypes.c_char_p)), ("symbol_count", ctypes.c_size_t),
        ("sources", ctypes.POINTER(ctypes.c_char_p)), ("source_count", ctypes.c_size_t),
        ("from_", ctypes.c_int64), ("to", ctypes.c_int64), ("flags", ctypes.c_uint32),
    ]


def load(path):
    library = ctypes.CDLL(path)
    library.tapeline_reader_open.restype = ctypes.c_void_p
    library.tapeline_reader_open.argtypes = [ctypes.c_char_p, ctypes.c_int32] + [ctypes.c_void_p] * 3
    library.tapeline_reader_stream.argtypes = [ctypes.c_void_p] * 3
    library.tapeline_reader_error.argtypes = [ctypes.c_void_p] * 2
    library.tapeline_reader_provenance.argtypes = [ctypes.c_void_p]
    library.tapeline_reader_provenance.restype = ctypes.c_void_p
    library.tapeline_reader_close.argtypes = [ctypes.c_void_p]
    library.tapeline_text_free.argtypes = [ctypes.c_void_p]
    library.tapeline_schema.argtypes = [ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]
    return library


class Reader:
    def __init__(self, library, path, kind, flags=0, symbols=()):
        self.library = library
        names = (ctypes.c_char_p * len(symbols))(*[name.encode() for name in symbols])
        selection = Selection(names, len(symbols), None, 0, -(2**63), 2**63 - 1, flags)
        error = Error()
        self.handle = library.tapeline_reader_open(
            path.encode(), kind, ctypes.byref(selection), None, ctypes.byref(error))
        assert self.handle, error.text.decode()

    def stream(self):
        memory = ctypes.create_string_buffer(STREAM_BYTES)
        code = self.library.tapeline_reader_stream(self.handle, memory, None)
        assert code == 0, code
        # pyarrow moves the stream out of the memory.
        return pyarrow.RecordBatchReader._import_from_c(ctypes.addressof(memory))

    def table(self):
        return self.stream().read_all()

    def error(self):
        error = Error()
        self.library.tapeline_reader_error(self.handle, ctypes.byref(error))
        return error

    def provenance(self):
        text = self.library.tapeline_reader_provenance(self.handle)
        try:
            return json.loads(ctypes.string_at(text))
        finally:
            self.library.tapeline_text_free(text)

    def close(self):
        self.library.tapeline_reader_close(self.handle)


def expected_trades():
    for packet in range(PACKETS):
        first = packet * (PER_PACKET + 3) + 1
        for number in range(PER_PACKET):
            yield {
                "event_time": START + first + number,
                "symbol": ["AAPL", "Größe"][number % 2],
                "price": first * 10**9,
                "size": None if number == 3 else number,
                "exchange": "NASDAQ" if number % 3 == 0 else "ARCA",
                "ordinal": first + number,
                "known_at": START + 1_000 * packet,
            }


def check_trades(library, path):
    reader = Reader(library, path, TRADES, MARK_HOLES)
    table = reader.table()
    table.validate(full=True)
    assert str(table.schema.field("event_time").type) == "timestamp[ns, tz=UTC]"
    assert table.schema.field("price").metadata == {b"scale": b"9"}
    assert pyarrow.types.is_dictionary(table.schema.field("symbol").type)
    assert max(len(batch) for batch in table.to_batches()) <= 65_536
    # As text and numbers, so that nothing of Arrow is trusted.
    plain = table.cast(pyarrow.schema([
        (field.name, pyarrow.int64() if pyarrow.types.is_timestamp(field.type) else
         pyarrow.string() if pyarrow.types.is_dictionary(field.type) else field.type)
        for field in table.schema]))
    want = list(expected_trades())
    got = plain.select(list(want[0])).to_pylist()
    assert got == want, next((a, b) for a, b in zip(got, want) if a != b)
    assert set(plain["source"].to_pylist()) == {"feed"}
    assert set(plain["provider"].to_pylist()) == {"ib"}
    assert plain["known_at"].null_count == 0 and plain["sent_at"][0].as_py() == START + 5
    lane = reader.provenance()["lanes"][0]
    assert lane["missing"] == PACKETS - 1 and lane["holes"][0] == [1_003, 1_003], lane
    reader.close()
    # polars takes the columns without a copy of its own making.
    frame = polars.from_arrow(Reader(library, path, TRADES, MARK_HOLES).table())
    assert frame.height == len(want)
    counts = dict(frame.group_by("symbol").len().iter_rows())
    assert counts == {"AAPL": len(want) // 2, "Größe": len(want) // 2}, counts
    assert frame["size"].null_count() == PACKETS


def check_others(library, path):
    quotes = Reader(library, path, QUOTES, MARK_HOLES).table()
    quotes.validate(full=True)
    assert len(quotes) == PACKETS and quotes["ask_price"].null_count == PACKETS
    gaps = Reader(library, path, GAPS, MARK_HOLES).table()
    gaps.validate(full=True)
    first = gaps.slice(0, 1).to_pylist()[0]
    assert first["detail"] == "über" and first["reason"] == "disconnected", first
    assert first["state"] == "open" and first["kind"] == "trade" and first["to_time"] is None
    assert len(Reader(library, path, DEPTH, MARK_HOLES).table()) == 0
    schema = ctypes.create_string_buffer(SCHEMA_BYTES)
    assert library.tapeline_schema(BARS, schema, None) == 0
    bars = pyarrow.Schema._import_from_c(ctypes.addressof(schema))
    assert bars.field("volume").type == pyarrow.decimal128(38, 8), bars


def check_hole(library, path):
    reader = Reader(library, path, TRADES)
    batches = reader.stream()
    assert len(batches.read_next_batch()) == PER_PACKET
    try:
        batches.read_next_batch()
        raise AssertionError("a hole was not noticed")
    except (OSError, pyarrow.ArrowException) as problem:
        assert "are missing" in str(problem), problem
    error = reader.error()
    assert (error.code, error.from_, error.to) == (4, 1_003, 1_003), error.text
    assert error.source == b"feed" and error.partition == 1


def is_open(path):
    files = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return os.path.realpath(path) in files


def refuses(reader, batches):
    try:
        batches.read_next_batch()
    except (OSError, pyarrow.ArrowException) as problem:
        texts = (str(problem), reader.error().text.decode())
        provenance = reader.library.tapeline_reader_provenance(reader.handle)
        return provenance is None and all("before a fork" in text for text in texts)
    return False


def check_fork(library, path):
    """A child of a fork has no thread that reads. It gets an error, does not wait, and can close the file."""
    reader = Reader(library, path, TRADES, MARK_HOLES)
    batches = reader.stream()
    batches.read_next_batch()
    assert is_open(path)
    child = os.fork()
    if not child:
        status = 0 if refuses(reader, batches) else 1
        del batches
        reader.close()
        os._exit(2 if is_open(path) else status)
    assert os.waitpid(child, 0)[1] == 0
    assert len(batches.read_next_batch()) > 0
    reader.close()


def main():
    library = load(sys.argv[1])
    assert library.tapeline_interface() == 3
    check_trades(library, sys.argv[2])
    check_others(library, sys.argv[2])
    check_hole(library, sys.argv[2])
    check_fork(library, sys.argv[2])
    print("all of it was read")


main()
