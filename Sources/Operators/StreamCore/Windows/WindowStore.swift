internal import Primitives

/// The windows of one `BarMachine`: the open ones, and the closed ones that still take late ticks.
/// They are stored in one array of slots with a free list.
///
/// Key = symbol × series count + series. A key's windows are linked from newest to oldest. A window
/// is *plain* when it is open, its series is not sliding, and it has no flag of `WindowPhase`. A
/// plain newest window is found without a search. Slot 0 holds no time and means "none", so the hot
/// path needs no test for it.
@usableFromInline
struct WindowStore: Sendable {
    @usableFromInline var slots: [WindowState] = [.closed]
    /// By key: the slot of the newest window if it is plain, or 0.
    @usableFromInline var newest: [UInt32] = []
    /// By key: the slot of the newest window, or 0.
    private(set) var heads: [UInt32] = []
    private var windowsPerKey: [UInt32] = []
    /// The first slot of the free list; 0 when it is empty.
    private var firstFree: UInt32 = 0
    /// The number of windows of all keys, open and closed.
    private(set) var openCount = 0
    /// By source × series count + series: the watermark at which `collectDue` has to look for
    /// windows that end or expire. It may be too early, never too late.
    private var earliest: [Int64] = []
    /// The slots of closed windows that were changed. It may hold a slot twice, and slots of
    /// windows that have been removed.
    private var touched: [UInt32] = []
    /// By slot: `changes` of the window when `takeChanged` last visited it.
    private var shown: [UInt64] = [0]
    /// The windows that the last `collectDue` closed.
    private(set) var due = DueWindows()
    /// The slots of the windows whose lateness is over, from `collectDue` until `release`.
    private(set) var expired: [UInt32] = []
    private let seriesCount: Int
    private let latenesses: [Int64]
    /// By series: whether a tick goes into exactly one window.
    private let isSimple: [Bool]
    private let limits: MachineLimits

    /// Slots for which memory is reserved before the first tick: enough for most partitions.
    private static let slotsReserved = 1_024

    init(_ series: [BarSeries], shapes: [WindowShape], limits: MachineLimits) {
        seriesCount = series.count
        latenesses = series.map(\.lateness)
        isSimple = shapes.map { !$0.isOverlapping }
        self.limits = limits
        slots.reserveCapacity(Self.slotsReserved)
        shown.reserveCapacity(Self.slotsReserved)
    }

    /// Adds the keys of one more symbol.
    mutating func addSymbol() {
        for _ in 0..<seriesCount {
            newest.append(0)
            heads.append(0)
            windowsPerKey.append(0)
        }
    }

    mutating func addSource() {
        for _ in 0..<seriesCount { earliest.append(Int64.max) }
    }

    /// Makes an empty store ready for so many sources and symbols: in a repair machine, and before
    /// windows are restored.
    mutating func prepare(sources: Int, symbols: Int) {
        newest = Array(repeating: 0, count: symbols * seriesCount)
        heads = newest
        windowsPerKey = newest
        earliest = Array(repeating: Int64.max, count: sources * seriesCount)
    }

    var symbolCount: Int { heads.count / seriesCount }
    var sourceCount: Int { earliest.count / seriesCount }

    /// Reserves memory for so many more windows.
    mutating func prepare(windows: Int) {
        slots.reserveCapacity(slots.count + windows)
        shown.reserveCapacity(slots.count + windows)
    }

    // MARK: one key

    /// Where a window is, or where it has to be linked in.
    enum Place: Equatable {
        case open(slot: Int)
        /// After this newer slot; 0 means as the newest.
        case missing(newer: Int)
    }

    /// Returns the place of a window. It searches the windows after the slot `newer`, or all
    /// windows of the key if it is 0.
    func place(startingAt start: Int64, key: Int, behind newer: Int = 0) -> Place {
        var newer = newer
        var slot = newer == 0 ? Int(heads[key]) : Int(slots[newer].older)
        while slot != 0 {
            let itsStart = slots[slot].start
            if itsStart == start { return .open(slot: slot) }
            if itsStart < start { break }
            newer = slot
            slot = Int(slots[slot].older)
        }
        return .missing(newer: newer)
    }

