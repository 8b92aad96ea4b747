import Primitives

/// A place on the tape as a person names it: `beginning`, `-10m`, `2026-11-20T14:30:00Z`,
/// `seq:123`. Times are those at which the tape stored a packet.
enum TailPlace: Equatable, Sendable {
    case beginning
    case time(Timestamp)
    case sequence(UInt64)

    static let expected =
        "'beginning', a time with its zone (2026-11-20T14:30:00Z, …+01:00), a distance from now "
        + "(-90s, -10m, -2h, -1d) or seq:NUMBER"

    /// `now` decides what a distance means.
    static func parse(
        _ text: String, _ option: String, now: Timestamp
    ) throws(ToolError) -> TailPlace {
        guard let place = parsed(text, now: now) else {
            throw .usage("\(option) wants \(expected), not '\(text.prefix(40))'")
        }
        return place
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
        return ISOTime.parse(text).map { .time($0) }
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
