internal import Primitives

/// Goes through a market's events in the order of time, each event once.
struct MarketCursor: Sendable {
    private struct Lane {
        var second: Int64
        var events: [MarketEvent]
        var next = 0
    }

    /// Nanoseconds by which the cursor is behind the clock, because delayed data are old.
    let delay: Int64
    private var lanes: [Lane]
    /// Everything before this time has been taken.
    private(set) var reached: Timestamp

    init(_ market: SimulatedMarket, from start: Timestamp, delaySeconds: Int64 = 0) {
        delay = delaySeconds * 1_000_000_000
        reached = start.advanced(byNanoseconds: -delay)
        let second = reached.nanoseconds / 1_000_000_000
        lanes = []
        for instrument in market.instruments.indices {
            let events = market.events(of: instrument, in: second)
            let next = events.firstIndex { $0.time >= reached } ?? events.count
            lanes.append(Lane(second: second, events: events, next: next))
        }
    }

    /// Returns everything before `now`. After a jump of the clock, older events are left out.
    mutating func take(until now: Timestamp, of market: SimulatedMarket) -> [MarketEvent] {
        let end = now.advanced(byNanoseconds: -delay)
        guard end > reached else { return [] }
        let earliest = end.advanced(
            byNanoseconds: -SimulatorLimits.catchUpSeconds * 1_000_000_000)
        var taken: [MarketEvent] = []
        for instrument in lanes.indices {
            take(instrument, from: earliest, until: end, of: market, into: &taken)
        }
        reached = end
        taken.sort { ($0.time, $0.instrument) < ($1.time, $1.instrument) }
        return taken
    }

    private mutating func take(
        _ instrument: Int, from earliest: Timestamp, until end: Timestamp,
        of market: SimulatedMarket, into taken: inout [MarketEvent]
    ) {
        let last = (end.nanoseconds - 1) / 1_000_000_000
        var lane = lanes[instrument]
        let first = earliest.nanoseconds / 1_000_000_000
        if lane.second < first {
            lane = Lane(second: first, events: market.events(of: instrument, in: first))
        }
        while true {
            while lane.next < lane.events.count, lane.events[lane.next].time < end {
                taken.append(lane.events[lane.next])
                lane.next += 1
            }
            guard lane.second < last else { break }
            lane.second += 1
            lane.events = market.events(of: instrument, in: lane.second)
            lane.next = 0
        }
        lanes[instrument] = lane
    }
}
