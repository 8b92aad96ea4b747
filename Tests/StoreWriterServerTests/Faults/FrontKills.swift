import MarketModel
import Membership
import NatsTransport
import Seeds
import ServiceRuntime
import ServiceTestSupport
import TapeKeeping
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import MembershipTransport
@testable import StoreWriter

/// Where in a batch a writer is killed.
enum KillPoint: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// It declares the batch, which NATS does not get.
    case intent
    /// The batch is declared, and none of its requests is stored.
    case before
    /// A request is stored, and its answer has not come.
    case after
    /// A request is on its way, and is stored when another writer has stored the batch.
    case late
    /// All is stored and answered, and NATS does not get the position.
    case position

    /// At night each writer is killed 60 times.
    static var rounds: Int { Seeds.isNight ? 12 : 2 }

    var testDescription: String { rawValue }
}

// The real program is killed or paused at named points of a batch, which the front or a proxy
// before NATS holds.
extension FrontBench {
    /// Makes the tables, and what members need.
    func prepare() throws {
        try migrate()
        _ = try tape.client.jetStream.createBucket(OwnerRecords.configuration(tape.names))
    }

    private func waitUntil(_ question: String, is count: Int) throws {
        #expect(try eventually(within: 60) { try plan(question) == "\(count)" })
    }

    /// Waits until all is stored, and no batch is declared any more.
    private func settle(_ ticks: Int, _ writer: WriterProcess) throws {
        #expect(try isComplete(ticks), "\(seen)\n\(writer.log)")
        #expect(try eventually(within: 60) { try declared() == 0 }, "\(writer.log)")
    }

    /// Kills a writer again and again at a point. Returns how many ticks each partition then has.
    func kill(at point: KillPoint) throws -> Int {
        let proxy = try NatsProxy(to: tape.server.port)
        func start() throws -> WriterProcess {
            try WriterProcess(environment: environment, ["NATS_URL": proxy.url])
        }
        var sources = try sources()
        var writer = try start()
        try publish(&sources)
        var ticks = 25
        try settle(ticks, writer)
        for round in 1...KillPoint.rounds {
            try reach(point, round, &sources, proxy)
            writer.kill()
            proxy.calm()
            writer = try start()
            try publish(&sources)
            ticks += 50
            try settle(ticks, writer)
            guard point == .late else { continue }
            try plan("release")
            try waitUntil("done", is: round)
            try settle(ticks, writer)
        }
        #expect(writer.stop() == 0, "\(writer.log)")
        #expect(try isComplete(ticks))
        try expectCleanAudit()
        return ticks
    }

    /// Publishes to both partitions, and waits until a batch is at the point.
    private func reach(
        _ point: KillPoint, _ round: Int, _ sources: inout [TestSource], _ proxy: NatsProxy
    ) throws {
        let place = SinkPlace(input: .ticks, partition: Partition(0))
        let bucket = GroupRegistry.configuration(tape.names).bucket
        let record = "$KV.\(bucket).\(IntentBucket.key(of: place, .store))"
        // So many writes of the record has NATS not got.
        let lost = proxy.sent(to: record)
        func waitUntilLost() throws {
            #expect(eventually(within: 60) { proxy.sent(to: record) > lost })
        }
        switch point {
        case .before, .after, .late:
            try plan("\(point) 1")
            try publish(&sources)
            try waitUntil("held", is: round)
            #expect(try declared() > 0)
        case .intent:
            proxy.sicken([record], nil)
            // The other partition has nothing, so it holds no request and writes no record.
            try publish(&sources[0])
            try waitUntilLost()
            #expect(try declared() == 0)
            try publish(&sources[1])
        case .position:
            try plan("slow 1")
            try publish(&sources[0])
            try waitUntil("held", is: round)
            proxy.sicken([record], nil)
            try plan("release")
            try waitUntil("done", is: round)
            try waitUntilLost()
            #expect(try declared() == 1)
            try publish(&sources[1])
        }
    }

    /// Pauses a writer with an insert on its way, and wakes it when another one has taken over.
    /// Returns how many ticks each partition then has.
    func pauseAndWake() throws -> Int {
        var sources = try sources()
        let paused = try WriterProcess(environment: environment, member: "paused")
        try publish(&sources)
        #expect(try isComplete(25), "\(paused.log)")
        try plan("slow 1")
        try publish(&sources)
        try waitUntil("held", is: 1)
        paused.pause()
        let successor = try WriterProcess(environment: environment, member: "successor")
        try publish(&sources)
        #expect(try isComplete(75), "\(seen)\n\(successor.log)")
        try plan("release")
        try waitUntil("done", is: 1)
        paused.resume()
        try publish(&sources)
        #expect(try isComplete(100), "\(seen)\n\(paused.log)")
        #expect(paused.stop() == 0, "\(paused.log)")
        #expect(successor.stop() == 0, "\(successor.log)")
        #expect(try isComplete(100))
        try expectCleanAudit()
        return 100
    }

    private func expectCleanAudit() throws {
        let audit = try audit()
        #expect(audit.code == .success, "\(audit.said)")
    }

    /// Kills a writer with a declared batch, and purges the tape of it: another one gives it up.
    func purgeDeclared() throws {
        var sources = try sources()
        var writer = try WriterProcess(environment: environment)
        try publish(&sources)
        #expect(try isComplete(25), "\(writer.log)")
        try plan("before 1")
        try publish(&sources)
        try waitUntil("held", is: 1)
        writer.kill()
        try publish(&sources)
        let jetStream = tape.client.jetStream
        for partition in 0..<2 {
            let stream = tape.names.tickStream(of: Partition(partition))
            let last = try #require(try jetStream.streamInfo(stream)).lastSequence
            #expect(try jetStream.purge(stream: stream, below: last) > 0)
        }
        writer = try WriterProcess(environment: environment)
        #expect(
            try eventually(within: 180) { try shown().allSatisfy { $0.hasSuffix(" 75") } },
            "\(seen)\n\(writer.log)")
        #expect(writer.stop() == 0, "\(writer.log)")
        // Each ordinal is a row, or named.
        let (rows, lost) = (try shown(), try named())
        for partition in 0..<2 {
            func count(_ lines: [String]) -> Int {
                lines.first { $0.hasPrefix("\(partition) ") }
                    .flatMap { Int($0.split(separator: " ")[1]) } ?? 0
            }
            #expect(count(rows) + count(lost) == 75, "\(rows) \(lost)")
        }
        #expect(writer.log.contains("tape_lost"), "\(writer.log)")
        let audit = try audit()
        #expect(audit.code == .success, "\(audit.said)")
    }
}
