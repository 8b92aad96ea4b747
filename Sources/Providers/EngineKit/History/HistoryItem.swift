package import MarketModel
package import Primitives

/// A trade or a bar of the past.
package struct HistoryItem: Sendable {
    /// What is handed out of it.
    package enum What: Sendable {
        case record(ProviderRecord)
        /// A trade, and the record by which it was cancelled or corrected later.
        indirect case changed(ProviderRecord, ProviderRecord)
        /// The tape cannot have it. The text says why.
        case misfit(String)
    }

    /// Its event time. Of a bar it is the close.
    package var time: Timestamp
    /// When it began.
    package var start: Timestamp
    /// Its id on the tape.
    package var id: UInt64
    package var what: What

    package init(time: Timestamp, start: Timestamp, id: UInt64, _ what: What) {
        self.time = time
        self.start = start
        self.id = id
        self.what = what
    }

    /// A trade, which is over when it begins.
    package init(time: Timestamp, id: UInt64, _ what: What) {
        self.init(time: time, start: time, id: id, what)
    }
}

/// The last trade or bar of a symbol, by its id and its event time.
package typealias LastOfHistory = (id: UInt64, time: Timestamp)

/// A symbol to load, and where an earlier process left off.
package struct HistoryBegun: Sendable {
    package var number: UInt32
    package var instrument: Instrument
    /// The last trade or bar on the tape; `nil`: none is known.
    package var last: LastOfHistory?
    /// The watermark of its partition: what is older is on the tape. Undefined: none.
    package var mark: Timestamp

    package init(
        number: UInt32, instrument: Instrument, last: LastOfHistory?, mark: Timestamp
    ) {
        self.number = number
        self.instrument = instrument
        self.last = last
        self.mark = mark
    }
}

extension Instrument {
    /// Whether a load has bars of it, and not trades.
    package var isOfPastBars: Bool { feeds.contains(.bars) }

    /// The feeds that have trades.
    fileprivate static var tradeFeeds: Feeds { [.level1, .trades, .allTrades] }

    /// Whether it wants both.
    var hasTradesAndBars: Bool { isOfPastBars && !feeds.isDisjoint(with: Self.tradeFeeds) }
}
