/// The trading sessions of a market, in order. They do not overlap. Times are in nanoseconds since
/// 1970 (UTC).
///
/// The reader of calendar files computes them from local times and the zone's transitions. Here
/// they are plain numbers, so that every process computes with the same ones.
public struct SessionCalendar: Hashable, Sendable {
    /// The hours of one trading day.
    public struct Session: Hashable, Sendable {
        /// The session is [open, close).
        public var open: Int64
        public var close: Int64
        /// The local date of the session as yyyymmdd. A session over midnight belongs to the day
        /// that its calendar names.
        public var day: Int32

        public init(open: Int64, close: Int64, day: Int32) {
            self.open = open
            self.close = close
            self.day = day
        }
    }

    public let name: String
    public let sessions: [Session]
    /// The end of the days for which the calendar is valid: there is no session after it. `nil`
    /// when no end was given.
    public let validUntil: Int64?

    /// A calendar with more sessions is refused.
    public static let sessionsMax = 32_768

    /// Returns `nil` when a session is empty or longer than two days, when two overlap or are not
    /// in order, or when there are too many.
    public init?(name: String, sessions: [Session], validUntil: Int64? = nil) {
        guard sessions.count <= Self.sessionsMax,
            sessions.allSatisfy({
                $0.open < $0.close && $0.open >= -StreamLimits.eventTimeNanosecondsMax
                    && $0.close <= StreamLimits.eventTimeNanosecondsMax
                    && $0.close - $0.open <= 2 * StreamLimits.dayNanoseconds
            }),
            zip(sessions, sessions.dropFirst()).allSatisfy({ $0.close <= $1.open })
        else { return nil }
        self.name = name
        self.sessions = sessions
        self.validUntil = validUntil
    }

    /// Returns the session that holds a time; `nil` outside of all sessions.
    public func session(at time: Int64) -> Session? {
        guard let index = index(notAfter: time), time < sessions[index].close else { return nil }
        return sessions[index]
    }

    /// Returns the index of the last session that opens at or before `time`; `nil` when none does.
    public func index(notAfter time: Int64) -> Int? {
        var low = 0
        var high = sessions.count
        while low < high {
            let middle = (low + high) / 2
            if sessions[middle].open <= time { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }
}
