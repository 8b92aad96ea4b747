import Primitives

/// Decides for which inputs a worker waits a moment, so that a group of tables that is nearly there
/// can reach the common position, and come back. While packets flow, the two would hardly meet
/// otherwise. Its size is bounded by the number of inputs. Pure.
struct GroupMeetings: Sendable {
    /// How long an input waits at most.
    static let holdNanoseconds: Int64 = 200_000_000
    /// When it may wait again at the earliest, counted from when it began to wait.
    static let pauseNanoseconds: Int64 = 2_000_000_000
    /// How far behind a group may be, in records: about a batch.
    static let recordsMax = UInt64(WriterSettings.batchRowsMax)

    /// The inputs at which the worker waits.
    var held: Set<Int> = []
    private var begun: [Int: MonotonicTime] = [:]

    /// Decides for an input, at which a group is near or not.
    mutating func follow(_ input: Int, isNear: Bool, now: MonotonicTime) {
        held.remove(input)
        if let at = begun[input], now - at < Self.pauseNanoseconds {
            if isNear, now - at < Self.holdNanoseconds { held.insert(input) }
            return
        }
        begun[input] = isNear ? now : nil
        if isNear { held.insert(input) }
    }
}
