import MarketModel
import Primitives
import TapeCodec

/// Hands out the ticks of a `SyntheticMarket` when they are due, and goes on after a restart
/// behind the last tick that is on the tape.
struct SyntheticProvider: Sendable {
    enum Pace: String, Sendable {
        /// Each tick when its time has come.
        case realtime
        /// As fast as the tape takes them; the last one's time is that of the start.
        case full
    }

    struct Settings: Sendable {
        var market: SyntheticMarket.Settings
        var pace: Pace
        /// Ticks in all; nil: for ever.
        var total: UInt64?
        /// How long before the first start the market began: that history comes at full speed.
        var backlogNanoseconds: Int64
    }

    /// The last tick of the provider on one partition of the tape.
    struct Mark: Hashable, Sendable {
        var index: UInt64
        var time: Timestamp
    }

    let market: SyntheticMarket
    private let settings: Settings
    /// The time of tick 0.
    private(set) var origin: Timestamp
    /// The number of the next tick.
    private(set) var next: UInt64 = 0
    /// Per symbol: the last tick of its partition that is on the tape.
    private var onTape: [UInt64?]
    /// Ticks that were on the tape already when this process started.
    private(set) var skipped: UInt64 = 0

    /// `marks`: per symbol, the last tick of its partition. Those of other settings are none, but
    /// the new market must begin behind them.
    init(_ settings: Settings, marks: [Mark?], behind floor: Timestamp?, now: Timestamp) {
        market = SyntheticMarket(settings.market)
        self.settings = settings
        onTape = marks.map { $0?.index }
        if let mark = marks.compactMap({ $0 }).max(by: { $0.index < $1.index }) {
            origin = market.origin(ofTick: mark.index, at: mark.time)
            // Below the least mark everything is on the tape, if every partition has one.
            let least = marks.map { $0.map { $0.index + 1 } ?? 0 }.min() ?? 0
            next = least
        } else {
            origin = Self.start(settings, market: market, now: now)
            if let floor, floor >= origin { origin = floor.advanced(byNanoseconds: 1) }
        }
    }

    private static func start(
        _ settings: Settings, market: SyntheticMarket, now: Timestamp
    ) -> Timestamp {
        guard settings.pace == .full, let total = settings.total else {
            return now.advanced(byNanoseconds: -settings.backlogNanoseconds)
        }
        return market.origin(ofTick: total, at: now)
    }

    var isFinished: Bool { next >= min(settings.total ?? .max, SyntheticMarket.indexMax) }

    /// When the next tick is due; nil: there is none.
    var nextDue: Timestamp? {
        guard !isFinished else { return nil }
        switch settings.pace {
        case .realtime: return market.time(ofTick: next, origin: origin)
        case .full: return Timestamp(nanoseconds: Int64.min)
        }
    }

    /// No later tick has an event time below this.
    func watermark(now: Timestamp) -> Timestamp {
        isFinished ? now : min(now, market.earliestTime(ofTick: next, origin: origin))
    }

    /// The symbol of the next tick, when it is due.
    func dueSymbol(now: Timestamp) -> Int? {
        guard let due = nextDue, due <= now else { return nil }
        return market.symbol(ofTick: next)
    }

    /// The next tick; nil when the tape has it already. Moves on either way.
    mutating func take(received: Timestamp) -> SyntheticMarket.Tick? {
        let index = next
        next += 1
        if let last = onTape[market.symbol(ofTick: index)], index <= last {
            skipped += 1
            return nil
        }
        return market.tick(index, origin: origin, received: received)
    }
}

extension SyntheticProvider {
    /// What a packet says of where the provider stood: its last tick, and its latest time. The
    /// tick is nil when it is of other settings.
    static func mark(
        of packet: borrowing RawSpan, market: SyntheticMarket
    ) -> (mark: Mark?, time: Timestamp)? {
        var found: TickHeader?
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade): found = trade.header
            case .quote(let quote): found = quote.header
            case .bar, .other, .malformed: continue
            }
        }
        guard let found else { return nil }
        let isOurs = found.providerID >> 48 == market.fingerprint
        let index = found.providerID & SyntheticMarket.indexMax
        return (isOurs ? Mark(index: index, time: found.eventTime) : nil, found.eventTime)
    }
}
