package import Primitives

/// A time in the text of a message. Only a time that names UTC, or counts seconds, is a point in
/// time here. Local times are resolved by the caller, which knows the zones.
package enum ProviderTime: Hashable, Sendable {
    case instant(Timestamp)
    /// A day, as the number of days since 1970-01-01.
    case day(Int64)
    /// A local time and its zone; the zone is empty when the provider named none.
    case wall(WallTime, zone: String)

    /// The meaning of a time of day without a zone in a field.
    enum Reading {
        case wall
        case universal
    }
}

/// A local time, as a clock shows it. It is not a point in time.
package struct WallTime: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The seconds since 1970-01-01 00:00:00, as if every day had 86,400 of them.
    package var seconds: Int64

    package init(seconds: Int64) { self.seconds = seconds }

    /// Fails when there is no such day or time of day.
    package init?(
        year: Int64, month: Int64, day: Int64, hour: Int64 = 0, minute: Int64 = 0,
        second: Int64 = 0
    ) {
        guard let date = CivilDate(year: year, month: month, day: day),
            (0..<24).contains(hour), (0..<60).contains(minute), (0..<60).contains(second)
        else { return nil }
        seconds = date.daysSinceEpoch * 86_400 + hour * 3_600 + minute * 60 + second
    }

    package static func < (left: WallTime, right: WallTime) -> Bool { left.seconds < right.seconds }
}

extension ProviderTime {
    /// Reads one of these forms:
    /// - `yyyymmdd`: a day
    /// - nine digits or more: seconds since 1970, from March 1973 on
    /// - `yyyymmdd hh:mm:ss`, `yyyymmdd-hh:mm:ss`, `yyyy-mm-dd hh:mm:ss.0`, with one or two blanks
    ///   in between, with or without a zone after one more blank
    init?(_ text: RawSpan, _ reading: Reading) {
        var scanner = TimeScanner(text)
        let leading = scanner.leadingDigits
        if leading == text.byteCount, leading > 8 {
            guard let time = FieldCursor.time(in: text, 0..<leading, unit: 1_000_000_000),
                time.isDefined
            else { return nil }
            self = .instant(time)
            return
        }
        guard let date = scanner.date() else { return nil }
        if scanner.isAtEnd {
            guard let day = WallTime(year: date.0, month: date.1, day: date.2) else { return nil }
            self = .day(day.seconds / 86_400)
            return
        }
        guard scanner.gap(), let clock = scanner.clock(),
            let wall = WallTime(
                year: date.0, month: date.1, day: date.2, hour: clock.0, minute: clock.1,
                second: clock.2)
        else { return nil }
        guard let zone = scanner.zone() else { return nil }
        let isUniversal = ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z"].contains(zone)
        guard isUniversal || zone.isEmpty && reading == .universal else {
            self = .wall(wall, zone: zone)
            return
        }
        let (nanoseconds, isTooLarge) = wall.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !isTooLarge else { return nil }
        self = .instant(Timestamp(nanoseconds: nanoseconds))
    }
}

private struct TimeScanner: ~Escapable {
    private let text: RawSpan
    private var place = 0

    @_lifetime(copy text)
    init(_ text: RawSpan) { self.text = text }

    var isAtEnd: Bool { place == text.byteCount }

    var leadingDigits: Int {
        var count = 0
        while count < text.byteCount, text.uint8(at: count) &- 0x30 <= 9 { count += 1 }
        return count
    }

    /// Reads `yyyymmdd` or `yyyy-mm-dd`.
    @_lifetime(self: copy self)
    mutating func date() -> (Int64, Int64, Int64)? {
        guard let year = digits(4) else { return nil }
        let isDashed = take(UInt8(ascii: "-"))
        guard let month = digits(2), !isDashed || take(UInt8(ascii: "-")), let day = digits(2)
        else { return nil }
        return (year, month, day)
    }

    /// Reads blanks, or one dash.
    @_lifetime(self: copy self)
    mutating func gap() -> Bool {
        if take(UInt8(ascii: "-")) { return true }
        return blanks()
    }

    /// Reads `hh:mm:ss` and drops a fraction: no message has one with information.
    @_lifetime(self: copy self)
    mutating func clock() -> (Int64, Int64, Int64)? {
        guard let hour = digits(2), take(UInt8(ascii: ":")), let minute = digits(2),
            take(UInt8(ascii: ":")), let second = digits(2)
        else { return nil }
        if take(UInt8(ascii: ".")) {
            guard digits(1) != nil else { return nil }
            while digits(1) != nil {}
        }
        return (hour, minute, second)
    }

    /// Reads the rest; `nil` when it is something else than a zone.
    @_lifetime(self: copy self)
    mutating func zone() -> String? {
        if isAtEnd { return "" }
        guard gap() else { return nil }
        let zone = text.extracting(place..<text.byteCount)
        for index in 0..<zone.byteCount where !(0x21...0x7e).contains(zone.uint8(at: index)) {
            return nil
        }
        return zone.byteCount <= 64 ? zone.text : nil
    }

    @_lifetime(self: copy self)
    private mutating func blanks() -> Bool {
        let start = place
        while take(UInt8(ascii: " ")) {}
        return place > start
    }

    @_lifetime(self: copy self)
    private mutating func take(_ byte: UInt8) -> Bool {
        guard place < text.byteCount, text.uint8(at: place) == byte else { return false }
        place += 1
        return true
    }

    @_lifetime(self: copy self)
    private mutating func digits(_ count: Int) -> Int64? {
        guard place + count <= text.byteCount else { return nil }
        var value: Int64 = 0
        for _ in 0..<count {
            let digit = text.uint8(at: place) &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + Int64(digit)
            place += 1
        }
        return value
    }
}
