import Foundation
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

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// A tape was destroyed while no gateway ran. The source continues after what others remember of
/// it.
@Suite("The gateway over a tape that forgot")
struct GatewayMemoryTests {
    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func lastOrdinals(_ tape: TestTape) throws -> [Partition: UInt64] {
        var found: [Partition: UInt64] = [:]
        for partition in (0..<tape.names.partitions).map({ Partition($0) }) {
            found[partition] = try tape.lastOrdinal(
                stream: tape.names.tickStream(of: partition),
                subject: tape.names.ticks(partition, source()))
        }
        return found
    }

    private func deleteTickStreams(_ tape: TestTape) throws {
        for index in 0..<TapeNames.tickStreams {
            _ = try tape.client.connection.request(
                [], to: "$JS.API.STREAM.DELETE.\(tape.names.tickStream(index))",
                timeout: patience)
        }
        try tape.client.ensureTickStreams(bytesMax: TestTape.streamBytes)
    }

    @Test("restarted over streams that were made anew, it goes on behind its record")
    func record() throws {
        let tape = try TestTape(try NatsServer(), namespace: "mem1")
        let first = try TestGateway(tape, .fullPace(700)).start()
        try tape.expectTicks(700)
        #expect(try first.stop() == .success)
        let before = try lastOrdinals(tape)
        try deleteTickStreams(tape)

        let gateway = try TestGateway(tape, .fullPace(700))
        let second = try gateway.start()
        second.expect("gateway.started")
        let lost = before.values.filter { $0 > 0 }.count
        #expect(second.service.metric("mds_tape_lost_ticks_total") == 700)
        // The streams of watermarks are reported as well.
        #expect(second.log.count(of: "tape.rolled_back") == lost + TapeNames.tickStreams)
        // The ticks are computed again, with ordinals above those that were used.
        #expect(
            try eventually {
                try lastOrdinals(tape).allSatisfy { $0.value >= 2 * before[$0.key, default: 0] }
            })
        for number in 0..<tape.names.partitions {
            let packets = try tape.tickPackets(Partition(number))
            let first = try #require(packets.first).header
            #expect(first.epoch == 2 && first.flags.contains(.epochMarker))
            #expect(first.firstOrdinal == before[Partition(number), default: 0] + 1)
        }
        let shown = try gateway.status["rolled_back"]?.array ?? []
        #expect(shown.count == lost + TapeNames.tickStreams)
        #expect(
            shown.allSatisfy { $0["reason"]?.string?.contains("restored from a backup") == true })
        #expect(try second.stop() == .success)
    }

    /// Returns a reader that has read all of the tape and reports it.
    private func reader(_ tape: TestTape, beyond extra: UInt64 = 0) throws -> PositionReporter {
        let reporter = try PositionReporter(tape.client, group: "store")
        let (held, source) = (try lastOrdinals(tape), try source())
        reporter.report(now: .at(0)) {
            held.filter { $0.value > 0 }.map { partition, last in
                ReaderPosition(
                    partition: partition, input: .ticks, sequence: 1, durable: 1,
                    sources: [
                        SourceOrdinal(source: source, epoch: 0, lastOrdinal: last + extra)
                    ])
            }
        }
        return reporter
    }

    @Test("restarted over a whole store that was put back, its record with it: readers know")
    func readers() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "mem4")
        let first = try TestGateway(tape, .fullPace(300)).start()
        try tape.expectTicks(300)
        #expect(try first.stop() == .success)
        server.stop()
        let (store, copy) = (server.folder.file("store"), server.folder.file("copy"))
        try FileManager.default.copyItem(atPath: store, toPath: copy)
        try server.start()
        #expect(eventually { tape.client.connection.isConnected })

        let second = try TestGateway(tape, .fullPace(900)).start()
        try tape.expectTicks(900)
        #expect(try second.stop() == .success)
        let held = try lastOrdinals(tape)
        let reporter = try reader(tape)
        server.kill()
        try FileManager.default.removeItem(atPath: store)
        try FileManager.default.copyItem(atPath: copy, toPath: store)
        try server.start()
        #expect(eventually { tape.client.connection.isConnected })
        #expect(try tape.ticks() == 300)

        let third = try TestGateway(tape, .fullPace(900)).start()
        let lost = held.values.reduce(0, +) - 300
        third.expect("gateway.started")
        #expect(third.service.metric("mds_tape_lost_ticks_total") == Double(lost))
        // The 600 lost ticks are computed again, with ordinals that no reader has seen.
        #expect(try eventually { try SourceOnTape(tape).count == 900 })
        for number in 0..<tape.names.partitions {
            let packets = try tape.tickPackets(Partition(number))
            let new = packets.filter { $0.header.epoch > 1 }
            let last = held[Partition(number), default: 0]
            #expect(new.allSatisfy { $0.header.firstOrdinal > last }, "partition \(number)")
            #expect(packets.count > new.count && !new.isEmpty)
        }
        #expect(try third.stop() == .success)
        withExtendedLifetime(reporter) {}
    }

    @Test("a reader that tells late, while the gateway works: noticed, and raised above it")
    func lateReader() throws {
        let tape = try TestTape(try NatsServer(), namespace: "mem5")
        let running = try TestGateway(tape, ["SYNTHETIC_RATE": "2000"]).start()
        #expect(try eventually { try tape.ticks() > 100 })
        #expect(running.log.count(of: "tape.rolled_back") == 0)
        let reporter = try reader(tape, beyond: 1_000_000)
        #expect(try eventually { try lastOrdinals(tape).values.allSatisfy { $0 > 1_000_000 } })
        #expect(running.log.count(of: "tape.rolled_back") == tape.names.partitions)
        #expect((running.service.metric("mds_tape_lost_ticks_total") ?? 0) > 3_000_000)
        // Later reports of the readers bring no news.
        #expect(try running.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.all == Array(0..<UInt64(found.count)), "no tick was lost or doubled by it")
        withExtendedLifetime(reporter) {}
    }

    @Test("a reader that has a packet before its acknowledgement comes is no sign of a loss")
    func acknowledgementUnderWay() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "mem6")
        let proxy = try NatsProxy(to: server.port)
        let gateway = try TestGateway(
            tape,
            [
                // More ticks than a lane holds, so that some are still to be made.
                "SYNTHETIC_SYMBOLS": "AAPL", "SYNTHETIC_RATE": "10000",
                "SYNTHETIC_BACKLOG": "4s", "SYNTHETIC_TICKS": "40000",
            ])
        let running = try gateway.start(
            try TapeClient(
                NatsConfiguration(urls: [proxy.url], clientName: "test"), names: tape.names,
                telemetry: gateway.service.context.telemetry,
                readiness: gateway.service.context.readiness))
        running.expect("gateway.started")
        proxy.hold(10_000, .acknowledgement)
        #expect(eventually { proxy.heldNow > 0 })
        let reporter = try reader(tape)
        // This is two seconds later at the earliest, so the gateway has heard the reader.
        #expect(eventually { running.log.count(of: "tape.publish.unsettled") > 0 })
        proxy.calm()
        try tape.expectTicks(40_000)
        #expect(running.log.count(of: "tape.rolled_back") == 0)
        #expect(try running.stop() == .success)
        withExtendedLifetime(reporter) {}
    }

    @Test("what it acknowledged is on record within seconds, and where NATS shows it")
    func recordIsWritten() throws {
        let tape = try TestTape(try NatsServer(), namespace: "mem2")
        let gateway = try TestGateway(tape, .fullPace(500))
        let running = try gateway.start()
        try tape.expectTicks(500)
        let bucket = try #require(
            try tape.client.jetStream.openBucket(
                KeyValueConfiguration(
                    bucket: "mem2_sources", bytesMax: 16 << 20, metadata: tape.names.record)))
        #expect(
            try eventually {
                guard let entry = try bucket.get("gateway.synthetic.record") else { return false }
                let json = try JSONValue.parse(entry.value)
                let sum = json["partitions"]?.array?.compactMap { $0["last_ordinal"]?.uint64 }
                return sum?.reduce(0, +) == 500 && json["watermarks"]?.array?.count == 4
            })
        let record = try gateway.status["record"]
        #expect((record?["writes"]?.int ?? 0) > 0 && record?["problem"] == .null)
        try running.stop()
    }

    @Test("a bucket that is another namespace's ends it with the reason")
    func otherNamespace() throws {
        let tape = try TestTape(try NatsServer(), namespace: "mem3")
        _ = try tape.client.jetStream.createBucket(
            KeyValueConfiguration(bucket: "mem3_sources", bytesMax: 1 << 20))
        let running = try TestGateway(tape, .fullPace(10)).start()
        #expect(throws: TapeError.self) { try running.exitCode() }
    }
}
