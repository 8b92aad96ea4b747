internal import Primitives
internal import MarketModel

/// The arrivals of one kind of data of one instrument from the last 5 to 10 seconds. When an outage
/// ends, `arrivals` gives them to the backfill, which compares what history reports at the borders
/// with them.
///
/// They are kept in two halves. When the newer half has taken ticks for 5 s, it becomes the older
/// one, and the older one is dropped. So keeping a tick costs no search and, after the first
/// seconds, no new memory. While an outage lasts nothing is dropped.
struct BorderTicks: Sendable {
    /// How long the newer half takes ticks, in nanoseconds. A border has
    /// `BackfillLimits.borderSeconds` before an outage, and one half is longer than that. After an
    /// outage both halves together are longer than `EngineLimits.borderWait`.
    static let half = 5 * EngineLimits.second

    private var older: [ArrivedTick] = []
    private var newer: [ArrivedTick] = []
    /// Each half has every tick that arrived since this wall time; undefined: it lacks some, or has
    /// not begun.
    private var olderSince = Timestamp.undefined
    private var newerSince = Timestamp.undefined
    /// When the newer half began, monotonic.
    private var began = MonotonicTime.distantPast
    /// An outage lasts, and nothing is dropped.
    private var isFrozen = false
    /// The newer half was full (`EngineLimits.borderTicksMax`), so it lacks ticks.
    private var isCut = false

    /// Keeps an arrival.
    @inline(__always)
    mutating func add(_ tick: ArrivedTick, _ now: Moment) {
        if !isFrozen, now.monotonic >= began + Self.half { swapHalves(now) }
        guard newer.count < EngineLimits.borderTicksMax else {
            // Without every tick of its time a half does not show what arrived.
            isCut = true
            return
        }
        newer.append(tick)
    }

    /// Drops nothing from now on, until `begin`: an outage has begun.
    mutating func freeze() { isFrozen = true }

    /// Returns what arrived from the beginning of the older half on. `until`: the event time up to
    /// which the caller knows that every tick has come.
    func arrivals(until: Timestamp) -> Arrivals {
        let since = olderSince.isDefined ? olderSince : newerSince
        guard !isCut, since.isDefined else { return .unknown }
        return Arrivals(older + newer, since: since, until: until)
    }

    /// Drops everything, and begins with what comes after an outage.
    mutating func begin(_ now: Moment) {
        isFrozen = false
        isCut = false
        older.removeAll(keepingCapacity: true)
        newer.removeAll(keepingCapacity: true)
        olderSince = .undefined
        newerSince = now.wall
        began = now.monotonic
    }

    /// Makes the newer half the older one, and begins a new one.
    private mutating func swapHalves(_ now: Moment) {
        swap(&older, &newer)
        newer.removeAll(keepingCapacity: true)
        // At the very first tick `newerSince` is undefined: what arrived before is not known.
        olderSince = isCut ? .undefined : newerSince
        isCut = false
        newerSince = now.wall
        began = now.monotonic
    }
}

/// What arrived of one instrument in the last seconds, for the borders of outages.
struct Borders: Sendable {
    var trades = BorderTicks()
    var quotes = BorderTicks()
    var bars = BorderTicks()

    /// Returns where the arrivals of a kind are kept; `nil`: they are not kept, because history is
    /// not compared with them.
    static func of(_ kind: DataKind) -> WritableKeyPath<Borders, BorderTicks>? {
        switch kind {
        case .trade: \.trades
        case .quote: \.quotes
        case .providerBar: \.bars
        case .any, .depth, .optionComputation, .news, .fundamental, .indicator: nil
        }
    }
}
