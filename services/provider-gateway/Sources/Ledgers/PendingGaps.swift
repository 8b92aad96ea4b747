import MarketModel
import Primitives

/// The gaps of a source for which there is no gap record on the tape yet.
///
/// Pure. A gap is *open* while ticks of its symbol and kind are being left out. It is *due* when
/// its record is to be written. It leaves this list when its record is in its lane's packet. Until
/// then no watermark of the lane may pass its beginning: a successor that finds no record of the
/// gap begins its own gap there.
///
/// While its lane accepts nothing, a due gap grows with the ticks that are left out later. So there
/// is one gap per symbol, kind and reason, and a separate one for backfills, however long that
/// lasts. The time between the ticks that were left out is missing as well, as the lane accepted
/// nothing meanwhile.
struct PendingGaps {
    struct Gap: Hashable {
        /// The number of the symbol in the source's list.
        var symbol: Int
        var kind: DataKind
        /// The interval is [from, to).
        var from: Timestamp
        var to: Timestamp
        var reason: GapReason
    }

    /// The ticks of one symbol and kind that were left out since its last gap record.
    private struct Open {
        /// The time of the earliest tick; undefined when none was left out.
        var from = Timestamp.undefined
        /// The time of the latest tick.
        var last = Timestamp(nanoseconds: Int64.min)
        var isOpen: Bool { from.isDefined }
    }

    /// One lane of ticks. Lanes are stored in the order of their numbers.
    private struct Lane {
        /// The gaps to write, in order. The first `written` of them are in the lane's packet.
        var due: [Gap] = []
        /// The index in `due` of the last gap of each key. A gap that is written grows no more.
        var growing: [Growing: Int] = [:]
        var written = 0
        /// The earliest time that was left out and is in no packet yet; undefined when there is
        /// none.
        var watermarkMax = Timestamp.undefined
        /// The time in which any symbol of the lane may lack ticks, because the lane lost packets;
        /// `nil` when it lost none.
        var lost: (from: Timestamp, to: Timestamp)?
    }

    /// The key of a due gap that later gaps of the same key extend.
    private struct Growing: Hashable {
        let symbol: Int
        let kind: DataKind
        let reason: GapReason
        let isBackfilled: Bool
    }

    /// The kinds of data that can be left out, in the order of their raw values from 1.
    private static let kinds: [DataKind] = [
        .trade, .quote, .depth, .providerBar, .optionComputation, .news, .fundamental, .indicator,
    ]

    /// The number of entries of a symbol in `open`.
    private static let places = 2 * kinds.count

    /// Per symbol and kind of data two entries: live ticks, then those of backfills.
    private var open: [Open]
    private var lanes: [Lane]
    private var laneOf: [Int]
    /// The number of open gaps.
    private var openCount = 0
    /// The monotonic time since which a gap is open; `Int64.max` when none is.
    private(set) var openSince = MonotonicTime.never

    /// `laneOf` has the lane of each symbol; `laneCount` is above all of them.
    init(laneOf: [Int], laneCount: Int) {
        self.laneOf = laneOf
        open = [Open](repeating: Open(), count: laneOf.count * Self.places)
        lanes = [Lane](repeating: Lane(), count: laneCount)
    }

    /// Adds the next symbol number, whose ticks go to this lane.
    mutating func addSymbol(lane: Int) {
        laneOf.append(lane)
        open += [Open](repeating: Open(), count: Self.places)
        guard let lost = lanes[lane].lost else { return }
        noteLoss(symbol: laneOf.count - 1, from: lost.from, to: lost.to)
    }

    // MARK: new gaps

    /// Adds a gap that is known completely and makes it due immediately; an empty one is ignored.
    /// `limitsWatermark` is false when the lane's watermarks have passed its beginning already.
    mutating func missed(_ gap: Gap, limitsWatermark: Bool = true) {
        guard gap.from < gap.to else { return }
        add(gap, isBackfilled: false)
        guard limitsWatermark else { return }
        let lane = laneOf[gap.symbol]
        lanes[lane].watermarkMax = min(lanes[lane].watermarkMax, gap.from)
    }

