"""What a server sends of rows becomes columns: each kind of value, bytes that are no rows, and a fuzz in C."""

import decimal
import os
import pathlib
import random
import select
import signal
import struct
import subprocess
import threading

from desk.checks import check, equal, raises

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
# Microseconds from 1970 to 2000.
EPOCH = 946_684_800_000_000
COUNT = 2_000

FUZZ = r"""
#include "tapeline_rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;
static uint64_t below(uint64_t count) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % count;
}

static uint8_t *put(uint8_t *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) *at++ = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return at;
}

static uint8_t *put_field(uint8_t *at, int kind) {
    int sizes[] = {2, 4, 8};
    if (below(9) == 0) return put(at, UINT64_MAX, 4);
    if (kind >= TAPELINE_ROWS_ID && kind <= TAPELINE_ROWS_WIDE) {
        int groups = (int)below(7);
        at = put(at, 8 + 2 * groups, 4);
        at = put(at, groups, 2);
        at = put(at, below(8) - 4, 2);
        at = put(at, below(2) << 14, 2);
        at = put(at, below(9), 2);
        for (int i = 0; i < groups; i++) at = put(at, below(10000), 2);
        return at;
    }
    int size = kind == TAPELINE_ROWS_TIME || kind == TAPELINE_ROWS_TIME_REST ? 8
        : kind == TAPELINE_ROWS_TEXT ? (int)below(12) : kind == TAPELINE_ROWS_FLAG ? 1 : sizes[below(3)];
    at = put(at, size, 4);
    for (int i = 0; i < size; i++) *at++ = (uint8_t)(kind == TAPELINE_ROWS_TEXT ? 'a' + below(3) : below(3) ? 0 : below(256));
    return at;
}

static size_t stream(const tapeline_rows_kind *kinds, size_t count, uint8_t *bytes) {
    uint8_t *at = bytes;
    size_t fields = count;
    for (size_t i = 0; i < count; i++) fields += kinds[i].kind == TAPELINE_ROWS_TIME_REST;
    memcpy(at, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", 19);
    at += 19;
    for (uint64_t row = below(9); row; row--) {
        at = put(at, fields, 2);
        for (size_t i = 0; i < count; i++) {
            at = put_field(at, kinds[i].kind);
            if (kinds[i].kind == TAPELINE_ROWS_TIME_REST) at = put(put(at, 2, 4), below(1200) - 100, 2);
        }
    }
    at = below(4) ? put(at, UINT64_MAX, 2) : at;
    return (size_t)(at - bytes);
}

static uint64_t touched(const void *bytes, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += ((const uint8_t *)bytes)[i];
    return sum;
}

int main(int count, char **arguments) {
    static uint8_t bytes[1 << 16];
    static const uint64_t wrong[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x40004000, 0xc000c000};
    uint64_t sum = 0, taken = 0, refused[5] = {0};
    state = strtoull(arguments[1], NULL, 10) * 2 + 1;
    for (int round = 0; count == 2 && round < 30000; round++) {
        tapeline_rows_kind kinds[9];
        size_t columns = 1 + below(9);
        for (size_t i = 0; i < columns; i++) kinds[i] = (tapeline_rows_kind){1 + (int)below(11), (int)below(19)};
        tapeline_rows *rows = tapeline_rows_open(kinds, columns, 8);
        for (int piece = 0; piece < 2; piece++) {
            size_t size = stream(kinds, columns, bytes);
            for (uint64_t i = below(4); i; i--) {
                size_t place = below(size);
                if (below(2)) bytes[place] = (uint8_t)below(256);
                else put(bytes + place, wrong[below(8)], 1 << below(3));
            }
            size_t from = piece ? 19 : 0, to = below(3) ? size : from + below(size - from + 1);
            // Of exactly its size, so that each byte beside it is noticed.
            uint8_t *exact = malloc(to - from);
            memcpy(exact, bytes + from, to - from);
            int32_t column, code = tapeline_rows_read(rows, exact, to - from, &column);
            free(exact);
            if (code >= 0) taken++;
            else refused[-code]++;
            for (size_t i = 0; i <= columns; i++) {
                tapeline_rows_view view;
                tapeline_rows_column(rows, i, &view);
                sum += touched(view.data, view.data_bytes) + touched(view.validity, view.validity_bytes);
                if (view.text_count) sum += touched(view.texts, view.ends[view.text_count - 1]);
            }
            sum += (uint64_t)tapeline_rows_is_over(rows);
            tapeline_rows_clear(rows);
        }
        tapeline_rows_close(rows);
    }
    printf("%llu %llu %llu %llu\n", (unsigned long long)taken, (unsigned long long)refused[1],
        (unsigned long long)refused[2], (unsigned long long)sum);
}
"""


