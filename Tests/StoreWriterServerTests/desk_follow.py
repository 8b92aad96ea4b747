"""Checks the followers of the package `tapeline`.

    desk_follow.py rules SEED           their rules, and a simulation, without a server
    desk_follow.py server FILE KILLS    FILE has packets, which this puts onto the tape of NATS_URL while three copies
                                        are killed and paused; the namespace followtorn has a hole, a gap, and bars
    desk_follow.py copy                 one copy
    desk_follow.py nightly URL [--flow] the nightly job of the samples, on the database of data_page.sql

FOLLOW_DATABASE is the URL of the person's own database. DESK_PACKAGE names the folder in which the wheel is installed
(desk/install.py), DESK_SITE an empty one."""

import collections
import itertools
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import threading
import time

import desk_package as base
from desk import checks
from desk.checks import check, equal, raises
from desk.follows import follows

COPIES, LEASE = 3, 1.0
PACKETS_PER_SECOND, TICKS = 1_000, 5
KILL_EVERY = 0.4
PATIENCE = 120
PARTITIONS = int(os.environ.get("MDS_PARTITIONS", "0"))
DATABASE = os.environ.get("FOLLOW_DATABASE", "")


def session():
    import psycopg

    return psycopg.connect(DATABASE, autocommit=True)


def copy():
    """One copy: it writes into a table of its own which ticks it got."""
    import tapeline

    with tapeline.connect(tape=True).follow("features", database=DATABASE, kinds="trades", lease=LEASE) as reading:
        for batch in reading:
            rows = batch.rows["trades"]
            batch.execute("INSERT INTO taken SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[])",
                          [rows[name] for name in ("source", "partition", "ordinal")])


def frames(path):
    """Yields partition and packet of a file."""
    data, at = pathlib.Path(path).read_bytes(), 0
    while at < len(data):
        partition, count = struct.unpack_from("<HI", data, at)
        yield partition, data[at + 6 : at + 6 + count]
        at += 6 + count


def publish(packets):
    """Puts packets onto the tape, at the pace of a market."""
    from tapeline.core_nats import CoreNats
    from tapeline.transport import TapeAddress

    link, begun = CoreNats(TapeAddress(os.environ["NATS_URL"]), "nothing.is.said.here"), time.monotonic()
    for number, (partition, packet) in enumerate(packets):
        link.publish(f"{os.environ['MDS_NAMESPACE']}.ticks.{partition}.test", packet)
        if number % 50 == 0:
            link.asked()
            time.sleep(max(0.0, begun + number / PACKETS_PER_SECOND - time.monotonic()))
    link.request(f"$JS.API.STREAM.INFO.{os.environ['MDS_NAMESPACE'].upper()}_BARS")
    link.close()


def server(path, kills):
    """Kills and pauses lose no tick and double none; what is missing waits until it is accepted."""
    packets = list(frames(path))
    with session() as database:
        database.execute("CREATE TABLE taken (source text, partition int, ordinal bigint)")
        killed(database, packets, int(kills))
        model(database, len(packets) * TICKS)
        mistakes()
        holes()
        bodies(database)
        taken_back(database)
        bars()
        other_tape(database)
        purged()


def started():
    return subprocess.Popen([sys.executable, __file__, "copy"])


