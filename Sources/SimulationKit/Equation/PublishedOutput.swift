public import MarketModel
public import Primitives
public import TapeCodec

/// What stands on a partition's tape of bars, read packet by packet: the last version of every bar,
/// and every tick that is listed.
public struct PublishedOutput: Sendable {
    /// A tick that a series, or a deduplicating node, did not count.
    public struct Listed: Hashable, Sendable {
        public var id: LoggedTick.ID
        public var symbol: Symbol
        public var openTime: Timestamp
    }

    public private(set) var bars: [BarKey: Bar] = [:]
    /// By the name of a series or of a deduplicating node, in order.
    public private(set) var late: [SeriesName: [Listed]] = [:]
    /// Records that nothing in their packet explains.
    public private(set) var unreadable = 0
    private var symbols: [UInt32: Symbol] = [:]
    private var series: [UInt32: SeriesName] = [:]

    public init() {}

    public mutating func take(_ header: PacketHeader, _ packet: RawSpan) {
        guard header.kind == .bars else { return }
        (symbols, series) = ([:], [:])
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .bar(let bar): add(bar)
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    symbols[index] = definition.symbol
                } else if let (index, definition) = message.seriesDefinition(in: packet) {
                    series[UInt32(index)] = definition.name
                } else if let late = message.lateTick(in: packet) {
                    add(late)
                }
            case .trade, .quote, .malformed: unreadable += 1
            }
        }
    }

    private mutating func add(_ bar: Bar) {
        guard let symbol = symbols[bar.symbol], let series = series[UInt32(bar.series)] else {
            unreadable += 1
            return
        }
        let key = BarKey(
            symbol: symbol, series: series, openTime: bar.openTime, number: bar.number)
        bars[key] = bar.plain
    }

    private mutating func add(_ tick: LateTickRecord) {
        guard let symbol = symbols[tick.header.symbol], let series = series[UInt32(tick.series)]
        else {
            unreadable += 1
            return
        }
        late[series, default: []].append(
            Listed(
                id: LoggedTick.ID(source: tick.source, ordinal: tick.ordinal), symbol: symbol,
                openTime: tick.openTime))
    }
}
