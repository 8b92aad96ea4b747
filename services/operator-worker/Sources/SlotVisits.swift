import Primitives

/// Which slots a turn of the worker's loop visits: those that changed since the last turn, and from
/// time to time all of them, because deadlines pass without an event. A turn then costs what has
/// changed, and not what the worker owns.
struct SlotVisits {
    /// The longest time between two visits of a slot, by which its deadlines are noticed late at
    /// most. It is the longest wait of a quiet worker, too.
    static let nanosecondsMax: Int64 = 50_000_000

    /// The slots that the present turn visits, each once.
    private(set) var due: [Int] = []
    /// The slots that changed since the last turn began.
    private var changed: [Int] = []
    /// By slot, whether it is in `changed`.
    private var isChanged: [Bool] = []
    /// When all are visited next, monotonic.
    private var allAt = MonotonicTime.distantPast

    /// Adds a slot, with the next index.
    mutating func add() { isChanged.append(false) }

    /// Notes that a slot has something to do: a packet was taken, or an answer came.
    mutating func change(_ slot: Int) {
        guard !isChanged[slot] else { return }
        isChanged[slot] = true
        changed.append(slot)
    }

    /// Notes that any slot may have something to do.
    mutating func changeAll() { allAt = .distantPast }

    /// Returns whether a turn has anything to visit.
    func isDue(now: MonotonicTime) -> Bool { !changed.isEmpty || now >= allAt }

    /// Returns how long a visit is not due, unless something changes.
    func wait(now: MonotonicTime) -> Duration {
        changed.isEmpty ? max(.zero, allAt.duration(since: now)) : .zero
    }

    /// Begins a turn. Changes during the turn are visited in the next one.
    mutating func begin(now: MonotonicTime) {
        due.removeAll(keepingCapacity: true)
        if now >= allAt {
            allAt = now.next(every: Self.nanosecondsMax)
            due.append(contentsOf: isChanged.indices)
        } else {
            due.append(contentsOf: changed)
        }
        for slot in changed { isChanged[slot] = false }
        changed.removeAll(keepingCapacity: true)
    }
}
