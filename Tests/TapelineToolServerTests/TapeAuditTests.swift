import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The comparison of rows with their records on a real tape.
@Suite("Rows and the records of the tape that they came from", .serialized)
struct TapeAuditTests {
    private static let names = ["gaps_on_tape", "versions_on_tape"]

    private func checks(_ outcome: ProveBench.Outcome) -> [String: (found: String, detail: String)]
    {
        let checks = (outcome.json["checks"]?.array ?? []).map { check in
            (
                check["name"]?.string ?? "",
                (check["found"]?.string ?? "", check["detail"]?.string ?? "")
            )
        }
        return Dictionary(checks) { first, _ in first }.filter { Self.names.contains($0.key) }
    }

    private func omissions(_ outcome: ProveBench.Outcome) -> [String] {
        (outcome.json["omissions"]?.array ?? []).map {
            "\($0["name"]?.string ?? ""): \($0["reason"]?.string ?? "")"
        }
    }

    @Test("each row is compared; what cannot be is told")
    func rows() throws {
        let values = (0..<400).map {
            ProveBench.Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000)
        }
        let scene = try ProveBench(
            "on_tape", [(ProveBench.symbol, values)], extras: [300: ProveBench.cancel],
            gapAt: 20)
        let versions = try scene.bench.query(
            "SELECT (SELECT count(*) FROM bars) + (SELECT count(*) FROM bar_versions)")
        let clean = try scene.audit("--all")
        #expect(clean.code == .success)
        #expect(
            checks(clean).mapValues(\.found) == [
                "gaps_on_tape": "1", "versions_on_tape": versions,
            ])
        let books = try scene.audit()
        #expect(checks(books).isEmpty && books.code == .success)
        #expect(books.json["not_checked"]?.array?.compactMap(\.string).suffix(2) == Self.names[...])
        // The range counts by event time: the gap is of 22:13:40 and was noted 5 s later.
        let own = try scene.audit("--from", "2023-11-14T22:13:40Z", "--to", "2023-11-14T22:13:41Z")
        #expect(checks(own)["gaps_on_tape"]?.found == "1")
        let later = try scene.audit(
            "--from", "2023-11-14T22:13:45Z", "--to", "2023-11-14T22:13:46Z")
        #expect(
            omissions(later) == ["gaps_on_tape: no row is of a record that the tape still has"])

        // A replaced version is compared like the one that stands.
        _ = try scene.bench.query(
            "UPDATE bar_versions SET close = close + 1 WHERE revision = (SELECT min(revision) "
                + "FROM bar_versions)")
        let wrong = try scene.audit("--all")
        #expect(wrong.code == .failure)
        #expect(checks(wrong)["versions_on_tape"]?.detail.contains("its close is") == true)
        _ = try scene.bench.query(
            "UPDATE bar_versions SET close = close - 1 WHERE revision = (SELECT min(revision) "
                + "FROM bar_versions)")

        try givenTwice(scene)
        try unfinished(scene)
    }

    /// What was given twice is not the tape's record.
    private func givenTwice(_ scene: ProveBench) throws {
        _ = try scene.bench.query(
            """
            UPDATE gaps SET to_time_ns = to_time_ns + 1;
            INSERT INTO gaps (sink, input, partition, source, first_ordinal, last_ordinal, reason)
            SELECT 'store', 'ticks', partition, source, ordinal, ordinal, 'given_twice' FROM gaps
            """)
        #expect(checks(try scene.audit("--all"))["gaps_on_tape"] == nil)
        let explained = try scene.explain(
            "AAPL", "1s", "2023-11-14T22:13:40.5Z", "--source", "test0")
        #expect(explained.code == .success, "\(explained.json)")
        _ = try scene.bench.query("DELETE FROM gaps WHERE reason = 'given_twice'")
        #expect(
            checks(try scene.audit("--all"))["gaps_on_tape"]?.detail.contains("its row says")
                == true)
    }

    /// Without NATS, and when it is interrupted, the rest is told.
    private func unfinished(_ scene: ProveBench) throws {
        let away = try scene.audit("--all", environment: ["NATS_URL": "nats://127.0.0.1:1"])
        #expect(away.code == .incomplete && omissions(away).count == 2, "\(away.json)")
        #expect(away.json["checks"]?.array?.count ?? 0 > 5)
        let shutdown = ShutdownSignal()
        shutdown.request()
        let interrupted = try scene.audit("--all", shutdown: shutdown)
        #expect(interrupted.code == .incomplete)
        #expect(omissions(interrupted) == Self.names.map { "\($0): interrupted" })
    }

    @Test("a packet is found by an ordinal, whatever lies between")
    func search() throws {
        let bench = try AcceptBench("lane_search")
        var source = try bench.source(0)
        try AcceptBench.publish(&source, packets: 2)
        let subject = bench.tape.names.ticks(source.partition, source.source)
        _ = try TestSource.put(Array("no packet".utf8), on: subject, of: bench.tape)
        source.skip = 5
        try AcceptBench.publish(&source, packets: 1)
        source.skip = 10_000
        try AcceptBench.publish(&source, packets: 3)
        var lane = try #require(
            try LaneSearch(
                bench.tape.client.jetStream, stream: bench.tape.names.tickStream(0),
                subject: subject))
        func lookUp(_ ordinal: UInt64) throws -> String {
            switch try lane.find(ordinal) {
            case .packet(_, let header): "\(header.firstOrdinal)"
            case .absent: "absent"
            case .damaged: "damaged"
            }
        }
        #expect(lane.begin == 1)
        #expect(try lookUp(0) == "absent")
        #expect(try [1, 5, 6, 10].map { try lookUp($0) } == ["1", "1", "6", "6"])
        #expect(try [11, 15].map { try lookUp($0) } == ["damaged", "damaged"])
        #expect(try [16, 20].map { try lookUp($0) } == ["16", "16"])
        // A far one is searched for.
        #expect(
            try [10_030, 10_035, 10_036].map { try lookUp($0) } == ["10026", "10031", "absent"])
        #expect(lane.searches == 1 && lane.highest.isDefined)
        let nobody = try #require(SourceName("nobody"))
        let none = try LaneSearch(
            bench.tape.client.jetStream, stream: bench.tape.names.tickStream(0),
            subject: bench.tape.names.ticks(source.partition, nobody))
        #expect(none?.begin == nil)
    }
}
