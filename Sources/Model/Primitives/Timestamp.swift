/// Nanoseconds since 1970-01-01 UTC. Undefined is ordered after every real time, so that `min` over
/// times ignores it.
@frozen
public struct Timestamp: Hashable, Comparable, Sendable, BitwiseCopyable {
    public var nanoseconds: Int64

    /// "No time". The wire formats carry the same value.
    public static let undefined = Timestamp(nanoseconds: Int64.max)

    @inlinable @inline(__always)
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    @inlinable @inline(__always)
    public var isDefined: Bool { nanoseconds != Int64.max }

    @inlinable @inline(__always)
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Returns the time moved by a number of nanoseconds. The result is clamped to the defined
    /// range instead of wrapping, because times from outside must not be able to trap the process.
    @inlinable
    public func advanced(byNanoseconds delta: Int64) -> Timestamp {
        guard isDefined else { return self }
        let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
        if overflow { return Timestamp(nanoseconds: delta < 0 ? Int64.min : Int64.max - 1) }
        return Timestamp(nanoseconds: min(sum, Int64.max - 1))
    }

    /// Returns the distance from `earlier` to `self`, clamped to the range.
    @inlinable
    public func nanoseconds(since earlier: Timestamp) -> Int64 {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        guard overflow else { return difference }
        return nanoseconds < 0 ? Int64.min : Int64.max
    }

    /// Returns the start of the window of `width` nanoseconds, aligned to 1970, that contains this
    /// time. Undefined stays undefined. A start before the range becomes the range's first time.
    @inlinable
    public func floored(toNanoseconds width: Int64) -> Timestamp {
        precondition(width > 0, "a window has a positive width, not \(width)")
        guard isDefined else { return self }
        let remainder = nanoseconds % width
        let step = remainder < 0 ? remainder + width : remainder
        let (start, overflow) = nanoseconds.subtractingReportingOverflow(step)
        return Timestamp(nanoseconds: overflow ? Int64.min : start)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC with nine decimals, as logs and JSON carry it.
    public var description: String {
        guard isDefined else { return "undefined" }
        // `floored` would not do here: the first day of the range begins before the range does.
        let (days, rest) = nanoseconds.quotientAndRemainder(dividingBy: Self.nanosecondsPerDay)
        let inDay = rest < 0 ? rest + Self.nanosecondsPerDay : rest
        let date = CivilDate(daysSinceEpoch: rest < 0 ? days - 1 : days)
        let seconds = inDay / 1_000_000_000
        let clock = [seconds / 3_600, seconds / 60 % 60, seconds % 60].map { padded($0, to: 2) }
        let fraction = padded(inDay % 1_000_000_000, to: 9)
        return "\(date)T\(clock.joined(separator: ":")).\(fraction)Z"
    }

    private static let nanosecondsPerDay: Int64 = 86_400_000_000_000
}

/// Returns the number with leading zeros.
func padded(_ number: Int64, to width: Int) -> String {
    let digits = String(number.magnitude)
    let zeros = String(repeating: "0", count: max(0, width - digits.count))
    return (number < 0 ? "-" : "") + zeros + digits
}
