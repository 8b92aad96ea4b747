/// Durations as people write them: a whole number and its unit.
package enum DurationText {
    /// The units. Days are read, but written as hours.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
        ("s", 1_000_000_000), ("ms", 1_000_000),
        ("us", 1_000), ("ns", 1),
    ]

    /// Returns `nil` when there is no number or no unit, or when 64 bits of nanoseconds cannot hold
    /// it.
    package static func parse(_ text: String) -> Duration? {
        guard let (number, unit) = UnitText.split(text),
            let scale = units.first(where: { $0.name == unit })?.nanoseconds
        else { return nil }
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: scale)
        return overflow ? nil : .nanoseconds(nanoseconds)
    }

    /// Returns the text in the largest unit that leaves a whole number.
    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return "\(seconds)s" }
        let nanoseconds = scaled + attoseconds / 1_000_000_000
        guard nanoseconds != 0,
            let unit = units.dropFirst().first(where: { nanoseconds % $0.nanoseconds == 0 })
        else { return "0s" }
        return "\(nanoseconds / unit.nanoseconds)\(unit.name)"
    }
}

/// Numbers of bytes as people write them.
enum ByteCountText {
    private static let units: [(name: String, bytes: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1),
    ]

    static func parse(_ text: String) -> Int? {
        guard let (number, unit) = UnitText.split(text),
            let scale = units.first(where: { $0.name == unit })?.bytes
        else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: scale)
        return overflow ? nil : Int(exactly: bytes)
    }

    static func text(_ bytes: Int) -> String {
        guard bytes != 0, let unit = units.first(where: { Int64(bytes) % $0.bytes == 0 }) else {
            return "0"
        }
        return "\(Int64(bytes) / unit.bytes)\(unit.name)"
    }
}

private enum UnitText {
    /// Splits digits from the rest.
    static func split(_ text: String) -> (number: Int64, unit: String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, let number = Int64(digits) else { return nil }
        return (number, String(text[digits.endIndex...]))
    }
}
