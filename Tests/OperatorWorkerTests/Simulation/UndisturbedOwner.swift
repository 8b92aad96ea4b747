import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import TapeCodec

@testable import OperatorWorker

/// The output that one owner makes from a complete tape without faults. All other owners are
/// compared with it.
struct UndisturbedOwner {
    /// The outputs, with the sequence of the packet that caused each.
    private(set) var outputs: [(input: UInt64, output: NamedOutput)] = []
    /// The watermark after each packet.
    private(set) var watermarks: [Timestamp] = []
    private(set) var core: PartitionOperator
    private let lane: SimulatedLane
    private let bars = SimulatedBars()

    init(_ packets: [SimulatedPacket], _ settings: OperatorSettings) {
        lane = SimulatedLane(bars, generation: settings.generation, barsMax: 1_000)
        lane.open()
        core = PartitionOperator(starting: settings, lane: lane)
        for (place, packet) in packets.enumerated() {
            packet.bytes.withRawSpan { core.take(packet.header, $0, at: packet.position) }
            publish(packet.position.sequence)
            watermarks.append(core.watermark)
            while core.repairPart != nil {
                mend(packets[...place])
                publish(packet.position.sequence)
            }
        }
    }

    /// Reads everything again, from the first packet on.
    private mutating func mend(_ packets: ArraySlice<SimulatedPacket>) {
        core.beginRepair()
        let ticks = packets.filter { $0.header.kind == .ticks }
        for packet in ticks {
            packet.bytes.withRawSpan { core.takeOfFirstPass(packet.header, $0) }
        }
        if core.endFirstPass() {
            for packet in ticks {
                packet.bytes.withRawSpan { core.takeOfSecondPass(packet.header, $0) }
            }
        }
        var published = core.barsToReadBack
        for packet in bars.packets where packet.output != nil {
            let sealed = packet.sealed()
            sealed.withBytes { published?.take(sealed.header, $0) }
        }
        _ = core.finishRepair(published: published?.bars ?? [])
    }

    private mutating func publish(_ input: UInt64) {
        repeat {
            let before = bars.packets.count
            core.pump(lane, now: .at(0))
            lane.arrive()
            if let header = lane.acknowledge() { core.acknowledge(header) }
            for packet in bars.packets[before...] {
                outputs += packet.outputs.map { (input, $0) }
            }
        } while !core.isEmpty || lane.waitingTicks > 0
    }
}
