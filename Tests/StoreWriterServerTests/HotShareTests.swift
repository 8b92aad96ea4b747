import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The hot state of several writers, and without the database")
struct HotShareTests {
    private let bench: WriterBench
    private let valkey: ValkeyServer

    init() throws {
        bench = try WriterBench(
            "writer_hot\(UInt32.random(in: 0...99_999))", server: PostgresServer())
        valkey = try ValkeyServer()
    }

    /// Publishes a trade of each source's symbol, all with this price.
    private func publish(_ sources: inout [TestSource], _ price: Int64) throws {
        for index in sources.indices {
            let header = TickHeader(at: WriterBench.start + price)
            sources[index].append(
                Trade(
                    header: header, price: Price(raw: price * 1_000_000_000),
                    size: Quantity(raw: 1)))
            try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
        }
    }

    private func sources() throws -> [TestSource] { try (0..<4).map { try bench.source($0) } }

    private func price(_ partition: Int) throws -> String {
        try valkey.cli("HGET", "\(bench.tape.names.namespace):trade:S\(partition):test", "price")
    }

    private func shows(_ price: Int64) throws -> Bool {
        try eventually { try (0..<4).allSatisfy { try self.price($0) == String(price) } }
    }

    /// `nil` when the service has no such metric, or not yet.
    private func metric(_ running: RunningService, _ name: String) -> Double? {
        running.service.metric("mds_hot_state_\(name)")
    }

    @Test("each symbol is written by one writer, the owner of its partition")
    func shared() throws {
        let members = [[0, 1], [2, 3], []].map { HandMembership(bench.records, takes: $0) }
        let writers = try members.map { try bench.start(valkey: valkey, membership: $0) }
        var sources = try sources()
        for price: Int64 in 1...20 { try publish(&sources, price) }
        #expect(try shows(20))
        #expect(eventually { writers.map { metric($0, "symbols") } == [2, 2, 0] })
        #expect(metric(writers[2], "writes_total") == 0)
        // No writer reads the tape for the hot state alone.
        #expect(eventually { writers.allSatisfy { metric($0, "tails") == 0 } })

        // Handed over: the new owner goes on, and only what it knows is written after a flush.
        #expect(members[0].release(0))
        members[1].take(0)
        try publish(&sources, 21)
        #expect(try shows(21))
        #expect(eventually { metric(writers[1], "symbols") == 3 })
        #expect(metric(writers[0], "symbols") == 2)
        #expect(try writers[0].stop() == .success)
        try valkey.cli("FLUSHALL")
        #expect(try eventually { try [0, 2, 3].allSatisfy { try price($0) == "21" } })
        #expect(try price(1).isEmpty)
        for writer in writers[1...] { #expect(try writer.stop() == .success) }
    }

    @Test("what comes while a stopping writer still has its partitions is written, too")
    func stopping() throws {
        let member = LateLeaver(HandMembership(bench.records, takes: [0, 1, 2, 3]))
        let running = try bench.start(valkey: valkey) { ports in
            member.hand.join(ports)
            return member
        }
        var sources = try sources()
        try publish(&sources, 1)
        #expect(try shows(1))
        running.service.context.shutdown.request("test")
        try publish(&sources, 2)
        #expect(try shows(2))
        member.hand.leave()
        #expect(try running.exitCode() == .success)
    }

    @Test("values stay new while the database is away, and rows catch up without older values")
    func databaseAway() throws {
        let running = try bench.start(
            ["WRITER_QUEUE_ROWS": "40", "WRITER_BREAKER_MAX": "1s"], valkey: valkey)
        var sources = try sources()
        try publish(&sources, 1)
        #expect(try shows(1))
        bench.database.server.stopImmediately()
        // The first ones fill the queues, whose readers are held then.
        for price: Int64 in 2...100 { try publish(&sources, price) }
        #expect(try shows(100))
        #expect(eventually { metric(running, "tails") == 8 })
        for price: Int64 in 101...400 { try publish(&sources, price) }
        #expect(try shows(400))
        // What is known is written again, also now.
        try valkey.cli("FLUSHALL")
        #expect(try shows(400))
        try bench.database.server.restart()
        #expect(bench.isComplete([400, 400, 400, 400]), "\(bench.shown)")
        #expect(eventually { metric(running, "tails") == 0 })
        #expect(try (0..<4).allSatisfy { try price($0) == "400" })
        try publish(&sources, 401)
        #expect(try shows(401))
        #expect(metric(running, "left_out_total") == 0)
        try bench.stopAndAudit(running)
    }

    @Test("values come to Valkey before the database was ever there")
    func databaseAwayAtTheStart() throws {
        bench.database.server.stopImmediately()
        let running = try bench.start(["WRITER_BREAKER_MAX": "1s"], valkey: valkey)
        var sources = try sources()
        try publish(&sources, 1)
        #expect(try shows(1))
        #expect(eventually { metric(running, "tails") == 8 })
        for price: Int64 in 2...50 { try publish(&sources, price) }
        #expect(try shows(50))
        try bench.database.server.restart()
        #expect(bench.isComplete([50, 50, 50, 50]), "\(bench.shown)")
        try publish(&sources, 51)
        #expect(try shows(51))
        #expect(eventually { metric(running, "tails") == 0 })
        #expect(try running.stop() == .success)
    }
}

/// A member that keeps its partitions after the writer has left, until the test lets `hand` leave.
private final class LateLeaver: WriterMembership {
    let hand: HandMembership

    init(_ hand: HandMembership) { self.hand = hand }

    func leave() {}
    var hasLeft: Bool { hand.hasLeft }
    func close() { hand.close() }
}
