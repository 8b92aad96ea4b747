internal import Primitives

/// The days of a breadth node: to which day a time belongs, and which day a provider's daily bar
/// covers. Days are those of a calendar's trading sessions, or UTC days without a calendar. A day
/// is its local date as a number, yyyymmdd.
struct BreadthDays: Sendable {
    /// The widths that a daily bar may have, in nanoseconds. They allow for a change of the clocks,
    /// for midnights of a local zone, and for days that run from one day's sessions to the next.
    private static let widthMin: Int64 = 20 * 3_600_000_000_000
    private static let widthMax: Int64 = 26 * 3_600_000_000_000

    let calendar: SessionCalendar?

    /// Returns the local date as yyyymmdd; `nil` outside of all sessions.
    func day(at time: Int64) -> Int32? {
        if let calendar { return calendar.session(at: time)?.day }
        let start = Timestamp(nanoseconds: time).floored(
            toNanoseconds: StreamLimits.dayNanoseconds)
        return CivilDate(daysSinceEpoch: start.nanoseconds / StreamLimits.dayNanoseconds).number
    }

    /// Returns the day that a window covers; `nil` when it covers a part of a day, or parts of
    /// several.
    ///
    /// A window as long as a day gets the day of whose sessions it holds most. Without a calendar
    /// it gets the UTC day that holds its middle, because midnights of New York are no midnights in
    /// UTC. A shorter window covers a day if it holds all sessions of that day and touches no other
    /// day's.
    func day(from open: Timestamp, to close: Timestamp) -> Int32? {
        guard open.isUsable, close.isUsable, open < close else { return nil }
        let (open, close) = (open.nanoseconds, close.nanoseconds)
        let width = close - open
        guard width <= Self.widthMax else { return nil }
        let isLong = width >= Self.widthMin
        guard let calendar else { return isLong ? day(at: open + width / 2) : nil }
        return day(of: calendar.sessions, open, close, isLong: isLong, calendar)
    }

    /// Returns the day that the window [open, close) covers in a calendar, as `day(from:to:)`
    /// states.
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

    /// Returns the day of which the window holds most; the later one of two with equal shares.
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
