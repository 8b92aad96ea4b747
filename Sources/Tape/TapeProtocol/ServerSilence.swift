/// Tells a server that says nothing from a process that has not listened.
///
/// A thread that works off a backlog, and a process that gets little of a processor, find answers
/// late: the deadline has passed, and the answer lies in the queue. So a deadline that has passed
/// is noticed first, and counts when everything that had arrived by then was handled.
///
/// Pure. Times are monotonic nanoseconds, messages are counted from the start of the queue.
public struct ServerSilence: Hashable, Sendable {
    /// From the notice on: what came while the process did not run at all stands in the socket,
    /// where nobody counts it yet.
    public static let graceNanoseconds: Int64 = 250_000_000

    private var notice: Notice?

    private struct Notice: Hashable, Sendable {
        /// What was noticed to have passed: an answer that was found after all sets another one.
        var deadline: Int64
        var at: Int64
        var arrived: UInt64
    }

    public init() {}

    /// To be asked in every turn behind the deadline. True: it counts, and the next one is noticed
    /// anew.
    public mutating func counts(
        deadline: Int64, now: Int64, arrived: UInt64, handled: UInt64
    ) -> Bool {
        guard let notice, notice.deadline == deadline else {
            self.notice = Notice(deadline: deadline, at: now, arrived: arrived)
            return false
        }
        guard handled >= notice.arrived, now - notice.at >= Self.graceNanoseconds else {
            return false
        }
        self.notice = nil
        return true
    }
}
