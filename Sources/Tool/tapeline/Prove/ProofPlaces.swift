import MarketModel
import Primitives
import StreamCore

/// Ticks that were fetched later, each at the place where it would have come: at its event time,
/// among the receive times of the others of its source or group, and at the latest where it came.
/// Repairs judge them there, too.
struct ProofPlaces {
    private struct Queue {
        /// The places of fetched ticks in `fetched`, in the order of their times.
        var order: [Int] = []
        /// How many of them were given, or are given elsewhere.
        var given = 0
    }

    /// The greatest number of fetched ticks that are placed.
    static let max = 524_288

    /// In the order of the tape.
    private let fetched: [ProofTick]
    /// By place, whether the tick was given.
    private var isGiven: [Bool]
    private var ofOwner: [SourceName: Queue] = [:]
    private var ofSymbol: [SourceSymbol: Queue] = [:]
    /// The latest time of a source's or group's other ticks.
    private var clocks: [SourceName: Int64] = [:]

    init(_ fetched: [ProofTick] = []) {
        self.fetched = fetched
        isGiven = Array(repeating: false, count: fetched.count)
        let order = fetched.indices.sorted {
            (fetched[$0].stageTime, $0) < (fetched[$1].stageTime, $1)
        }
        for place in order {
            ofOwner[fetched[place].symbol.source, default: Queue()].order.append(place)
            ofSymbol[fetched[place].symbol, default: Queue()].order.append(place)
        }
    }

    /// Returns the fetched ticks that come before this tick of the tape, if it came at its time; if
    /// it was fetched itself, those of its symbol up to it.
    mutating func due(_ tick: ProofTick) -> [ProofTick] { places(tick).map { fetched[$0] } }

    private mutating func places(_ tick: ProofTick) -> [Int] {
        let (symbol, owner, time) = (tick.symbol, tick.symbol.source, tick.stageTime)
        guard tick.isJudged else { return [] }
        if tick.isFetched, var queue = ofSymbol[symbol] {
            defer { ofSymbol[symbol] = queue }
            return give(&queue) { $0 <= time }
        }
        guard !tick.isFetched, var queue = ofOwner[owner], queue.given < queue.order.count else {
            return []
        }
        let clock = Swift.max(clocks[owner] ?? Int64.min, time)
        clocks[owner] = clock
        defer { ofOwner[owner] = queue }
        return give(&queue) { $0 < clock }
    }

    /// Gives the first ticks of a queue whose times are due.
    private mutating func give(_ queue: inout Queue, _ isDue: (Int64) -> Bool) -> [Int] {
        var due: [Int] = []
        while queue.given < queue.order.count, isDue(fetched[queue.order[queue.given]].stageTime) {
            let place = queue.order[queue.given]
            queue.given += 1
            if isGiven[place] { continue }
            isGiven[place] = true
            due.append(place)
        }
        return due
    }

    /// Returns the fetched ticks that come after all others.
    mutating func rest() -> [ProofTick] {
        defer { isGiven = Array(repeating: true, count: fetched.count) }
        return left.map { fetched[$0] }
    }

    private var left: [Int] {
        ofOwner.keys.sorted().flatMap { ofOwner[$0]?.order.filter { !isGiven[$0] } ?? [] }
    }

    /// Returns ticks of several kinds in the order of the tape: those of one source by their
    /// ordinals, and of several sources those first whose latest receive time so far is the least.
    static func inOrder(_ ticks: [ProofTick]) -> [ProofTick] {
        var clocks: [SourceName: Int64] = [:]
        let bySource = ticks.sorted { ($0.source, $0.ordinal) < ($1.source, $1.ordinal) }
        let times = bySource.map { tick in
            let time = tick.header?.receiveTime.nanoseconds ?? Int64.min
            let clock = Swift.max(clocks[tick.source] ?? Int64.min, time)
            clocks[tick.source] = clock
            return clock
        }
        return bySource.indices.sorted { (times[$0], $0) < (times[$1], $1) }.map { bySource[$0] }
    }

    /// Returns some things in the order in which their ticks are judged.
    static func placed<Thing>(_ things: [Thing], by tick: (Thing) -> ProofTick) -> [Thing] {
        let fetched = things.indices.filter { tick(things[$0]).isFetched }
        var places = ProofPlaces(fetched.map { tick(things[$0]) })
        var placed: [Thing] = []
        for thing in things {
            placed += places.places(tick(thing)).map { things[fetched[$0]] }
            if !tick(thing).isFetched { placed.append(thing) }
        }
        return placed + places.left.map { things[fetched[$0]] }
    }
}

extension ProofTick {
    /// Whether it is a new tick that a provider delivered later, from its history.
    var isFetched: Bool {
        guard let header else { return false }
        return header.flags.contains(.backfilled) && header.action == TradeAction.new.rawValue
    }

    /// Whether nodes judge it: it is new, and no snapshot.
    fileprivate var isJudged: Bool {
        guard let header else { return false }
        return header.action == TradeAction.new.rawValue && !header.flags.contains(.snapshot)
    }

    /// The time by which stages order it.
    fileprivate var stageTime: Int64 {
        guard let time = header?.stageTime, time.isDefined else { return Int64.min }
        return time.nanoseconds
    }
}
