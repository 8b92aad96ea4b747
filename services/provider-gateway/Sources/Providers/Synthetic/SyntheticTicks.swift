import MarketModel
import Primitives
import ProviderKit

/// Hands out the ticks of a `SyntheticMarket` when they are due, and continues after a restart with
/// the tick after the last one on the tape.
///
/// A tick is identified by its number, its *index*, which counts from 0 over all symbols. The
/// *origin* is the time of tick 0, from which the times of all ticks follow. A symbol is a number
/// here, its index in the settings.
struct SyntheticTicks: Sendable {
    /// When ticks are delivered.
    enum Pace: String, Sendable {
        /// Each tick is delivered when its time has come.
        case realtime
        /// Ticks are delivered as fast as the tape takes them. The last one is at the time of the
        /// start.
        case full
    }

    /// The choices of what happens to ticks that were due while no gateway was subscribed.
    enum Missed: String, Sendable {
        /// They are made later, when a gateway is subscribed.
        case again
        /// They are never made, as in a real market.
        case lost
    }

    struct Settings: Sendable {
        var market: SyntheticMarket.Settings
        var pace: Pace
        /// The total number of ticks; `nil`: no limit.
        var total: UInt64?
        /// How long before the first start the market began. This history is delivered at full
        /// speed.
        var backlogNanoseconds: Int64
        var missed = Missed.again
        /// `nil` when all stamps are right.
        var ahead: Ahead?

        /// Returns the settings of a market with these symbols. One that the settings do not name
        /// is stamped ahead only when all of theirs are.
        func of(_ symbols: [Symbol]) -> Settings {
            guard symbols != market.symbols else { return self }
            var other = self
            other.market.symbols = symbols
            guard let ahead else { return other }
            let isAll = ahead.isMeant.allSatisfy { $0 }
            let isMeant = Dictionary(
                zip(market.symbols, ahead.isMeant), uniquingKeysWith: { first, _ in first })
            other.ahead?.isMeant = symbols.map { isMeant[$0] ?? isAll }
            return other
        }
    }

    /// A simulated wrong clock, which stamps the ticks of some symbols ahead of the time.
    struct Ahead: Sendable {
        var nanoseconds: Int64
        /// Whether the symbol's ticks are stamped ahead, by symbol.
        var isMeant: [Bool]
    }

    /// The last tick of the provider on one partition of the tape.
    struct Mark: Hashable, Sendable {
        var index: UInt64
        var time: Timestamp
    }

    /// The market's state on the tape of this source.
    struct Standing: Sendable {
        /// Per symbol, the last tick of its partition if it comes from these settings.
        var marks: [Mark?] = []
        /// Per symbol, whether its partition lost ticks after the mark that readers may have;
        /// empty: none did.
        var isLost: [Bool] = []
        /// Per symbol, the time before which its partition has all ticks; undefined: not known.
        var watermarks: [Timestamp] = []
        /// The time of the latest last tick that comes from other settings.
        var foreign = Timestamp(nanoseconds: Int64.min)
        /// The latest time or watermark on the tape: no new tick may be earlier.
        private(set) var latest: Timestamp?
        /// The latest last tick of any partition that comes from these settings.
        private(set) var newest: Mark?

        /// Notes the last tick of a partition.
        mutating func reached(_ mark: Mark) {
            if newest.map({ $0.time < mark.time }) ?? true { newest = mark }
        }

        /// Notes a time or watermark on the tape.
        mutating func reached(_ time: Timestamp) {
            // A marker's watermark has no meaning.
            guard time.isDefined, time.nanoseconds != Int64.min else { return }
            latest = max(latest ?? time, time)
        }
    }

    private(set) var market: SyntheticMarket
    /// The number of each symbol in the source's list.
    private(set) var numbers: [UInt32]
    /// The symbol of each number.
    private var places: [UInt32: Int]
    /// When this process started the provider, by the wall clock.
    private let opened: Timestamp
    private var settings: Settings
    /// The time of tick 0.
    private(set) var origin: Timestamp
    /// The number of the next tick.
    private(set) var next: UInt64 = 0
    /// Per symbol, the last tick of its partition that is on the tape.
    private var onTape: [UInt64?]
    /// Ticks that were on the tape already when this process started.
    private(set) var skipped: UInt64 = 0
    /// All ticks from this time on are delivered; undefined when no tick is lost.
    private(set) var since = Timestamp.undefined

