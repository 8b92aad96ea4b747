import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeKeeping
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// Two stores on one tape, each with a database, real programs and a keeper of the tape.
@Suite struct TwoStoresTests {
    private static let streamBytes: Int64 = 2 << 20
    private static let marks = PurgeMarks(bytesMax: UInt64(streamBytes))

    /// Returns two stores on one tape, each with a database.
    private func benches(_ name: String, _ database: String) throws -> [WriterBench] {
        let tape = try TestTape(NatsServer(), namespace: name, bytesMax: Self.streamBytes)
        let benches = try ["a", "b"].map {
            try WriterBench(tape, TestDatabase("\(database)_\($0)", schema: name))
        }
        try benches[0].makeOwners()
        return benches
    }

    /// Returns ticks of which both stores have the first ones.
    private func load(_ benches: [WriterBench]) throws -> TestTicks {
        var load = try TestTicks(benches[0], partitions: 1)
        try load.publish(packets: 4)
        for bench in benches { #expect(bench.isComplete([load.count]), "\(bench.shown)") }
        return load
    }

    /// Publishes until the tape is nearly full. The first store has it all.
    private func fill(_ bench: WriterBench, _ load: inout TestTicks) throws {
        while try info(bench.tape).bytes <= Self.marks.startBytes {
            try load.publish(packets: 10, of: 100)
        }
        #expect(bench.isComplete([load.count]), "\(bench.shown)")
    }

    /// Returns a keeper of the tape that has partition 0.
    private func keeper(of tape: TestTape) throws -> TapeKeeper {
        let keeper = try TapeKeeper(tape.client, keep: .zero)
        keeper.port.steady(until: .never)
        _ = keeper.port.send(
            .take(Partition(0), Claim(tenure: 1, epoch: 5, previous: nil, wasReleased: false)))
        return keeper
    }

    /// Returns what a keeper reports of the stream of partition 0.
    private func shown(_ keeper: TapeKeeper, _ tape: TestTape) throws -> JSONValue? {
        var json = JSONWriter(capacity: 256)
        json.object { keeper.write(into: &$0) }
        return try JSONValue.parse(json.bytes)["streams"]?.array?.first {
            $0["stream"]?.string == tape.names.tickStream(0)
        }
    }

    @Test("each stores everything by itself, and the tape keeps what one of them has not")
    func all() throws {
        let benches = try benches("wtwo", "writer_two")
        let tape = benches[0].tape
        let name = "store-b"
        let first = try WriterProcess(benches[0], member: "a")
        let takes = ["STORE_NAME": name, "STORE_TABLES": "trades,quotes"]
        let second = try WriterProcess(benches[1], member: "b", takes)
        var load = try load(benches)
        let registry = try GroupRegistry.open(tape.client)
        #expect(try registry.groups().map(\.group.text) == ["store", name])
        #expect(try registry.groups().map(\.reads) == [[.ticks, .bars], [.ticks]])
        let found = try tape.client.jetStream.bucketAsFound(tape.names.ownersBucket)
        let bucket = try #require(found)
        let owners = try bucket.entries(matching: "*.*").entries.map { entry in
            let owner = try OwnershipRecord(json: entry.value).owner
            return "\(entry.key.prefix { $0 != "." }) \(owner)"
        }
        #expect(Set(owners) == ["store a", "store-b b"])
        // The second one is away until the tape is nearly full.
        #expect(second.stop() == 0)
        let away = try info(tape).lastSequence
        try fill(benches[0], &load)
        let keeper = try keeper(of: tape)
        defer { keeper.stop() }
        let seen = { try shown(keeper, tape) }
        #expect(try eventually { try seen()?["held_by_group"]?.string == name })
        #expect(try info(tape).firstSequence <= away)
        let back = try WriterProcess(benches[1], member: "b", takes)
        #expect(benches[1].isComplete([load.count]), "\(benches[1].shown)")
        #expect(try eventually { try info(tape).bytes <= Self.marks.goalBytes })
        for (bench, sink) in zip(benches, ["store", name]) {
            #expect(try bench.missing() == "0")
            try bench.database.expect("SELECT DISTINCT sink FROM sink_positions", sink)
        }
        #expect(first.stop() == 0 && back.stop() == 0)
    }

    @Test("one that is not needed is let go when the tape is full, and goes on behind a named hole")
    func letGo() throws {
        let benches = try benches("wletgo", "writer_let_go")
        let tape = benches[0].tape
        let name = "store-b"
        let own = ["STORE_NAME": name, "STORE_NEEDED": "false", "STORE_TABLES": "trades,quotes"]
        let first = try WriterProcess(benches[0], member: "a")
        let second = try WriterProcess(benches[1], member: "b", own)
        var load = try load(benches)
        #expect(second.stop() == 0)
        let before = load.count
        try fill(benches[0], &load)
        let keeper = try keeper(of: tape)
        defer { keeper.stop() }
        // The tape does not wait for it, and is purged of no more than has to go.
        #expect(try eventually { try info(tape).bytes <= Self.marks.goalBytes })
        let pieces = UInt64(Self.streamBytes) / 40 * 2
        #expect(try info(tape).bytes >= Self.marks.goalBytes - pieces)
        let seen = { try shown(keeper, tape) }
        #expect(
            try eventually {
                try seen()?["let_go"]?.array?.compactMap(\.string) == [name]
                    && seen()?["held_by_group"] == nil
            })
        try load.publish(packets: 1)
        let back = try WriterProcess(benches[1], member: "b", own)
        let database = benches[1].database
        try database.expectSoon(
            "SELECT max(last_ordinal) FROM sink_source_ordinals", "\(load.count)", "\(back.log)")
        try database.expect(
            """
            SELECT concat_ws(' ', reason, first_ordinal, (SELECT min(ordinal) - 1
                FROM stored_ordinals WHERE ordinal > \(before)) = last_ordinal)
            FROM gaps
            """, "hole \(before + 1) t")
        #expect(try benches[1].missing() == "0")
        #expect(benches[0].isComplete([load.count]), "\(benches[0].shown)")
        #expect(back.count("tape.reader.let_go") > 0 && back.count("tape.reader.stopped") == 0)
        // Its reported position is after what was purged.
        #expect(
            try eventually { try seen()?["let_go"]?.array?.isEmpty == true }, "\(back.log)")
        #expect(first.stop() == 0 && back.stop() == 0)
    }

    @Test("a database that has the rows of another store is refused, with what to do")
    func anothersDatabase() throws {
        let bench = try WriterBench("writer_two_c")
        var load = try TestTicks(bench, partitions: 1)
        let running = try bench.start()
        try load.store(packets: 1)
        #expect(try running.stop() == .success)
        let wrong = try bench.start(["STORE_NAME": "store-b"])
        #expect(
            eventually {
                wrong.reasons.contains {
                    $0.contains("the database is that of store, and STORE_NAME is store-b")
                }
            }, "\(wrong.reasons)")
        #expect(try wrong.stop() == .success)
        try bench.database.expect("SELECT DISTINCT sink FROM sink_positions", "store")
    }

    @Test("of two stores that claim an empty database at once, the second one is refused")
    func atOnce() throws {
        let bench = try WriterBench("writer_two_d")
        let sessions = try (0..<2).map { _ in try bench.database.connectWriter() }
        func run(_ session: Int, _ statement: String) throws {
            try sessions[session].execute(statement, timeout: .seconds(10))
        }
        func claim(_ session: Int, _ store: String, _ partition: Int = 0) throws {
            try run(session, "SELECT claim_position('\(store)', 'ticks', \(partition), 1)")
        }
        try run(0, "BEGIN")
        try claim(0, "store")
        try run(1, "SET lock_timeout = '100ms'")
        let waited = #expect(throws: PostgresError.self) { try claim(1, "store-b") }
        #expect(waited?.sqlState == .lockNotAvailable)
        try run(0, "COMMIT")
        let refused = #expect(throws: PostgresError.self) { try claim(1, "store-b") }
        #expect(refused?.sqlState == .takenByOther)
        // Workers of the store that has it do not wait for each other.
        try run(0, "BEGIN")
        try claim(0, "store", 1)
        try claim(1, "store", 2)
        try run(0, "COMMIT")
        try bench.database.expect("SELECT DISTINCT sink FROM sink_positions", "store")
    }

    @Test(
        "a stream of which a store takes nothing is not read",
        arguments: [("trades", true, false), ("bars", false, true), ("indicators", true, true)])
    func unread(tables: String, ticks: Bool, bars: Bool) throws {
        let bench = try WriterBench("writer_two_\(tables)", nats: NatsServer(), partitions: 1)
        let told = try GroupPositionListener(bench.tape.client)
        let running = try bench.start(["STORE_TABLES": tables])
        func consumers(_ stream: String) throws -> Int {
            let reply = try bench.tape.client.connection.request(
                [], to: "$JS.API.STREAM.INFO.\(stream)", timeout: patience)
            return try #require(
                try JSONValue.parse(reply.payload).at("state", "consumer_count")?.int)
        }
        let names = bench.tape.names
        let streams = [(names.tickStream(0), ticks), (names.barStream, bars)]
        for (stream, isRead) in streams where isRead {
            #expect(try eventually { try consumers(stream) > 0 }, "\(stream)")
        }
        #expect(eventually { running.isReady }, "\(running.reasons)")
        for (stream, isRead) in streams where !isRead {
            #expect(try consumers(stream) == 0, "\(stream)")
        }
        let positions = { told.store.groups["store"]?.positions ?? [:] }
        #expect(eventually { !positions().isEmpty })
        let inputs: Set<ReaderPosition.Input> = Set(positions().keys.map(\.input))
        #expect(inputs.contains(.ticks) == ticks && inputs.contains(.bars) == bars)
        var load = try TestTicks(bench, partitions: 1)
        try load.publish(packets: 1)
        if ticks {
            let taken = "SELECT max(last_ordinal) FROM sink_source_ordinals"
            try bench.database.expectSoon(taken, "\(load.count)", "\(running.reasons)")
        }
        #expect(running.isReady, "\(running.reasons)")
        #expect(try running.stop() == .success)
    }

    private func info(_ tape: TestTape) throws -> StreamInfo {
        try #require(try tape.client.jetStream.streamInfo(tape.names.tickStream(0)))
    }
}
