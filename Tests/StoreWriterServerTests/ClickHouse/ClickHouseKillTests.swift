import MarketModel
import NatsTransport
import Seeds
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import MembershipTransport
@testable import StoreWriter

/// The real program is killed or paused at named points of an insert, which the front holds.
@Suite(
    "A writer of ClickHouse that ends in the middle", .serialized,
    .enabled(if: ClickHouseBench.obstacle == nil, "\(ClickHouseBench.obstacle ?? "")"))
struct ClickHouseKillTests {
    private static let rounds = Seeds.isNight ? 20 : 2

    private func bench(_ namespace: String) throws -> ClickHouseBench {
        let bench = try ClickHouseBench(namespace)
        try bench.migrate()
        _ = try bench.tape.client.jetStream.createBucket(
            OwnerRecords.configuration(bench.tape.names))
        return bench
    }

    private func waitUntil(_ question: String, is count: Int, _ bench: ClickHouseBench) throws {
        #expect(try eventually(within: 60) { try bench.plan(question) == "\(count)" })
    }

    @Test(
        "killed before an insert, after it, and with one that arrives later",
        arguments: ["before", "after", "late"])
    func killed(point: String) throws {
        let bench = try bench("wchkill\(point)")
        var sources = try bench.sources()
        var writer = try WriterProcess(environment: bench.environment)
        var ticks = 0
        for round in 1...Self.rounds {
            try bench.plan("\(point) 1")
            try bench.publish(&sources)
            try waitUntil("held", is: round, bench)
            writer.kill()
            writer = try WriterProcess(environment: bench.environment)
            try bench.publish(&sources)
            ticks += 50
            #expect(try bench.isComplete(ticks), "\(bench.seen)\n\(writer.log)")
            guard point == "late" else { continue }
            try bench.plan("release")
            try waitUntil("done", is: round, bench)
            #expect(try bench.isComplete(ticks), "\(bench.seen)\n\(writer.log)")
        }
        #expect(writer.stop() == 0, "\(writer.log)")
        #expect(try bench.isComplete(ticks))
    }

    @Test("paused with an insert on its way, and woken when another one has taken over")
    func paused() throws {
        let bench = try bench("wchpause")
        var sources = try bench.sources()
        let paused = try WriterProcess(environment: bench.environment, member: "paused")
        try bench.publish(&sources)
        #expect(try bench.isComplete(25), "\(paused.log)")
        try bench.plan("slow 1")
        try bench.publish(&sources)
        try waitUntil("held", is: 1, bench)
        paused.pause()
        let successor = try WriterProcess(environment: bench.environment, member: "successor")
        try bench.publish(&sources)
        #expect(try bench.isComplete(75), "\(bench.seen)\n\(successor.log)")
        try bench.plan("release")
        try waitUntil("done", is: 1, bench)
        paused.resume()
        try bench.publish(&sources)
        #expect(try bench.isComplete(100), "\(bench.seen)\n\(paused.log)")
        #expect(paused.stop() == 0, "\(paused.log)")
        #expect(successor.stop() == 0, "\(successor.log)")
        #expect(try bench.isComplete(100))
    }

    @Test("a declared batch of which the tape was purged is given up, counted and named")
    func purged() throws {
        let bench = try bench("wchpurged")
        var sources = try bench.sources()
        var writer = try WriterProcess(environment: bench.environment)
        try bench.publish(&sources)
        #expect(try bench.isComplete(25), "\(writer.log)")
        try bench.plan("before 1")
        try bench.publish(&sources)
        try waitUntil("held", is: 1, bench)
        writer.kill()
        try bench.publish(&sources)
        let jetStream = bench.tape.client.jetStream
        for partition in 0..<2 {
            let stream = bench.tape.names.tickStream(of: Partition(partition))
            let last = try #require(try jetStream.streamInfo(stream)).lastSequence
            #expect(try jetStream.purge(stream: stream, below: last) > 0)
        }
        writer = try WriterProcess(environment: bench.environment)
        #expect(
            try eventually(within: 180) {
                try bench.shown().allSatisfy { $0.hasSuffix(" 75") }
            }, "\(bench.seen)\n\(writer.log)")
        #expect(writer.stop() == 0, "\(writer.log)")
        // Each ordinal is a row, or named.
        let lost = try bench.rows(
            "SELECT concat(toString(partition), ' ', "
                + "toString(sum(last_ordinal - first_ordinal + 1))) FROM ordinal_gaps "
                + "WHERE reason IN ('tape_lost', 'hole') GROUP BY partition ORDER BY partition"
        ).map { $0[0] }
        let rows = try bench.shown()
        for partition in 0..<2 {
            func count(_ lines: [String]) -> Int {
                lines.first { $0.hasPrefix("\(partition) ") }
                    .flatMap { Int($0.split(separator: " ")[1]) } ?? 0
            }
            #expect(count(rows) + count(lost) == 75, "\(rows) \(lost)")
        }
        #expect(writer.log.contains("tape_lost"), "\(writer.log)")
        let audit = try bench.audit()
        #expect(audit.code == .success, "\(audit.said)")
    }
}
