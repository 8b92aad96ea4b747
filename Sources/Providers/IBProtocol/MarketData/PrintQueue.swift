internal import MarketModel
internal import Primitives

/// Trades of one market data request that wait for more information: whether they are reported, or
/// at what time they happened. They leave in the order in which they came.
///
/// `RTVolume` (48) has all prints. `RT trade volume` (77) has the same without the unreportable
/// ones, in the same order. It is not documented which of the two comes first. Trades are made from
/// 48 alone, so none is published twice. A print that 77 leaves out is unreported. Before the first
/// 77 nothing is known, and nothing waits.
struct PrintQueue: Sendable {
    /// The provider sends both messages of a print together. After this time the second one is
    /// treated as missing.
    static let waitNanoseconds: Int64 = 250_000_000
    /// Beyond this number, the oldest trade no longer waits.
    static let heldMax = 64
    /// The largest difference between the times of a print's two messages.
    private static let slackNanoseconds: Int64 = 1_000_000_000

    private enum Wait: Sendable {
        case none
        /// Waits for 77.
        case report
        /// Waits for the time of a delayed trade.
        case time
    }

    private struct Held: Sendable {
        var trade: Trade
        var wait: Wait
    }

    /// A message 77 that came before its print.
    private struct Word: Sendable {
        let price: Price
        let size: Quantity
        let time: Timestamp

        func isNear(_ trade: Trade) -> Bool {
            guard price == trade.price, size == trade.size else { return false }
            guard time.isDefined, trade.header.providerTime.isDefined else { return true }
            return time.nanoseconds(since: trade.header.providerTime).magnitude
                <= UInt64(PrintQueue.slackNanoseconds)
        }
    }

    private var held: [Held] = []
    private var words: [Word] = []
    /// 77 comes on this subscription.
    private var hasWords = false

    var isEmpty: Bool { held.isEmpty }

    /// The time of the earliest waiting trade; undefined when none waits.
    var earliest: Timestamp {
        held.reduce(.undefined) { min($0, $1.trade.header.eventTime) }
    }

    // MARK: reported or not

    /// Handles a trade of 48. Returns true when the trade may leave immediately, unchanged.
    mutating func takesReport(_ trade: Trade) -> Bool {
        guard hasWords else { return true }
        if let place = words.firstIndex(where: { $0.isNear(trade) }) {
            words.removeFirst(place + 1)
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
        hasWords = true
        guard tick.price.isDefined, tick.size.isDefined else { return }
        let word = Word(price: tick.price, size: tick.size, time: tick.time)
        if let place = held.firstIndex(where: { $0.wait == .report && word.isNear($0.trade) }) {
            return judge(place + 1, isLastReported: true)
        }
        if words.count >= Self.heldMax { words.removeFirst() }
        words.append(word)
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

    private mutating func append(_ one: Held) {
        if held.count >= Self.heldMax, held[0].wait != .none { expire(0) }
        held.append(one)
    }

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