    /// Stores a window and links it in after `newer`, as `place` returned it. Returns its slot;
    /// `nil` when there is no room for one more. The watermark of `source` will close the window.
    mutating func open(_ window: WindowState, behind newer: Int, source: Int) -> Int? {
        let key = Int(window.symbol) * seriesCount + Int(window.series)
        guard openCount < limits.openWindows, Int(windowsPerKey[key]) < limits.openWindowsPerKey
        else { return nil }
        precondition(window.start < window.end, "a window has time")
        let older = Int(newer == 0 ? heads[key] : slots[newer].older)
        precondition(
            (newer == 0 || slots[newer].start > window.start)
                && (older == 0 || slots[older].start < window.start),
            "a key's windows are linked from newest to oldest")
        var linked = window
        linked.older = UInt32(older)
        let slot = store(linked)
        if newer == 0 {
            heads[key] = slot
        } else {
            slots[newer].older = slot
        }
        openCount += 1
        windowsPerKey[key] += 1
        if window.phase.contains(.touched) { touched.append(slot) }
        expect(window, source: source)
        refresh(key)
        return Int(slot)
    }

    /// Puts a window into a free slot, and returns the slot.
    private mutating func store(_ window: WindowState) -> UInt32 {
        let slot = firstFree
        guard slot != 0 else {
            slots.append(window)
            shown.append(0)
            return UInt32(slots.count - 1)
        }
        firstFree = slots[Int(slot)].older
        slots[Int(slot)] = window
        shown[Int(slot)] = 0
        return slot
    }

    /// Updates `newest`. Has to be called when another window becomes the newest of a key, and when
    /// the newest becomes plain or stops being plain.
    mutating func refresh(_ key: Int) {
        let head = heads[key]
        let isPlain = slots[Int(head)].phase.isEmpty && isSimple[key % seriesCount]
        newest[key] = isPlain ? head : 0
    }

    /// Notes that a window has changed. If it is closed, the next advance publishes it again.
    mutating func touch(_ slot: Int) {
        guard slots[slot].phase.intersection([.closed, .touched]) == .closed else { return }
        slots[slot].phase.insert(.touched)
        touched.append(UInt32(truncatingIfNeeded: slot))
    }

    /// Replaces the state of a window, and keeps its link.
    mutating func replace(_ slot: Int, by window: WindowState) {
        let older = slots[slot].older
        slots[slot] = window
        slots[slot].older = older
        shown[slot] = 0
        refresh(Int(window.symbol) * seriesCount + Int(window.series))
    }

    /// Notes when the window ends; for a closed one, when its lateness is over.
    private mutating func expect(_ window: WindowState, source: Int) {
        let series = Int(window.series)
        let isClosed = window.phase.contains(.closed)
        expect(isClosed ? window.end + latenesses[series] : window.end, source, series: series)
    }

    /// Notes that the series has to be checked when the watermark reaches `time`.
    mutating func expect(_ time: Int64, _ source: Int, series: Int) {
        let index = source * seriesCount + series
        earliest[index] = min(earliest[index], time)
    }

    /// Lets the watermark of this source close the symbol's windows from now on.
    mutating func move(symbol: Int, to source: Int) {
        for series in 0..<seriesCount {
            var slot = Int(heads[symbol * seriesCount + series])
            while slot != 0 {
                expect(slots[slot], source: source)
                slot = Int(slots[slot].older)
            }
        }
    }

    // MARK: closing

    /// Returns whether a window may end or expire by this watermark. It is called once per packet,
    /// and costs a comparison per series.
    func isAnythingDue(source: Int, watermark: Int64) -> Bool {
        for index in source * seriesCount..<(source + 1) * seriesCount
        where earliest[index] <= watermark {
            return true
        }
        return false
    }

    var hasTouched: Bool { !touched.isEmpty }

