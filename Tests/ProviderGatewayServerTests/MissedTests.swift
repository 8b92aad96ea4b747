import MarketModel
import Membership
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

/// In a market whose ticks are not made again, ticks that no gateway took are lost and have to be
/// on record.
@Suite("The gateway in a market that does not wait")
struct MissedTests {
    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func lost(_ rate: Int) -> [String: String] {
        ["SYNTHETIC_RATE": String(rate), "SYNTHETIC_MISSED": "lost"]
    }

    private func watermark(_ tape: TestTape) throws -> Timestamp {
        try TapeAudit.watermark(tape, source())
    }

    @Test("killed 20 times with a standby: every tick is on the tape once, or in a gap")
    func killed() throws {
        let tape = try TestTape.shared("miss1")
        var random = SeededRandom(seed: 20)
        let environment = lost(2_000)
        var next = try TestGateway(tape, environment)
        var standby = try next.standBy()
        var watermarks: [Timestamp] = []
        for turn in 0..<20 {
            let (active, running) = (next, standby)
            active.group.take(epoch: UInt64(turn + 1))
            next = try TestGateway(tape, environment)
            let client = try tape.connect(next.service)
            standby = try next.standBy(client)
            // Kill it at any moment, also before it has opened the source or written its gaps.
            let wanted = try tape.ticks() + random.next() % 400
            if random.next() % 4 > 0 {
                #expect(try eventually { try tape.ticks() >= wanted })
            }
            active.group.drop()
            running.service.context.shutdown.request("killed")
            #expect(try running.exitCode() == .success)
            watermarks.append(try watermark(tape))
        }
        next.group.take(epoch: 21)
        standby.expect("gateway.started")
        try tape.expectMore(1_000)
        #expect(try standby.stop() == .success)
        try tape.expectRight(next.settings) { $0.inGaps > 0 && $0.onTape > 1_000 && $0.gaps > 0 }
        try tape.expectSound()
        #expect(zip(watermarks, watermarks.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test("handed over in order, the gap is what nobody took in between")
    func handedOver() throws {
        let tape = try TestTape.shared("miss2")
        let gateways = try (0..<2).map { _ in try TestGateway(tape, lost(1_000)) }
        let running = try gateways.map { try $0.standBy() }
        for turn in 0..<5 {
            let gateway = gateways[turn % 2]
            gateway.group.take(epoch: UInt64(turn + 1))
            try tape.expectMore(200)
            gateway.group.release()
            let tenure = gateway.group.tenure
            #expect(eventually { gateway.group.news.last == .released(tenure) })
        }
        for each in running { #expect(try each.stop() == .success) }
        // One gap per symbol and hand-over.
        let symbols = try gateways[0].settings.market.symbols.count
        try tape.expectRight(gateways[0].settings) { $0.gaps == 4 * symbols }
    }

    @Test(
        "started cold behind an older run, it records what was missed, and no watermark passes it")
    func coldStart() throws {
        let tape = try TestTape.shared("miss3")
        let first = try TestGateway(tape, lost(1_000))
        let running = try first.start()
        #expect(try eventually { try tape.ticks() >= 500 })
        #expect(try running.stop() == .success)
        let before = try watermark(tape)
        let second = try TestGateway(tape, lost(1_000))
        let again = try second.start()
        again.expect("gateway.started")
        try tape.expectMore(500)
        #expect(try again.stop() == .success)
        let symbols = try second.settings.market.symbols.count
        let taken = again.synthetic("mds_gateway_gap_records_total", "reason=\"take_over\",")
        #expect(taken == Double(symbols))
        try tape.expectRight(second.settings) { $0.gaps == symbols }
        try expectGapsFirst(tape, before)
    }

    /// Expects that no watermark passes the beginning of a partition's gaps before the packet that
    /// has them.
    private func expectGapsFirst(_ tape: TestTape, _ before: Timestamp) throws {
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            var gap: (sequence: UInt64, from: Timestamp)?
            for packet in try tape.tickPackets(partition) where packet.header.epoch == 2 {
                if gap == nil, let found = packet.records.lazy.compactMap(\.gap).first {
                    gap = (packet.sequence, found.from)
                }
                let isMarker = packet.header.flags.contains(.epochMarker)
                #expect(isMarker || gap != nil, "\(partition): something came before the gaps")
            }
            let first = try #require(gap)
            #expect(first.from >= before)
            let idle = try tape.packets(
                stream: tape.names.tickStream(of: partition),
                subject: tape.names.watermarks(
                    stream: tape.names.streamIndex(of: partition), source()))
            for packet in idle where packet.sequence < first.sequence {
                #expect(packet.header.watermark <= first.from, "\(partition)")
            }
        }
    }

    @Test("killed before its first tick, but with its gaps on the tape, the market goes on")
    func gapsOnly() throws {
        let tape = try TestTape.shared("miss4")
        // With one tick per second a tenure may begin and end with gaps only.
        let slow = lost(1).merging([
            "SYNTHETIC_SYMBOLS": "AAPL,MSFT", "SYNTHETIC_BACKLOG": "5s",
        ]) { $1 }
        for turn in 1...4 {
            let gateway = try TestGateway(tape, slow)
            let running = try gateway.start()
            running.expect("gateway.started")
            #expect(try eventually { try tape.ticks() >= UInt64(3 + turn) })
            #expect(try running.stop() == .success)
        }
        let settings = try TestGateway(tape, slow).settings
        try tape.expectRight(settings)
    }

    @Test("an audit that finds a tick nowhere, or twice, says so")
    func auditFails() throws {
        let tape = try TestTape.shared("miss5")
        let gateway = try TestGateway(tape, lost(1_000))
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 300 })
        #expect(try running.stop() == .success)
        let settings = try gateway.settings.market
        let market = AuditedMarket(settings)
        var packets: [[UInt8]] = []
        for number in 0..<tape.names.partitions {
            packets += try tape.tickPackets(Partition(number)).map(\.payload)
        }
        let end = try watermark(tape)
        func report(_ packets: [[UInt8]]) throws -> MarketAudit.Report {
            var audit = MarketAudit(market)
            for packet in packets { packet.withRawSpan { audit.add($0) } }
            return audit.report(from: try #require(audit.origin), to: end)
        }
        #expect(try report(packets).isRight)
        let tickful = try #require(
            packets.firstIndex {
                $0.withRawSpan {
                    SyntheticStanding.mark(of: $0, market: SyntheticMarket(settings)) != nil
                }
            })
        var without = packets
        without.remove(at: tickful)
        #expect(try report(without).lost > 0)
        #expect(try report(packets + [packets[tickful]]).doubled > 0)
    }
}
