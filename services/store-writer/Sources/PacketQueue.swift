import Primitives

/// An element of a `PacketQueue`. `QueuedPacket` is the only one in the service; tests have smaller
/// ones.
protocol QueueItem {
    /// The number of its records that make a row. An element without any is *rowless*: its packet
    /// has none, or it was dropped. Only its ordinals and its position wait then.
    var rows: Int { get }
    /// The size of its packet; 0 when it is rowless.
    var bytes: Int { get }
    /// Returns what remains of the element when there is no room: its ordinals and its position.
    func dropped() -> Self
    /// Joins a later rowless element into this one, which is rowless, too. Returns false, and
    /// changes nothing, when they cannot be joined.
    mutating func absorb(_ later: Self) -> Bool
    /// Returns whether both are of one input. Elements of one input stay in the order of the tape.
    func isOfSameInput(as other: Self) -> Bool
}

/// What happens to a packet for which there is no room (WRITER_OVERFLOW).
enum OverflowPolicy: String, CaseIterable, Sendable {
    /// The packet waits in the intake, and nothing more is read for this queue until its low mark.
    /// The tape keeps the other packets.
    case block
    /// The packet's records become no rows. They are counted as skipped, and listed in `gaps`.
    case drop
    /// The process ends, with the exit code `temporary`.
    case error
}

/// The marks of a queue, in percent of its limits. From the high mark on, the queue is high until
/// it is down at the low mark.
struct RowMarks: Hashable, Sendable {
    var highPercent = 80
    var lowPercent = 50
}

/// The packets that wait for one worker, in the order of their arrival, with a maximum of rows and
/// one of bytes. `WorkerQueue` guards it with a lock.
///
/// Pure: the caller holds readers, waits and wakes according to the results. The queue is *high*
/// from the moment at which the high mark is reached, or an element finds no room, until rows and
/// bytes are down at the low mark.
struct PacketQueue<Item: QueueItem> {
    /// The queue's maximum of rows and bytes, and its marks.
    struct Limits: Hashable, Sendable {
        let rows: Int
        let bytes: Int
        /// The maximum of rowless entries. One more is refused, also with the policy to drop.
        let rowless: Int
        let marks: RowMarks

        /// `inputs` is the number of inputs that the queue serves: each has a rowless entry.
        init(rows: Int, bytes: Int, inputs: Int = 0, marks: RowMarks = RowMarks()) {
            precondition(rows > 0 && bytes > 0, "a queue has room for something")
            self.rows = rows
            self.bytes = bytes
            rowless = inputs + PacketQueue.rowlessSpare
            self.marks = marks
        }

        var highRows: Int { max(1, rows * marks.highPercent / 100) }
        var lowRows: Int { rows * marks.lowPercent / 100 }
        var highBytes: Int { max(1, bytes * marks.highPercent / 100) }
        var lowBytes: Int { bytes * marks.lowPercent / 100 }
    }

    /// The mark that was passed: `high` when the queue became high, `low` when it is no longer.
    enum Mark: String, Hashable, Sendable {
        case high
        case low
    }

    /// What happened to an offered element.
    enum Admission: Hashable, Sendable {
        /// It waits in the queue.
        case taken
        /// It was dropped: only its ordinals and its position wait in the queue.
        case dropped
        /// It is not in the queue, because there is no room. The caller keeps it, or ends.
        case refused
    }

    /// The maximum that one `take` removes.
    struct Portion: Hashable, Sendable {
        let rows: Int
        let bytes: Int
        let items: Int
    }

    private struct Entry {
        var item: Item
        /// When it came.
        let arrived: MonotonicTime
        /// Why it has no rows; `nil` when it has some.
        var rowless: Rowless?

        var isSkipped: Bool { rowless == .skipped }
    }

    /// Why an entry has no rows.
    private enum Rowless {
        /// There was no room for them.
        case dropped
        /// Its packet has none: nothing but its position has to be written.
        case skipped
    }

    /// How many more rowless entries there may be than inputs: an input needs a second one when
    /// rows came between them, or when they cannot be joined.
    private static var rowlessSpare: Int { 256 }

    let limits: Limits
    private var entries: [Entry] = []
    /// The number of rowless entries.
    private var rowlessEntries = 0
    /// The rows of all entries.
    private(set) var rows = 0
    /// The bytes of all entries.
    private(set) var bytes = 0
    private(set) var isHigh = false
    /// Whether an element was dropped since the queue became high. Then all are dropped until the
    /// low mark, so that one long gap arises instead of many short ones.
    private var isDropping = false

