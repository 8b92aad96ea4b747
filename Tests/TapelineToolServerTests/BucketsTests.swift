import Foundation
import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeKeeping
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The disk of NATS is destroyed, and a person puts back what only its buckets had.
@Suite("tapeline buckets")
struct BucketsTests {
    private static let start: Int64 = 1_700_000_000_000_000_000
    private static let ledgerKey = "gateway.test.gaps.0"

    /// A part of a ledger, in seconds after the first trade.
    private static func part(_ from: Int64, _ to: Int64?) -> String {
        let end = to.map { #","to":\#(start + $0 * 1_000_000_000)"# } ?? ""
        return #"{"kind":1,"reason":1,"from":\#(start + from * 1_000_000_000)\#(end)}"#
    }

    private static func ledger(_ head: String, _ parts: [String]) -> String {
        #"{"v":1,\#(head),"symbols":[{"symbol":"S0","fed":0,"known":false,"missing":["#
            + parts.joined(separator: ",") + "]}]}"
    }

    private func runBuckets(
        _ bench: AcceptBench, _ arguments: [String], withDatabase: Bool = true
    ) throws -> Said {
        try Said(
            ["buckets"] + arguments,
            bench.environment.filter { withDatabase || !$0.key.hasPrefix("POSTGRES_") })
    }

    private func refusal(_ bench: AcceptBench, _ arguments: [String]) -> String {
        complaint { try runBuckets(bench, arguments) }
    }

    private func bucket(_ bench: AcceptBench, _ name: String) throws -> KeyValueBucket {
        try #require(try bench.tape.client.jetStream.bucketAsFound(name))
    }

    /// Returns the values of both buckets, by key.
    private func values(_ bench: AcceptBench) throws -> [String: String] {
        var values: [String: String] = [:]
        for name in ["md_sources", "md_groups"] {
            for entry in try bucket(bench, name).entries().entries {
                values[entry.key] = String(decoding: entry.value, as: UTF8.self)
            }
        }
        return values
    }

    private func setUp(_ bench: AcceptBench) throws {
        let sizes = SetupCommand.Sizes(stream: TestTape.streamBytes, deadLetters: 1 << 20)
        _ = try SetupRun(names: bench.tape.names, sizes: sizes).run(bench.tape.client)
    }

    /// Stores a value of each kind that an export has, and of those that it leaves out.
    private func fill(_ bench: AcceptBench) throws {
        let client = bench.tape.client
        let source = try #require(SourceName("test"))
        let symbol = try #require(Symbol("SPY"))
        let time = Timestamp(nanoseconds: 7)
        try GroupRegistry.make(client).register(try #require(GroupName("archive")), reads: [.bars])
        let watchlist = try WatchlistStore(client, source)
        var list = Watchlist()
        list.set(symbol, .init(.added(definition: "{\"a\":\"é\"}"), by: "a@b", at: time, note: "n"))
        _ = try watchlist.write(list, after: try watchlist.read())
        let store = try LoadStore(client, source)
        var loads = SourceLoads()
        loads.set(
            LoadRange([symbol], (time, Timestamp(nanoseconds: 9)), by: "a@b", at: time))
        _ = try store.write(loads, after: try store.read())
        let servers = try DatabaseServerStore(client, of: .store)
        _ = try servers.write(
            DatabaseServer(system: UInt64.max, timeline: 3, peer: "db", noted: time),
            after: try servers.read())
        let parts = [
            Self.part(-10, -9), Self.part(-20, -19), Self.part(0, 1), Self.part(50, nil),
        ]
        let sources = try bucket(bench, "md_sources")
        let groups = try bucket(bench, "md_groups")
        for (bucket, key, value) in [
            (
                sources, Self.ledgerKey,
                Self.ledger(#""sequence":3,"last_ordinal":5,"whole":true"#, parts)
            ),
            (sources, "gateway.test.record", "{}"), (sources, "gateway.test.watchlist", "{}"),
            (groups, "group.archive.bars.0", "{}"), (groups, "verified.MD_BARS.n", "{}"),
            (sources, "strange", "{}"),
        ] {
            _ = try bucket.create(key, Array(value.utf8))
        }
    }

    private func destroy(_ bench: AcceptBench) throws {
        bench.nats.kill()
        try FileManager.default.removeItem(atPath: bench.nats.folder.file("store"))
        try bench.nats.start()
        #expect(eventually { bench.tape.client.connection.isConnected })
    }

    /// The database has ticks of the gap from 0 s on, and a record that settles the one from -20 s.
    private func store(_ bench: AcceptBench) throws {
        var source = try bench.source(0)
        let writer = try bench.startWriter()
        try AcceptBench.publish(&source, packets: 2)
        try bench.expectRows(0, "1-10")
        try writer.stop()
        _ = try bench.query(
            """
            INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time,
                to_time, state, epoch, ordinal)
            VALUES ('store', 'ticks', 0, 'test', 'disconnected', 'S0', 'trade',
                to_timestamp(1699999980), to_timestamp(1699999981), 'filled', 1, 6)
            """)
    }

    @Test("what only the buckets had comes back; positions, records and settled gaps do not")
    func restored() throws {
        let bench = try AcceptBench("buckets")
        let folder = try TemporaryFolder("buckets")
        let path = folder.file("buckets.ndjson")
        try setUp(bench)
        try store(bench)
        try fill(bench)

        let partial = try runBuckets(bench, ["export", path])
        #expect(partial.code == .incomplete && partial.errors.contains("strange of bucket md_sou"))
        #expect(refusal(bench, ["export", path]).contains("is there already"))
        _ = try bucket(bench, "md_sources").delete("strange")
        let exported = try runBuckets(bench, ["export", path, "--force", "--json"])
        #expect(exported.code == .success, "\(exported.errors)")
        let report = try JSONValue.parse(exported.output)
        #expect(report["entries"]?.int == 5 && report.at("counts", "gaps")?.int == 1)
        #expect(report["bytes"]?.int == FileSystem.byteCount(of: path))
        #expect(try bench.query("SELECT string_agg(kind, ' ') FROM backups") == "tape")
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(FileSystem.names(in: folder.path) == ["buckets.ndjson"])
        let piped = try runBuckets(bench, ["export", "-"])
        #expect(piped.output.split(separator: "\n").count == 6)
        let before = try values(bench)

        try destroy(bench)
        #expect(refusal(bench, ["import", path, "--yes"]).contains("setup"))
        try setUp(bench)
        let dry = try runBuckets(bench, ["import", path, "--dry-run", "--json"])
        #expect(try dry.code == .success && values(bench).isEmpty)
        let looked = try JSONValue.parse(dry.output)
        #expect(looked["imported"]?.int == 5 && looked["changed"]?.bool == false)
        #expect(refusal(bench, ["import", path]).contains("give --yes"))

        // Without the database nobody knows which gaps still wait.
        let some = try runBuckets(bench, ["import", path, "--yes"], withDatabase: false)
        #expect(some.code == .incomplete && some.errors.contains("4 gaps are not put back"))
        #expect(some.errors.contains("a load of source test was running"))
        let kept = [
            "group.archive", "load.test.ranges", "watchlist.test.wanted", "store.database",
        ]
        #expect(try values(bench) == before.filter { kept.contains($0.key) })

        let rest = try runBuckets(bench, ["import", path, "--yes", "--json"])
        let gaps = try #require(try JSONValue.parse(rest.output)["gaps"])
        #expect(
            ["put_back", "settled", "in_doubt", "lasting"].map { gaps[$0]?.int } == [1, 1, 1, 1])
        #expect(rest.code == .success && rest.errors.contains("it lasted at the export"))
        #expect(rest.errors.contains("ticks of its time came after the export"))
        let ledger = try #require(try values(bench)[Self.ledgerKey])
        #expect(
            try JSONValue.parse(ledger)["symbols"]
                == JSONValue.parse(Self.ledger(#""x":0"#, [Self.part(-10, -9)]))["symbols"])
        #expect(try values(bench).count == 5)
        try repeated(bench, path)
    }

    /// What is there stays, and so does that a key was deleted.
    private func repeated(_ bench: AcceptBench, _ path: String) throws {
        let before = try values(bench)
        _ = try GroupRegistry.open(bench.tape.client).remove(try #require(GroupName("archive")))
        let again = try JSONValue.parse(
            try runBuckets(bench, ["import", path, "--yes", "--json"]).output)
        #expect(
            ["imported", "present", "differs", "deleted"].map { again[$0]?.int } == [0, 3, 1, 1])
        #expect(again["changed"]?.bool == false)
        #expect(try values(bench) == before.filter { $0.key != "group.archive" })
        try "{}\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(refusal(bench, ["import", path, "--yes"]).contains("nothing was changed"))
        #expect(refusal(bench, ["import", path + "x", "--yes"]).contains("there is no file"))
    }
}
