/// The rule by which the windows of one series in a `BarMachine` begin and end, made ready to
/// compute.
struct WindowShape: Sendable {
    /// [start, end), in nanoseconds since 1970.
    struct Bounds: Hashable, Sendable, BitwiseCopyable {
        var start: Int64
        var end: Int64

        func overlaps(from: Int64, to: Int64) -> Bool { start < to && end > from }

        /// Returns the parts of this time that are in none of the windows, which are in order and
        /// do not overlap.
        func gaps(between windows: [Bounds]) -> [Bounds] {
            var gaps: [Bounds] = []
            var from = start
            for window in windows where window.overlaps(from: from, to: end) {
                if window.start > from { gaps.append(Bounds(start: from, end: window.start)) }
                from = window.end
            }
            if from < end { gaps.append(Bounds(start: from, end: end)) }
            return gaps
        }
    }

    private enum Kind: Sendable {
        /// One window after the other, aligned to 1970-01-01 UTC.
        case aligned
        /// Sliding windows.
        case overlapping
        /// Windows counted from the opening of each trading session.
        case session
    }

    private let kind: Kind
    /// The width in nanoseconds; 0 for a complete session.
    private let width: Int64
    /// The distance between the starts of two windows; the width where they do not overlap.
    private let hop: Int64
    private let sessions: SessionCalendar?

    init(_ window: WindowRule, calendar: SessionCalendar?) {
        width = window.widthNanoseconds
        switch window {
        case .sliding(_, let hop):
            kind = .overlapping
            self.hop = hop
            sessions = nil
        case .session:
            kind = .session
            hop = width
            sessions = calendar
        case .tumbling, .inactivity, .ticks, .volume, .dollars:
            precondition(window.isByTime, "the clock does not end these windows: \(window)")
            kind = .aligned
            hop = width
            sessions = nil
        }
    }

    /// The number of windows that hold one moment.
    var overlap: Int64 { kind == .overlapping ? width / hop : 1 }

    var isOverlapping: Bool { kind == .overlapping }

    /// Returns the window with the latest start among those that hold a time; `nil` outside of all
    /// sessions.
    func newest(holding time: Int64) -> Bounds? {
        guard kind == .session else {
            let start = Self.floor(time, to: hop)
            return Bounds(start: start, end: start + width)
        }
        guard let session = sessions?.session(at: time) else { return nil }
        guard width > 0 else { return Bounds(start: session.open, end: session.close) }
        let start = session.open + (time - session.open) / width * width
        return Bounds(start: start, end: min(start + width, session.close))
    }

    /// Returns the window that starts one hop before `bounds`; `nil` if it does not hold the time,
    /// and always where windows do not overlap.
    func older(than bounds: Bounds, holding time: Int64) -> Bounds? {
        guard kind == .overlapping, bounds.end - hop > time else { return nil }
        return Bounds(start: bounds.start - hop, end: bounds.end - hop)
    }

    /// Returns the first window that begins at the end of this one or later; `nil` after the last
    /// session, and after all usable times. Only for windows that do not overlap.
    func next(after bounds: Bounds) -> Bounds? {
        guard bounds.end < StreamLimits.eventTimeNanosecondsMax else { return nil }
        guard kind == .session else { return newest(holding: bounds.end) }
        if let window = newest(holding: bounds.end) { return window }
        guard let sessions, let index = sessions.index(notAfter: bounds.start),
            index + 1 < sessions.sessions.count
        else { return nil }
        return newest(holding: sessions.sessions[index + 1].open)
    }

    /// Returns a stretch with `count` more windows on both sides of this one, or as many as there
    /// are. Session windows are widened by complete sessions. Only for windows that do not overlap.
    func widened(_ bounds: Bounds, by count: Int) -> Bounds {
        guard kind == .session else {
            let limit = StreamLimits.eventTimeNanosecondsMax
            let (reach, overflow) = width.multipliedReportingOverflow(by: Int64(count))
            let (start, early) = bounds.start.subtractingReportingOverflow(reach)
            let (end, late) = bounds.end.addingReportingOverflow(reach)
            return Bounds(
                start: overflow || early ? -limit : max(start, -limit),
                end: overflow || late ? limit : min(end, limit))
        }
        guard let sessions, var first = sessions.index(notAfter: bounds.start) else {
            return bounds
        }
        var last = first
        var missing = count
        while first > 0, missing > 0 {
            first -= 1
            missing -= windows(in: sessions.sessions[first])
        }
        missing = count
        while last + 1 < sessions.sessions.count,
            missing > 0 || sessions.sessions[last].close < bounds.end
        {
            last += 1
            if sessions.sessions[last].open >= bounds.end {
                missing -= windows(in: sessions.sessions[last])
            }
        }
        return Bounds(
            start: min(bounds.start, sessions.sessions[first].open),
            end: max(bounds.end, sessions.sessions[last].close))
    }

    /// Returns the number of windows of a session; the last one may be shorter.
    private func windows(in session: SessionCalendar.Session) -> Int {
        width > 0 ? Int((session.close - session.open + width - 1) / width) : 1
    }

    /// Returns the window that starts at `start`; `nil` when none begins there. It checks starts
    /// that are read from a checkpoint.
    func window(startingAt start: Int64) -> Bounds? {
        let limit = StreamLimits.eventTimeNanosecondsMax
        // A sliding window may begin up to a day before the first usable time.
        guard start < limit, start >= -limit - StreamLimits.dayNanoseconds,
            let bounds = newest(holding: start), bounds.start == start
        else { return nil }
        return bounds
    }

    /// Returns the time from the start of the first to the end of the last window that overlaps
    /// [from, to).
    func extent(from: Int64, to: Int64) -> Bounds {
        let limit = StreamLimits.eventTimeNanosecondsMax
        let first = min(max(from, -limit), limit - 1)
        let last = min(max(to, first + 1), limit) - 1
        var start = newest(holding: first)?.start ?? first
        if kind == .overlapping { start -= width - hop }
        return Bounds(start: start, end: newest(holding: last)?.end ?? last + 1)
    }

    private static func floor(_ time: Int64, to width: Int64) -> Int64 {
        let remainder = time % width
        return time - (remainder < 0 ? remainder + width : remainder)
    }
}
