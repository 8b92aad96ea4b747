import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Two stores with real databases and writers. What one of them lacks comes from the other one. The
/// rows are compared by psql alone.
@Suite("tapeline store fill") struct FillTests {
    /// The usual store, and one beside it that is not needed.
    struct Scene {
        let first: AcceptBench
        let second: AcceptBench
        var source: TestSource
        let writer: RunningService

        static let own = ["STORE_NAME": "store-b", "STORE_NEEDED": "false"]

        init(_ name: String, timescale: Bool = false) throws {
            first = try AcceptBench("fill_a_\(name)")
            second = try AcceptBench("fill_b_\(name)", timescale: timescale, beside: first)
            source = try first.source(0)
            writer = try first.startWriter()
        }

        /// Publishes packets of five ticks, which the usual store takes.
        mutating func publish(_ packets: Int) throws {
            try AcceptBench.publish(&source, packets: packets)
            try first.expectRows(0, "1-\(source.nextOrdinal - 1)")
        }

        func startSecond() throws -> RunningService { try second.startWriter(Self.own) }

        /// Lets the tape forget all but the last packet.
        func purge() throws {
            let names = first.tape.names
            try FillTests.purge(first, names.tickStream(0), names.ticks(Partition(0)))
        }

        /// The second store misses ordinals 51 to 95.
        mutating func makeHole(
            beforePurge look: (Scene) throws -> Void = { _ in }
        ) throws -> RunningService {
            try publish(10)
            let before = try startSecond()
            try second.expectRows(0, "1-50")
            try before.stop()
            try publish(10)
            try look(self)
            try purge()
            try publish(1)
            let after = try startSecond()
            try second.expect("1-50 96-105", log: "\(after.reasons)") { try second.rows(0) }
            #expect(try second.gaps == "test/0 51-95 hole")
            return after
        }

        var environment: [String: String] { FillTests.environment(first, second) }

        func fill(_ options: String...) throws -> Said {
            try Said(["store", "fill", "store-b", "--from", "store"] + options, environment)
        }

        /// Runs `fill` in small steps.
        func fill(
            steps: FillSteps, shutdown: ShutdownSignal = ShutdownSignal(),
            _ onStep: @escaping () -> Void
        ) throws -> String {
            let command = try StoreCommand.parse(["fill", "store-b", "--from", "store"])
            return complaint {
                try Said { terminal in
                    let tool = Tool(
                        terminal: terminal, environment: environment, shutdown: shutdown)
                    return try command.run(tool, steps: steps, onStep)
                }
            }
        }

        func end(_ writers: RunningService...) throws {
            for writer in writers + [writer] { #expect(try writer.stop() == .success) }
            try FillTests.expectEqual(first, second)
        }
    }

    static func environment(
        _ first: AcceptBench, _ second: AcceptBench
    ) -> [String: String] {
        second.environment.merging([
            "FROM_POSTGRES_DB": first.database,
            "FROM_POSTGRES_USER": first.environment["POSTGRES_USER"] ?? "",
        ]) { $1 }
    }

    /// Lets the tape forget all but the last packet of these subjects.
    static func purge(_ bench: AcceptBench, _ stream: String, _ subjects: String) throws {
        try bench.api("STREAM.PURGE.\(stream)", "{\"filter\": \"\(subjects)\", \"keep\": 1}")
    }

    /// Returns the bars of one second of a store.
    static func bars(_ bench: AcceptBench) throws -> String {
        try bench.query(
            """
            SELECT string_agg(concat_ws(' ', trades, reason, replaced), ', ' ORDER BY ts)
            FROM bars_short WHERE series = '1s'
            """)
    }

    /// Publishes nine trades. The second store has their bars, and its writer ends.
    static func beginBars(_ scene: inout BustedRowsTests.Scene, _ second: AcceptBench) throws {
        let writer = try second.startWriter(Scene.own)
        for place in 0..<9 as Range<Int64> { scene.trade(place) }
        try scene.publish(reached: 60)
        try second.expect("4 closed 0, 4 closed 0, 1 closed 0") { try bars(second) }
        try writer.stop()
    }

    /// Starts the writer of the second store again, and waits until it has read the tape.
    static func goOn(
        _ scene: BustedRowsTests.Scene, _ second: AcceptBench
    ) throws -> RunningService {
        let writer = try second.startWriter(Scene.own)
        let heads =
            "SELECT string_agg(last_ordinal::text, ' ' ORDER BY input, partition, source) FROM "
            + "sink_source_ordinals"
        try second.expect(try scene.bench.query(heads)) { try second.query(heads) }
        return writer
    }

