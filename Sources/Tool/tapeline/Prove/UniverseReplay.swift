import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// Computes the values over all partitions again, from the bars of all partitions in the order of
/// their stream. Pure.
struct UniverseReplay {
    /// Where the present line of output begins: the sequence of the last packet of bars whose
    /// values an earlier definition published; 0 for none.
    var begins: UInt64 = 0
    /// Values that packets of bars made which were stored after this time may be on their way to
    /// the table.
    var storedBy = Int64.max

    private let range: Range<Int64>
    private var machine: UniverseMachine
    /// The names of values that depend on the bars of their window alone.
    private let ofWindows: Set<String>
    private var values: [IndicatorValue] = []
    /// The last version of each value whose window begins in the range.
    private(set) var computed: [ProofValueKey: Int128] = [:]
    private var recent: Set<ProofValueKey> = []
    /// By partition, whether its first packet has come.
    private var hasCome: Set<Int> = []
    /// The time before which bars are not on the tape any more; `nil`: all of them are.
    private var purgedUntil: Int64?
    /// The values of windows that end by then are of an earlier definition.
    private var earlierUntil = Int64.min

    init(_ program: UniverseProgram, _ range: Range<Int64>) {
        self.range = range
        machine = UniverseMachine(program)
        ofWindows = Set(program.namesOfWindows)
    }

    /// Takes the next packet of the stream, which the tape stored at `time`.
    mutating func take(
        _ header: PacketHeader, _ sequence: UInt64, storedAt time: Timestamp, _ packet: RawSpan
    ) {
        if hasCome.insert(header.partition.number).inserted, header.firstOrdinal > 1 {
            purgedUntil = max(purgedUntil ?? Int64.min, time.nanoseconds)
        }
        machine.take(header, packet, into: &values)
        if sequence <= begins { earlierUntil = max(earlierUntil, machine.watermark.nanoseconds) }
        for value in values where range.contains(value.periodStart.nanoseconds) {
            let key = ProofValueKey(
                symbol: machine.symbol(at: value.header.symbol), name: value.name,
                from: value.periodStart.nanoseconds, to: value.periodEnd.nanoseconds)
            computed[key] = value.value
            if time.nanoseconds > storedBy { recent.insert(key) }
        }
        values.removeAll(keepingCapacity: true)
    }

    /// Compares the stored values of windows that begin in the range.
    func compare(_ stored: [ProofValueKey: Int128]) -> ProofValues {
        var values = ProofValues()
        values.isOverAll = true
        values.compare(
            stored, with: computed, isKnown: { isKnown($0) }, isOver: { !recent.contains($0) })
        return values
    }

    /// Whether the tape holds all bars of which the present definition made a value.
    private func isKnown(_ key: ProofValueKey) -> Bool {
        guard key.to > earlierUntil else { return false }
        guard let purgedUntil else { return true }
        return ofWindows.contains(key.name) && key.from >= purgedUntil
    }
}
