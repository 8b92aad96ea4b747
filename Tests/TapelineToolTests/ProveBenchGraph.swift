import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec

/// The output of a worker from one source's packets, including repairs.
struct ProveBenchGraph {
    struct Key: Hashable {
        let series: UInt16
        let openTime: Timestamp
    }

    private var machine: GraphMachine
    private var output = GraphOutput()
    private var packets: [SealedPacket] = []
    private(set) var keys: Set<Key> = []
    private(set) var repaired: Set<Key> = []
    private(set) var lateCount = 0
    /// The numbers of windows, by name and end, in their last versions.
    private(set) var values: [String: Int128] = [:]
    private(set) var valueRows = 0

    init(_ definition: GraphDefinition) {
        machine = GraphMachine(GraphProgram(definition))
    }

    var hasOutput: Bool {
        !output.bars.isEmpty || !output.late.isEmpty || !output.values.isEmpty
    }

    mutating func take(_ packet: SealedPacket) {
        packets.append(packet)
        packet.withBytes { _ = machine.take(packet.header, $0, into: &output) }
        guard var repair = GraphRepair(machine, output.dirty) else { return }
        for packet in packets { packet.withBytes { repair.note(packet.header, $0) } }
        for packet in packets { packet.withBytes { repair.take(packet.header, $0) } }
        machine.absorb(repair, into: &output)
    }

    /// Returns the bars since the last call.
    mutating func takeBars() -> [Bar] {
        defer { output.removeAll() }
        noteValues()
        return output.bars
    }

    private mutating func noteValues() {
        for value in output.values { values["\(value.name) \(value.periodEnd)"] = value.value }
        valueRows += output.values.count
    }

    mutating func giveOutput(of symbol: UInt32, source: SourceName, to tape: inout TestSource) {
        for var bar in output.bars {
            bar.symbol = symbol
            tape.append(bar)
            let key = Key(series: bar.series, openTime: bar.openTime)
            keys.insert(key)
            if bar.reason == BarReason.bust.rawValue { repaired.insert(key) }
        }
        for late in output.late {
            var record = late.record(source: source)
            record.header.symbol = symbol
            tape.append { $0.append(record) }
        }
        lateCount += output.late.count
        for (number, value) in output.values.enumerated() {
            let isFirst = value.reason == BarReason.closed.rawValue
            let record = IndicatorValue(
                header: TickHeader(
                    symbol: symbol, providerTime: value.periodEnd, receiveTime: value.periodEnd),
                name: value.name, value: value.value, periodStart: value.periodStart,
                periodEnd: value.periodEnd,
                revision: isFirst ? 0 : UInt64(valueRows + number))
            tape.append { $0.append(record) == .appended }
        }
        noteValues()
        output.removeAll()
    }
}
