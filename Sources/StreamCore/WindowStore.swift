internal import Primitives

/// All open windows of one partition, in one array of slots with a free list.
///
/// Key = symbol × series count + series. A key's windows are linked from newest to oldest, and
/// normally there are one or two; the newest is found without a search. Slot 0 holds no time and
/// stands for "none", so that the hot path needs no test for it.
@usableFromInline
struct WindowStore: Sendable {
    @usableFromInline var slots: [WindowState] = [.closed]
    /// By key: the slot of the newest open window, or 0.
    @usableFromInline var newest: [UInt32] = []
    private var openPerKey: [UInt16] = []
    private var firstFree: UInt32 = 0
    private(set) var openCount = 0
    /// By source × series count + series: no open window ends before. May be too early, never
    /// too late.
    private var earliestEnd: [Int64] = []
    private var due = DueWindows()
    private let seriesCount: Int
    private let openWindowsMax: Int
    private let openWindowsPerKeyMax: Int

    /// Slots that are there before the first tick: enough for most partitions.
    private static let slotsReserved = 1_024

    init(
        seriesCount: Int, openWindowsMax: Int = StreamLimits.openWindowsMax,
        openWindowsPerKeyMax: Int = StreamLimits.openWindowsPerKeyMax
    ) {
        self.seriesCount = seriesCount
        self.openWindowsMax = openWindowsMax
        self.openWindowsPerKeyMax = openWindowsPerKeyMax
        slots.reserveCapacity(Self.slotsReserved)
    }

    mutating func addSymbol() {
        for _ in 0..<seriesCount {
            newest.append(0)
            openPerKey.append(0)
        }
    }

    mutating func addSource() {
        for _ in 0..<seriesCount { earliestEnd.append(Int64.max) }
    }

    /// For a store that is about to be restored.
    mutating func prepare(symbols: Int) {
        newest.reserveCapacity(symbols * seriesCount)
        openPerKey.reserveCapacity(symbols * seriesCount)
    }

    mutating func prepare(windows: Int) { slots.reserveCapacity(slots.count + windows) }

    // MARK: one key

    /// Where a window that holds a time is, or where it would have to be linked in.
    enum Place: Equatable {
        case open(slot: UInt32)
        /// Behind this newer slot; 0: as the newest.
        case missing(newer: UInt32)
    }

    func place(of time: Int64, key: Int) -> Place {
        var newer: UInt32 = 0
        var slot = newest[key]
        while slot != 0 {
            let window = slots[Int(slot)]
            if window.holds(time) { return .open(slot: slot) }
            if window.end <= time { break }
            newer = slot
            slot = window.older
        }
        return .missing(newer: newer)
    }

    /// Links a window in behind `newer`; nil when there is no room for one more.
    mutating func open(_ window: WindowState, behind newer: UInt32, source: Int) -> UInt32? {
        let key = Int(window.symbol) * seriesCount + Int(window.series)
        guard openCount < openWindowsMax, Int(openPerKey[key]) < openWindowsPerKeyMax else {
            return nil
        }
        var linked = window
        linked.older = newer == 0 ? newest[key] : slots[Int(newer)].older
        let slot = store(linked)
        if newer == 0 {
            newest[key] = slot
        } else {
            slots[Int(newer)].older = slot
        }
        openCount += 1
        openPerKey[key] += 1
        expect(end: window.end, source: source, series: Int(window.series))
        return slot
    }

    private mutating func store(_ window: WindowState) -> UInt32 {
        let slot = firstFree
        guard slot != 0 else {
            slots.append(window)
            return UInt32(slots.count - 1)
        }
        firstFree = slots[Int(slot)].older
        slots[Int(slot)] = window
        return slot
    }

    private mutating func expect(end: Int64, source: Int, series: Int) {
        let index = source * seriesCount + series
        earliestEnd[index] = min(earliestEnd[index], end)
    }

    /// From now on the watermark of this source closes the symbol's windows.
    mutating func move(symbol: Int, to source: Int) {
        for series in 0..<seriesCount {
            var slot = newest[symbol * seriesCount + series]
            while slot != 0 {
                expect(end: slots[Int(slot)].end, source: source, series: series)
                slot = slots[Int(slot)].older
            }
        }
    }

    // MARK: closing

    /// Cheap, because it is asked once per packet: a comparison per series.
    func isAnythingDue(source: Int, watermark: Int64) -> Bool {
        for index in source * seriesCount..<(source + 1) * seriesCount
        where earliestEnd[index] <= watermark {
            return true
        }
        return false
    }

    /// Removes every window of these symbols that ends at or before the watermark, in order of
    /// end, series and symbol. `symbols` are those of the source, in ascending order.
    mutating func close(
        source: Int, symbols: [UInt32], watermark: Int64, _ body: (WindowState) -> Void
    ) {
        due.removeAll()
        for series in 0..<seriesCount
        where earliestEnd[source * seriesCount + series] <= watermark {
            var earliest = Int64.max
            for symbol in symbols {
                let key = Int(symbol) * seriesCount + series
                earliest = min(earliest, unlinkDue(key: key, watermark: watermark))
            }
            earliestEnd[source * seriesCount + series] = earliest
        }
        due.sortByEnd()
        for item in due.items {
            body(slots[Int(item.slot)])
            slots[Int(item.slot)] = .closed
            slots[Int(item.slot)].older = firstFree
            firstFree = item.slot
        }
        openCount -= due.items.count
    }

    /// Answers the earliest end among the windows of the key that stay open.
    private mutating func unlinkDue(key: Int, watermark: Int64) -> Int64 {
        var earliest = Int64.max
        var newer: UInt32 = 0
        var slot = newest[key]
        while slot != 0, slots[Int(slot)].end > watermark {
            earliest = slots[Int(slot)].end
            newer = slot
            slot = slots[Int(slot)].older
        }
        guard slot != 0 else { return earliest }
        if newer == 0 {
            newest[key] = 0
        } else {
            slots[Int(newer)].older = 0
        }
        while slot != 0 {
            due.append(end: slots[Int(slot)].end, slot: slot)
            openPerKey[key] -= 1
            slot = slots[Int(slot)].older
        }
        return earliest
    }

    /// Trades in open windows of a series: the part of the account that is not closed yet.
    func openTrades(series: Int) -> UInt64 {
        var sum: UInt64 = 0
        for key in stride(from: series, to: newest.count, by: seriesCount) {
            var slot = newest[key]
            while slot != 0 {
                sum += slots[Int(slot)].trades
                slot = slots[Int(slot)].older
            }
        }
        return sum
    }
}
