internal import Glibc
import Primitives

/// Times as people write them, in a time zone: `--zone America/New_York --from 09:30`. The options
/// of all commands are made times of UTC here, before a command reads them.
struct TimeWords {
    /// The options whose values are times.
    static let options: Set<String> = ["--as-of", "--from", "--to", "--until", "--since"]
    static let zoneOption = "--zone"
    private static let day: Int64 = 86_400

    let zone: ZoneFile
    let now: Timestamp

    /// Returns the arguments without `--zone`, and with times that it determines as times of UTC.
    /// Without `--zone` they are returned as they are. `valuesBesideTimes`: the options with values
    /// of a command that takes times as words; they are not such words. `nil` for other commands.
    static func resolved(
        _ arguments: [String], now: Timestamp, valuesBesideTimes: Set<String>? = nil
    ) throws(ToolError) -> [String] {
        guard let (name, rest) = try zone(in: arguments) else { return arguments }
        guard let zone = try read(name) else {
            throw .usage(
                "'\(name.prefix(64))' is no time zone of this machine: give one such as "
                    + "America/New_York (/usr/share/zoneinfo)")
        }
        guard !rest.contains(where: { $0 == "--day" || $0.hasPrefix("--day=") }) else {
            throw .usage("--day is a day in UTC: with --zone give --from and --to")
        }
        let words = TimeWords(zone: zone, now: now)
        var before = ""
        var isUsed = valuesBesideTimes != nil
        let resolved = rest.map { argument in
            defer { before = argument }
            let option = String(argument.prefix { $0 != "=" })
            if option != argument, options.contains(option) {
                isUsed = true
                return words.utc(String(argument.dropFirst(option.count + 1)))
                    .map { "\(option)=\($0)" } ?? argument
            }
            guard options.contains(before) || valuesBesideTimes?.contains(before) == false else {
                return argument
            }
            isUsed = true
            return words.utc(argument) ?? argument
        }
        guard isUsed else {
            let names = options.sorted().joined(separator: ", ")
            throw .usage("--zone says how the times of \(names) are meant: give one of them")
        }
        return resolved
    }

    /// Returns the value of `--zone` and the other arguments. `nil` if it is not given.
    private static func zone(
        in arguments: [String]
    ) throws(ToolError) -> (name: String, rest: [String])? {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        guard
            let index = arguments[..<end].firstIndex(where: {
                $0 == zoneOption || $0.hasPrefix("\(zoneOption)=")
            })
        else { return nil }
        var rest = arguments
        let found = rest.remove(at: index)
        if found != zoneOption { return (String(found.dropFirst(zoneOption.count + 1)), rest) }
        guard index < rest.count, !rest[index].hasPrefix("-") else {
            throw .usage("\(zoneOption) wants a value")
        }
        return (rest.remove(at: index), rest)
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
        guard let local = local(text) else { return nil }
        let (time, overflow) = zone.time(ofLocal: local)
            .multipliedReportingOverflow(by: 1_000_000_000)
        // A time that far away is refused by the command, in its words.
        return overflow ? nil : Timestamp(nanoseconds: time).short
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

/// A time of day: `09:30` or `09:30:15`.
enum ClockText {
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