    /// Returns when the tape took what was copied, in microseconds.
    private static func takenTimes(
        _ bench: AcceptBench
    ) throws -> [(ordinal: Int64, time: Int64)] {
        try bench.query(
            """
            SELECT r.ordinal, (extract(epoch FROM k.taken_at) * 1000000)::bigint
            FROM trade_rows r LEFT JOIN LATERAL
                taken_at('ticks', r.partition::integer, r.source, r.ordinal) k ON true
            WHERE r.ordinal BETWEEN 51 AND 95 ORDER BY r.source, r.ordinal
            """
        ).split(separator: "\n").map { line in
            let values = line.split(separator: "|").compactMap { Int64($0) }
            try #require(values.count == 2, "no time is known of \(line)")
            return (values[0], values[1])
        }
    }

    /// Expects that both databases have the same rows and times, and that both audits are clean.
    static func expectEqual(
        _ first: AcceptBench, _ second: AcceptBench, _ location: SourceLocation = #_sourceLocation
    ) throws {
        for (rows, order) in [
            ("trade_rows t", "source, partition, ordinal"),
            ("bars_short t", "partition, ordinal"), ("bars_long t", "partition, ordinal"),
            ("bar_versions t", "partition, ordinal"), ("late_ticks t", "partition, ordinal"),
        ] {
            let query = """
                SELECT count(*), md5(string_agg(row, '\n'))
                FROM (SELECT t::text AS row FROM \(rows) ORDER BY \(order)) AS all_rows
                """
            let (one, other) = (try first.query(query), try second.query(query))
            #expect(one == other, "\(rows)", sourceLocation: location)
        }
        let (own, copied) = (try takenTimes(first), try takenTimes(second))
        #expect(own.map(\.ordinal) == copied.map(\.ordinal), sourceLocation: location)
        // A point of a second moves while packets come in it, and the copy is of one moment.
        #expect(
            zip(own, copied).allSatisfy { (0...1_000_000).contains($0.time - $1.time) },
            "\(own)\n\(copied)", sourceLocation: location)
        #expect(
            try second.query("SELECT count(*) FROM version_losses") == "0", sourceLocation: location
        )
        try first.expectCleanAudit(location)
        try second.expectCleanAudit(location)
    }

    @Test("a hole is closed while both stores are written", arguments: [false, true])
    func hole(timescale: Bool) throws {
        var scene = try Scene("hole_\(timescale)", timescale: timescale)
        let after = try scene.makeHole()
        let dry = try scene.fill("--dry-run", "--json")
        #expect(dry.code == .pending)
        #expect(try dry.json()["missing"]?.int == 45 && dry.json()["filled"]?.int == 0)
        #expect(try dry.json()["lanes"]?.array?.first?["found"]?.int == 45)
        #expect(try scene.second.rows(0) == "1-50 96-105")
        if timescale { try scene.second.compress("trade_rows") }
        let said = try scene.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(said.output.contains("45 rows were copied from store; 0 ordinals stay missing"))
        try scene.publish(2)
        try scene.second.expectRows(0, "1-115")
        #expect(try scene.second.gaps.isEmpty)
        #expect(
            try scene.second.query(
                "SELECT written, filled, filled_first IS NULL FROM sink_source_ordinals")
                == "70|45|t")
        let again = try scene.fill("--json")
        #expect(try again.code == .success && again.json()["missing"]?.int == 0)
        try scene.end(after)
    }

    @Test("a store that is added later gets all that was before it")
    func added() throws {
        var scene = try Scene("added")
        try scene.publish(20)
        try scene.purge()
        let second = try scene.startSecond()
        try scene.second.expectRows(0, "96-100")
        let said = try scene.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try scene.publish(1)
        try scene.second.expectRows(0, "1-105")
        try scene.end(second)
    }

    @Test("programs of others find on the tape and in both databases the same ordinals")
    func judged() throws {
        var scene = try Scene("judged")
        var heard: Set<Int>? = []
        func listen(_ scene: Scene) throws {
            let more = try Self.ordinals(onTapeOf: scene.first)
            heard = heard.flatMap { known in more.map { known.union($0) } }
        }
        let after = try scene.makeHole(beforePurge: listen)
        #expect(try scene.fill().code == .success)
        try listen(scene)
        // nats-py is not there: psql alone has compared the databases.
        if let heard { #expect(heard == Set(1...105)) }
        for bench in [scene.first, scene.second] { try bench.expectRows(0, "1-105") }
        try scene.end(after)
    }

    /// Reads the ordinals of partition 0 by nats-py; `nil` if that cannot be installed here.
    private static func ordinals(onTapeOf bench: AcceptBench) throws -> Set<Int>? {
        let folder = try TemporaryFolder("judge")
        let root = ServerPrograms.checkout
        let program = try ServerProcess(
            "/bin/bash",
            [
                "\(root)/deploy/local/engines.sh", "--of", "nats-clients",
                "\(root)/Tests/TapelineToolServerTests/read_ordinals.py",
                bench.tape.names.tickStream(0),
            ], environment: ["JUDGE_NATS": "nats://127.0.0.1:\(bench.nats.port)"],
            logPath: folder.file("log"))
        let status = program.waitUntilExit()
        guard status != 3 else { return nil }
        #expect(status == 0, "\(program.log)")
        var found: Set<Int> = []
        for line in program.log.split(separator: "\n") {
            guard let match = line.wholeMatch(of: /md\.ticks\.0\.test (\d+)-(\d+)/),
                let first = Int(match.1), let last = Int(match.2), first <= last
            else { continue }
            found.formUnion(first...last)
        }
        return found
    }

    @Test("it may end at any step, is repeated, and the books are right at each moment")
    func interrupted() throws {
        var scene = try Scene("interrupted")
        let after = try scene.makeHole()
        let steps = FillSteps(pass: 20, step: 7)
        var ends = 0
        while try scene.second.rows(0) != "1-105" {
            ends += 1
            try #require(ends < 20)
            let shutdown = ShutdownSignal()
            let isKilled = ends.isMultiple(of: 2)
            _ = try scene.fill(steps: steps, shutdown: shutdown) { [scene] in
                do {
                    let books = try scene.second.query(
                        "SELECT count(*) FROM sink_audit WHERE missing <> 0")
                    #expect(books == "0")
                    if isKilled {
                        _ = try scene.second.query(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE application_name = 'tapeline store fill'
                                AND datname = current_database()
                            """)
                    } else {
                        shutdown.request("the test")
                    }
                } catch {
                    Issue.record("\(error)")
                }
            }
        }
        #expect(ends > 3)
        #expect(try scene.fill().code == .success)
        try scene.end(after)
    }

    @Test("one database under two names, and a wrong one, are refused; so is a second filling")
    func refused() throws {
        var scene = try Scene("refused")
        let after = try scene.makeHole()
        func refusal(_ changes: [String: String]) -> String {
            complaint {
                try Said(
                    ["store", "fill", "store-b", "--from", "store"],
                    scene.environment.merging(changes) { $1 })
            }
        }
        let same = refusal([
            "FROM_POSTGRES_DB": scene.second.database,
            "FROM_POSTGRES_USER": scene.second.environment["POSTGRES_USER"] ?? "",
        ])
        #expect(same.contains("is that of store-b"), "\(same)")
        let other = complaint {
            try Said(["store", "fill", "store-c", "--from", "store"], scene.environment)
        }
        #expect(other.contains("is that of store-b"), "\(other)")
        var second = ""
        _ = try scene.fill(steps: FillSteps(pass: 20, step: 7)) {
            if second.isEmpty { second = refusal([:]) }
        }
        #expect(second.contains("is being filled"), "\(second)")
        try scene.end(after)
    }

    @Test("bars and their versions come in any order, with the counts of what was replaced")
    func bars() throws {
        var scene = try BustedRowsTests.Scene("fill")
        let second = try AcceptBench("fill_b_bars", beside: scene.bench)
        try Self.beginBars(&scene, second)
        // Versions that the second store misses, and later ones that it has.
        scene.trade(3, .cancel)
        try scene.publish(reached: 61)
        scene.trade(300)
        scene.trade(5, .cancel)
        try scene.publish(reached: 200)
        try scene.bench.expect("3 bust 1, 3 bust 1, 1 closed 0, 1 closed 0") {
            try Self.bars(scene.bench)
        }
        scene.trade(2, .cancel)
        scene.trade(7, .cancel)
        try scene.publish(reached: 201)
        try scene.bench.expect("2 bust 2, 2 bust 2, 1 closed 0, 1 closed 0") {
            try Self.bars(scene.bench)
        }
        let names = scene.bench.tape.names
        let partition = names.partition(of: try #require(Symbol("AAPL")))
        try Self.purge(scene.bench, names.barStream, names.bars(partition))
        try Self.purge(scene.bench, names.tickStream(of: partition), names.ticks(partition))
        let writer = try Self.goOn(scene, second)
        #expect(try second.query("SELECT count(*) FROM gaps WHERE input = 'bars'") == "1")
        let said = try Said(
            ["store", "fill", "store-b", "--from", "store"],
            Self.environment(scene.bench, second))
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(try Self.bars(second) == "2 bust 2, 2 bust 2, 1 closed 0, 1 closed 0")
        #expect(try writer.stop() == .success)
        #expect(try scene.writer.stop() == .success)
        scene.worker.stop()
        try Self.expectEqual(scene.bench, second)
    }
}

extension AcceptBench {
    /// Compresses the chunks of a table, where the server has that.
    fileprivate func compress(_ table: String) throws {
        guard try query("SELECT license FROM store_mode()") == "timescale" else { return }
        _ = try query(
            """
            ALTER TABLE \(table) SET (timescaledb.compress,
                timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'ts');
            SELECT public.compress_chunk(c) FROM public.show_chunks('\(table)') AS c
            """)
    }
}
