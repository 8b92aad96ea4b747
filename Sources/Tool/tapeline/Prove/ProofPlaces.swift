import MarketModel
import Primitives
import StreamCore

/// Ticks that were fetched later, each at the place where it would have come: at its event time,
/// among the receive times of the others of its source or group. Repairs judge them there, too.
struct ProofPlaces {
    private struct Queue {
        /// Its fetched ticks, in the order of their times.
        var fetched: [ProofTick] = []
        /// How many of them were given.
        var given = 0
        /// The latest time of its other ticks.
        var clock = Int64.min
    }

    /// The greatest number of fetched ticks that are placed.
    static let max = 524_288

    private var queues: [SourceName: Queue] = [:]

    /// `fetched` are in the order of the tape.
    init(_ fetched: [ProofTick] = []) {
        for (owner, ticks) in Dictionary(grouping: fetched, by: \.symbol.source) {
            queues[owner] = Queue(fetched: Self.sorted(ticks))
        }
    }

    private static func sorted(_ ticks: [ProofTick]) -> [ProofTick] {
        ticks.enumerated().sorted {
            ($0.element.stageTime, $0.offset) < ($1.element.stageTime, $1.offset)
        }.map(\.element)
    }

    /// Returns the fetched ticks that come before this one, which came at its time.
    mutating func before(_ tick: ProofTick) -> ArraySlice<ProofTick> {
        guard let time = tick.header?.stageTime, time.isDefined,
            var queue = queues[tick.symbol.source]
        else { return [] }
        queue.clock = Swift.max(queue.clock, time.nanoseconds)
        let first = queue.given
        while queue.given < queue.fetched.count,
            queue.fetched[queue.given].stageTime < queue.clock
        {
            queue.given += 1
        }
        queues[tick.symbol.source] = queue
        return queue.fetched[first..<queue.given]
    }

    /// Returns the fetched ticks that come after all others.
    mutating func rest() -> [ProofTick] {
        let rest = queues.keys.sorted().flatMap { owner -> ArraySlice<ProofTick> in
            queues[owner].map { $0.fetched[$0.given...] } ?? []
        }
        queues = [:]
        return rest
    }

    /// Returns some things in the order in which their ticks are judged.
    static func placed<Thing>(_ things: [Thing], by tick: (Thing) -> ProofTick) -> [Thing] {
        var clocks: [SourceName: Int64] = [:]
        var keyed: [(time: Int64, isFetched: Bool, place: Int)] = []
        for (place, thing) in things.enumerated() {
            let tick = tick(thing)
            guard !tick.isFetched else {
                keyed.append((tick.stageTime, true, place))
                continue
            }
            let clock = Swift.max(clocks[tick.symbol.source] ?? Int64.min, tick.stageTime)
            clocks[tick.symbol.source] = clock
            keyed.append((clock, false, place))
        }
        keyed.sort {
            ($0.time, $0.isFetched ? 1 : 0, $0.place) < ($1.time, $1.isFetched ? 1 : 0, $1.place)
        }
        return keyed.map { things[$0.place] }
    }
}

extension ProofTick {
    /// Whether it is a new tick that a provider delivered later, from its history.
    var isFetched: Bool {
        guard let header else { return false }
        return header.flags.contains(.backfilled) && header.action == TradeAction.new.rawValue
    }

    /// The time by which stages order it.
    fileprivate var stageTime: Int64 {
        guard let time = header?.stageTime, time.isDefined else { return Int64.min }
        return time.nanoseconds
    }
}
