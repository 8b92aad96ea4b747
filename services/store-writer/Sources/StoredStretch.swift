import MarketModel
import Primitives

/// When the tape took the packets of one source: a row of `stored_stretches`. A row of any table of
/// ticks has source, partition and ordinal, so this says of each when it was known, without a
/// column of its own.
///
/// A packet counts with the tape's time or the sender's, whichever is later, so that no one clock
/// makes it known too early. A stretch is a list of points, one for each second with a packet: its
/// first ordinal, and the time of its last packet. So within a second a time may be too late.
struct StoredStretch: Hashable, Sendable {
    /// The most points of a stretch: it is written again while it grows.
    static let pointsMax = 128
    /// How far the times of a stretch may be from its first one, in microseconds.
    static let microsecondsMax: Int64 = 1_800_000_000

    let source: SourceName
    let firstOrdinal: UInt64
    private(set) var lastOrdinal: UInt64
    /// The time of its first packet, in microseconds since 1970. A part of a microsecond counts as a
    /// whole one, here and for all packets.
    let takenFrom: Int64
    /// Of the points that are not stored and the last one: their first ordinals after
    /// `firstOrdinal`, and their times after `takenFrom`.
    private(set) var points: [Point]
    /// The number of all points.
    private var pointCount = 1
    /// Whether it says more than what is stored.
    private(set) var isChanged = true

    struct Point: Hashable, Sendable {
        let start: Int32
        var delay: Int32
    }

    /// Begins with these ordinals of one packet.
    init(_ source: SourceName, _ ordinals: ClosedRange<UInt64>, takenAt time: Timestamp) {
        self.source = source
        firstOrdinal = ordinals.lowerBound
        lastOrdinal = ordinals.upperBound
        takenFrom = time.microsecondsUp
        points = [Point(start: 0, delay: 0)]
    }

    /// Adds later ordinals of one packet. Returns false, and adds nothing, when there is no room
    /// for them.
    mutating func extend(_ ordinals: ClosedRange<UInt64>, takenAt time: Timestamp) -> Bool {
        let (last, delay) = (points.count - 1, time.microsecondsUp - takenFrom)
        guard abs(delay) <= Self.microsecondsMax, ordinals.lowerBound > lastOrdinal,
            ordinals.upperBound - firstOrdinal <= UInt64(Int32.max)
        else { return false }
        if second(delay) == second(Int64(points[last].delay)) {
            points[last].delay = max(points[last].delay, Int32(delay))
        } else {
            guard pointCount < Self.pointsMax else { return false }
            pointCount += 1
            points.append(
                Point(start: Int32(ordinals.lowerBound - firstOrdinal), delay: Int32(delay)))
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

    /// Writes the stretch in the form that `advance_positions` takes.
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.text)
            json.member("first_ordinal", firstOrdinal)
            json.member("last_ordinal", lastOrdinal)
            json.member("from_us", takenFrom)
            json.member(
                "starts", array: { json in for point in points { json.value(Int(point.start)) } })
            json.member(
                "delays_us", array: { json in for point in points { json.value(Int(point.delay)) } }
            )
        }
    }
}

extension Timestamp {
    fileprivate var microsecondsUp: Int64 {
        nanoseconds / 1_000 + (nanoseconds % 1_000 > 0 ? 1 : 0)
    }
}