    /// Continues where these settings left off. When they never ran, or others ran after them, a
    /// new market begins after everything on the tape. Without `numbers` the symbols are numbered
    /// as in the settings.
    init(
        _ settings: Settings, behind standing: Standing, now: Timestamp, numbers: [UInt32]? = nil
    ) {
        let market = SyntheticMarket(settings.market)
        self.market = market
        let all = numbers ?? (0..<UInt32(settings.market.symbols.count)).map { $0 }
        self.numbers = all
        places = Self.places(all)
        self.settings = settings
        opened = now
        let newest = (standing.marks + [standing.newest]).compactMap { $0 }
            .max { $0.time < $1.time }
        if let newest, newest.time > standing.foreign {
            origin = market.origin(ofTick: newest.index, at: newest.time)
            onTape = []
            takePlaces(behind: standing)
            // If every partition has a mark, everything below the lowest one is on the tape.
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

    /// Returns the first tick to make. A symbol without a mark whose ticks are stamped ahead, and
    /// so never reach the tape, is not considered.
    private static func first(_ onTape: [UInt64?], _ ahead: Ahead?) -> UInt64 {
        onTape.enumerated().filter { ahead?.isMeant[$0.offset] != true || $0.element != nil }
            .map { $0.element.map { $0 + 1 } ?? 0 }.min() ?? 0
    }

    /// Places all symbols behind what their partitions have.
    private mutating func takePlaces(behind standing: Standing) {
        // The origin distinguishes two markets with the same settings.
        onTape = standing.marks.map { mark in
            mark.flatMap { market.origin(ofTick: $0.index, at: $0.time) == origin ? $0 : nil }
                .map(\.index)
        }
        begin(behind: standing)
        if settings.pace == .realtime { passOver(standing.isLost, opened) }
    }

    /// Begins symbols that were added later at their partition's watermark, below which all is on
    /// the tape, and others behind it. What the tape lost is another matter. A market that had all
    /// its ticks left a watermark of its end, and may get more of them: so others begin no later
    /// than behind the newest tick.
    private mutating func begin(behind standing: Standing) {
        let newest = (standing.marks + [standing.newest]).compactMap { $0 }
            .filter { market.origin(ofTick: $0.index, at: $0.time) == origin }.map(\.index).max()
        for (symbol, watermark) in standing.watermarks.enumerated()
        where watermark.isDefined && watermark.nanoseconds != Int64.min {
            guard !standing.isLost.indices.contains(symbol) || !standing.isLost[symbol] else {
                continue
            }
            let before = watermark.advanced(byNanoseconds: -1)
            guard let last = market.lastTick(dueAt: before, origin: origin) else { continue }
            onTape[symbol] = onTape[symbol].map { max($0, min(last, newest ?? $0)) } ?? last
        }
    }

    /// Continues with other symbols from the next tick on. Their ticks before it belonged to
    /// others, and nothing changes for those that stay. Those that come continue behind what an
    /// earlier process left of them: `standing` is that of the new symbols.
    mutating func follow(_ settings: Settings, numbers: [UInt32], behind standing: Standing) {
        let known = Dictionary(uniqueKeysWithValues: zip(self.numbers, onTape))
        market = SyntheticMarket(settings.market)
        self.settings = settings
        self.numbers = numbers
        places = Self.places(numbers)
        takePlaces(behind: standing)
        for (place, number) in numbers.enumerated() {
            if let last = known[number] { onTape[place] = last }
        }
    }

    /// Continues with the first tick that is not before `now`.
    private mutating func subscribe(_ now: Timestamp) {
        since = now
        let before = now.advanced(byNanoseconds: -1)
        guard let last = market.lastTick(dueAt: before, origin: origin) else { return }
        next = max(next, last + 1)
    }

    /// The last tick that was handed out or passed over.
    var passed: PassedTick {
        let (market, origin) = (market, origin)
        return PassedTick(
            count: next, id: market.fingerprint << 48 &+ next &- 1,
            timeOfID: { market.time(ofTick: $0 & SyntheticMarket.indexMax, origin: origin) },
            floorAfterID: {
                market.earliestTime(ofTick: ($0 & SyntheticMarket.indexMax) + 1, origin: origin)
            })
    }

    /// Per symbol, the id of the last tick that is not made again; 0: there is none.
    var done: [UInt64] { onTape.map { $0.map { market.fingerprint << 48 | $0 } ?? 0 } }

    /// Returns the tick from which on those of an instrument are made; 0 for one that is not in the
    /// market.
    func first(of number: UInt32) -> UInt64 {
        places[number].flatMap { onTape[$0] }.map { $0 + 1 } ?? 0
    }

    private static func places(_ numbers: [UInt32]) -> [UInt32: Int] {
        Dictionary(zip(numbers, numbers.indices), uniquingKeysWith: { first, _ in first })
    }

    /// Passes over the ticks that the tape lost. In real time they are not made again, because a
    /// real market does not trade twice: readers that had read them would have them twice, under
    /// two ordinals.
    private mutating func passOver(_ isLost: [Bool], _ now: Timestamp) {
        guard let last = market.lastTick(dueAt: now, origin: origin) else { return }
        for (symbol, isLost) in isLost.enumerated() where isLost {
            onTape[symbol] = max(onTape[symbol] ?? last, last)
        }
    }

    /// Passes over lost ticks when the loss is found later. Ticks that were due at the start had
    /// been made before. Returns the time of the start, or `nil` when all ticks are made again.
    mutating func passOver(_ isLost: [Bool]) -> Timestamp? {
        guard settings.pace == .realtime else { return nil }
        passOver(isLost, opened)
        return opened
    }

    /// Returns the origin of a new market.
    private static func start(
        _ settings: Settings, market: SyntheticMarket, now: Timestamp
    ) -> Timestamp {
        guard settings.pace == .full, let total = settings.total else {
            return now.advanced(byNanoseconds: -settings.backlogNanoseconds)
        }
        return market.origin(ofTick: total, at: now)
    }

    /// Whether the last tick was handed out or passed over.
    var isFinished: Bool { next >= min(settings.total ?? .max, SyntheticMarket.indexMax) }

    /// The time at which the next tick is due; `nil` when there is none.
    var nextDue: Timestamp? {
        guard !isFinished else { return nil }
        switch settings.pace {
        case .realtime: return market.time(ofTick: next, origin: origin)
        case .full: return Timestamp(nanoseconds: Int64.min)
        }
    }

    /// No later tick has an event time below this.
    var floor: Timestamp {
        isFinished
            ? ProviderChannel.endlessFloor : market.earliestTime(ofTick: next, origin: origin)
    }

    func isDue(now: Timestamp) -> Bool { nextDue.map { $0 <= now } ?? false }

    /// Appends the ticks that are due as the gateway's records. It checks at most `ticksMax` ticks.
    mutating func take(
        dueAt now: Timestamp, ticksMax: Int, into batch: inout [ProviderRecord]
    ) {
        for _ in 0..<ticksMax {
            guard isDue(now: now) else { return }
            let symbol = market.symbol(ofTick: next)
            switch take(received: now) {
            case .trade(var trade)?:
                trade.header.symbol = numbers[symbol]
                batch.append(.trade(trade))
            case .quote(var quote)?:
                quote.header.symbol = numbers[symbol]
                batch.append(.quote(quote))
            case nil: continue
            }
        }
    }

    /// Returns the next tick, or `nil` when the tape has it already. Advances in both cases.
    mutating func take(received: Timestamp) -> SyntheticMarket.Tick? {
        let (index, symbol) = (next, market.symbol(ofTick: next))
        next += 1
        guard !numbers.isEmpty else { return nil }
        if let last = onTape[symbol], index <= last {
            skipped += 1
            return nil
        }
        let tick = market.tick(index, origin: origin, received: received)
        guard let ahead = settings.ahead, ahead.isMeant[symbol] else { return tick }
        return tick.stamped(aheadBy: ahead.nanoseconds)
    }
}
