/// The windows of a `WindowStore` that one `advance` closes, put into order of their ends.
///
/// The buffers are kept from one advance to the next, so that closing allocates nothing in the
/// steady state.
struct DueWindows: Sendable {
    struct Item: Sendable, BitwiseCopyable {
        /// The end of the window, in nanoseconds since 1970.
        let end: Int64
        let slot: UInt32
    }

    private(set) var items: [Item] = []
    private var sorted: [Item] = []
    private var places = [Int](repeating: 0, count: 1 << digitBits)

    /// The bits of one digit of the radix sort. In seconds one digit spans half an hour.
    private static let digitBits = 11
    /// The unit to sort by, in nanoseconds. Nearly all ends are whole seconds and near each other,
    /// so that counting in seconds leaves one digit.
    private static let second: UInt64 = 1_000_000_000
    private var unit = Self.second

    mutating func removeAll() { items.removeAll(keepingCapacity: true) }

    mutating func append(end: Int64, slot: UInt32) { items.append(Item(end: end, slot: slot)) }

    /// Sorts by end with a radix sort, and keeps the order of insertion among equal ends. It takes
    /// linear time whatever the ends are, and returns immediately when all windows end at the same
    /// time.
    mutating func sortByEnd() {
        guard var least = items.first?.end else { return }
        var greatest = least
        var isWhole = true
        for item in items {
            least = min(least, item.end)
            greatest = max(greatest, item.end)
            isWhole = isWhole && item.end % Int64(Self.second) == 0
        }
        unit = isWhole ? Self.second : 1
        let range = units(from: least, to: greatest)
        var shift = 0
        while shift < UInt64.bitWidth, range >> UInt64(shift) > 0 {
            sortByDigit(from: least, shift: shift)
            shift += Self.digitBits
        }
    }

    /// Sorts by one digit: counts the items of each value, and then moves every item to its place.
    private mutating func sortByDigit(from least: Int64, shift: Int) {
        for digit in places.indices { places[digit] = 0 }
        for item in items { places[digit(item, from: least, shift: shift)] += 1 }
        var next = 0
        for digit in places.indices {
            let count = places[digit]
            places[digit] = next
            next += count
        }
        sorted.removeAll(keepingCapacity: true)
        sorted.append(contentsOf: items)
        for item in items {
            let digit = digit(item, from: least, shift: shift)
            sorted[places[digit]] = item
            places[digit] += 1
        }
        swap(&items, &sorted)
    }

    private func digit(_ item: Item, from least: Int64, shift: Int) -> Int {
        Int(truncatingIfNeeded: units(from: least, to: item.end) >> UInt64(shift))
            & ((1 << Self.digitBits) - 1)
    }

    /// Returns the distance of two ends in units. In nanoseconds it may exceed the range of
    /// `Int64`, but never that of `UInt64`.
    private func units(from least: Int64, to end: Int64) -> UInt64 {
        UInt64(bitPattern: end &- least) / unit
    }
}
