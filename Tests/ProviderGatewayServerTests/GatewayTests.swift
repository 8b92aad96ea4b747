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
    @Test("every tick of the market is on the tape once, in order, with dense ordinals")
    func complete() throws {
        let tape = try TestTape.shared("gw1")
        let gateway = try TestGateway(tape, .fullPace(20_000))
        let running = try gateway.start()
        try tape.expectTicks(20_000)
        #expect(eventually { running.isReady }, "\(running.reasons)")
        running.expect("gateway.started")
        #expect(try running.stop() == .success)
        let found = try tape.expectAll(20_000)
        #expect(found.indexes.count == tape.names.partitions)
        for indexes in found.indexes.values {
            #expect(zip(indexes, indexes.dropFirst()).allSatisfy { $0 < $1 })
        }
        #expect(running.synthetic("mds_gateway_ticks_received_total") == 20_000)
        #expect(running.service.metric("mds_gateway_unpublished_ticks_total") == 0)
        #expect(running.log.count(of: "gateway.drained") == 1)
    }

    @Test("each symbol goes to its partition, defined in every packet that has ticks of it")
    func partitions() throws {
        let tape = try TestTape.shared("gw2")
        let running = try TestGateway(tape, .fullPace(2_000)).start()
        try tape.expectTicks(2_000)
        try running.stop()
        for number in 0..<tape.names.partitions {
            for packet in try tape.tickPackets(Partition(number)) {
                #expect(packet.header.partition.number == number)
                #expect(packet.header.kind == .ticks)
                for record in packet.records where record.record.kind != nil {
                    let definition = try #require(record.definition)
                    #expect(tape.names.partition(of: definition.symbol).number == number)
                    #expect(definition.provider == "synthetic")
                }
            }
        }
    }

    @Test("watermarks of idle partitions come, never backwards, and reach the end of the market")
    func idleWatermarks() throws {
        let tape = try TestTape.shared("gw3")
        // With one symbol the other streams have only watermarks.
        let running = try TestGateway(tape, .fullPace(500, ["SYNTHETIC_SYMBOLS": "AAPL"])).start()
        try tape.expectTicks(500)
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
        let tape = try TestTape.shared("gw4")
        var random = SeededRandom(seed: 4)
        let environment = [String: String].fullPace(6_000, ["GATEWAY_PACKETS_PER_SECOND": "400"])
        for _ in 0..<5 {
            let gateway = try TestGateway(tape, environment)
            let client = try tape.connect(gateway.service)
            let before = try tape.ticks()
            let running = try gateway.start(client)
            running.expect("gateway.started")
            let wanted = min(6_000, before + random.next() % 1_500)
            #expect(try eventually { try tape.ticks() >= wanted })
            // Without a connection nothing is drained: ticks that were taken are lost.
            client.close()
            #expect(try running.exitCode() == .unavailable)
        }
        let last = try TestGateway(tape, environment).start()
        try tape.expectTicks(6_000)
        #expect(try last.stop() == .success)
        let found = try tape.expectAll(6_000)
        #expect(found.epochs.values.allSatisfy { $0 == $0.sorted() })
    }

    @Test("other settings begin a new market behind the old one, with ordinals that go on")
    func changedSettings() throws {
        let tape = try TestTape.shared("gw5")
        let environment = [String: String].fullPace(
            1_000, ["SYNTHETIC_SYMBOLS": "AAPL,MSFT,SPY,XLE"])
        let first = try TestGateway(tape, environment).start()
        try tape.expectTicks(1_000)
        try first.stop()
        let second = try TestGateway(tape, environment.merging(["SYNTHETIC_SEED": "2"]) { $1 })
            .start()
        // It begins with two records of each symbol: trades and quotes are delivered now.
        try tape.expectTicks(2_000 + 2 * 4)
        try second.stop()
        let found = try tape.expectSound()
        #expect(found.all == (0..<1_000).flatMap { [$0, $0] })
    }

    @Test("NATS that dies in the middle and comes back loses nothing")
    func natsRestarts() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "gw8")
        let environment = [String: String].fullPace(8_000, ["GATEWAY_PACKETS_PER_SECOND": "300"])
        let running = try TestGateway(tape, environment).start()
        for wanted: UInt64 in [1_000, 3_000] {
            // While NATS is away there is no answer.
            #expect(eventually { (try? tape.ticks()) ?? 0 >= wanted })
            server.kill()
            #expect(eventually { !running.isReady })
            try server.start()
            #expect(eventually { running.isReady })
        }
        #expect(eventually { (try? tape.ticks()) ?? 0 == 8_000 })
        #expect(try running.stop() == .success)
        try tape.expectAll(8_000)
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
        #expect(eventually { running.synthetic("mds_gateway_blocked_total") > 0 })
        #expect(!running.hasEnded)
        // Ticks that do not fit wait in the lanes: per lane, one packet in flight and one that
        // grows.
        #expect(running.synthetic("mds_gateway_ticks_received_total") < 40_000)
        running.service.context.shutdown.request("test")
        #expect(try running.exitCode() == .temporary)
        #expect((running.service.metric("mds_gateway_unpublished_ticks_total") ?? 0) > 0)
    }

    @Test("the report says how far it has come")
    func report() throws {
        let tape = try TestTape.shared("gw10")
        let gateway = try TestGateway(tape, .fullPace(700))
        let running = try gateway.start()
        try tape.expectTicks(700)
        #expect(
            try eventually {
                let value = try gateway.status
                let sum = value["partitions"]?.array?.compactMap { $0["last_ordinal"]?.uint64 }
                    .reduce(0, +)
                return value["finished"] == .bool(true) && sum == 700
                    && value["generated"]?.uint64 == 700
            })
        try running.stop()
    }
}
