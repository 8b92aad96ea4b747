internal import Primitives

/// Which day a time belongs to, or a window that a provider calls a day: of a calendar's trading
/// sessions, or in UTC without one.
struct BreadthDays: Sendable {
    /// A day with a change of the clocks, give or take; also one from midnight to midnight of a
    /// zone, or between the sessions of two days.
    private static let widthMin: Int64 = 20 * 3_600_000_000_000
    private static let widthMax: Int64 = 26 * 3_600_000_000_000

    let calendar: SessionCalendar?

    /// Local date as yyyymmdd; nil outside of all sessions.
    func day(at time: Int64) -> Int32? {
        if let calendar { return calendar.session(at: time)?.day }
        let start = Timestamp(nanoseconds: time).floored(
            toNanoseconds: StreamLimits.dayNanoseconds)
        return CivilDate(daysSinceEpoch: start.nanoseconds / StreamLimits.dayNanoseconds).number
    }

    /// The day that a window covers; nil: it is no day, but a part of one or several.
    ///
    /// One as long as a day is that of the sessions of which it holds the most, or the one in which
    /// its middle lies: midnights of New York are no midnights in UTC. A shorter one is a day if it
    /// covers all sessions of one, and nothing of another.
    func day(from open: Timestamp, to close: Timestamp) -> Int32? {
        guard open.isUsable, close.isUsable, open < close else { return nil }
        let (open, close) = (open.nanoseconds, close.nanoseconds)
        let width = close - open
        guard width <= Self.widthMax else { return nil }
        let isLong = width >= Self.widthMin
        guard let calendar else { return isLong ? day(at: open + width / 2) : nil }
        return day(of: calendar.sessions, open, close, isLong: isLong, calendar)
    }

    private func day(
        of sessions: [SessionCalendar.Session], _ open: Int64, _ close: Int64, isLong: Bool,
        _ calendar: SessionCalendar
    ) -> Int32? {
        guard let last = calendar.index(notAfter: close - 1), sessions[last].close > open else {
            return nil
        }
        var first = last
        while first > 0, sessions[first - 1].close > open { first -= 1 }
        let touched = sessions[first...last]
        guard !isLong else { return Self.most(of: touched, open, close) }
        let day = sessions[first].day
        let isWhole = touched.allSatisfy {
            $0.day == day && $0.open >= open && $0.close <= close
        }
        guard isWhole, first == 0 || sessions[first - 1].day != day,
            last + 1 == sessions.count || sessions[last + 1].day != day
        else { return nil }
        return day
    }

    /// Of two with as much, the later one.
    private static func most(
        of sessions: ArraySlice<SessionCalendar.Session>, _ open: Int64, _ close: Int64
    ) -> Int32? {
        var best: (day: Int32, held: Int64)?
        var held: Int64 = 0
        var day: Int32?
        for session in sessions {
            if session.day != day { held = 0 }
            day = session.day
            held += min(session.close, close) - max(session.open, open)
            if held >= best?.held ?? 0 { best = (session.day, held) }
        }
        return best?.day
    }
}
