internal import Primitives
internal import StreamCore
internal import YAMLFile

/// One session of a day, in local time.
struct LocalSession {
    /// Seconds from local midnight of its day; negative for the evening before.
    var open: Int64
    var close: Int64
    var position: YAMLPosition
}

/// The contents of a calendar file in local times, before they are turned into UTC.
struct CalendarPlan {
    /// The days for which the calendar is valid, as days since 1970.
    let days: ClosedRange<Int64>
    /// The regular sessions: on these weekdays (0 is Monday), within these days.
    private var week: [(weekdays: Set<Int64>, days: ClosedRange<Int64>, session: LocalSession)] = []
    /// Days without a session, as days since 1970.
    private var holidays: [Int64: YAMLPosition] = [:]
    /// By day, the sessions that replace the regular ones.
    private var special: [Int64: [LocalSession]] = [:]

    private static let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    private static let sessionKeys = ["open", "open_day", "close", "close_day"]

    init(days: ClosedRange<Int64>) { self.days = days }

    // MARK: reading

    /// Reads the regular sessions.
    mutating func readWeek(_ fields: Fields, _ problems: inout ProblemList) {
        let example = "[{days: [mon, tue], open: \"09:30\", close: \"16:00\"}]"
        let node = fields.required("sessions", of: "the calendar", as: example, &problems)
        for item in problems.list(node, "sessions", as: example) ?? [] {
            let known = ["days", "from", "to"] + Self.sessionKeys
            guard let fields = Fields(item, of: "a session", known: known, &problems) else {
                continue
            }
            let days = problems.list(
                fields.required("days", of: "a session", as: "[mon, fri]", &problems), "days",
                as: "[mon, fri]")
            let weekdays = (days ?? []).compactMap {
                problems.choice(
                    $0, "days", Self.weekdays.enumerated().map { ($0.element, Int64($0.offset)) })
            }
            let from = problems.date(fields["from"], "from")?.daysSinceEpoch ?? self.days.lowerBound
            let to = problems.date(fields["to"], "to")?.daysSinceEpoch ?? self.days.upperBound
            guard from <= to else {
                problems.add(fields.position, "a session: from lies behind to")
                continue
            }
            guard let session = session(fields, at: item.position, &problems) else { continue }
            week.append((Set(weekdays), from...to, session))
        }
    }

    /// Reads the dates of each holiday, listed under its name.
    mutating func readHolidays(_ fields: Fields, _ problems: inout ProblemList) {
        guard let node = fields["holidays"] else { return }
        guard let names = node.mapping else {
            problems.add(
                node.position,
                "holidays is \(node.kind): write names with dates, as 'Christmas: [2025-12-25]'")
            return
        }
        for entry in names {
            let dates = problems.list(entry.value, Shown.text(entry.key), as: "[2025-12-25]")
            for item in dates ?? [] {
                guard let date = day(item, &problems) else { continue }
                if week(of: date.daysSinceEpoch).isEmpty {
                    problems.add(
                        item.position, "\(date) has no session anyway: is the date right?")
                }
                if holidays.updateValue(item.position, forKey: date.daysSinceEpoch) != nil {
                    problems.add(item.position, "\(date) is a holiday already: remove one")
                }
            }
        }
    }

    /// Reads the sessions of single days.
    mutating func readSpecial(_ fields: Fields, _ problems: inout ProblemList) {
        let example =
            "[{name: early close, dates: [2025-07-03], open: \"09:30\", close: \"13:00\"}]"
        for item in problems.list(fields["special"], "special", as: example) ?? [] {
            let known = ["name", "dates"] + Self.sessionKeys
            guard let fields = Fields(item, of: "a special session", known: known, &problems),
                let session = session(fields, at: item.position, &problems)
            else { continue }
            let dates = fields.required(
                "dates", of: "a special session", as: "[2025-07-03]", &problems)
            for item in problems.list(dates, "dates", as: "[2025-07-03]") ?? [] {
                guard let date = day(item, &problems) else { continue }
                if holidays[date.daysSinceEpoch] != nil {
                    problems.add(item.position, "\(date) is a holiday, too: remove one of them")
                }
                special[date.daysSinceEpoch, default: []].append(session)
            }
        }
    }

    /// Reads a date for which the calendar is valid.
    private func day(_ node: YAMLNode, _ problems: inout ProblemList) -> CivilDate? {
        guard let date = problems.date(node, "date") else { return nil }
        if days.contains(date.daysSinceEpoch) { return date }
        problems.add(
            node.position, "\(date) is outside of the days for which this calendar is valid")
        return nil
    }

    private func session(
        _ fields: Fields, at position: YAMLPosition, _ problems: inout ProblemList
    ) -> LocalSession? {
        let open = problems.timeOfDay(
            fields.required("open", of: "a session", as: "\"09:30\"", &problems), "open")
        let close = problems.timeOfDay(
            fields.required("close", of: "a session", as: "\"16:00\"", &problems), "close")
        let openDay = problems.integer(fields["open_day"], "open_day", in: -1...1) ?? 0
        let closeDay = problems.integer(fields["close_day"], "close_day", in: -1...1) ?? 0
        guard let open, let close else { return nil }
        let session = LocalSession(
            open: open + openDay * 86_400, close: close + closeDay * 86_400, position: position)
        guard session.open < session.close else {
            problems.add(
                position,
                "a session closes before it opens: one over midnight needs 'open_day: -1' "
                    + "or 'close_day: 1'")
            return nil
        }
        return session
    }

    // MARK: times

    private func week(of day: Int64) -> [LocalSession] {
        let weekday = CivilDate(daysSinceEpoch: day).weekday
        return week.filter { $0.weekdays.contains(weekday) && $0.days.contains(day) }.map(\.session)
    }

    func calendar(
        name: String, _ zone: ZoneFile, _ problems: inout ProblemList
    ) -> SessionCalendar? {
        var sessions: [SessionCalendar.Session] = []
        for day in days {
            let plan = special[day] ?? (holidays[day] == nil ? week(of: day) : [])
            for session in plan.sorted(by: { $0.open < $1.open }) {
                guard sessions.count < SessionCalendar.sessionsMax else {
                    problems.add(
                        nil, "more than \(SessionCalendar.sessionsMax) sessions: shorten 'valid'")
                    return nil
                }
                let next = times(of: session, on: day, zone)
                if let last = sessions.last, last.close > next.open {
                    problems.add(
                        session.position,
                        "the session of \(CivilDate(daysSinceEpoch: day)) opens before the one "
                            + "before it has closed: change one of them")
                    return nil
                }
                sessions.append(next)
            }
        }
        let end = zone.time(ofLocal: (days.upperBound + 1) * 86_400).nanoseconds
        guard !sessions.isEmpty,
            let calendar = SessionCalendar(name: name, sessions: sessions, validUntil: end)
        else {
            problems.add(
                nil, "there is no session, or one is longer than two days: check 'sessions'")
            return nil
        }
        return calendar
    }

    private func times(
        of session: LocalSession, on day: Int64, _ zone: ZoneFile
    ) -> SessionCalendar.Session {
        let midnight = day * 86_400
        return SessionCalendar.Session(
            open: zone.time(ofLocal: midnight + session.open).nanoseconds,
            close: zone.time(ofLocal: midnight + session.close).nanoseconds,
            day: CivilDate(daysSinceEpoch: day).number)
    }
}

extension Int64 {
    /// Seconds as nanoseconds. A value beyond the range becomes the end of the range, which no
    /// calendar accepts.
    fileprivate var nanoseconds: Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (self < 0 ? .min : .max) : product
    }
}
