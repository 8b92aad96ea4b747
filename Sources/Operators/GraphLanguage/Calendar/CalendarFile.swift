internal import Primitives
package import StreamCore
internal import YAMLFile

/// Reads a calendar: local times, holidays and special days of one zone, as sessions in UTC.
package enum CalendarFile {
    /// The number of years that one calendar may cover.
    static let yearsMax: Int64 = 100

    package static func read(
        _ path: String, name: String, _ files: GraphFiles
    ) throws(GraphProblems) -> SessionCalendar {
        try ProblemList.reading(path) { read(name, files, &$0) }
    }

    static func read(
        _ name: String, _ files: GraphFiles, _ problems: inout ProblemList
    ) -> SessionCalendar? {
        guard let root = ProblemList.load(problems.file, files, &problems) else { return nil }
        let keys = ["version", "zone", "valid", "sessions", "holidays", "special"]
        guard let fields = Fields(root, of: "the calendar", known: keys, &problems) else {
            return nil
        }
        _ = problems.integer(
            fields.required("version", of: "the calendar", as: "1", &problems), "version", in: 1...1
        )
        let zone = zone(fields, files, &problems)
        guard let days = validity(fields, &problems) else { return nil }
        var plan = CalendarPlan(days: days)
        plan.readWeek(fields, &problems)
        plan.readHolidays(fields, &problems)
        plan.readSpecial(fields, &problems)
        guard problems.isEmpty, let zone else { return nil }
        return plan.calendar(name: name, zone, &problems)
    }

    private static func zone(
        _ fields: Fields, _ files: GraphFiles, _ problems: inout ProblemList
    ) -> ZoneFile? {
        let node = fields.required(
            "zone", of: "the calendar", as: "America/New_York", &problems)
        guard let node, let name = problems.text(node, "zone") else { return nil }
        let isName = name.utf8.allSatisfy {
            (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
                || "/_+-".utf8.contains($0)
        }
        guard isName, name.utf8.count <= 64, name.utf8.first != UInt8(ascii: "/") else {
            problems.add(
                node.position, "zone: \(Shown.text(name)) is no zone: write it like Europe/Zurich")
            return nil
        }
        switch files.read("\(files.zones)/\(name)", ZoneFile.bytesMax) {
        case .failure(let failure):
            problems.add(
                node.position,
                "zone \(name): \(files.zones)/\(name) \(failure.what): check the name, or install "
                    + "tzdata")
            return nil
        case .success(let bytes):
            if let zone = ZoneFile(bytes) { return zone }
            problems.add(
                node.position,
                "zone \(name): \(files.zones)/\(name) is no file of a time zone: install tzdata")
            return nil
        }
    }

    private static func validity(
        _ fields: Fields, _ problems: inout ProblemList
    ) -> ClosedRange<Int64>? {
        let example = "{from: 2015-01-01, to: 2027-12-31}"
        guard let node = fields.required("valid", of: "the calendar", as: example, &problems),
            let range = Fields(node, of: "valid", known: ["from", "to"], &problems)
        else { return nil }
        let from = problems.date(
            range.required("from", of: "valid", as: "2015-01-01", &problems), "from")
        let to = problems.date(range.required("to", of: "valid", as: "2027-12-31", &problems), "to")
        guard let from, let to else { return nil }
        guard from <= to, to.daysSinceEpoch - from.daysSinceEpoch <= yearsMax * 366 else {
            problems.add(
                node.position,
                "valid: \(from) to \(to) are no days in order, or more than "
                    + "\(yearsMax) years")
            return nil
        }
        return from.daysSinceEpoch...to.daysSinceEpoch
    }
}

extension ProblemList {
    mutating func date(_ node: YAMLNode?, _ what: String) -> CivilDate? {
        guard let node, let text = text(node, what) else { return nil }
        if let date = CivilDate(text) { return date }
        add(node.position, "\(what): \(Shown.text(text)) is no day: write it like 2025-01-09")
        return nil
    }

    /// Returns the seconds since local midnight of `09:30` or `24:00`.
    mutating func timeOfDay(_ node: YAMLNode?, _ what: String) -> Int64? {
        guard let node, let text = text(node, what) else { return nil }
        let bytes = Array(text.utf8)
        if bytes.count == 5, bytes[2] == UInt8(ascii: ":"),
            bytes.allSatisfy({ (0x30...0x3a).contains($0) }),
            let hours = Int64(text.prefix(2)), let minutes = Int64(text.suffix(2)),
            minutes < 60, hours < 24 || (hours == 24 && minutes == 0)
        {
            return hours * 3_600 + minutes * 60
        }
        add(node.position, "\(what): \(Shown.text(text)) is no time of a day: write it like 09:30")
        return nil
    }
}