    init(_ limits: Limits) { self.limits = limits }

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }
    /// When the oldest element came that is not skipped, so that a transaction is worth its while;
    /// `nil` when there is none.
    var oldest: MonotonicTime? { entries.first { !$0.isSkipped }?.arrived }
    /// When the oldest skipped element came; `nil` when there is none.
    var oldestSkipped: MonotonicTime? {
        rowlessEntries == 0 ? nil : entries.first(where: \.isSkipped)?.arrived
    }

    // MARK: adding

    /// Adds an element, which came at `now`. With `drops`, an element without room is dropped
    /// instead of refused.
    mutating func offer(_ item: Item, drops: Bool, now: MonotonicTime) -> Admission {
        // While dropping, one without rows joins the run of those that are dropped.
        if item.rows == 0, item.bytes == 0, !isDropping {
            guard add(item, .skipped, now) else {
                isHigh = true
                return .refused
            }
            return .taken
        }
        if isDropping || !hasRoom(for: item) {
            isHigh = true
            guard drops, add(item.dropped(), .dropped, now) else { return .refused }
            isDropping = true
            return .dropped
        }
        entries.append(Entry(item: item, arrived: now))
        rows += item.rows
        bytes += item.bytes
        if rows >= limits.highRows || bytes >= limits.highBytes { isHigh = true }
        return .taken
    }

    /// Returns whether there is room. A queue with rowless entries only takes an element of any
    /// size, because that element would never find room otherwise.
    private func hasRoom(for item: Item) -> Bool {
        rows == 0 && bytes == 0
            || (item.rows <= limits.rows - rows && item.bytes <= limits.bytes - bytes)
    }

    /// Adds a rowless element, if possible by joining it to the last entry of its input. An earlier
    /// entry does not take it: the position of its input would go back later. Returns false when
    /// there are too many rowless entries.
    private mutating func add(_ item: Item, _ cause: Rowless, _ now: MonotonicTime) -> Bool {
        let last = entries.lastIndex { $0.item.isOfSameInput(as: item) }
        if let last, entries[last].rowless != nil, entries[last].item.absorb(item) { return true }
        guard rowlessEntries < limits.rowless else { return false }
        rowlessEntries += 1
        entries.append(Entry(item: item, arrived: now, rowless: cause))
        return true
    }

    // MARK: removing

    /// Moves waiting elements in order to the end of `items`, up to the portion, and at least one
    /// if there is any, even if it is larger. Elements for which `isLeft` is true stay in the
    /// queue.
    mutating func take(
        _ portion: Portion, leaving isLeft: (Item) -> Bool = { _ in false },
        into items: inout [Item]
    ) {
        var (seen, taken, takenRows, takenBytes) = (0, 0, 0, 0)
        var left: [Entry] = []
        while seen < entries.count, taken < portion.items {
            let item = entries[seen].item
            if isLeft(item) {
                left.append(entries[seen])
                seen += 1
                continue
            }
            if taken > 0,
                item.rows > portion.rows - takenRows || item.bytes > portion.bytes - takenBytes
            {
                break
            }
            takenRows += item.rows
            takenBytes += item.bytes
            if entries[seen].rowless != nil { rowlessEntries -= 1 }
            items.append(item)
            taken += 1
            seen += 1
        }
        entries.replaceSubrange(..<seen, with: left)
        rows -= takenRows
        bytes -= takenBytes
        endHighIfLow()
    }

    /// Removes the elements for which `isGone` is true.
    mutating func remove(where isGone: (Item) -> Bool) {
        entries.removeAll { isGone($0.item) }
        rowlessEntries = entries.count { $0.rowless != nil }
        rows = entries.reduce(0) { $0 + $1.item.rows }
        bytes = entries.reduce(0) { $0 + $1.item.bytes }
        endHighIfLow()
    }

    /// Returns whether an element waits for which `isWanted` is true.
    func contains(where isWanted: (Item) -> Bool) -> Bool {
        entries.contains { isWanted($0.item) }
    }

    /// Ends the high state when the low mark is reached.
    private mutating func endHighIfLow() {
        guard isHigh, rows <= limits.lowRows, bytes <= limits.lowBytes else { return }
        isHigh = false
        isDropping = false
    }
}
