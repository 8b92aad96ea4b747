import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// The bars that stand where a repair may make others with other times: read back from the tape of
/// bars, so that those that are no more are withdrawn.
struct StandingBars: Sendable {
    /// Beyond it the repair is refused: a day of one symbol's bars is far less.
    static let barsMax = 262_144

    /// What tells two bars from each other, whichever version they are of.
    private struct Key: Hashable, Comparable {
        let symbol: UInt32
        let series: UInt16
        let openTime: Timestamp
        let number: Int64

        static func < (one: Key, other: Key) -> Bool {
            (one.symbol, one.series, one.openTime, one.number)
                < (other.symbol, other.series, other.openTime, other.number)
        }
    }

    private let plan: RepairPlan
    private let symbols: SymbolTable
    private let series: [PublishedSeries]
    /// The last output that was computed before the repair: what follows is not to be seen, also
    /// when the repair is done again by a later owner.
    let lastOrdinal: UInt64
    private var newest: [Key: Bar] = [:]
    private(set) var isTooMany = false

    /// Nil: windows of this graph begin where they begin.
    init?(_ plan: RepairPlan, _ machine: GraphMachine, lastOrdinal: UInt64) {
        guard !plan.standingSeries.isEmpty, lastOrdinal >= OutputLedger.firstOrdinal else {
            return nil
        }
        self.plan = plan
        symbols = machine.symbols
        series = machine.program.series
        self.lastOrdinal = lastOrdinal
    }

    /// The next packet of the partition's bars.
    mutating func take(_ header: PacketHeader, _ packet: RawSpan) {
        var symbolOf: [UInt32: UInt32] = [:]
        var seriesOf: [UInt32: UInt16] = [:]
        var ordinal = header.firstOrdinal
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .bar(let bar):
                if ordinal <= lastOrdinal, let symbol = symbolOf[bar.symbol],
                    let series = seriesOf[UInt32(bar.series)]
                {
                    keep(bar, symbol, series)
                }
                ordinal &+= 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    symbolOf[index] = symbols.index(of: definition.symbol)
                } else if let (index, definition) = message.seriesDefinition(in: packet) {
                    seriesOf[index] = series(definition.name)
                }
                if WireFormat.Template.isTick(message.template) { ordinal &+= 1 }
            case .trade, .quote: ordinal &+= 1
            case .malformed: return
            }
        }
    }

    private func series(_ name: SeriesName) -> UInt16? {
        series.firstIndex { $0.name == name }.map { UInt16($0) }
    }

    private mutating func keep(_ found: Bar, _ symbol: UInt32, _ series: UInt16) {
        guard plan.standingSeries.contains(series), plan.symbols.contains(symbol),
            found.openTime < plan.to, found.closeTime > plan.windowsFrom
        else { return }
        let key = Key(
            symbol: symbol, series: series, openTime: found.openTime, number: found.number)
        guard newest.count < Self.barsMax || newest[key] != nil else {
            isTooMany = true
            return
        }
        var bar = found
        bar.symbol = symbol
        bar.series = series
        newest[key] = bar
    }

    /// The last version of each, with the machine's indexes; those that are withdrawn do not stand.
    var bars: [Bar] {
        newest.keys.sorted().compactMap { newest[$0] }.filter { !$0.flags.contains(.withdrawn) }
    }
}
