import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// The host's clock decides when packets leave, but not their content.
@Suite("A clock that jumps") struct ClockJumpTests {
    @Test("row 21: bars and their checksum are the same, whatever the clock shows")
    func jumps() throws {
        let settings = try #require(RecoveryWorld.settings.first)
        for seed in Seeds(fixed: 1...40).all() {
            var random = SeededRandom(seed: seed)
            let ticks = SimulatedTicks(using: &random)
            let still = run(ticks, settings) { 0 }
            let jumping = run(ticks, settings) {
                Bool.random(using: &random)
                    ? Int64.random(in: 0...Int64.max / 2, using: &random)
                    : Int64.random(in: 0...2_000_000_000, using: &random)
            }
            #expect(still.bars == jumping.bars && !still.bars.isEmpty, "TAPELINE_SEED=\(seed)")
            #expect(still.checksum == jumping.checksum, "TAPELINE_SEED=\(seed)")
        }
    }

    private func run(
        _ ticks: SimulatedTicks, _ settings: OperatorSettings, clock: () -> Int64
    ) -> (bars: [NamedOutput], checksum: UInt64?) {
        let bars = SimulatedBars()
        let lane = SimulatedLane(bars, generation: settings.generation, barsMax: 3)
        lane.open()
        let core = PartitionOperator(starting: settings, lane: lane)
        for packet in ticks.packets {
            packet.bytes.withRawSpan { core.take(packet.header, $0, at: packet.position) }
            repeat {
                core.pump(lane, now: .at(clock()))
                lane.arrive()
                if let header = lane.acknowledge() { core.acknowledge(header) }
            } while !core.isEmpty || !lane.isIdle
        }
        return (bars.packets.flatMap(\.outputs), core.ledger.computed?.checksum)
    }
}