def rows(seed):
    from tapeline import copies, pure

    # In Python the same comes of it as in C.
    for copies.Reader in (pure.Rows, copies.Reader):
        values()
        numbers(random.Random(int(seed)))
        refused()
    fuzz(seed)


def field(value):
    """A field of a row: None, bytes, or text."""
    if value is None:
        return struct.pack(">i", -1)
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">i", len(value)) + value


def row(*fields):
    return struct.pack(">h", len(fields)) + b"".join(map(field, fields))


def numeric(value):
    """A number as numeric_send of PostgreSQL has it."""
    value = decimal.Decimal(value)
    if not value.is_finite():
        sign = 0xC000 if value.is_nan() else 0xD000 if value > 0 else 0xF000
        return struct.pack(">hhHh", 0, 0, sign, 0)
    whole, _, rest = format(value.copy_abs(), "f").partition(".")
    text = whole.rjust(-(-len(whole) // 4) * 4, "0") + rest.ljust(-(-len(rest) // 4) * 4, "0")
    weight, groups = -(-len(whole) // 4) - 1, [int(text[at : at + 4]) for at in range(0, len(text), 4)]
    while groups and not groups[0]:
        groups, weight = groups[1:], weight - 1
    while groups and not groups[-1]:
        groups = groups[:-1]
    head = struct.pack(">hhHh", len(groups), weight if groups else 0, 0x4000 if value < 0 else 0, len(rest))
    return head + struct.pack(f">{len(groups)}h", *groups)


def read(fields, *told, capacity=100):
    """Reads one column of a COPY whose rows have these fields."""
    from tapeline import copies

    reader = copies.Reader([fields[0]], [fields[1]], capacity)
    reader.read(HEAD + b"".join(row(*each) for each in told) + END)
    check(reader.is_over)
    return reader.batch().columns[0].values()


def values():
    """Each kind of value, with its edges."""
    from tapeline import copies
    from tapeline.columns import Field

    two, four, eight = (lambda n, form=form: struct.pack(form, n) for form in (">h", ">i", ">q"))
    moment, text = Field("t", "ts"), Field("s", "dict")
    last = 2**63 - 1
    for kind, told, expected in [
        ((moment, copies.NANOSECONDS), [[eight(5)], [eight(-7)], [eight(last)], [None]], [5, -7, None, None]),
        ((moment, copies.TIME), [[eight(3 - EPOCH)], [None]], [3_000, None]),
        ((moment, copies.TIME_REST), [[eight(3 - EPOCH), two(999)], [eight(-1), two(-1)], [None, two(0)]],
         [3_999, None, None]),
        ((Field("n", "l"), copies.INTEGER), [[two(-2)], [four(-3)], [eight(last)], [None]], [-2, -3, last, None]),
        ((Field("n", "S"), copies.SHORT), [[two(-1)], [four(65_535)], [eight(0)]], [65_535, 65_535, 0]),
        ((Field("n", "C"), copies.BYTE), [[two(-1)], [two(-3)], [two(255)]], [0, 2, 255]),
        ((Field("n", "L"), copies.ID), [[numeric(0)], [numeric(2**64 - 1)], [None]], [None, 2**64 - 1, None]),
        ((text, copies.TEXT), [["b"], ["a"], [""], ["b"], [None], ["ß"]], ["b", "a", "", "b", None, "ß"]),
        ((Field("b", "b"), copies.FLAG), [[b"\1"], [b"\0"], [None], [b"\1"]], [True, False, None, True]),
    ]:
        equal(read(kind, *told), expected, kind)
    # Texts keep their numbers over batches, and many have room.
    reader, known = copies.Reader([text], [copies.TEXT], 1_000), []
    for number in range(5):
        piece = b"".join(row(str(n % 700 + 300 * number)) for n in range(1_000))
        reader.read(piece if number else HEAD + piece)
        found = reader.batch().columns[0]
        equal(found.values(), [str(n % 700 + 300 * number) for n in range(1_000)])
        equal(list(found.dictionary[: len(known)]), known)
        known = list(found.dictionary)
    equal(len(known), 1_900)


def numbers(chosen):
    """Numbers of all lengths are exact, and rounded as the database rounds."""
    from tapeline import copies
    from tapeline.columns import Field

    found = ["0", "-0.5", "0.5", "0.49999999999999999", "1e-30", "9223372036854775807", "-9223372036854775808",
             "0.00005", "0.000049", "99999999.99995", "12345678901234567890123456789.99"]
    for _ in range(COUNT):
        digits = "".join(chosen.choices("0000123456789", k=chosen.randint(1, 30)))
        found.append(f"{chosen.choice(('', '-'))}{digits}e-{chosen.randint(0, 32)}")
    context = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)
    for scale in (0, 1, 4, 8, 9, 17):
        exact = [int(decimal.Decimal(n).scaleb(scale, context).to_integral_value(context=context)) for n in found]
        for kind, name, limit in ((copies.WIDE, "wide", 2**127), (copies.FIXED, "fixed", 2**63)):
            few = [(n, whole) for n, whole in zip(found, exact) if -limit <= whole < limit]
            told = read((Field("n", name, scale=scale), kind), *([numeric(n)] for n, _ in few), capacity=2 * COUNT)
            equal([(one, other) for one, other in zip(few, told) if one[1] != other], [], scale)
            equal(len(told), len(few))


def refused():
    """Wrong bytes, and values for which a column has no room, are errors."""
    import tapeline
    from tapeline import copies
    from tapeline.columns import Field

    number, price = (Field("n", "l"), copies.INTEGER), (Field("price", "fixed", scale=9), copies.FIXED)
    moment = (Field("t", "ts"), copies.TIME)
    for kind, told in [
        (price, numeric("9223372036.854775808")), (price, numeric("NaN")), (price, numeric("Infinity")),
        (price, numeric("1e40")), ((Field("n", "wide"), copies.WIDE), numeric(2**127)),
        ((Field("n", "L"), copies.ID), numeric(2**64)), ((Field("n", "L"), copies.ID), numeric(-1)),
        ((Field("n", "S"), copies.SHORT), struct.pack(">i", 65_536)),
        ((Field("n", "C"), copies.BYTE), struct.pack(">h", 256)),
        (moment, struct.pack(">q", 2**63 - 1)), (moment, struct.pack(">q", -(2**63))),
    ]:
        with raises(tapeline.TapelineError, f"a value of the column {kind[0].name} .* does not fit"):
            read(kind, [told])
    one = struct.pack(">q", 1)
    for kind, piece in [
        (number, b""), (number, HEAD[:-1]), (number, b"X" + HEAD[1:]), (number, HEAD[:11] + b"\0\1" + HEAD[13:]),
        (number, HEAD[:-1] + b"\1"), (number, HEAD + b"\0"), (number, HEAD + row(one)[:-1]), (number, HEAD + row()),
        (number, HEAD + row(one, one)), (number, HEAD + row(b"123")), (number, HEAD + END + row(one)),
        (number, HEAD + b"\0\1\xff\xff\xff\xfe"), (number, HEAD + b"\0\1\x7f\xff\xff\xff"), (moment, HEAD + row(b"")),
        (number, HEAD + row(one) * 101), (price, HEAD + row(b"1234567")), (price, HEAD + row(numeric(5)[:-1])),
        (price, HEAD + row(struct.pack(">hhHhh", 1, 0, 0, 0, 10_000))),
        (price, HEAD + row(struct.pack(">hhHhh", 1, 0, 1, 0, 1))),
        ((Field("t", "ts"), copies.TIME_REST), HEAD + row(one, None)), ((Field("b", "b"), copies.FLAG), HEAD + row(b"")),
    ]:
        with raises(tapeline.TapelineError, "bytes that are no rows of the selection"):
            copies.Reader([kind[0]], [kind[1]], 100).read(piece)
    with raises(tapeline.TapelineError, "the column s in the database has text that is not UTF-8"):
        read((Field("s", "dict"), copies.TEXT), [b"\xff"])


def fuzz(seed):
    """No bytes make it touch memory that is not its own."""
    source, program = ROOT / "Sources/Desk/arrow", pathlib.Path(os.environ["DESK_SITE"]) / "fuzz"
    program.with_suffix(".c").write_text(FUZZ)
    subprocess.run(
        ["clang", "-std=gnu17", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-w",
         f"-I{source}", "-o", program, program.with_suffix(".c"), source / "tapeline_rows.c"],
        check=True, capture_output=True)
    done = subprocess.run([program, seed], capture_output=True, text=True)
    equal(done.returncode, 0, seed, done.stdout, done.stderr[:2_000])
    taken, damaged, out = map(int, done.stdout.split()[:3])
    check(min(taken, damaged, out) > 1_000, seed, done.stdout)


def stored(url):
    """Numbers of a server are those that it computes itself, and its errors are told."""
    import psycopg
    import tapeline
    from tapeline import copies, database
    from tapeline.columns import Field

    told = "(VALUES (1.5), (-0.0000000005), (0.00000000049), (NULL), (123456789.123456789)) AS v (n)"
    fields = [Field("a", "fixed", scale=9), Field("b", "wide", scale=17), Field("c", "dict"), Field("d", "ts")]
    kinds = [copies.FIXED, copies.WIDE, copies.TEXT, copies.TIME]
    with psycopg.connect(url) as session:
        expected = session.execute(
            f"SELECT (n * 1000000000)::bigint, (n * 1e17)::numeric(50, 0), n::text FROM {told}").fetchall()
        sql = f"SELECT n, n, n::text, timestamptz '2026-03-02 14:31:00.000001Z' FROM {told}"
        for size in (1, 2, 5, 100):
            found = list(copies.batches(session, sql, fields, kinds, size))
            equal(max(map(len, found)), min(size, 5))
            both = [row for batch in found for row in zip(*(column.values() for column in batch.columns))]
            equal([row[:3] for row in both], expected)
            equal({row[3] for row in both}, {1_772_461_860_000_001_000})
        equal(list(copies.batches(session, f"{sql} WHERE false", fields, kinds, 5)), [])
        # The session goes on after a COPY.
        equal(session.execute("SELECT 1").fetchall(), [(1,)])
    for sql, pattern in [
        ("SELECT nothing", "the database refuses the query: .*nothing"),
        # After some rows have come.
        ("SELECT 1 / (50000 - n) FROM generate_series(1, 60000) AS n", "division by zero"),
    ]:
        with tapeline.connect(url).origin.snapshot() as snapshot, raises(tapeline.TapelineError, pattern):
            list(snapshot.batches(database.Query((Field("n", "l"),), [copies.INTEGER], sql, [])))
    interrupted(url)


def interrupted(url):
    """Ctrl-C ends the query in the server, too."""
    import psycopg
    import tapeline
    from tapeline import copies, database
    from tapeline.columns import Field

    def interrupt():
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        with psycopg.connect(url, autocommit=True) as other:
            while not other.execute(asleep, [process]).fetchone()[0]:
                pass
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with tapeline.connect(url).origin.snapshot() as snapshot:
        link = snapshot._session.pgconn
        process = link.backend_pid
        threading.Thread(target=interrupt).start()
        try:
            list(snapshot.batches(database.Query(
                (Field("n", "l"),), [copies.INTEGER], "SELECT 1 FROM pg_sleep(600)", [])))
        except KeyboardInterrupt:
            # The beginning of the answer, and its end.
            copies._result(link, select.poll())
            equal(link.get_copy_data(0)[0], -1)
        with raises(psycopg.errors.QueryCanceled, "due to user request"):
            copies._result(link, select.poll())
