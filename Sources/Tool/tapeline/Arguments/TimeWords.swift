internal import Glibc
import Primitives

/// Times as people write them, in a time zone: `--zone America/New_York --from 09:30`.
struct TimeWords {
    static let option = "--zone"
    private static let day: Int64 = 86_400

    let zone: ZoneFile
    let now: Timestamp

    init(named name: String, now: Timestamp) throws(ToolError) {
        guard let zone = try Self.read(name) else {
            throw .usage(
                "'\(name.prefix(64))' is no time zone of this machine: give one such as "
                    + "America/New_York (/usr/share/zoneinfo)")
        }
        self.zone = zone
        self.now = now
    }

    /// Reads the rules of a zone. The name must lead to a file of the zones' folder.
    private static func read(_ name: String) throws(ToolError) -> ZoneFile? {
        let isName = name.utf8.allSatisfy {
            (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
                || "/_+-".utf8.contains($0)
        }
        let path = "/usr/share/zoneinfo/\(name)"
        guard isName, !name.isEmpty, name.utf8.count <= 64, !name.hasPrefix("/"),
            !FileSystem.isFolder(path)
        else { return nil }
        return try FileSystem.read(path).flatMap { ZoneFile($0) }
    }

    /// Returns the time of UTC for a day, a time of today or a time of a day in the zone. `nil` for
    /// texts that mean the same everywhere, and for those that are no times.
    func utc(_ text: String) -> String? {
        let (clock, fraction) = ClockText.parts(text)
        guard let local = local(clock) else { return nil }
        let (time, overflow) = zone.time(ofLocal: local)
            .multipliedReportingOverflow(by: 1_000_000_000)
        // A time that far away is refused by the command, in its words.
        if overflow { return nil }
        let whole = Timestamp(nanoseconds: time)
        return fraction == 0
            ? whole.short : whole.advanced(byNanoseconds: fraction).description
    }

    /// Returns the seconds since 1970 that a local clock shows.
    private func local(_ text: String) -> Int64? {
        let utc = now.nanoseconds / 1_000_000_000
        let here = utc + zone.offset(at: utc)
        let today = here - ((here % Self.day) + Self.day) % Self.day
        if text == "today" { return today }
        if text == "yesterday" { return today - Self.day }
        if let clock = ClockText.seconds(text) { return today + clock }
        let parts = text.split(
            maxSplits: 1, omittingEmptySubsequences: false, whereSeparator: { "T ".contains($0) })
        guard let date = CivilDate(String(parts[0])) else { return nil }
        let clock = parts.count < 2 ? 0 : ClockText.seconds(String(parts[1]))
        return clock.map { date.daysSinceEpoch * Self.day + $0 }
    }
}

/// A time of day: `09:30`, `09:30:15` or `09:30:15.25`.
enum ClockText {
    /// Splits the fraction of a second off, in nanoseconds. Only after seconds there is one.
    static func parts(_ text: String) -> (whole: String, nanoseconds: Int64) {
        let parts = text.split(
            separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count(where: { $0 == UInt8(ascii: ":") }) == 2,
            (1...9).contains(parts[1].utf8.count),
            parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int64(parts[1])
        else { return (text, 0) }
        let unit = (parts[1].utf8.count..<9).reduce(into: Int64(1)) { unit, _ in unit *= 10 }
        return (String(parts[0]), number * unit)
    }

    /// Returns the seconds since midnight. `nil` if this is no time of day.
    static func seconds(_ text: String) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count) else { return nil }
        var seconds: Int64 = 0
        for (part, maximum) in zip(parts, [23, 59, 59] as [Int64]) {
            guard part.utf8.count == 2, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int64(part), number <= maximum
            else { return nil }
            seconds = seconds * 60 + number
        }
        return parts.count == 2 ? seconds * 60 : seconds
    }
}
