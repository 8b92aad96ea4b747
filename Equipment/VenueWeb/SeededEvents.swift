package import Primitives

/// Events that can be computed in any order. The seed, the lane and the number alone determine an
/// event, and the number follows from the time. So no past is stored, and a request for history
/// returns exactly what a client missed, also after the program was started again.
package struct SeededEvents: Sendable {
    private let seed: UInt64
    private let lanes: Int
    /// Nanoseconds between two events of one lane; `nil`: there are none.
    private let interval: Int64?

    /// The first events happened at the beginning of 2020.
    private static let origin = Timestamp(nanoseconds: 1_577_836_800_000_000_000)
    /// The lengths of the waves of a level, in events, and their heights, as parts of the level.
    private static let waves: [(length: UInt64, part: Int64)] = [
        (16_384, 40), (1_024, 200), (64, 2_000),
    ]

    /// Lanes are the symbols of a market, for example. `interval` is that of one lane, in
    /// nanoseconds.
    package init(seed: UInt64, lanes: Int, interval: Int64?) {
        precondition(interval.map { $0 > 0 } ?? true, "events need time between them")
        (self.seed, self.lanes, self.interval) = (seed, lanes, interval)
    }

    /// `rate` is in events per second over all lanes.
    package init(seed: UInt64, lanes: Int, rate: Int) {
        self.init(
            seed: seed, lanes: lanes,
            interval: rate > 0 ? max(1, Int64(lanes) * 1_000_000_000 / Int64(rate)) : nil)
    }

    /// Returns the number of the last event at this time; 0: there was none.
    package func last(of lane: Int, at time: Timestamp) -> UInt64 {
        guard let interval else { return 0 }
        let passed = time.nanoseconds(since: Self.origin) - offset(of: lane, interval)
        guard passed >= interval else { return 0 }
        let number = UInt64(passed / interval)
        return self.time(of: lane, number) > time ? number - 1 : number
    }

    /// Returns the numbers of the events after one time until another.
    package func numbers(
        of lane: Int, after: Timestamp, until: Timestamp
    ) -> Range<UInt64> {
        let first = last(of: lane, at: after) + 1
        return first..<max(first, last(of: lane, at: until) + 1)
    }

    /// Returns when an event happens. It is at most half an interval late, so times never go back.
    package func time(of lane: Int, _ number: UInt64) -> Timestamp {
        let interval = interval ?? 1
        let late = Int64(mixed(lane, number, salt: 2) % UInt64(max(1, interval / 2)))
        let (sinceOrigin, isTooFar) = Int64(clamping: number).multipliedReportingOverflow(
            by: interval)
        guard !isTooFar else { return .undefined }
        return Self.origin.advanced(byNanoseconds: sinceOrigin)
            .advanced(byNanoseconds: offset(of: lane, interval) + late)
    }

    /// Returns random bits of an event. Salts from 32 on are free for the bits that a market needs.
    package func mixed(_ lane: Int, _ number: UInt64, salt: UInt64) -> UInt64 {
        let own = SeededRandom.mixed(seed ^ UInt64(lane) << 40 ^ salt << 56)
        return SeededRandom.mixed(own ^ number)
    }

    /// Returns a value near `middle` that changes by little from event to event, such as a price.
    /// `middle` is at most 10^15.
    package func level(_ lane: Int, _ number: UInt64, around middle: Int64) -> Int64 {
        Self.waves.reduce(middle) { sum, wave in
            let height = max(1, middle / wave.part)
            let (left, place) = number.quotientAndRemainder(dividingBy: wave.length)
            let from = node(lane, left, wave.length, height)
            let to = node(lane, left + 1, wave.length, height)
            return sum + from + (to - from) * Int64(place) / Int64(wave.length)
        }
    }

    /// The height of a wave at one of its nodes.
    private func node(_ lane: Int, _ node: UInt64, _ length: UInt64, _ height: Int64) -> Int64 {
        Int64(mixed(lane, node, salt: 3 + length) % UInt64(2 * height + 1)) - height
    }

    private func offset(of lane: Int, _ interval: Int64) -> Int64 {
        interval * Int64(lane) / Int64(lanes)
    }
}
