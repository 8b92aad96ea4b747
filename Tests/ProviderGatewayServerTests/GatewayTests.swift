import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("The gateway on a real tape")
struct GatewayTests {
    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func full(_ ticks: Int) -> [String: String] {
        [
            "SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": String(ticks), "SYNTHETIC_RATE": "1000",
            "GATEWAY_PACKETS_PER_SECOND": "100000",
        ]
    }

    private func isOnTape(_ tape: TestTape, _ ticks: Int) throws -> Bool {
        let source = try source()
        return eventually { isOnTape(tape, source) { $0 == UInt64(ticks) } }
    }

    /// While NATS is away there is no answer, which is not the awaited one either.
    private func isOnTape(
        _ tape: TestTape, _ source: SourceName, _ isRight: (UInt64) -> Bool
    ) -> Bool {
        do {
            return isRight(try tape.tickCount(source: source))
        } catch {
            return false
        }
    }

    @Test("every tick of the market is on the tape once, in order, with dense ordinals")
    func complete() throws {
        let tape = try tape("gw1")
        let gateway = try TestGateway(tape, full(20_000))
        let running = try gateway.start()
        #expect(try isOnTape(tape, 20_000))
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(eventually { running.log.count(of: "gateway.started") == 1 })
        #expect(try running.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<20_000))
        #expect(found.indexes.count == tape.names.partitions)
        for indexes in found.indexes.values {
            #expect(zip(indexes, indexes.dropFirst()).allSatisfy { $0 < $1 })
        }
        #expect(
            running.service.metric("mds_gateway_ticks_received_total{source=\"synthetic\"}")
                == 20_000)
        #expect(running.service.metric("mds_gateway_unpublished_ticks_total") == 0)
        #expect(running.log.count(of: "gateway.drained") == 1)
    }

    @Test("each symbol goes to its partition, defined in every packet that has ticks of it")
    func partitions() throws {
        let tape = try tape("gw2")
        let running = try TestGateway(tape, full(2_000)).start()
        #expect(try isOnTape(tape, 2_000))
        try running.stop()
        for number in 0..<tape.names.partitions {
            for packet in try tape.tickPackets(Partition(number)) {
                #expect(packet.header.partition.number == number)
                #expect(packet.header.kind == .ticks)
                var cursor = RecordCursor()
                packet.payload.withRawSpan { bytes in
                    while let record = cursor.next(in: bytes) {
                        guard case .other(let message) = record,
                            let (_, definition) = message.symbolDefinition(in: bytes)
                        else { continue }
                        #expect(tape.names.partition(of: definition.symbol).number == number)
                        #expect(definition.provider == "synthetic")
                    }
                }
            }
        }
    }

    @Test("watermarks of idle partitions come, never backwards, and reach the end of the market")
    func idleWatermarks() throws {
        let tape = try tape("gw3")
        // With one symbol the other streams have only watermarks.
        let running = try TestGateway(
            tape, full(500).merging(["SYNTHETIC_SYMBOLS": "AAPL"]) { $1 }
        ).start()
        #expect(try isOnTape(tape, 500))
        let started = SystemClock().now()
        #expect(
            try eventually {
                try (0..<4).allSatisfy { stream in
                    try watermarks(tape, stream).last.map { $0 > started } ?? false
                }
            })
        try running.stop()
        for stream in 0..<4 {
            let marks = try watermarks(tape, stream)
            #expect(zip(marks, marks.dropFirst()).allSatisfy { $0 <= $1 })
        }
    }

    private func watermarks(_ tape: TestTape, _ stream: Int) throws -> [Timestamp] {
        try tape.packets(
            stream: tape.names.tickStream(stream), subject: "\(tape.names.namespace).wm."
        ).filter { !$0.header.flags.contains(.epochMarker) }.map(\.header.watermark)
    }

    @Test("a gateway that was killed at any point is followed without loss or repeat")
    func restarts() throws {
        let tape = try tape("gw4")
        var random = SeededRandom(seed: 4)
        let environment = full(6_000).merging(["GATEWAY_PACKETS_PER_SECOND": "400"]) { $1 }
        for _ in 0..<5 {
            let gateway = try TestGateway(tape, environment)
            let client = try tape.connect(gateway.service)
            let before = try tape.tickCount(source: source())
            let running = try gateway.start(client)
            #expect(eventually { running.log.count(of: "gateway.started") == 1 })
            let wanted = min(6_000, before + random.next() % 1_500)
            #expect(try eventually { try tape.tickCount(source: source()) >= wanted })
            // Without a connection nothing is drained: ticks that were taken are lost.
            client.close()
            #expect(try running.exitCode() == .unavailable)
        }
        let last = try TestGateway(tape, environment).start()
        #expect(try isOnTape(tape, 6_000))
        #expect(try last.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<6_000))
        #expect(found.epochs.values.allSatisfy { $0 == $0.sorted() })
    }

    @Test("other settings begin a new market behind the old one, with ordinals that go on")
    func changedSettings() throws {
        let tape = try tape("gw5")
        let environment = full(1_000).merging(["SYNTHETIC_SYMBOLS": "AAPL,MSFT,SPY,XLE"]) { $1 }
        let first = try TestGateway(tape, environment).start()
        #expect(try isOnTape(tape, 1_000))
        try first.stop()
        let second = try TestGateway(tape, environment.merging(["SYNTHETIC_SEED": "2"]) { $1 })
            .start()
        // It begins with two records of each symbol: trades and quotes are delivered now.
        #expect(try isOnTape(tape, 2_000 + 2 * 4))
        try second.stop()
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == (0..<1_000).flatMap { [$0, $0] })
    }

    @Test("NATS that dies in the middle and comes back loses nothing")
    func natsRestarts() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "gw8")
        let environment = full(8_000).merging(["GATEWAY_PACKETS_PER_SECOND": "300"]) { $1 }
        let running = try TestGateway(tape, environment).start()
        for wanted: UInt64 in [1_000, 3_000] {
            let source = try source()
            #expect(eventually { isOnTape(tape, source) { $0 >= wanted } })
            server.kill()
            #expect(eventually { !running.isReady })
            try server.start()
            #expect(eventually { running.isReady })
        }
        #expect(try isOnTape(tape, 8_000))
        #expect(try running.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<8_000))
    }

    @Test("a stream that is full holds the provider up; with room it goes on")
    func fullStream() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "gw9", streams: false)
        try tape.client.ensureTickStreams(bytesMax: 65_536)
        let gateway = try TestGateway(tape, ["SYNTHETIC_RATE": "20000"])
        let running = try gateway.start()
        let unsettled = "mds_tape_publish_unsettled_total{reason=\"refused\"}"
        #expect(eventually { (running.service.metric(unsettled) ?? 0) > 3 })
        let blocked = "mds_gateway_blocked_total{source=\"synthetic\"}"
        #expect(eventually { (running.service.metric(blocked) ?? 0) > 0 })
        #expect(!running.hasEnded)
        let received = running.service.metric(
            "mds_gateway_ticks_received_total{source=\"synthetic\"}")
        // Ticks that do not fit wait in the lanes: per lane, one packet in flight and one that
        // grows.
        #expect((received ?? 0) < 40_000)
        running.service.context.shutdown.request("test")
        #expect(try running.exitCode() == .temporary)
        #expect((running.service.metric("mds_gateway_unpublished_ticks_total") ?? 0) > 0)
    }

    @Test("the report says how far it has come")
    func report() throws {
        let tape = try tape("gw10")
        let gateway = try TestGateway(tape, full(700))
        let running = try gateway.start()
        #expect(try isOnTape(tape, 700))
        #expect(
            eventually {
                var json = JSONWriter(capacity: 64)
                json.object { gateway.report.write(into: &$0) }
                guard let value = try? JSONValue.parse(json.text) else { return false }
                let sum = value["partitions"]?.array?.compactMap { $0["last_ordinal"]?.uint64 }
                    .reduce(0, +)
                return value["finished"] == .bool(true) && sum == 700
                    && value["generated"]?.uint64 == 700
            })
        try running.stop()
    }
}
