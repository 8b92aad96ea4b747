internal import Primitives

/// The kinds of keys: one hash in Valkey per symbol, source and kind; of lanes one per partition
/// and source.
package enum HotKind: CaseIterable {
    case trade
    case quote
    case bar
    case providerBar
    case indicator
    case book
    case lane

    /// Whether its keys have a series, or a name, and their values a window, by which they are
    /// ordered.
    var isOfWindows: Bool { self == .bar || self == .providerBar || self == .indicator }
}

/// The places of the values of one round trip.
package struct HotBatch {
    /// Times of values; undefined when there is none.
    struct Times {
        /// When a gateway received it.
        var received = Timestamp.undefined
        /// When the tape stored it.
        var stored = Timestamp.undefined
    }

    var trades: [HotNames.Place] = []
    var quotes: [HotNames.Place] = []
    var bars: [HotNames.Place] = []
    var providerBars: [HotNames.Place] = []
    var indicators: [HotNames.Place] = []
    var books: [HotNames.Place] = []
    var lanes: [HotNames.Place] = []
    /// The earliest times among the values when they were taken. Repeated values are left out.
    var oldest = Times()

    package init() {}

    package var count: Int {
        trades.count + quotes.count + bars.count + providerBars.count + indicators.count
            + books.count + lanes.count
    }

    /// The places of one kind of values.
    func places(_ kind: HotKind) -> [HotNames.Place] {
        switch kind {
        case .trade: trades
        case .quote: quotes
        case .bar: bars
        case .providerBar: providerBars
        case .indicator: indicators
        case .book: books
        case .lane: lanes
        }
    }

    package mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        quotes.removeAll(keepingCapacity: true)
        bars.removeAll(keepingCapacity: true)
        providerBars.removeAll(keepingCapacity: true)
        indicators.removeAll(keepingCapacity: true)
        books.removeAll(keepingCapacity: true)
        lanes.removeAll(keepingCapacity: true)
    }
}
