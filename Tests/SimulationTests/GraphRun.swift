import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// Runs a graph over a complete tape, like an owner without faults.
struct GraphRun {
    struct Version: Hashable {
        let key: BarKey
        let bar: Bar
    }

    /// What is published of a packet, or of a repair behind it.
    struct Turn {
        /// The index of the packet; `nil` of a repair.
        let packet: Int?
        /// The indexes in `versions` and `passedOn`.
        let versions: Range<Int>
        let passedOn: Range<Int>
        let watermark: Timestamp
        let states: [SourceState]
    }

    struct Late: Hashable {
        let series: SeriesName
        let id: LoggedTick.ID
    }

    /// In the order of publication.
    private(set) var versions: [Version] = []
    private(set) var late: [Late] = []
    /// The values that are passed on to nodes over all partitions.
    private(set) var passedOn: [(symbol: SourceSymbol, value: GraphValue)] = []
    private(set) var turns: [Turn] = []
    /// The last version of every value.
    private(set) var values: [ValueKey: Int128] = [:]
    private(set) var machine: GraphMachine
    private(set) var repairs = 0
    /// By repair, the packets before it, and the versions that it published.
    private(set) var mends: [(packets: Int, versions: Range<Int>)] = []
    private var output = GraphOutput()
    /// Whether repairs read the whole tape, and not only what their plans ask for.
    private let readsAll: Bool

    init(
        _ definition: GraphDefinition, _ packets: [SimulatedPacket],
        restoredBehind: Set<UInt64> = [], mends: Bool = false, readsAll: Bool = true
    ) throws {
        self.readsAll = readsAll
        machine = GraphMachine(GraphProgram(definition))
        for (index, packet) in packets.enumerated() {
            packet.bytes.withRawSpan { span in
                _ = machine.take(packet.header, span, into: &output)
            }
            let dirty = output.dirty
            collect(of: index)
            if mends, !dirty.isEmpty { mend(dirty, packets[...index]) }
            if restoredBehind.contains(packet.position.sequence) { try restore() }
        }
    }

    /// Reads the tape again up to the packet that requests the repair, as the partition's owner
    /// does.
    private mutating func mend(_ dirty: [DirtyRange], _ packets: ArraySlice<SimulatedPacket>) {
        guard var repair = GraphRepair(machine, dirty) else { return }
        // No packet holds ticks of later than its send time.
        let from = repair.plan.from
        let packets = packets.drop { !readsAll && $0.header.sendTime < from }
        for packet in packets {
            packet.bytes.withRawSpan { repair.note(packet.header, $0) }
        }
        if repair.endFirstPass() {
            for packet in packets {
                packet.bytes.withRawSpan { repair.take(packet.header, $0) }
            }
        }
        repairs += 1
        let before = versions.count
        machine.absorb(
            repair, published: published(machine.publishedRanges(of: repair)), into: &output)
        collect(of: nil)
        mends.append((packets.endIndex, before..<versions.count))
    }

    /// Returns the last versions of the requested bars, which an owner reads back.
    private func published(_ needs: [PublishedRange]) -> [Bar] {
        var last: [BarKey: Bar] = [:]
        for version in versions { last[version.key] = version.bar }
        return last.values.filter { bar in
            !bar.flags.contains(.withdrawn)
                && needs.contains {
                    $0.symbol == bar.symbol && $0.series == bar.series
                        && bar.openTime.nanoseconds < $0.to && bar.closeTime.nanoseconds > $0.from
                }
        }
    }

    private mutating func restore() throws {
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        let program = machine.program
        machine = try bytes.withRawSpan { span throws(CheckpointError) in
            try GraphMachine(program, restoring: span)
        }
    }

    private mutating func collect(of packet: Int?) {
        let (first, firstPassedOn) = (versions.count, passedOn.count)
        for bar in output.bars {
            let key = BarKey(
                symbol: machine.symbols.pair(at: bar.symbol),
                series: machine.program.series[Int(bar.series)].name,
                openTime: bar.openTime, number: bar.number)
            versions.append(Version(key: key, bar: bar))
        }
        for value in output.values {
            let symbol = machine.symbols.pair(at: value.symbol)
            guard !value.isPassedOn else {
                passedOn.append((symbol, value))
                continue
            }
            let key = ValueKey(
                symbol: symbol, name: value.name, periodStart: value.periodStart)
            values[key] = value.value
        }
        for tick in output.late {
            late.append(
                Late(
                    series: machine.program.series[Int(tick.series)].name,
                    id: LoggedTick.ID(
                        source: machine.sources.entries[tick.source].name, ordinal: tick.ordinal)))
        }
        output.removeAll()
        turns.append(
            Turn(
                packet: packet, versions: first..<versions.count,
                passedOn: firstPassedOn..<passedOn.count, watermark: machine.watermark,
                states: machine.sourceStates))
    }

    /// The last version of every bar.
    var lastVersions: [BarKey: Bar] {
        versions.reduce(into: [:]) { $0[$1.key] = $1.bar.plain }
    }
}
