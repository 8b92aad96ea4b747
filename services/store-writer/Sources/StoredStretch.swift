import MarketModel
import Primitives

/// When the tape took the packets of one source: a row of `stored_stretches`. A row of any table of
/// ticks has source, partition and ordinal, so this says of each when it was known, without a
/// column of its own.
///
/// A packet counts with the tape's time or the sender's, whichever is later, so that no one clock
/// makes it known too early. A stretch is a list of points, one for each second with a packet: its
/// first ordinal, the time of its last packet, and how far apart the two times of a packet were at
/// most. So within a second a time may be too late.
struct StoredStretch: Hashable, Sendable {
    /// The most points of a stretch: it is written again while it grows.
    static let pointsMax = 128
    /// How far the times of a stretch may be from its first one, in microseconds.
    static let microsecondsMax: UInt64 = 1_800_000_000

    let source: SourceName
    let firstOrdinal: UInt64
    private(set) var lastOrdinal: UInt64
    /// The time of its first packet, in microseconds since 1970. Here and for all packets, a part
    /// of a microsecond counts as a whole one.
    let takenFrom: Int64
    /// The points that are not stored, and the last one.
    private(set) var points: [Point]
    /// The number of all points.
    private var pointCount = 1
    /// Whether it says more than what is stored.
    private(set) var isChanged = true

    struct Point: Hashable, Sendable {
        /// Its first ordinal, counted from `firstOrdinal`.
        let start: Int32
        /// The time of its last packet, in microseconds after `takenFrom`.
        var delay: Int32
        /// From the earlier to the later time of a packet, in milliseconds: the most.
        var apart: Int32
    }

    /// The times of a packet.
    struct Moment: Hashable, Sendable {
        /// The later one, in microseconds since 1970.
        let latest: Int64
        /// How far apart they are, in milliseconds.
        let apart: Int32

        /// `nil` when it is not known when the tape took the packet.
        init?(taken: Timestamp, sent: Timestamp) {
            guard taken.isDefined else { return nil }
            let sent = sent.isDefined ? sent : taken
            latest = max(taken, sent).microsecondsUp
            apart = Int32(clamping: taken.nanoseconds(since: sent).magnitude / 1_000_000)
        }
    }

    /// Begins with these ordinals of one packet.
    init(_ source: SourceName, _ ordinals: ClosedRange<UInt64>, at moment: Moment) {
        self.source = source
        firstOrdinal = ordinals.lowerBound
        lastOrdinal = ordinals.upperBound
        takenFrom = moment.latest
        points = [Point(start: 0, delay: 0, apart: moment.apart)]
    }

    /// Adds later ordinals of one packet. Returns false, and adds nothing, when there is no room
    /// for them.
    mutating func extend(_ ordinals: ClosedRange<UInt64>, at moment: Moment) -> Bool {
        let last = points.count - 1
        let (delay, overflow) = moment.latest.subtractingReportingOverflow(takenFrom)
        guard !overflow, delay.magnitude <= Self.microsecondsMax,
            ordinals.lowerBound > lastOrdinal,
            ordinals.upperBound - firstOrdinal <= UInt64(Int32.max)
        else { return false }
        if second(delay) == second(Int64(points[last].delay)) {
            points[last].delay = max(points[last].delay, Int32(delay))
            points[last].apart = max(points[last].apart, moment.apart)
        } else {
            guard pointCount < Self.pointsMax else { return false }
            pointCount += 1
            points.append(
                Point(
                    start: Int32(ordinals.lowerBound - firstOrdinal), delay: Int32(delay),
                    apart: moment.apart))
        }
        lastOrdinal = ordinals.upperBound
        isChanged = true
        return true
    }

    /// Notes that it was committed.
    mutating func stored() {
        points.removeFirst(points.count - 1)
        isChanged = false
    }

    /// The second of a time, which is the same for each writer, wherever its stretches begin.
    private func second(_ delay: Int64) -> Int64 { (takenFrom + delay) / 1_000_000 }
}

extension Timestamp {
    fileprivate var microsecondsUp: Int64 {
        nanoseconds / 1_000 + (nanoseconds % 1_000 > 0 ? 1 : 0)
    }
}
