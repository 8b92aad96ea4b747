package import Primitives
internal import IBProtocol

/// The times at which a contract trades.
///
/// They are read from the text of the contract's details:
/// `20260105:0930-20260105:1600;20260106:CLOSED`. Sessions of one day are comma-separated, and the
/// second date may be absent.
package struct SessionHours: Hashable, Sendable {
    package private(set) var sessions: [Range<Timestamp>] = []
    /// The time that the text covers: from the first day's midnight to the end of the last session
    /// or closed day.
    private var covered: Range<Timestamp>?

    package init(_ text: String, _ rules: ZoneRules) {
        for part in text.split(whereSeparator: { $0 == ";" || $0 == "," }) {
            guard sessions.count < EngineLimits.sessionsMax else { break }
            if let session = Self.session(part, rules) {
                sessions.append(session)
                cover(Self.midnight(part.prefix(8), rules), session.upperBound)
            } else if part.hasSuffix(":CLOSED") {
                let date = part.dropLast(7)
                cover(Self.midnight(date, rules), Self.instant(date, "2400", rules))
            }
        }
        sessions.sort { $0.lowerBound < $1.lowerBound }
    }

    /// Returns `time` if the contract trades then, otherwise the beginning of the next session;
    /// `nil`: it is not known.
    func firstOpen(from time: Timestamp) -> Timestamp? {
        guard covers(time) else { return nil }
        return sessions.first { time < $0.upperBound }.map { max(time, $0.lowerBound) }
    }

    /// Returns the beginning of the session at this time; `nil`: there is none.
    package func opened(at time: Timestamp) -> Timestamp? {
        sessions.first { $0.contains(time) }?.lowerBound
    }

    /// Returns whether the text covers this time: hours are sent for some days only. Days without
    /// trading are covered as well, and so are the closed hours before a session.
    package func covers(_ time: Timestamp) -> Bool { covered?.contains(time) ?? false }

    /// Returns whether the contract certainly does not trade in any part of the range.
    func isClosed(_ range: Range<Timestamp>) -> Bool {
        covers(range.lowerBound) && covers(range.upperBound.advanced(byNanoseconds: -1))
            && !sessions.contains { $0.overlaps(range) }
    }

    private mutating func cover(_ start: Timestamp?, _ end: Timestamp?) {
        guard let start, let end, start < end else { return }
        let old = covered ?? start..<end
        covered = min(old.lowerBound, start)..<max(old.upperBound, end)
    }

    private static func midnight(_ date: Substring, _ rules: ZoneRules) -> Timestamp? {
        instant(date, "0000", rules)
    }

    private static func session(_ text: Substring, _ rules: ZoneRules) -> Range<Timestamp>? {
        let ends = text.split(separator: "-")
        guard ends.count == 2 else { return nil }
        let from = ends[0].split(separator: ":")
        guard from.count == 2 else { return nil }
        let to = ends[1].split(separator: ":")
        guard let start = instant(from[0], from[1], rules) else { return nil }
        let end =
            to.count == 2
            ? instant(to[0], to[1], rules) : to.count == 1 ? instant(from[0], to[0], rules) : nil
        guard let end, start < end else { return nil }
        return start..<end
    }

    private static func instant(
        _ date: Substring, _ clock: Substring, _ rules: ZoneRules
    ) -> Timestamp? {
        guard date.utf8.count == 8, clock.utf8.count == 4, let day = Int64(date),
            let time = Int64(clock), day > 0, time >= 0
        else { return nil }
        // 2400 is the end of the day.
        let isMidnight = time == 2_400
        let local = WallTime(
            year: day / 10_000, month: day / 100 % 100, day: day % 100,
            hour: isMidnight ? 0 : time / 100, minute: isMidnight ? 0 : time % 100)
        guard let local else { return nil }
        let seconds = rules.time(ofLocal: local.seconds + (isMidnight ? 86_400 : 0))
        let (nanoseconds, isPast) = seconds.multipliedReportingOverflow(by: EngineLimits.second)
        return isPast ? nil : Timestamp(nanoseconds: nanoseconds)
    }
}
