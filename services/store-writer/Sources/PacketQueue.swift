import Primitives

/// An element that may wait in a queue.
protocol QueueItem {
    /// The number of its ticks, each of which makes a row at most; 0 when it was dropped.
    var rows: Int { get }
    var bytes: Int { get }
    /// Returns the same without its rows, for when there is no room.
    func dropped() -> Self
    /// Joins a later dropped element into this one. Returns false when they cannot be joined.
    mutating func absorb(_ later: Self) -> Bool
    /// Returns whether both are of one input, whose elements stay in the order of the tape.
    func isOfSameInput(as other: Self) -> Bool
}

/// How a packet is treated for which there is no room.
enum OverflowPolicy: String, CaseIterable, Sendable {
    /// Nothing more is read for this queue until its low mark. The tape keeps the packets.
    case block
    /// Its ticks become no rows. They are counted as skipped, and listed in `gaps`.
    case drop
    /// The service ends.
    case error
}

/// The marks of a queue, in percent of its bounds. The high one is passed before the low one.
struct RowMarks: Hashable, Sendable {
    var highPercent = 80
    var lowPercent = 50
}

/// The packets that wait for one worker, in the order of their arrival, up to a bound in rows and
/// one in bytes.
///
/// Pure: its results tell the caller when to hold readers, wait or wake. The queue is `isHigh` from
/// the moment that the high mark is passed, or an element found no room, until the low mark.
struct PacketQueue<Item: QueueItem> {
    /// The queue's maximum of rows and bytes, and its marks.
    struct Limits: Hashable, Sendable {
        let rows: Int
        let bytes: Int
        let marks: RowMarks

        init(rows: Int, bytes: Int, marks: RowMarks = RowMarks()) {
            precondition(rows > 0 && bytes > 0, "a queue has room for something")
            self.rows = rows
            self.bytes = bytes
            self.marks = marks
        }

        var highRows: Int { max(1, rows * marks.highPercent / 100) }
        var lowRows: Int { rows * marks.lowPercent / 100 }
        var highBytes: Int { max(1, bytes * marks.highPercent / 100) }
        var lowBytes: Int { bytes * marks.lowPercent / 100 }
    }

    /// The mark that was passed: the queue became high, or is no longer.
    enum Mark: String, Hashable, Sendable {
        case high
        case low
    }

    /// What happened to an offered element.
    enum Admission: Hashable, Sendable {
        /// It waits in the queue.
        case taken
        /// Taken without its rows: only that it was dropped, and its place on the tape.
        case dropped
        /// Not taken: there is no room.
        case refused
    }

    /// The maximum size of a batch.
    struct Portion: Hashable, Sendable {
        let rows: Int
        let bytes: Int
        let items: Int
    }

    private struct Entry {
        var item: Item
        /// When it came, in monotonic nanoseconds.
        let arrived: MonotonicTime
        /// Whether its rows were dropped.
        let isDropped: Bool
    }

    /// The maximum number of dropped entries. Further ones are refused.
    static var droppedMax: Int { 256 }

    let limits: Limits
    private var entries: [Entry] = []
    /// The number of dropped entries.
    private var droppedEntries = 0
    private(set) var rows = 0
    private(set) var bytes = 0
    /// True from the high mark, or from the first element without room, until the low mark.
    private(set) var isHigh = false
    /// Whether everything is dropped until the low mark, because an element was dropped.
    private var isDropping = false

    init(_ limits: Limits) { self.limits = limits }

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }
    /// When the oldest element came, in monotonic nanoseconds; `nil` when there is none.
    var oldest: MonotonicTime? { entries.first?.arrived }

    // MARK: adding

    /// Adds an element. With `drops`, an element without room is dropped instead of refused.
    mutating func offer(_ item: Item, drops: Bool, now: MonotonicTime) -> Admission {
        if isDropping || !hasRoom(for: item) {
            isHigh = true
            guard drops else { return .refused }
            return drop(item, now)
        }
        entries.append(Entry(item: item, arrived: now, isDropped: false))
        rows += item.rows
        bytes += item.bytes
        if rows >= limits.highRows || bytes >= limits.highBytes { isHigh = true }
        return .taken
    }

    /// Returns whether there is room. An element larger than the queue is taken when nothing else
    /// waits.
    private func hasRoom(for item: Item) -> Bool {
        entries.isEmpty
            || (item.rows <= limits.rows - rows && item.bytes <= limits.bytes - bytes)
    }

    /// Adds an element without its rows. It is refused when there are too many of these.
    private mutating func drop(_ item: Item, _ now: MonotonicTime) -> Admission {
        let dropped = item.dropped()
        // All entries after the first dropped one are dropped, too. The element joins the last
        // dropped entry of its input. It must not join an earlier one, because positions would go
        // back.
        var index = entries.count - 1
        while index >= 0, entries[index].isDropped {
            if entries[index].item.absorb(dropped) { return .dropped }
            if entries[index].item.isOfSameInput(as: dropped) { break }
            index -= 1
        }
        guard droppedEntries < Self.droppedMax else { return .refused }
        isDropping = true
        droppedEntries += 1
        entries.append(Entry(item: dropped, arrived: now, isDropped: true))
        return .dropped
    }

    // MARK: removing

    /// Moves waiting elements in order to the end of `items`, up to the portion, and at least one
    /// if there is any. Elements for which `isLeft` is true stay in the queue.
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
            if entries[seen].isDropped { droppedEntries -= 1 }
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
        droppedEntries = entries.count { $0.isDropped }
        rows = entries.reduce(0) { $0 + $1.item.rows }
        bytes = entries.reduce(0) { $0 + $1.item.bytes }
        endHighIfLow()
    }

    /// Returns whether any such element waits.
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
