internal import EngineKit
internal import MarketModel
internal import Primitives

/// A trade or a bar of the past.
enum HistoryItem: Sendable {
    case trade(BinanceTrade)
    case bar(BinanceBar)

    /// Its event time.
    var time: Timestamp {
        switch self {
        case .trade(let trade): trade.time
        case .bar(let bar): bar.close
        }
    }

    /// When it began.
    var start: Timestamp {
        switch self {
        case .trade(let trade): trade.time
        case .bar(let bar): bar.open
        }
    }

    /// A trade's id. Bars have none, so they get the number of their window since 1970.
    func id(_ bars: BinanceBarLength?) -> UInt64 {
        switch self {
        case .trade(let trade): trade.id
        case .bar(let bar):
            UInt64(clamping: bar.open.nanoseconds / (bars?.nanoseconds ?? Int64.max))
        }
    }

    /// What is missing between the last one and this one; `nil`: nothing is.
    func missing(after last: (id: UInt64, time: Timestamp)?) -> (from: Timestamp, detail: String)? {
        guard let last else { return nil }
        switch self {
        case .trade(let trade):
            guard trade.id > last.id, trade.id - last.id > 1 else { return nil }
            return (last.time, BinanceEngine.missing(last.id + 1, trade.id - 1))
        case .bar(let bar):
            return bar.open > last.time ? (last.time, BinanceBar.missing) : nil
        }
    }

    /// Why the tape cannot have it; `nil`: it can.
    var misfit: String? {
        switch self {
        case .trade(var trade):
            // On the tape, the id 0 says that there is none.
            if trade.misfit.isEmpty, trade.id == 0 { trade.misfit = "its id is 0" }
            return trade.misfit.isEmpty ? nil : BinanceEngine.misfit(trade)
        case .bar(let bar): return bar.misfit.isEmpty ? nil : bar.misfit
        }
    }

    func record(of feed: HistoryFeed, received: Timestamp) -> ProviderRecord {
        switch self {
        case .trade(let trade): trade.record(of: feed.instrument)
        case .bar(let bar):
            bar.record(of: feed.instrument, received: received, id: id(feed.bars))
        }
    }
}

/// A symbol whose past is loaded.
struct HistoryFeed: RecordedFeed, Sendable {
    enum State {
        /// The id of the first trade, or the bar before the range, is not known.
        case lookingUp
        case reading
        case ended
    }

    let instrument: UInt32
    /// The exchange's symbol.
    let name: String
    /// What is older is not wanted, or is on the tape.
    var from: Timestamp
    /// The length of the bars that are loaded; `nil`: trades are.
    let bars: BinanceBarLength?
    var kind: DataKind { bars == nil ? .trade : .providerBar }
    var state = State.lookingUp
    /// The id that is asked for next. Bars are asked for by their times.
    var next: UInt64 = 0
    /// The last one that was handed out, or is before the range; `nil`: there is none.
    var last: (id: UInt64, time: Timestamp)?
    /// Trades or bars of an answer, and the place of the next one.
    private var page: [HistoryItem] = []
    private var position = 0
    /// When the first bar begins that is not over at the end of the range.
    private var after: Timestamp?
    /// Whether nothing wanted follows `page`.
    private var isWhole = false
    /// Answers without any in a row.
    var emptyAnswers = 0

    init(instrument: UInt32, name: String, from: Timestamp, bars: BinanceBarLength?) {
        self.instrument = instrument
        self.name = name
        self.from = from
        self.bars = bars
    }

    /// The next trade or bar; `nil`: it is not known.
    var head: HistoryItem? { position < page.count ? page[position] : nil }

    var wantsAnswer: Bool { state != .ended && position >= page.count }

    /// Takes those of an answer that are wanted. What is older is on the tape, whether the last one
    /// is known or not.
    mutating func take(_ items: [HistoryItem], before end: Timestamp) {
        emptyAnswers = 0
        page = []
        position = 0
        for item in items {
            // A bar is of the range if it is over at its end.
            guard bars == nil ? item.time < end : item.time <= end else {
                isWhole = true
                after = bars == nil ? nil : item.start
                break
            }
            if item.time >= from {
                page.append(item)
            } else if page.isEmpty {
                last = (item.id(bars), item.time)
            }
        }
        if page.isEmpty, isWhole { state = .ended }
    }

    /// The exchange has nothing more. It is asked once again: only a trade or a bar of after the
    /// range proves that nothing is missing.
    mutating func gotNothing() {
        emptyAnswers += 1
        if emptyAnswers > 1 { state = .ended }
    }

    mutating func takeHead() -> HistoryItem? {
        guard let item = head else { return nil }
        position += 1
        if position == page.count, isWhole { state = .ended }
        return item
    }

    /// Returns when the first bar after the range begins, once; `nil`: it is not known.
    mutating func takeNext() -> Timestamp? {
        defer { after = nil }
        return after
    }
}
