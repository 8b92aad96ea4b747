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

// The real program is killed or paused at named points of an insert, which the front holds.
extension FrontBench {
    static var killRounds: Int { Seeds.isNight ? 20 : 2 }

    /// Makes the tables, and what members need.
    func prepare() throws {
        try migrate()
        _ = try tape.client.jetStream.createBucket(OwnerRecords.configuration(tape.names))
    }

    private func waitUntil(_ question: String, is count: Int) throws {
        #expect(try eventually(within: 60) { try plan(question) == "\(count)" })
    }

    /// Kills a writer again and again at a point. Returns how many ticks each partition then has.
    func kill(at point: String) throws -> Int {
        var sources = try sources()
        var writer = try WriterProcess(environment: environment)
        var ticks = 0
        for round in 1...Self.killRounds {
            try plan("\(point) 1")
            try publish(&sources)
            try waitUntil("held", is: round)
            writer.kill()
            writer = try WriterProcess(environment: environment)
            try publish(&sources)
            ticks += 50
            #expect(try isComplete(ticks), "\(seen)\n\(writer.log)")
            guard point == "late" else { continue }
            try plan("release")
            try waitUntil("done", is: round)
            #expect(try isComplete(ticks), "\(seen)\n\(writer.log)")
        }
        #expect(writer.stop() == 0, "\(writer.log)")
        #expect(try isComplete(ticks))
        return ticks
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
        return 100
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
