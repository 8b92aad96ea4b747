internal import MarketModel
internal import Primitives

/// A range of bars on the tape that a repair has to know: those of one symbol and series that
/// overlap [from, to). The owner of the machine reads them back before `absorb`.
public struct PublishedRange: Hashable, Sendable {
    /// The machine's index of the symbol.
    public var symbol: UInt32
    /// The index of the series: in the machine's rule; in the graph's program once `GraphMachine`
    /// returns the range.
    public var series: UInt16
    /// The range in nanoseconds since 1970.
    public var from: Int64
    public var to: Int64

    public init(symbol: UInt32, series: UInt16, from: Int64, to: Int64) {
        self.symbol = symbol
        self.series = series
        self.from = from
        self.to = to
    }
}

/// The bars on the tape that were read back for a repair, by symbol and series: the last version of
/// each, without withdrawn ones.
struct PublishedWindows: Sendable {
    private struct Key: Hashable {
        let symbol: UInt32
        let series: UInt16
    }

    /// The bars of each key in order of open times. Looked up and never walked over.
    private var byKey: [Key: [Bar]] = [:]

    init(_ bars: [Bar]) {
        for bar in bars where !bar.flags.contains(.withdrawn) {
            byKey[Key(symbol: bar.symbol, series: bar.series), default: []].append(bar)
        }
        for key in byKey.keys { byKey[key]?.sort { $0.openTime < $1.openTime } }
    }

    /// Returns the bars of a symbol and series, in order.
    func bars(_ symbol: UInt32, _ series: Int) -> [Bar] {
        byKey[Key(symbol: symbol, series: UInt16(truncatingIfNeeded: series))] ?? []
    }

    /// Returns the bar that begins at `start`; `nil` when none does.
    func bar(_ symbol: UInt32, _ series: Int, startingAt start: Int64) -> Bar? {
        let bars = bars(symbol, series)
        let place = bars.partitioningIndex { $0.openTime.nanoseconds >= start }
        guard place < bars.count, bars[place].openTime.nanoseconds == start else { return nil }
        return bars[place]
    }
}
