internal import EngineKit
internal import MarketModel
internal import Primitives

/// One polled series.
struct PolledSeries: LiveFeed, Sendable {
    var instrument: UInt32
    /// The service's name of it.
    let name: String
    /// CoinGecko's currency in lower case; empty: the service has none.
    let currency: String
    /// Whether it is requested; a series that is not keeps what it knows.
    var isWanted = true
    var feed = PolledFeed()
    /// `nil`: FRED was not asked yet.
    var facts: PolledFacts?
    /// When it is asked for next.
    var dueAt = MonotonicTime.distantPast
    /// Since when it is asked for; then when it was asked for last with a good answer.
    var heardAt = MonotonicTime.distantPast
    /// How often the service refused it in a row.
    var refusals = 0
    /// The time of the last request with a good answer; undefined: there was none.
    var polledTo = Timestamp.undefined
    /// The gap that is open now; `nil`: there is none.
    var openGap: UnendedGap?
    /// Gaps with an end that an earlier process left.
    var inherited: [OpenGap] = []
    /// The newest values, oldest first.
    var known: [PolledKnown] = []
    /// The oldest period of the first answer: what comes of periods before it is no news.
    var oldest = Timestamp.undefined

    init(instrument: UInt32, name: String, currency: String) {
        self.instrument = instrument
        self.name = name
        self.currency = currency
    }

    var kind: DataKind { .indicator }

    /// Whether a period is older than all that are known, where older ones were forgotten.
    func hasForgotten(_ start: Timestamp) -> Bool {
        guard known.count == PolledLimits.windowMax, let oldest = known.first else { return false }
        return start < oldest.start
    }

    /// Keeps a value as the last one of its period.
    mutating func keep(_ value: PolledKnown) {
        if let place = known.firstIndex(where: { $0.start >= value.start }) {
            if known[place].start == value.start {
                known[place] = value
            } else {
                known.insert(value, at: place)
            }
        } else {
            known.append(value)
        }
        if known.count > PolledLimits.windowMax { known.removeFirst() }
    }
}

/// What is said of a series.
struct PolledFeed: Sendable {
    var state = FeedState.State.starting
    var reason = ""
    /// Whether the beginning of the subscription is on the tape.
    var isAnnounced = false
}

/// A value that is known, published or not.
struct PolledKnown: Hashable, Sendable {
    var start: Timestamp
    /// In 1e-9; undefined: it did not fit.
    var value: Int128
    /// The unit or label, or the text of a value that did not fit; `nil`: it is not known.
    var unit: String?
    var revision: UInt64
}