def soon(condition, *told):
    """Waits until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < end, *told)
        time.sleep(0.05)


def killed(database, packets, kills):
    dice, copies, stopped = random.Random(kills), [started() for _ in range(COPIES)], {}
    publisher = threading.Thread(target=publish, args=(packets,))
    publisher.start()
    try:
        for _ in range(kills):
            time.sleep(KILL_EVERY)
            number = dice.randrange(COPIES)
            if dice.random() < 0.4:
                copies[number].send_signal(signal.SIGSTOP)
                # Longer than its lease, with whatever transaction it has open.
                stopped[number] = time.monotonic() + 2 * LEASE
            else:
                copies[number].kill()
                copies[number].wait()
                stopped.pop(number, None)
                copies[number] = started()
            for one in [one for one, until in stopped.items() if until < time.monotonic()]:
                copies[one].send_signal(signal.SIGCONT)
                del stopped[one]
        for one in stopped:
            copies[one].send_signal(signal.SIGCONT)
        publisher.join()
        count = "SELECT count(*) FROM taken"
        soon(lambda: database.execute(count).fetchone()[0] >= len(packets) * TICKS, "ticks are missing")
        # Each copy has woken up, and has its share.
        owners = ("SELECT count(*) FROM tapeline_followed WHERE follower = 'features'"
                  " AND lease_until > clock_timestamp() GROUP BY owner ORDER BY 1")
        soon(lambda: [row[0] for row in database.execute(owners)] == [1, 1, 2], "no share for each copy")
        equal([one.poll() for one in copies], [None] * COPIES)
    finally:
        publisher.join()
        for one in copies:
            one.kill()
            one.wait()
    expected = collections.Counter(partition for partition, _ in packets)
    equal(database.execute("SELECT partition, ordinal FROM taken GROUP BY 1, 2 HAVING count(*) <> 1").fetchall(), [])
    equal(database.execute("SELECT partition, count(*), min(ordinal), max(ordinal) FROM taken GROUP BY 1 ORDER BY 1")
          .fetchall(), [(one, TICKS * count, 1, TICKS * count) for one, count in sorted(expected.items())])


def sample(name, *words, **more):
    """Starts a program of the samples."""
    path = os.pathsep.join([base.PACKAGE, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, base.ROOT / "Samples/models" / name, *words], env={**os.environ, "PYTHONPATH": path, **more},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def model(database, count):
    """The model server of the samples predicts once for each trade, also where it was killed in between."""
    def written():
        made = database.execute("SELECT to_regclass('predictions')").fetchone()[0]
        return database.execute("SELECT count(*) FROM predictions").fetchone()[0] if made else 0

    for least in (1, count):
        server = sample("model_server.py", "model", DATABASE)
        try:
            soon(lambda: written() >= least or server.poll() is not None, "no predictions")
        finally:
            server.kill()
            told = server.communicate()[1]
        check(written() >= least, told)
    equal(database.execute("SELECT count(*), count(DISTINCT symbol), min(predicted), max(predicted) FROM predictions")
          .fetchone(), (count, 4, 1.0, 1.0))


def nightly(url, *flow):
    """The nightly job exports a session, once, and refuses one with holes, also as a flow of Prefect."""
    place = pathlib.Path(os.environ["DESK_SITE"]) / "night"
    settings = {"HOME": str(place.parent / "prefect"), "SERVER_ANALYTICS_ENABLED": "false",
                "SERVER_EPHEMERAL_ENABLED": "true", "SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "600"}

    def run(*symbols):
        job = sample("nightly_export.py", place, *symbols, "--day", "2026-03-02", "--hours", "14:31", "15:29", "--tz",
                     "UTC", *flow, TAPELINE_URL=url, DO_NOT_TRACK="1",
                     **{f"PREFECT_{name}": one for name, one in settings.items()})
        output, errors = job.communicate()
        state = "Failed" if job.returncode else "Completed"
        equal(f"Finished in state {state}(" in errors, bool(flow), errors)
        return job.returncode, output, errors

    refused = run("AAPL", "MSFT")
    equal((refused[0], refused[1], (place / "2026-03-02").exists()), (1, "", False), refused)
    check("2026-03-02 is not exported:" in refused[2] and "MSFT of test from" in refused[2], refused)
    for _ in range(2):
        done = run("AAPL", "SPY")
        equal(done[:2], (0, f"{place / '2026-03-02'}\n"), done)
    check((place / "2026-03-02" / "manifest.json").exists())


def mistakes():
    """Copies with another selection, and a user without rights, are named; what is read is reported."""
    import tapeline

    desk = tapeline.connect(tape=True)
    with desk.follow("features", database=DATABASE, kinds="trades", lease=20) as reading:
        # The leases of the killed copies end first. Then all of it was read, and is reported once more.
        soon(lambda: nothing(reading) and len(reading._copy.held) == 4, "it has not all parts")
        reading._report()
        with desk.follow("features", database=DATABASE, kinds="quotes", lease=20) as other:
            with raises(tapeline.TapelineError, "selects trades of all symbols, and this one quotes of all symbols"):
                nothing(other)
            # The first one does not end by the mistake of the other.
            reading._renew_at = 0
            check(nothing(reading))
    for url in ("postgresql://me:open sesame@127.0.0.1:1/x", "nonsense"):
        with raises(tapeline.TapelineError, "database"):
            desk.follow("features", database=url, kinds="trades")
    with raises(tapeline.TapelineError, "lease"):
        desk.follow("features", database=DATABASE, kinds="trades", lease=0.5)


def nothing(reading):
    with reading.batch(timeout=0.2) as batch:
        return batch is None


def torn(group, **more):
    import tapeline

    more = {"kinds": "trades", "lease": LEASE, **more}
    return tapeline.connect(tape=True, namespace="followtorn").follow(group, database=DATABASE, **more)


def accept(reading):
    """Accepts the hole before the next batch, once."""
    import tapeline

    try:
        with reading.batch(timeout=10) as batch:
            raise AssertionError(batch)
    except tapeline.TapeHole as hole:
        reading.accept(hole)
        with raises(tapeline.TapelineError, "not the one before the next batch"):
            reading.accept(hole)


def sequence(reading):
    """Returns up to where the ticks of partition 0 are committed."""
    held = reading._copy.held.get(("ticks", 0))
    return held and held.reached.position and held.reached.position.sequence


def holes():
    """A hole raises, also in the next copy, and the position passes it after it was accepted."""
    import tapeline
    from tapeline.coverage import partition_of

    taken, lost, gap = [], "ordinals 4 to 10 of partition 0", "disconnected"

    def take(reading, pattern):
        with raises(tapeline.TapeHole, pattern):
            for batch in reading:
                taken.extend(batch.rows["trades"]["ordinal"])

    with torn("holes") as reading:
        take(reading, lost)
        take(reading, lost)
    equal(taken, [1, 2, 3])
    with torn("holes") as reading:
        take(reading, lost)
        accept(reading)
    # It was accepted, and nothing after it was committed.
    with torn("holes") as reading:
        take(reading, lost)
        accept(reading)
        take(reading, gap)
    equal(taken, [1, 2, 3, 11, 12, 13])
    with torn("holes") as reading:
        take(reading, gap)
        accept(reading)
        while taken[-1] < 17:
            with reading.batch(timeout=10) as batch:
                taken.extend(batch.rows["trades"]["ordinal"])
    equal(taken, [1, 2, 3, 11, 12, 13, 14, 16, 17])
    with torn("holes") as reading:
        check(nothing(reading))
    # What is missing in other partitions than that of the symbol is nothing to it.
    symbol = next(name for name in map("S{}".format, itertools.count()) if partition_of(name, PARTITIONS))
    with torn("elsewhere", symbols=symbol) as reading:
        soon(lambda: nothing(reading) and sequence(reading) == 4, "it has not read all")
    with torn("marked", missing="mark") as reading:
        marked = []
        while not any("gaps" in one for one in marked):
            try:
                with reading.batch(timeout=10) as batch:
                    marked.append(batch.rows)
            except tapeline.TapeHole as hole:
                check(lost in str(hole), str(hole))
                reading.accept(hole)
        equal([list(one["gaps"]["state"]) for one in marked if "gaps" in one], [["open"]])


def bodies(database):
    """What a body does wrong commits nothing, and its batch comes again."""
    import psycopg
    import tapeline

    def written():
        return database.execute("SELECT count(*) FROM taken WHERE source = 'body'").fetchone()[0]

    with torn("bodies") as reading:
        with raises(ZeroDivisionError, "zero"):
            for batch in reading:
                batch.execute("INSERT INTO taken VALUES ('body', 0, 0)")
                1 / 0
        for batch in reading:
            batch.execute("INSERT INTO taken VALUES ('body', 0, 0)")
            break
        with raises(tapeline.TapelineError, "a statement in it has failed"):
            for batch in reading:
                batch.execute("INSERT INTO taken VALUES ('body', 0, 0)")
                try:
                    batch.execute("SELECT 1 / 0")
                except psycopg.Error:
                    continue
        with raises(tapeline.TapelineError, "ended the transaction"):
            for batch in reading:
                batch.execute("ROLLBACK")
        with raises(psycopg.ProgrammingError, "forbidden"):
            for batch in reading:
                batch.connection.commit()
        with raises(tapeline.TapelineError, "closed, or has begun another batch"):
            for _ in reading:
                reading._restart()
        # What stands still keeps rows from other copies no longer than four leases.
        with raises(tapeline.TapelineError, "longer lease"):
            for batch in reading:
                batch.execute("INSERT INTO taken VALUES ('body', 0, 0)")
                alive = "SELECT FROM pg_stat_activity WHERE pid = %s"
                told = [batch.connection.info.backend_pid]
                soon(lambda: database.execute(alive, told).fetchone() is None, "the session has not ended")
        equal(written(), 0)
        with reading.batch(timeout=10) as batch:
            equal((len(batch), batch.rows["trades"]["ordinal"]), (3, [1, 2, 3]))
            batch.execute("INSERT INTO taken VALUES ('body', 0, 0)")
        equal(written(), 1)
        accept(reading)
        # The server ends the session: another one begins with what is committed, before the hole.
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
                         " AND pid <> pg_backend_pid()")
        with raises(tapeline.TapeHole, "ordinals 4 to 10"):
            for batch in reading:
                raise AssertionError(batch)


def taken_back(database):
    """A batch comes again when another copy gets its part within the body, or the database ends the session."""
    import psycopg

    found = []
    # The level at which the statement that moves the position would be refused.
    equal(database.execute("SHOW default_transaction_isolation").fetchone(), ("repeatable read",))
    with torn("back") as reading:
        for batch in reading:
            batch.execute("INSERT INTO taken VALUES ('back', 0, 0)")
            found.append(batch.rows["trades"]["ordinal"])
            if len(found) == 2:
                break
            database.execute("UPDATE tapeline_followed SET epoch = epoch + 1 WHERE follower = 'back'")
        for batch in reading:
            found.append(batch.rows["trades"]["ordinal"])
            if len(found) == 4:
                break
            try:
                batch.execute("INSERT INTO taken SELECT 'back', 0, 0 WHERE pg_terminate_backend(pg_backend_pid())")
            except psycopg.OperationalError:
                continue
    equal(found, [[1, 2, 3]] * 4)
    equal(database.execute("SELECT count(*) FROM taken WHERE source = 'back'").fetchone(), (0,))


def bars():
    """Versions of bars carry their revision, and one that is not whole is a hole."""
    import tapeline

    found = []
    with torn("bars", kinds=["bars 1s"]) as reading:
        with raises(tapeline.TapeHole, "the bar of 1s is not whole"):
            for batch in reading:
                rows = batch.rows["bars"]
                found += zip(*(rows[name] for name in ("revision", "series", "close", "is_whole", "is_withdrawn")))
    equal(found, [(1, "1s", 1.0, True, False), (2, "1s", 2.0, True, False)])
    with torn("minutes", kinds=["bars 1m"]) as reading:
        check(nothing(reading))
    with torn("both", kinds=["bars", "trades"], missing="mark") as reading:
        kinds = set()
        for _ in itertools.takewhile(lambda _: kinds != {"bars", "trades", "gaps"}, range(100)):
            try:
                with reading.batch(timeout=1) as batch:
                    kinds |= set(batch.rows if batch else ())
            except tapeline.TapeHole as hole:
                reading.accept(hole)
    equal(kinds, {"bars", "trades", "gaps"})


def other_tape(database):
    """A position of a tape that was made again is not continued."""
    import tapeline

    database.execute("UPDATE tapeline_followed SET stream_created = 1 WHERE follower = 'bodies' AND partition = 0")
    with torn("bodies") as reading:
        with raises(tapeline.DamagedTape, "which was made again"):
            soon(lambda: nothing(reading))


def purged():
    """What is purged after a follower has begun is a hole, and what was purged before is none."""
    import tapeline
    from tapeline.core_nats import CoreNats
    from tapeline.transport import TapeAddress

    link = CoreNats(TapeAddress(os.environ["NATS_URL"]), "nothing.is.said.here")

    def purge(sequence):
        told = link.request("$JS.API.STREAM.PURGE.FOLLOWTORN_TICKS_0", json.dumps({"seq": sequence}).encode())
        check(told.get("success"), told)

    def read(reading):
        for batch in reading:
            return batch.rows["trades"]["ordinal"]

    purge(2)
    with torn("purged"):
        pass
    purge(4)
    with torn("purged") as reading:
        with raises(tapeline.TapeHole, "ordinals 11 to 15 of partition 0"):
            read(reading)
        accept(reading)
        equal(read(reading), [16, 17])
    with torn("late") as reading:
        equal(read(reading), [16, 17])
    link.close()


if __name__ == "__main__":
    sys.path.insert(0, base.PACKAGE)
    if sys.argv[1] == "rules":
        follows(int(sys.argv[2]))
    else:
        {"server": server, "copy": copy, "nightly": nightly}[sys.argv[1]](*sys.argv[2:])
    print(f"{checks.count} checks passed")
