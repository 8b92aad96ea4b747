import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// The bars that a partition has published in the time of a repair, as they are read back from the
/// tape, because the machines have removed most windows. With them a repair withdraws bars whose
/// windows no longer exist. A *series* in `needs` and in the result is its index in the machine's
/// program, and a symbol is its index in the machine.
struct PublishedBars: Sendable {
    /// The maximum number of bars, which bounds their memory. With more, the repair is refused. A
    /// day of one symbol has far fewer.
    static let barsMax = 262_144

    /// The key of a bar, whatever its version.
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

    /// A series of one symbol.
    private struct SymbolSeries: Hashable {
        let symbol: UInt32
        let series: UInt16
    }

    /// The ranges of time in which bars are needed, in order and apart from each other. Only looked
    /// up, because the order of a dictionary is random.
    private let needs: [SymbolSeries: [PublishedRange]]
    /// The earliest time of the ranges. A bar is published after its window, so all of the bars
    /// were published at this time or later.
    let from: Timestamp
    /// The machine's symbols and series, to translate those of the packets.
    private let symbols: SymbolTable
    private let series: [PublishedSeries]
    /// The last output that was computed before the repair. Later output is ignored, also when a
    /// later owner does the repair again.
    let lastOrdinal: UInt64
    /// The last version of each bar that was read so far, with the machine's indexes.
    private var newest: [Key: Bar] = [:]
    /// Whether more than `barsMax` bars were found, so that some are not in `bars`.
    private(set) var isTooMany = false

    /// Prepares for the bars in these ranges; `nil` when no bars have to be read back: nothing is
    /// needed, or the partition has published nothing so far.
    init?(_ needs: [PublishedRange], _ machine: GraphMachine, lastOrdinal: UInt64) {
        guard let from = needs.map(\.from).min(), lastOrdinal >= OutputLedger.firstOrdinal else {
            return nil
        }
        self.needs = Dictionary(grouping: needs) {
            SymbolSeries(symbol: $0.symbol, series: $0.series)
        }.mapValues(Self.joined)
        self.from = Timestamp(nanoseconds: from)
        symbols = machine.symbols
        series = machine.program.series
        self.lastOrdinal = lastOrdinal
    }

    /// Returns the ranges of one symbol and series in order. Those that touch are joined, so that
    /// the one that holds a bar is found quickly among many.
    private static func joined(_ ranges: [PublishedRange]) -> [PublishedRange] {
        var joined: [PublishedRange] = []
        for range in ranges.sorted(by: { $0.from < $1.from }) {
            if let last = joined.last, range.from <= last.to {
                joined[joined.count - 1].to = max(last.to, range.to)
            } else {
                joined.append(range)
            }
        }
        return joined
    }

    /// Takes the next packet of the partition's bars.
    mutating func take(_ header: PacketHeader, _ packet: RawSpan) {
        var symbolOf = PacketTable<UInt32>()
        var seriesOf = PacketTable<UInt16>()
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .bar(let bar):
                guard walk.ordinal <= lastOrdinal, let symbol = symbolOf[bar.symbol],
                    let series = seriesOf[UInt32(bar.series)]
                else { continue }
                keep(bar, symbol, series)
            case .control(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    symbolOf[index] = definition.source.flatMap {
                        symbols.index(of: SourceSymbol(definition.symbol, of: $0))
                    }
                } else if let (index, definition) = message.seriesDefinition(in: packet) {
                    seriesOf[index] = series(definition.name)
                }
            case .trade, .quote, .other: continue
            }
        }
    }

    private func series(_ name: SeriesName) -> UInt16? {
        series.firstIndex { $0.name == name }.map { UInt16($0) }
    }

    /// Keeps a bar that overlaps a needed range, in place of its earlier version.
    private mutating func keep(_ found: Bar, _ symbol: UInt32, _ series: UInt16) {
        guard let wanted = needs[SymbolSeries(symbol: symbol, series: series)],
            Self.overlaps(found, wanted)
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

    /// Returns whether the bar overlaps one of the ranges, by a binary search for the first range
    /// that ends after the bar begins.
    private static func overlaps(_ bar: Bar, _ ranges: [PublishedRange]) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].to > bar.openTime.nanoseconds {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low < ranges.count && ranges[low].from < bar.closeTime.nanoseconds
    }

    /// The last version of each bar in the order of keys, without withdrawn bars.
    var bars: [Bar] {
        newest.keys.sorted().compactMap { newest[$0] }.filter { !$0.flags.contains(.withdrawn) }
    }
}
