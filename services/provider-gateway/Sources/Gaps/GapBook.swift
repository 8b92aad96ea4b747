import MarketModel
import Primitives

/// What is missing of a source and does not stand on the tape yet as a gap record.
///
/// Pure. A gap is *open* while ticks of its symbol and kind are being left out, *due* when it is to
/// be written, and gone from here when it is in its lane's packet. Until then no watermark of the
/// lane may pass its beginning: a successor that finds nothing of it begins its own gap there.
///
/// While its lane takes nothing, a due gap grows with what is left out behind it: there is one per
/// symbol, kind and reason, and one of what was fetched, however long that lasts. What lies between
/// is missing as well, as the lane took nothing meanwhile.
struct GapBook {
    struct Gap: Hashable {
        /// The number of the symbol in the source's list.
        var symbol: Int
        var kind: DataKind
        /// The interval is [from, to).
        var from: Timestamp
        var to: Timestamp
        var reason: GapReason
    }

    /// What is left out of one symbol and kind since the last record of it.
    private struct Open {
        var from = Timestamp.undefined
        var last = Timestamp(nanoseconds: Int64.min)
        var isOpen: Bool { from.isDefined }
    }

    /// Lanes in the order of their numbers: those of ticks.
    private struct Lane {
        var due: [Gap] = []
        /// The last place of each in `due`; below `written` it grows no more.
        var growing: [Growing: Int] = [:]
        var written = 0
        /// The earliest time that is left out and in no packet yet; undefined: nothing is.
        var hold = Timestamp.undefined
    }

    private struct Growing: Hashable {
        let symbol: Int
        let kind: DataKind
        let reason: GapReason
        let isFetched: Bool
    }

    private static let kinds: [DataKind] = [
        .trade, .quote, .depth, .providerBar, .optionComputation, .news, .fundamental, .indicator,
    ]

    private static let places = 2 * kinds.count

    /// Of each symbol its kinds of data, and of each kind what is live and what is fetched.
    private var open: [Open]
    private var lanes: [Lane]
    private var laneOf: [Int]
    private var openCount = 0
    private(set) var openSince = Int64.max

    /// `laneOf`: per symbol; `laneCount` is above all of them.
    init(laneOf: [Int], laneCount: Int) {
        self.laneOf = laneOf
        open = [Open](repeating: Open(), count: laneOf.count * Self.places)
        lanes = [Lane](repeating: Lane(), count: laneCount)
    }

    mutating func addSymbol(lane: Int) {
        laneOf.append(lane)
        open += [Open](repeating: Open(), count: Self.places)
    }

    // MARK: what is missing

    /// All of the symbol was missed in between: to be written at once. `holds`: watermarks have not
    /// passed it.
    mutating func missed(_ gap: Gap, holds: Bool = true) {
        guard gap.from < gap.to else { return }
        add(gap, isFetched: false)
        guard holds else { return }
        let lane = laneOf[gap.symbol]
        lanes[lane].hold = min(lanes[lane].hold, gap.from)
    }

    private mutating func add(_ gap: Gap, isFetched: Bool) {
        let lane = laneOf[gap.symbol]
        let key = Growing(
            symbol: gap.symbol, kind: gap.kind, reason: gap.reason, isFetched: isFetched)
        guard let place = lanes[lane].growing[key], place >= lanes[lane].written else {
            lanes[lane].growing[key] = lanes[lane].due.count
            lanes[lane].due.append(gap)
            return
        }
        lanes[lane].due[place].from = min(lanes[lane].due[place].from, gap.from)
        lanes[lane].due[place].to = max(lanes[lane].due[place].to, gap.to)
    }

    /// A tick was left out. Allocates nothing. `now` is monotonic. One that was fetched holds no
    /// watermark back, which has passed its time already.
    mutating func leftOut(
        symbol: Int, kind: DataKind, time: Timestamp, isFetched: Bool = false, now: Int64
    ) {
        let place =
            symbol * Self.places + 2 * (max(1, Int(kind.rawValue)) - 1) + (isFetched ? 1 : 0)
        if !open[place].isOpen {
            open[place].from = time
            openCount += 1
            openSince = min(openSince, now)
        }
        open[place].from = min(open[place].from, time)
        open[place].last = max(open[place].last, time)
        guard !isFetched else { return }
        let lane = laneOf[symbol]
        lanes[lane].hold = min(lanes[lane].hold, time)
    }

    /// What was left out so far is to be written.
    mutating func close() {
        guard openCount > 0 else { return }
        for place in open.indices where open[place].isOpen {
            let symbol = place / Self.places
            add(
                Gap(
                    symbol: symbol, kind: Self.kinds[place % Self.places / 2],
                    from: open[place].from, to: open[place].last.advanced(byNanoseconds: 1),
                    reason: .dropped),
                isFetched: !place.isMultiple(of: 2))
            open[place] = Open()
        }
        openCount = 0
        openSince = .max
    }

    // MARK: what is to be written

    var hasDue: Bool { lanes.contains { $0.written < $0.due.count } }
    var isEmpty: Bool { openCount == 0 && !hasDue }

    /// No watermark of the lane may be later; undefined: it is free.
    func hold(lane: Int) -> Timestamp { lanes[lane].hold }

    /// The next one to write; it stays until it is `written`.
    func due(lane: Int) -> Gap? {
        let lane = lanes[lane]
        return lane.written < lane.due.count ? lane.due[lane.written] : nil
    }

    /// The lane's next one is in its packet.
    mutating func written(lane: Int) {
        lanes[lane].written += 1
        guard lanes[lane].written == lanes[lane].due.count else { return }
        lanes[lane].due.removeAll(keepingCapacity: true)
        lanes[lane].growing.removeAll(keepingCapacity: true)
        lanes[lane].written = 0
        lanes[lane].hold = openHold(lane: lane)
    }

    /// What of the lane is left out and not due yet.
    private func openHold(lane: Int) -> Timestamp {
        guard openCount > 0 else { return .undefined }
        var hold = Timestamp.undefined
        for place in open.indices where open[place].isOpen && place.isMultiple(of: 2) {
            guard laneOf[place / Self.places] == lane else { continue }
            hold = min(hold, open[place].from)
        }
        return hold
    }
}