    /// Adds gaps for a time in which any symbol of the lane may lack ticks. A symbol that is added
    /// later gets one, too: a provider may learn its symbols from the data.
    mutating func lost(lane: Int, from: Timestamp, to: Timestamp) {
        let known = lanes[lane].lost ?? (from, to)
        lanes[lane].lost = (min(known.from, from), max(known.to, to))
        for symbol in laneOf.indices where laneOf[symbol] == lane {
            noteLoss(symbol: symbol, from: from, to: to)
        }
    }

    private mutating func noteLoss(symbol: Int, from: Timestamp, to: Timestamp) {
        missed(Gap(symbol: symbol, kind: .any, from: from, to: to, reason: .dropped))
    }

    /// Makes a gap due, or extends the due gap of the same symbol, kind and reason.
    private mutating func add(_ gap: Gap, isBackfilled: Bool) {
        let lane = laneOf[gap.symbol]
        let key = Growing(
            symbol: gap.symbol, kind: gap.kind, reason: gap.reason, isBackfilled: isBackfilled)
        guard let place = lanes[lane].growing[key], place >= lanes[lane].written else {
            lanes[lane].growing[key] = lanes[lane].due.count
            lanes[lane].due.append(gap)
            return
        }
        lanes[lane].due[place].from = min(lanes[lane].due[place].from, gap.from)
        lanes[lane].due[place].to = max(lanes[lane].due[place].to, gap.to)
    }

    /// Notes that a tick was left out. `now` is monotonic. Allocates nothing. A tick of a backfill
    /// holds no watermark back, as watermarks have passed its time already.
    mutating func leftOut(
        symbol: Int, kind: DataKind, time: Timestamp, isBackfilled: Bool = false, now: MonotonicTime
    ) {
        let place =
            symbol * Self.places + 2 * (max(1, Int(kind.rawValue)) - 1) + (isBackfilled ? 1 : 0)
        if !open[place].isOpen {
            open[place].from = time
            openCount += 1
            openSince = min(openSince, now)
        }
        open[place].from = min(open[place].from, time)
        open[place].last = max(open[place].last, time)
        guard !isBackfilled else { return }
        let lane = laneOf[symbol]
        lanes[lane].watermarkMax = min(lanes[lane].watermarkMax, time)
    }

    /// Makes all open gaps due.
    mutating func close() {
        guard openCount > 0 else { return }
        for place in open.indices where open[place].isOpen {
            let symbol = place / Self.places
            add(
                Gap(
                    symbol: symbol, kind: Self.kinds[place % Self.places / 2],
                    from: open[place].from, to: open[place].last.advanced(byNanoseconds: 1),
                    reason: .dropped),
                isBackfilled: !place.isMultiple(of: 2))
            open[place] = Open()
        }
        openCount = 0
        openSince = .never
    }

    // MARK: gaps to write

    /// Whether a gap record is to be written.
    var hasDue: Bool { lanes.contains { $0.written < $0.due.count } }
    var isEmpty: Bool { openCount == 0 && !hasDue }

    /// Returns the time that no watermark of the lane may pass; undefined when nothing holds it
    /// back.
    func watermarkMax(lane: Int) -> Timestamp { lanes[lane].watermarkMax }

    /// Returns the lane's next gap to write. The gap stays until `written` is called.
    func due(lane: Int) -> Gap? {
        let lane = lanes[lane]
        return lane.written < lane.due.count ? lane.due[lane.written] : nil
    }

    /// Removes the lane's next gap, whose record is in the lane's packet now.
    mutating func written(lane: Int) {
        lanes[lane].written += 1
        guard lanes[lane].written == lanes[lane].due.count else { return }
        lanes[lane].due.removeAll(keepingCapacity: true)
        lanes[lane].growing.removeAll(keepingCapacity: true)
        lanes[lane].written = 0
        lanes[lane].watermarkMax = firstOpen(lane: lane)
    }

    /// Returns the time of the lane's earliest live tick in an open gap; undefined when there is
    /// none.
    private func firstOpen(lane: Int) -> Timestamp {
        guard openCount > 0 else { return .undefined }
        var first = Timestamp.undefined
        for place in open.indices where open[place].isOpen && place.isMultiple(of: 2) {
            guard laneOf[place / Self.places] == lane else { continue }
            first = min(first, open[place].from)
        }
        return first
    }
}
