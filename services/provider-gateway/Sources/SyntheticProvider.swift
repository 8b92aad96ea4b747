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

    /// What becomes of ticks that were due while nobody was subscribed.
    enum Missed: String, Sendable {
        /// They are made when somebody is.
        case again
        /// They are never made, as in a real market.
        case lost
    }

    struct Settings: Sendable {
        var market: SyntheticMarket.Settings
        var pace: Pace
        /// Ticks in all; nil: for ever.
        var total: UInt64?
        /// How long before the first start the market began: that history comes at full speed.
        var backlogNanoseconds: Int64
        var missed = Missed.again
        /// Nil: all stamps are right.
        var ahead: Ahead?
    }

    /// A clock that is wrong: it stamps the ticks of some symbols ahead of the time.
    struct Ahead: Sendable {
        var nanoseconds: Int64
        /// Per symbol.
        var isMeant: [Bool]
    }

    /// The last tick of the provider on one partition of the tape.
    struct Mark: Hashable, Sendable {
        var index: UInt64
        var time: Timestamp
    }

    /// What stands on the tape of this source.
    struct Standing: Sendable {
        /// Per symbol: the last tick of its partition, if it is one of these settings.
        var marks: [Mark?] = []
        /// Per symbol: its partition lost ticks behind the mark that readers may have; empty: none.
        var isLost: [Bool] = []
        /// The latest last tick that is of other settings.
        var foreign = Timestamp(nanoseconds: Int64.min)
        /// No tick may come from before: the latest time or watermark.
        private(set) var latest: Timestamp?

        mutating func reached(_ time: Timestamp) {
            // A marker's watermark says nothing.
            guard time.isDefined, time.nanoseconds != Int64.min else { return }
            latest = max(latest ?? time, time)
        }
    }

    let market: SyntheticMarket
    private let opened: Timestamp
    private let settings: Settings
    /// The time of tick 0.
    private(set) var origin: Timestamp
    /// The number of the next tick.
    private(set) var next: UInt64 = 0
    /// Per symbol: the last tick of its partition that is on the tape.
    private var onTape: [UInt64?]
    /// Ticks that were on the tape already when this process started.
    private(set) var skipped: UInt64 = 0
    /// It delivers all ticks of this time or later; none is lost when it is undefined.
    private(set) var since = Timestamp.undefined

    /// Goes on where these settings left off. When they never ran, or others ran after them, a new
    /// market begins behind everything that stands.
    init(_ settings: Settings, behind standing: Standing, now: Timestamp) {
        let market = SyntheticMarket(settings.market)
        self.market = market
        self.settings = settings
        opened = now
        let newest = standing.marks.compactMap { $0 }.max { $0.time < $1.time }
        if let newest, newest.time > standing.foreign {
            let origin = market.origin(ofTick: newest.index, at: newest.time)
            self.origin = origin
            // Of two markets with the same settings the origin tells which one a tick is of.
            onTape = standing.marks.map { mark in
                mark.flatMap { market.origin(ofTick: $0.index, at: $0.time) == origin ? $0 : nil }
                    .map(\.index)
            }
            // Below the least mark everything is on the tape, if every partition has one.
            if settings.pace == .realtime { passOver(standing.isLost, now) }
            next = Self.first(onTape, settings.ahead)
            if settings.missed == .lost { subscribe(now) }
        } else {
            onTape = standing.marks.map { _ in nil }
            origin = Self.start(settings, market: market, now: now)
            if settings.pace == .realtime, standing.isLost.contains(true) {
                origin = max(origin, now)
            }
            if let latest = standing.latest, latest >= origin {
                origin = latest.advanced(byNanoseconds: 1)
            }
            if settings.missed == .lost { since = origin }
        }
    }

    /// Of a symbol whose ticks never come onto the tape nothing says how far it came.
    private static func first(_ onTape: [UInt64?], _ ahead: Ahead?) -> UInt64 {
        onTape.enumerated().filter { ahead?.isMeant[$0.offset] != true || $0.element != nil }
            .map { $0.element.map { $0 + 1 } ?? 0 }.min() ?? 0
    }

    /// Begins with the first tick that is not before `now`.
    private mutating func subscribe(_ now: Timestamp) {
        since = now
        let before = now.advanced(byNanoseconds: -1)
        guard let last = market.lastTick(dueAt: before, origin: origin) else { return }
        next = max(next, last + 1)
    }

    /// The last tick that was handed out or passed over, as a provider's id and its time; nil:
    /// there was none. On a gap record it says where the source goes on.
    var lastPassed: (id: UInt64, time: Timestamp)? {
        guard next > 0 else { return nil }
        return (
            market.fingerprint << 48 | (next - 1), market.time(ofTick: next - 1, origin: origin)
        )
    }

    /// What the tape lost is not made again in real time, as no market trades a second time:
    /// readers that had read it would have it twice, under two ordinals.
    private mutating func passOver(_ isLost: [Bool], _ now: Timestamp) {
        guard let last = market.lastTick(dueAt: now, origin: origin) else { return }
        for (symbol, isLost) in isLost.enumerated() where isLost {
            onTape[symbol] = max(onTape[symbol] ?? last, last)
        }
    }

    /// The same, when it is learned later: what was due at the start had been made before.
    mutating func passOver(_ isLost: [Bool]) {
        if settings.pace == .realtime { passOver(isLost, opened) }
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

    /// Of the next tick: what has to be known to leave it out.
    var nextIsTrade: Bool { market.isTrade(tick: next) }
    var nextTime: Timestamp { market.time(ofTick: next, origin: origin) }

    /// The next tick; nil when the tape has it already. Moves on either way.
    mutating func take(received: Timestamp) -> SyntheticMarket.Tick? {
        let index = next
        next += 1
        if let last = onTape[market.symbol(ofTick: index)], index <= last {
            skipped += 1
            return nil
        }
        let tick = market.tick(index, origin: origin, received: received)
        guard let ahead = settings.ahead, ahead.isMeant[market.symbol(ofTick: index)] else {
            return tick
        }
        return tick.stamped(aheadBy: ahead.nanoseconds)
    }
}

extension SyntheticProvider {
    /// What a packet says of where the provider stood: its last tick, and its latest time. The
    /// tick is nil when it is of other settings.
    static func mark(
        of packet: borrowing RawSpan, market: SyntheticMarket
    ) -> (mark: Mark?, time: Timestamp)? {
        var found: TickHeader?
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): found = trade.header
            case .quote(let quote): found = quote.header
            case .other(let message):
                // It stands behind all that was handed out before it, or left out.
                if let gap = message.gapRecord(in: packet), gap.header.providerID != 0 {
                    found = gap.header
                }
            case .bar, .control: continue
            }
        }
        guard let found else { return nil }
        let isOurs = found.providerID >> 48 == market.fingerprint
        let index = found.providerID & SyntheticMarket.indexMax
        return (isOurs ? Mark(index: index, time: found.eventTime) : nil, found.eventTime)
    }
}
