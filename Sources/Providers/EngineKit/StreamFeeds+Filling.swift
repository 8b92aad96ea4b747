import MarketModel
import Primitives

// Gaps that the service's past fills, and what came of their time all the same.
extension StreamFeeds {
    /// A gap has ended. `isInherited`: in an earlier process.
    mutating func fill(
        _ span: (from: Timestamp, to: Timestamp), _ reason: GapReason, _ place: Int,
        isInherited: Bool
    ) {
        let feed = list[place]
        let edge = isInherited ? unknownSpan(of: place) : 0
        let from = min(span.from.advanced(byNanoseconds: edge), span.to)
        list[place].filled.append(span.from..<span.to)
        ended.append(
            EndedGap(
                place: place, instrument: feed.instrument, name: feed.name,
                span: span.from..<span.to, reason: reason,
                known: from..<max(from, span.to.advanced(byNanoseconds: -edge)),
                isInherited: isInherited))
    }

    /// How long before the last sign of life of an earlier process something may be missing, in
    /// nanoseconds. Its connections may have been dead without showing that yet, what was under way
    /// then is lost, and the service's clock may be behind.
    func doubt(of channel: StreamChannel) -> Int64 {
        let behind = channel.proof == .byArrival ? 0 : Self.unknownClock
        return settings.deadMax + settings.delayMax + behind + channel.revisedAfter
            + channel.lag.upperBound
    }

    /// How far from its edges an earlier process may have delivered some of a gap, in nanoseconds:
    /// the gap begins by the doubt before, and the service's clock may have been ahead.
    func unknownSpan(of place: Int) -> Int64 {
        let channel = list[place].channel
        return doubt(of: channel) + Self.unknownClock - channel.lag.lowerBound
    }

    /// A trade with a number came.
    mutating func arrived(_ place: Int, _ number: UInt64, _ time: Timestamp) {
        guard list[place].channel.isFilled, number != 0 else { return }
        list[place].arrivals.note(number, time)
        guard list[place].arrivals.isFull else { return }
        var least = list[place].reach.last
        if clock.floor.isDefined { least = min(least, clock.floor) }
        if let gap = list[place].openGap { least = min(least, gap.from) }
        let filled = list[place].filled
        list[place].arrivals.prune { time in
            time >= least || filled.contains { $0.contains(time) }
        }
    }

    /// A gap is filled, or stays.
    mutating func settled(_ span: Range<Timestamp>, of place: Int) {
        if let index = list[place].filled.firstIndex(of: span) {
            list[place].filled.remove(at: index)
        }
    }
}
