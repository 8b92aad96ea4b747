internal import EngineKit
internal import MarketModel
internal import Primitives

/// Changes of trades. A change names its trade by id, exchange and day, and says what it was.
/// Operators want its event time, too.
struct AlpacaChanges: Sendable {
    private var times: TradeTimes
    /// Trades that got another id, by the feed and that number.
    private var renamed: [TradeKey: UInt64] = [:]
    /// What is to be computed again because of changes of trades that are not known, by feed.
    private var repairs: [Int: Repair] = [:]

    /// A trade of one feed.
    private struct TradeKey: Hashable, Sendable {
        var feed: Int
        var number: UInt64
    }

    /// A stretch of time to compute again.
    private struct Repair: Sendable {
        /// Undefined: nothing is to be computed again.
        var from = Timestamp.undefined
        var to = Timestamp.undefined
        /// When the next request may leave.
        var at = MonotonicTime.distantPast

        mutating func add(_ from: Timestamp, _ to: Timestamp) {
            self.from = self.from.isDefined ? min(self.from, from) : from
            self.to = self.to.isDefined ? max(self.to, to) : to
        }
    }

    init(tradesKept: Int) { times = TradeTimes(count: tradesKept) }

    /// Remembers a trade.
    mutating func keep(_ trade: Trade, of feed: Int) {
        times.keep(trade.header.providerID, of: feed, trade.header.providerTime)
    }

    /// Delivers what became of a trade of an instrument.
    mutating func take(
        _ change: AlpacaChange, _ instrument: UInt32, _ machine: inout StreamMachine,
        into out: inout StreamMachine.Output
    ) {
        let feed = change.feed
        if change.action == .cancel {
            machine.counters.changes.cancels &+= 1
        } else {
            machine.counters.changes.corrections &+= 1
        }
        let day = TradeNumber.day(of: change.time)
        // A trade of the evening may be changed on the next day.
        let numbers = [day, day - 1].map {
            AlpacaNumber.number(
                exchange: change.exchange, day: $0, id: change.id, content: change.content)
        }
        let originals = numbers.map { renamed[TradeKey(feed: feed, number: $0)] ?? $0 }
        var (number, time) = (originals[0], Timestamp?.none)
        for original in originals where time == nil {
            time = times.time(ofOnly: original, of: feed)
            if time != nil { number = original }
        }
        var trade = change.trade
        trade.header.symbol = instrument
        trade.header.providerID = number
        trade.header.providerTime = time ?? change.time
        out.records.append(.tape(.trade(trade)))
        if time == nil {
            machine.counters.changes.unknown &+= 1
            out.note(.trouble(instrument: instrument, Self.unknown(change)))
            repair(change)
        }
        guard change.action == .correction else { return }
        let next = AlpacaNumber.number(
            exchange: change.exchange, day: day, id: change.newID,
            content: TradeNumber.content(trade.price, trade.size))
        if renamed.count >= AlpacaLimits.renamedMax { renamed.removeAll(keepingCapacity: true) }
        if next != number { renamed[TradeKey(feed: feed, number: next)] = number }
    }

    private static func unknown(_ change: AlpacaChange) -> String {
        "trade \(change.id) was changed, whose time is not known: the bars of its session are "
            + "computed again"
    }

    /// The trade is from before this process, or too old: its session is computed again.
    private mutating func repair(_ change: AlpacaChange) {
        let begin = TradeNumber.begin(ofDay: TradeNumber.day(of: change.time))
        repairs[change.feed, default: Repair()].add(
            begin, max(change.time, begin).advanced(byNanoseconds: 1))
    }

    /// Asks for the sessions to be computed again. `isLast`: whether or not it is their time.
    mutating func repairIfDue(
        _ now: Moment, _ machine: inout StreamMachine, isLast: Bool = false,
        into out: inout StreamMachine.Output
    ) {
        for place in repairs.keys.sorted() {
            guard let repair = repairs[place], repair.from.isDefined,
                isLast || now.monotonic >= repair.at
            else { continue }
            repairs[place] = Repair(at: now.monotonic + AlpacaLimits.repairInterval)
            guard machine.feeds.list[place].isWanted else { continue }
            machine.counters.changes.repairs &+= 1
            out.records.append(
                .tape(
                    .repair(
                        RepairRequest(
                            header: machine.feeds.list[place].header(at: now.wall),
                            from: repair.from, to: repair.to, reason: .bust,
                            requester: machine.settings.provider,
                            note: "a trade was changed whose time is not known"))))
        }
    }

    /// When the next session is computed again.
    var nextRepair: MonotonicTime {
        repairs.values.lazy.filter(\.from.isDefined).map(\.at).min() ?? .never
    }
}

/// The number on the tape of a trade of Alpaca: one trade's, also where its id is not.
package enum AlpacaNumber {
    /// Trades off the exchanges. Several facilities report them, each with ids of its own.
    private static let outside = UInt8(ascii: "D")
    private static let contentBits: UInt64 = 16

    /// `content`: what it is, as `TradeNumber.content` has it; 0: that is not known.
    package static func number(
        exchange: UInt8, day: Int64, id: UInt64, content: UInt32
    ) -> UInt64 {
        TradeNumber.number(
            exchange: exchange, day: day,
            id: exchange == outside
                ? TradeNumber.id(id, mark: UInt64(content), bits: contentBits) : id)
    }
}
