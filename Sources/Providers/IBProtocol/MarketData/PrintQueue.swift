internal import MarketModel
internal import Primitives

/// Trades of one market data request that wait for a word about them: whether they are reported,
/// or when they were. They leave in the order in which they came.
///
/// `RTVolume` (48) has all prints, `RT trade volume` (77) the same without the unreportable ones,
/// in the same order. Nobody says which of the two comes first. A trade comes of 48 alone, so none
/// is told twice; one that 77 leaves out is unreported. Before the first 77 nothing is known, and
/// nothing waits.
struct PrintQueue: Sendable {
    /// The two messages of a print leave together; what a part of a second brings no word of has
    /// none.
    static let waitNanoseconds: Int64 = 250_000_000
    /// Of more, the oldest waits no longer.
    static let heldMax = 64
    /// What the times of the two messages of a print may differ by.
    private static let slackNanoseconds: Int64 = 1_000_000_000

    private enum Wait: Sendable {
        case none
        /// For 77.
        case report
        /// For the time of a delayed trade.
        case time
    }

    private struct Held: Sendable {
        var trade: Trade
        var wait: Wait
    }

    /// The words of 77, before their prints.
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

    /// When the earliest of those that wait was; undefined: none waits.
    var earliest: Timestamp {
        held.reduce(.undefined) { min($0, $1.trade.header.eventTime) }
    }

    // MARK: reported or not

    /// A trade of 48; true: it may leave at once, as it is.
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

    /// A word of 77.
    mutating func heard(_ tick: RealTimeVolume) {
        hasWords = true
        guard tick.price.isDefined, tick.size.isDefined else { return }
        let word = Word(price: tick.price, size: tick.size, time: tick.time)
        if let place = held.firstIndex(where: { $0.wait == .report && word.isNear($0.trade) }) {
            return judge(place + 1, isLastReported: true)
        }
        if words.count >= Self.heldMax { words.removeFirst() }
        words.append(word)
    }

    /// Of the first `count`: 77 has passed them over; the last one perhaps is the one it is about.
    private mutating func judge(_ count: Int, isLastReported: Bool) {
        for place in 0..<count where held[place].wait == .report {
            held[place].wait = .none
            guard !(isLastReported && place == count - 1) else { continue }
            held[place].trade.header.flags.insert(.unreported)
        }
    }

    // MARK: times

    /// `known`: the time that holds if no other one comes.
    mutating func awaitTime(_ trade: Trade, known: Timestamp) {
        var trade = trade
        trade.stamp(known)
        append(Held(trade: trade, wait: .time))
    }

    /// True: trades have waited for it.
    mutating func heard(time: Timestamp) -> Bool {
        var isAny = false
        for place in held.indices where held[place].wait == .time {
            held[place].wait = .none
            held[place].trade.stamp(time)
            isAny = true
        }
        return isAny
    }

    /// The trade that waits for a time, when it is this print: `RTVolume` tells of it better.
    mutating func withdraw(like trade: Trade) -> Bool {
        let place = held.firstIndex {
            $0.wait == .time && $0.trade.price == trade.price && $0.trade.size == trade.size
        }
        guard let place else { return false }
        held.remove(at: place)
        return true
    }

    // MARK: out of it

    private mutating func append(_ one: Held) {
        if held.count >= Self.heldMax, held[0].wait != .none { expire(0) }
        held.append(one)
    }

    private mutating func expire(_ place: Int) {
        if held[place].wait == .report { held[place].trade.header.flags.insert(.unreported) }
        held[place].wait = .none
    }

    /// The next one that has waited for long enough, or for no longer.
    mutating func next(at time: Timestamp) -> Trade? {
        guard let first = held.first else { return nil }
        if first.wait != .none {
            let age = time.nanoseconds(since: first.trade.header.receiveTime).magnitude
            guard age >= UInt64(Self.waitNanoseconds) else { return nil }
            expire(0)
        }
        return held.removeFirst().trade
    }

    /// The next one, whatever it waits for: the subscription has ended, and no word comes.
    mutating func nextAtEnd() -> Trade? { held.isEmpty ? nil : held.removeFirst().trade }
}

extension Trade {
    /// A time in whole seconds.
    mutating func stamp(_ time: Timestamp) {
        guard time.isDefined else { return }
        header.providerTime = time
        header.resolution = TimeResolution.second.rawValue
    }
}
