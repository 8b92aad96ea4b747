internal import MarketModel
internal import Primitives

/// Trades of one market data request that are held until more is known about them: whether they are
/// reported, or at what time they happened. They leave in the order in which they came.
///
/// A *print* is a trade as the exchange publishes it. An *unreported* one does not count for the
/// last price. A *report* is a message that shows that a print is reported.
///
/// `RTVolume` (48) has all prints. `RT trade volume` (77) has the same without the unreportable
/// ones, in the same order. It is not documented which of the two comes first. Trades are made from
/// 48 alone, so none is published twice. A print that 77 leaves out is unreported. Before the first
/// 77 nothing is known, and nothing waits.
struct PrintQueue: Sendable {
    /// The provider sends both messages of a print together. After this time the second one is
    /// treated as missing.
    static let waitNanoseconds: Int64 = .milliseconds(250)
    /// Beyond this number, the oldest trade no longer waits.
    static let heldMax = 64
    /// The largest difference between the times of a print's two messages.
    private static let slackNanoseconds: Int64 = .seconds(1)

    /// What a held trade waits for.
    private enum Wait: Sendable {
        /// Only for the trades before it.
        case none
        /// For its report, 77.
        case report
        /// For its time: it is a delayed trade.
        case time
    }

    private struct Held: Sendable {
        var trade: Trade
        var wait: Wait
    }

    /// A message 77 that came before its print.
    private struct Report: Sendable {
        let price: Price
        let size: Quantity
        let time: Timestamp

        /// Returns whether it may be about this trade.
        func isNear(_ trade: Trade) -> Bool {
            guard price == trade.price, size == trade.size else { return false }
            guard time.isDefined, trade.header.providerTime.isDefined else { return true }
            return time.nanoseconds(since: trade.header.providerTime).magnitude
                <= UInt64(PrintQueue.slackNanoseconds)
        }
    }

    /// In the order in which they came.
    private var held: [Held] = []
    /// The reports whose prints have not come.
    private var reports: [Report] = []
    /// 77 comes on this subscription.
    private var hasReports = false

    var isEmpty: Bool { held.isEmpty }

    /// The time of the earliest waiting trade; undefined when none waits.
    var earliest: Timestamp {
        held.reduce(.undefined) { min($0, $1.trade.header.eventTime) }
    }

    // MARK: reported or not

    /// Handles a trade of 48. Returns true when the trade may leave immediately, unchanged.
    mutating func letsPass(_ trade: Trade) -> Bool {
        guard hasReports else { return true }
        if let place = reports.firstIndex(where: { $0.isNear(trade) }) {
            reports.removeFirst(place + 1)
            judge(held.count, isLastReported: false)
            if held.isEmpty { return true }
            append(Held(trade: trade, wait: .none))
        } else {
            append(Held(trade: trade, wait: .report))
        }
        return false
    }

    /// Handles a message 77.
    mutating func received(_ tick: RealTimeVolume) {
        hasReports = true
        guard tick.price.isDefined, tick.size.isDefined else { return }
        let report = Report(price: tick.price, size: tick.size, time: tick.time)
        if let place = place(of: report) { return judge(place + 1, isLastReported: true) }
        if reports.count >= Self.heldMax { reports.removeFirst() }
        reports.append(report)
    }

    /// Returns the print that the report is about. Of equal ones it is the one with the time of the
    /// report, or else the first one.
    private func place(of report: Report) -> Int? {
        var near: Int?
        for place in held.indices where held[place].wait == .report {
            guard report.isNear(held[place].trade) else { continue }
            if report.time == held[place].trade.header.providerTime { return place }
            near = near ?? place
        }
        return near
    }

    /// Ends the wait of the first `count` trades, which 77 has passed. They are unreported, except
    /// the last one if the message is about it.
    private mutating func judge(_ count: Int, isLastReported: Bool) {
        for place in 0..<count where held[place].wait == .report {
            held[place].wait = .none
            guard !(isLastReported && place == count - 1) else { continue }
            held[place].trade.header.flags.insert(.unreported)
        }
    }

    // MARK: times

    /// Makes a trade wait for its time. `known` is the time that it gets if no other one comes.
    mutating func awaitTime(_ trade: Trade, known: Timestamp) {
        var trade = trade
        trade.stamp(known)
        append(Held(trade: trade, wait: .time))
    }

    /// Gives the time to all trades that wait for one. Returns true when there were any.
    mutating func received(time: Timestamp) -> Bool {
        var isAny = false
        for place in held.indices where held[place].wait == .time {
            held[place].wait = .none
            held[place].trade.stamp(time)
            isAny = true
        }
        return isAny
    }

    /// Removes the trade that waits for a time, if it is this print, because `RTVolume` has more
    /// data about it. Returns whether there was one.
    mutating func withdraw(like trade: Trade) -> Bool {
        let place = held.firstIndex {
            $0.wait == .time && $0.trade.price == trade.price && $0.trade.size == trade.size
        }
        guard let place else { return false }
        held.remove(at: place)
        return true
    }

    // MARK: taking trades

    /// Holds a trade. If there are too many, the oldest one need not wait any more.
    private mutating func append(_ one: Held) {
        if held.count >= Self.heldMax, held[0].wait != .none { expire(0) }
        held.append(one)
    }

    /// Ends the wait of a trade in vain: a print without a report is unreported.
    private mutating func expire(_ place: Int) {
        if held[place].wait == .report { held[place].trade.header.flags.insert(.unreported) }
        held[place].wait = .none
    }

    /// Returns the next trade that no longer waits, or has waited long enough.
    mutating func next(at time: Timestamp) -> Trade? {
        guard let first = held.first else { return nil }
        if first.wait != .none {
            let age = time.nanoseconds(since: first.trade.header.receiveTime).magnitude
            guard age >= UInt64(Self.waitNanoseconds) else { return nil }
            expire(0)
        }
        return held.removeFirst().trade
    }

    /// Returns the next trade, whatever it waits for: the subscription has ended, and nothing more
    /// will come.
    mutating func nextAtEnd() -> Trade? { held.isEmpty ? nil : held.removeFirst().trade }
}

extension Trade {
    /// Sets a time in whole seconds.
    mutating func stamp(_ time: Timestamp) {
        guard time.isDefined else { return }
        header.providerTime = time
        header.resolution = TimeResolution.second.rawValue
    }
}
