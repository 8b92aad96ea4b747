/// When a market trades: sessions in UTC, in order, that do not overlap.
///
/// Whoever reads calendar files works them out from local times and the zone's transitions; here
/// they are plain numbers, so that every process computes with the same ones.
public struct SessionCalendar: Hashable, Sendable {
    public struct Session: Hashable, Sendable {
        /// [open, close).
        public var open: Int64
        public var close: Int64
        /// The local date that the session belongs to, as yyyymmdd: a session over midnight
        /// belongs to the day that its calendar says.
        public var day: Int32

        public init(open: Int64, close: Int64, day: Int32) {
            self.open = open
            self.close = close
            self.day = day
        }
    }

    public let name: String
    public let sessions: [Session]
    /// When the days end for which the calendar holds: from there on there is no session. Nil:
    /// nobody said.
    public let validUntil: Int64?

    public static let sessionsMax = 32_768

    /// Nil: a session is empty or longer than two days, two overlap or are not in order, or there
    /// are too many.
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

    /// The session that holds a time; nil outside of all.
    public func session(at time: Int64) -> Session? {
        guard let index = index(notAfter: time), time < sessions[index].close else { return nil }
        return sessions[index]
    }

    /// The last session that has opened at `time`.
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
