internal import Primitives

/// The vendor restarts its servers every night; being cut off then is an outage, not a failure.
enum ResetWindow {
    /// 23:45 to 00:45 in New York, in summer and in winter: seconds of the UTC day.
    static let seconds: Range<Int64> = 13_500..<20_700

    static func contains(_ time: Timestamp) -> Bool {
        guard time.isDefined else { return false }
        let day: Int64 = 86_400 * EngineLimits.second
        let inDay = time.nanoseconds % day
        return seconds.contains((inDay < 0 ? inDay + day : inDay) / EngineLimits.second)
    }
}