    /// Removes the next changed closed window for which `isMine` is true from the list, and returns
    /// its slot; `nil` at the end of the list. `index` is where the search continues, 0 at first.
    mutating func takeTouched(from index: inout Int, _ isMine: (WindowState) -> Bool) -> Int? {
        while index < touched.count {
            let slot = Int(touched[index])
            guard slots[slot].phase.contains(.touched) else {
                touched.swapAt(index, touched.count - 1)
                touched.removeLast()
                continue
            }
            guard isMine(slots[slot]) else {
                index += 1
                continue
            }
            touched.swapAt(index, touched.count - 1)
            touched.removeLast()
            slots[slot].phase.remove(.touched)
            return slot
        }
        return nil
    }

    /// Fills `due` with every open window of these symbols that ends at or before the watermark, in
    /// order of end, series and symbol. Fills `expired` with the closed windows that take no ticks
    /// any more. `symbols` are those of the source, in ascending order. From here on `place` does
    /// not find the expired windows. Their slots keep their contents until the caller frees them
    /// with `release`.
    mutating func collectDue(source: Int, symbols: [UInt32], watermark: Int64) {
        due.removeAll()
        expired.removeAll(keepingCapacity: true)
        for series in 0..<seriesCount
        where earliest[source * seriesCount + series] <= watermark {
            var next = Int64.max
            for symbol in symbols {
                let key = Int(symbol) * seriesCount + series
                next = min(next, collect(key: key, latenesses[series], watermark: watermark))
            }
            earliest[source * seriesCount + series] = next
        }
        due.sortByEnd()
    }

    /// Collects the windows of one key. Returns the watermark at which the remaining ones have to
    /// be checked again.
    private mutating func collect(key: Int, _ lateness: Int64, watermark: Int64) -> Int64 {
        var next = Int64.max
        var newer = 0
        var slot = heads[key]
        guard slot != 0 else { return next }
        while slot != 0 {
            let index = Int(slot)
            let end = slots[index].end
            let older = slots[index].older
            let isGone = end + lateness <= watermark
            if slots[index].phase.contains(.closed) {
                if isGone { expired.append(slot) }
            } else if end <= watermark {
                slots[index].phase.insert(.closed)
                due.append(end: end, slot: slot)
                if isGone { expired.append(slot) }
            }
            if isGone {
                if newer == 0 { heads[key] = older } else { slots[newer].older = older }
                windowsPerKey[key] -= 1
            } else {
                next = min(next, end <= watermark ? end + lateness : end)
                newer = index
            }
            slot = older
        }
        refresh(key)
        return next
    }

    /// Frees the slots of the expired windows.
    mutating func release() {
        for slot in expired {
            slots[Int(slot)] = .closed
            slots[Int(slot)].older = firstFree
            firstFree = slot
        }
        openCount -= expired.count
    }

    // MARK: all windows

    /// Visits all windows in order of symbol and series, and the newest of each key first. A
    /// checkpoint stores them in this order. Not for use per packet.
    func forEach(_ body: (WindowState) -> Void) {
        for head in heads {
            var slot = Int(head)
            while slot != 0 {
                body(slots[slot])
                slot = Int(slots[slot].older)
            }
        }
    }

    /// Returns the number of ticks in all windows of a series, open and closed: the part of the
    /// account that is not final.
    func openTrades(series: Int) -> UInt64 {
        var sum: UInt64 = 0
        for key in stride(from: series, to: heads.count, by: seriesCount) {
            var slot = Int(heads[key])
            while slot != 0 {
                sum += slots[slot].trades
                slot = Int(slots[slot].older)
            }
        }
        return sum
    }

    /// Visits the open windows with a price that changed since the last call, for live display.
    mutating func takeChanged(_ body: (WindowState) -> Void) {
        for head in heads {
            var slot = Int(head)
            while slot != 0 {
                let window = slots[slot]
                if !window.phase.contains(.closed), window.trades > 0,
                    shown[slot] != window.changes
                {
                    shown[slot] = window.changes
                    body(window)
                }
                slot = Int(window.older)
            }
        }
    }
}
