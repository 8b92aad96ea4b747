import Primitives

/// A position on the tape as a person writes it: `beginning`, `-10m`, `2026-11-20T14:30:00Z`,
/// `today`, `seq:123`. Times are those at which the tape stored a packet. A day begins at midnight
/// UTC.
enum TailPlace: Equatable, Sendable {
    case beginning
    case time(Timestamp)
    case sequence(UInt64)

    static let expectedTime =
        "a time with its zone (2026-11-20T14:30:00Z, …+01:00), a day in UTC (2026-11-20, today, "
        + "yesterday), a time of today in UTC (14:30), now, or a distance from now (-90s, -10m, "
        + "-2h, -1d)"
    static let expected = "'beginning', seq:NUMBER, \(expectedTime)"

    /// A relative time is counted back from `now`.
    static func parse(
        _ text: String, _ option: String, now: Timestamp
    ) throws(ToolError) -> TailPlace {
        guard let place = parsed(text, now: now) else {
            throw .usage("\(option) wants \(expected), not '\(text.prefix(40))'")
        }
        return place
    }

    /// Parses only times, for commands that do not select by sequence.
    static func time(
        _ text: String, _ option: String, now: Timestamp
    ) throws(ToolError) -> Timestamp {
        guard case .time(let time) = parsed(text, now: now) else {
            throw .usage("\(option) wants \(expectedTime), not '\(text.prefix(40))'")
        }
        return time
    }

    private static func parsed(_ text: String, now: Timestamp) -> TailPlace? {
        if text == "beginning" { return .beginning }
        if text == "now" { return .time(now) }
        if text.hasPrefix("seq:") {
            return number(text.dropFirst(4)).flatMap { $0 > 0 ? .sequence($0) : nil }
        }
        if text.hasPrefix("-") {
            guard let distance = distance(text.dropFirst()) else { return nil }
            return .time(now.advanced(byNanoseconds: -distance))
        }
        let (whole, fraction) = ClockText.parts(text)
        if let clock = ClockText.seconds(whole) {
            return day("today", now: now).map {
                .time($0.advanced(byNanoseconds: clock * 1_000_000_000 + fraction))
            }
        }
        return (day(text, now: now) ?? ISOTime.parse(text)).map { .time($0) }
    }

    /// Returns the beginning of a UTC day.
    static func day(_ text: String, now: Timestamp) -> Timestamp? {
        let dayNanoseconds: Int64 = 86_400_000_000_000
        let today = now.advanced(byNanoseconds: -(now.nanoseconds % dayNanoseconds))
        switch text {
        case "today": return today
        case "yesterday": return today.advanced(byNanoseconds: -dayNanoseconds)
        default: return text.contains("T") ? nil : ISOTime.parse("\(text)T00:00:00Z")
        }
    }

    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    private static func distance(_ text: Substring) -> Int64? {
        for unit in units where text.hasSuffix(unit.suffix) {
            guard let count = number(text.dropLast(unit.suffix.count)).flatMap(Int64.init(exactly:))
            else { continue }
            let (product, overflow) = count.multipliedReportingOverflow(by: unit.nanoseconds)
            return overflow ? nil : product
        }
        return nil
    }

    private static func number(_ text: Substring) -> UInt64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return UInt64(text)
    }
}
