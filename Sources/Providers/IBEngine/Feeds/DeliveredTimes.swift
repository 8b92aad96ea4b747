internal import MarketModel
internal import Primitives

/// The event times of what a feed has delivered to its source.
struct DeliveredTimes: Sendable {
    /// The latest of trades, and of everything else; undefined: none came.
    var trade = Timestamp.undefined
    var other = Timestamp.undefined
    /// The provider's time of the latest delayed trade; undefined: none has come with a time. And
    /// how long after their times the recent ones came.
    private(set) var delayedTrade = Timestamp.undefined
    private(set) var lag = RecentLag()

    /// Nothing was delivered.
    var isEmpty: Bool { !trade.isDefined && !other.isDefined }

    /// Returns the latest event time of this kind; undefined: none came.
    func latest(of kind: DataKind) -> Timestamp { kind == .trade ? trade : other }

    @inline(__always)
    mutating func add(_ trade: Trade) {
        self.trade = Self.later(self.trade, trade.header.eventTime)
        if trade.header.flags.contains(.delayed) { add(delayed: trade.header) }
    }

    /// Notes the event time of another record.
    @inline(__always)
    mutating func add(_ time: Timestamp) { other = Self.later(other, time) }

    private mutating func add(delayed header: TickHeader) {
        guard header.providerTime.isDefined, !header.flags.contains(.snapshot) else { return }
        delayedTrade = Self.later(delayedTrade, header.providerTime)
        let late = max(0, header.receiveTime.nanoseconds(since: header.providerTime))
        lag.add(min(late, EngineLimits.delayedLag), at: header.receiveTime)
    }

    private static func later(_ left: Timestamp, _ right: Timestamp) -> Timestamp {
        left.isDefined ? max(left, right) : right
    }
}

/// How long after their times delayed trades came, in nanoseconds.
struct RecentLag: Hashable, Sendable {
    /// Of the last trade; 0: none has come.
    private(set) var last: Int64 = 0
    /// The largest of the present span of time, and of the one before.
    private var present: Int64 = 0
    private var before: Int64 = 0
    /// When the present span began, by our wall clock.
    private var since = Timestamp.undefined

    /// The largest of the last one or two spans.
    var largest: Int64 { max(present, before) }

    mutating func add(_ lag: Int64, at time: Timestamp) {
        last = lag
        let isOver =
            !since.isDefined || time < since
            || time.nanoseconds(since: since) >= EngineLimits.lagSpan
        if isOver { (before, present, since) = (present, 0, time) }
        present = max(present, lag)
    }
}
