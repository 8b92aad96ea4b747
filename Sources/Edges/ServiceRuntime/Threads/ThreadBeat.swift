internal import Synchronization

/// The sign of life of one thread: how many turns of the watch went by since it gave the last one.
///
/// The watch counts its own turns and no clock: what a stopped process or a suspended machine
/// misses is no thread's fault. One thread beats; each beat is one relaxed store.
public final class ThreadBeat: Sendable {
    /// As the watch shows it.
    public let name: String
    let turnsMax: Int
    private let silentTurns = Atomic<Int>(0)

    /// Counted on from here no silence is ever too long.
    private static let retired = Int.min / 2

    init(_ name: String, within limit: Duration) {
        self.name = name
        turnsMax = ThreadWatch.turns(in: limit)
    }

    /// To be called in each turn of the thread's loop, and in each slice of a longer wait or piece
    /// of work; never per tick.
    public func beat() { silentTurns.store(0, ordering: .relaxed) }

    /// To be called before a call that cannot be cut into slices and ends by itself within
    /// `deadline`: the thread's limit counts from there on.
    public func beat(before deadline: Duration) {
        silentTurns.store(-ThreadWatch.turns(in: deadline), ordering: .relaxed)
    }

    /// `beat(before:)`, for those that make calls of the thread's.
    public var onCall: @Sendable (Duration) -> Void { { [self] in beat(before: $0) } }

    /// The thread ends on purpose: nothing is expected of it any more.
    public func retire() { silentTurns.store(Self.retired, ordering: .relaxed) }

    var isRetired: Bool { silentTurns.load(ordering: .relaxed) < Self.retired / 2 }

    /// Turns without a beat; of a thread that is in a call with a deadline below 0.
    var silence: Int { silentTurns.load(ordering: .relaxed) }

    /// Counts one more turn of the watch, and says how many went by without a beat.
    func countTurn() -> Int { silentTurns.wrappingAdd(1, ordering: .relaxed).newValue }
}
