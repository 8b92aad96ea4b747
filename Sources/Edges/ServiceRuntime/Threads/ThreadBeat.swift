internal import Synchronization

/// The sign of life of one thread: the number of turns of the watch since its last beat.
///
/// The watch counts its own turns and reads no clock. So a stopped process or a suspended machine
/// does not make its threads look hung. One thread beats; each beat is one relaxed store.
public final class ThreadBeat: Sendable {
    /// The name that the watch shows.
    public let name: String
    let turnsMax: Int
    private let silentTurns = Atomic<Int>(0)

    /// Counting on from here, silence never becomes too long.
    private static let retired = Int.min / 2

    init(_ name: String, within limit: Duration) {
        self.name = name
        turnsMax = ThreadWatch.turns(in: limit)
    }

    /// Call it in each turn of the thread's loop, and in each slice of a longer wait or piece of
    /// work; never per tick.
    public func beat() { silentTurns.store(0, ordering: .relaxed) }

    /// Call it before a call that cannot be cut into slices and that ends by itself within
    /// `deadline`: the thread's limit counts from then on.
    public func beat(before deadline: Duration) {
        silentTurns.store(-ThreadWatch.turns(in: deadline), ordering: .relaxed)
    }

    /// `beat(before:)` as a closure, for objects that make calls on the thread.
    public var onCall: @Sendable (Duration) -> Void { { [self] in beat(before: $0) } }

    /// Call it when the thread ends intentionally: no more beats are expected.
    public func retire() { silentTurns.store(Self.retired, ordering: .relaxed) }

    var isRetired: Bool { silentTurns.load(ordering: .relaxed) < Self.retired / 2 }

    /// The number of turns without a beat; below 0 for a thread that is in a call with a deadline.
    var silence: Int { silentTurns.load(ordering: .relaxed) }

    /// Counts one more turn of the watch, and returns how many went by without a beat.
    func countTurn() -> Int { silentTurns.wrappingAdd(1, ordering: .relaxed).newValue }
}
