internal import MarketModel
internal import Primitives

/// How far the exchange's clock seems to be from ours. A message is as old as it was under way, so
/// the freshest one counts.
struct BinanceServerClock: Sendable {
    /// How long an estimate counts.
    private static let window: Int64 = 60_000_000_000
    private static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// What is assumed of the exchange's clock before it is known.
    private static let unknownBehind: Int64 = -5_000_000_000

    private var best = Int64.min
    private var before = Int64.min
    private var since = MonotonicTime.distantPast
    /// The freshest since it was last reported.
    private var fresh = Int64.min
    /// No later record has an earlier event time; undefined: not known yet.
    private(set) var floor = Timestamp.undefined

    /// `time`: the exchange's time in a message.
    mutating func note(_ time: Timestamp, _ now: Moment) {
        let ahead = time.nanoseconds(since: now.wall)
        if now.monotonic - since >= Self.window {
            before = best
            best = Int64.min
            since = now.monotonic
        }
        best = max(best, ahead)
        fresh = max(fresh, ahead)
    }

    /// The exchange's clock less ours, if it is behind or unknown, else 0.
    private var behind: Int64 {
        let ahead = max(best, before)
        return ahead == Int64.min ? Self.unknownBehind : min(0, max(ahead, -Self.dayNanoseconds))
    }

    /// What had arrived was handed in. `oldest`: the time of what waits in the engine.
    mutating func drained(
        _ now: Moment, _ legs: inout [BinanceLeg], oldest: Timestamp?, delayMax: Int64
    ) {
        var present = now.wall.advanced(byNanoseconds: behind)
        for leg in legs.indices {
            if legs[leg].heard.time.isDefined {
                legs[leg].heard.lastTime = legs[leg].heard.time
                legs[leg].heard.lastTimeAt = now.monotonic
            }
            legs[leg].heard.time = .undefined
            // More of the same time may follow: the server may have waited for this process.
            let heard = legs[leg].heard
            let since = now.monotonic - heard.lastTimeAt
            guard heard.lastTime.isDefined, since < delayMax else { continue }
            present = min(present, heard.lastTime.advanced(byNanoseconds: since))
        }
        if let oldest { present = min(present, oldest) }
        present = present.advanced(byNanoseconds: -delayMax)
        floor = floor.isDefined ? max(floor, present) : present
    }

    /// Returns how far it is certainly ahead: 0 when both may agree, `nil` when nothing came, or
    /// when messages are older than they may be under way.
    mutating func take(_ delayMax: Int64) -> Int64? {
        defer { fresh = Int64.min }
        guard fresh >= -delayMax else { return nil }
        return max(0, fresh)
    }
}
