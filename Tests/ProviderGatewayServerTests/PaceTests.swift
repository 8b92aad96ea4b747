import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// The rules are in `PacketPaceTests`, and the times that they lead to in
/// `PacketPaceSimulationTests`.
@Suite("When packets leave a gateway")
struct PaceTests {
    /// Returns the numbers of ticks of all packets that have any.
    private func packets(_ tape: TestTape) throws -> [UInt32] {
        try (0..<tape.names.partitions).flatMap { try tape.tickPackets(Partition($0)) }
            .map(\.header).filter { !$0.flags.contains(.epochMarker) && $0.tickCount > 0 }
            .map(\.tickCount)
    }

    @Test("with an aim ticks wait for others, but not when the service ends")
    func collects() throws {
        let tape = try TestTape.shared("pace1")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "2000", "SYNTHETIC_TICKS": "4000", "GATEWAY_LATENCY": "1s",
                "GATEWAY_PACKETS_PER_SECOND": "100000",
            ])
        let running = try gateway.start()
        let received = "mds_gateway_ticks_received_total{source=\"synthetic\"}"
        #expect(eventually { running.service.metric(received) == 4_000 })
        #expect(try running.stop() == .success)
        let packets = try packets(tape)
        #expect(packets.reduce(0, +) == 4_000)
        // In the two seconds of the market each partition has a packet in half a second at most,
        // and a last one. Twice as many are left for a machine that is slow. Without an aim there
        // are hundreds.
        #expect(packets.count <= 10 * tape.names.partitions, "\(packets.count)")
        try tape.expectSound()
        let ages = "mds_gateway_tick_age_seconds_count{source=\"synthetic\"}"
        #expect(running.service.metric(ages) == Double(packets.count))
    }

    @Test("a record without room lets its packet leave, and is no reason for the spool")
    func room() throws {
        let tape = try TestTape.shared("pace2")
        let folder = try TemporaryFolder()
        let log = ScriptedProvider.Log()
        let gateway = try TestGateway.scripted(
            tape, ["one": log], [.named("SPY", .news)],
            ["GATEWAY_LATENCY": "1s", "GATEWAY_SPOOL": folder.file("spool")])
        let running = try gateway.start()
        let time = SystemClock().now()
        let headline = NewsHeadline(
            header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
            provider: "wire", article: "a", headline: String(repeating: "x", count: 2_000))
        // One and a half packets of 128 KiB.
        try log.begun().channel.deliver(
            Array(repeating: .tape(.news(headline)), count: 100), floor: time)
        #expect(try eventually { try packets(tape).count == 2 })
        #expect(try packets(tape).reduce(0, +) == 100)
        #expect(running.log.count(of: "gateway.spool.begun") == 0)
        #expect(try running.stop() == .success)
    }
}
