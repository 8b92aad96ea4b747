package import Primitives

/// What came last on one connection, and how densely.
package struct LastHeard: Sendable {
    /// After a longer pause between two turns, more may wait than the next turn reads.
    private static let pauseMax: Int64 = 1_000_000_000

    /// When something came.
    package var at = MonotonicTime.never
    package var pace = StreamPace()
    /// The messages of the present frame that have the time of an event.
    package var events = 0
    /// The server's time in the messages of this turn; undefined: they had none.
    package private(set) var time = Timestamp.undefined
    /// The same of an earlier turn, and when that was.
    private var lastTime = Timestamp.undefined
    private var lastTimeAt = MonotonicTime.distantPast
    private var turnAt = MonotonicTime.distantPast
    /// The last turn that found a time, or that came after a pause.
    private var quietSince = MonotonicTime.distantPast

    package init() {}

    /// Notes the server's time in a message.
    package mutating func note(_ time: Timestamp) { self.time = time }

    /// Notes the time of an event in a message. It may be that of an event that was reported late.
    package mutating func noteLatest(_ time: Timestamp) {
        events += 1
        self.time = self.time.isDefined ? max(self.time, time) : time
    }

    /// Ends a turn. Returns the earliest time of which more may wait in the socket; `nil`: nothing
    /// may. The server may have waited for this process.
    package mutating func endTurn(_ now: MonotonicTime, delayMax: Int64) -> Timestamp? {
        if time.isDefined || now - turnAt > Self.pauseMax { quietSince = now }
        turnAt = now
        if time.isDefined {
            lastTime = time
            lastTimeAt = now
        }
        time = .undefined
        let since = now - lastTimeAt
        guard lastTime.isDefined, since < delayMax else { return nil }
        return lastTime.advanced(byNanoseconds: since)
    }

    /// Returns for how long each turn has found nothing with a time, in nanoseconds. No message
    /// that was sent before has waited since.
    package func quiet(_ now: MonotonicTime) -> Int64 { now - quietSince }
}
