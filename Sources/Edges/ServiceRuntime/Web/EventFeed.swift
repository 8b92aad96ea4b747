internal import Primitives
internal import Synchronization

/// The newest event of a server, which goes to all open streams. Each event is whole: a stream that
/// is slow, or that comes back, gets the newest one and none of those in between.
package final class EventFeed: Sendable {
    /// An event that waited longer is not sent: who connects later waits for the next one.
    static let ageMax = Duration.milliseconds(1_500)
    /// The pause after which a browser whose stream ended connects again.
    static let retryMilliseconds = 1_000

    private struct State {
        var number: UInt64 = 0
        var bytes: [UInt8] = []
        /// The same for clients that accept gzip. Empty until the first of them asks.
        var block: [UInt8] = []
        var until = MonotonicTime.distantPast
    }

    /// The part of the events' ids that differs from the feed's predecessors.
    package let instance: String
    /// Readable when there is a new event.
    let wake: WakeEvent
    private let state = ConditionLock(State())
    private let streams = Atomic<Int>(0)

    /// `instance` has letters and digits only.
    package init(instance: String) throws(ServiceError) {
        self.instance = instance
        wake = try WakeEvent()
    }

    /// The number of open streams.
    package var watchers: Int { streams.load(ordering: .relaxed) }

    /// Sends an event to all open streams. `json` is one line.
    package func publish(_ name: String, _ json: [UInt8]) {
        state.withLock { state in
            state.number += 1
            state.until = SystemClock().deadline(after: Self.ageMax)
            let head = "id: \(instance).\(state.number)\nevent: \(name)\ndata: "
            state.bytes = Array(head.utf8) + json + Array("\n\n".utf8)
            state.block = []
        }
        wake.wake()
    }

    /// Returns the newest event, unless it is the one with this number, or too old. `isPacked`: as
    /// a block of a stream of gzip.
    func next(after number: UInt64, isPacked: Bool) -> (number: UInt64, bytes: [UInt8])? {
        state.withLock { state in
            guard state.number != number, SystemClock().monotonic() < state.until else {
                return nil
            }
            guard isPacked else { return (state.number, state.bytes) }
            if state.block.isEmpty { state.block = Deflate.block(state.bytes) }
            return (state.number, state.block)
        }
    }

    /// Returns the number of the event that a client saw last, from its `Last-Event-ID`. 0: none of
    /// this feed.
    func number(in id: String?) -> UInt64 {
        let parts = (id ?? "").split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == instance else { return 0 }
        return UInt64(parts[1]) ?? 0
    }

    func opened() { streams.add(1, ordering: .relaxed) }
    func closed() { streams.subtract(1, ordering: .relaxed) }

    /// What a stream begins with.
    static func preamble(isPacked: Bool) -> [UInt8] { isPacked ? packedPreamble : plainPreamble }

    private static let plainPreamble = Array("retry: \(retryMilliseconds)\n\n".utf8)
    private static let packedPreamble = Deflate.streamHeader + Deflate.block(plainPreamble)
}
