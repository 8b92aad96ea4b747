package import Primitives

/// What came last on one connection.
package struct LastHeard: Sendable {
    /// When something came.
    package var at = MonotonicTime.never
    /// The server's time in the messages of this turn; undefined: they had none.
    private var time = Timestamp.undefined
    /// The same of an earlier turn, and when that was.
    private var lastTime = Timestamp.undefined
    private var lastTimeAt = MonotonicTime.distantPast

    package init() {}

    /// Notes the server's time in a message.
    package mutating func note(_ time: Timestamp) { self.time = time }

    /// Notes the time of an event in a message. It may be that of an event that was reported late.
    package mutating func noteLatest(_ time: Timestamp) {
        self.time = self.time.isDefined ? max(self.time, time) : time
    }

    /// Ends a turn. Returns the earliest time of which more may wait in the socket; `nil`: nothing
    /// may. The server may have waited for this process.
    package mutating func endTurn(_ now: MonotonicTime, delayMax: Int64) -> Timestamp? {
        if time.isDefined {
            lastTime = time
            lastTimeAt = now
        }
        time = .undefined
        let since = now - lastTimeAt
        guard lastTime.isDefined, since < delayMax else { return nil }
        return lastTime.advanced(byNanoseconds: since)
    }
}
