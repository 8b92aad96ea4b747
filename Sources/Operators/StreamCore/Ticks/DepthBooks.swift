public import MarketModel
internal import Primitives

/// The changes of books that nodes of a graph saw.
public struct BookCounters: Hashable, Sendable {
    /// Changes behind which the book was known, once for each node that makes numbers of books.
    public var known: UInt64 = 0
    /// Changes behind which it was not: they have no numbers.
    public var unknown: UInt64 = 0
    /// Books that were known, and of which nothing was known from then on: a gap or another member
    /// of a group came, or a change that does not fit.
    public var lost: UInt64 = 0

    public init() {}

    /// The names of the counts in metrics and /status, in this order.
    public static var states: [(name: String, count: WritableKeyPath<BookCounters, UInt64>)] {
        [("known", \.known), ("unknown", \.unknown), ("lost", \.lost)]
    }
}

/// The books of a partition's symbols, by the changes on its tape. Nodes of a graph that take depth
/// share them.
///
/// A book is *known* for `BookRule.knownFor` after its last reset, as long as nothing is missing
/// since then: the gateway's repetitions are resets. So it follows from that much of the tape, and
/// a repair that reads from there on knows the same books as the machine did at first. The time is
/// the latest receive time of the symbol's changes since the reset, so nothing before it and no
/// other symbol decides it.
///
/// A value that one thread owns. It allocates when a symbol has its first reset: some 4 KB. There
/// are as many books as symbols at most (`StreamLimits.symbolsMax`).
public struct DepthBooks: Sendable {
    static let envelope = StateEnvelope("TLDB", version: 1)
    /// A book without rows.
    private static let bytesMin = 76

    private struct Slot: Sendable {
        let symbol: UInt32
        var rows = OrderBook()
        /// The source whose changes it has.
        var source: UInt32 = 0
        /// When its last reset came, by its clock.
        var heldAt = Int64.min
        /// The event time of its last reset. Gaps state such times.
        var since = Int64.min
        var clock = TapeClock()
    }

    /// Counted since this value was made or restored: not part of the state.
    public private(set) var counters = BookCounters()
    /// By symbol, the place of its book in `slots`; -1 for none.
    private var places: [Int32] = []
    private var slots: [Slot] = []

    public init() {}

    /// The number of books.
    public var count: Int { slots.count }

    // MARK: changes

    /// Takes a change of a row by the source that feeds the symbol. `header.symbol` is the symbol's
    /// index in the tables.
    @inline(__always)
    public mutating func take(_ update: DepthUpdate, from source: Int) {
        let place = place(update.header.symbol)
        guard place >= 0 else { return }
        slots[place].clock.advance(to: update.header.receiveTime)
        // Without a reset no row is known, so none is kept.
        guard slots[place].rows.isSinceReset,
            slots[place].source == UInt32(truncatingIfNeeded: source)
        else { return }
        if !slots[place].rows.take(update) { counters.lost &+= 1 }
    }

    /// Takes a reset, which empties the book. The rows of a repetition follow it.
    public mutating func take(_ reset: DepthReset, from source: Int) {
        let header = reset.header
        guard header.symbol < StreamLimits.symbolsMax else { return }
        let place = room(for: header.symbol)
        slots[place].clock = TapeClock()
        slots[place].clock.advance(to: header.receiveTime)
        slots[place].rows.reset()
        slots[place].source = UInt32(truncatingIfNeeded: source)
        slots[place].heldAt = slots[place].clock.now
        slots[place].since = header.eventTime.nanoseconds
    }

    /// Notes that changes before `time` are missing. A book that was emptied before it is not known
    /// until its next reset.
    public mutating func lose(_ symbol: UInt32, before time: Int64) {
        let place = place(symbol)
        guard place >= 0, slots[place].rows.isSinceReset, slots[place].since < time else { return }
        slots[place].rows.lose()
        counters.lost &+= 1
    }

    /// Forgets the book of a symbol that a source feeds from now on, unless it is of this source.
    public mutating func forget(_ symbol: UInt32, fedBy source: Int) {
        let place = place(symbol)
        guard place >= 0, slots[place].source != UInt32(truncatingIfNeeded: source) else { return }
        if slots[place].rows.isSinceReset { counters.lost &+= 1 }
        slots[place] = Slot(symbol: symbol)
    }

    // MARK: numbers

    /// Returns what is known of a book behind its last change, whose header this is.
    @inline(__always)
    public mutating func tick(_ header: TickHeader, levels: Int) -> BookTick {
        let place = place(header.symbol)
        guard place >= 0,
            slots[place].clock.elapsed(since: slots[place].heldAt) <= BookRule.knownFor,
            let top = slots[place].rows.top(levels)
        else {
            counters.unknown &+= 1
            return BookTick(header)
        }
        counters.known &+= 1
        return BookTick(header, top)
    }

    /// The event time of the last reset of a symbol's book; `nil` when it is not known.
    public func since(_ symbol: UInt32) -> Int64? {
        let place = place(symbol)
        return place >= 0 && slots[place].rows.isSinceReset ? slots[place].since : nil
    }

    @inline(__always)
    private func place(_ symbol: UInt32) -> Int {
        symbol < places.count ? Int(places[Int(symbol)]) : -1
    }

    private mutating func room(for symbol: UInt32) -> Int {
        let place = place(symbol)
        if place >= 0 { return place }
        while places.count <= symbol { places.append(-1) }
        places[Int(symbol)] = Int32(slots.count)
        slots.append(Slot(symbol: symbol))
        return slots.count - 1
    }

    // MARK: checkpoint

    /// Appends the books that are known since a reset. Nothing of the others decides what comes.
    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        let kept = slots.indices.filter { slots[$0].rows.isSinceReset }
            .sorted { slots[$0].symbol < slots[$1].symbol }
        bytes.append(integer: UInt32(kept.count))
        for place in kept {
            bytes.append(integer: slots[place].symbol)
            bytes.append(integer: slots[place].source)
            bytes.append(integer: slots[place].heldAt)
            bytes.append(integer: slots[place].since)
            bytes.append(integer: slots[place].clock.now)
            bytes.append(integer: UInt32(slots[place].rows.hasRows ? 1 : 0))
            Self.encode(slots[place].rows.asks, into: &bytes)
            Self.encode(slots[place].rows.bids, into: &bytes)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// The market makers of rows decide no number, so they are left out.
    private static func encode(_ side: BookRows, into bytes: inout [UInt8]) {
        let state = side.state
        bytes.append(integer: state.known)
        bytes.append(integer: state.count)
        bytes.append(integer: state.sure)
        bytes.append(integer: state.reach)
        for position in state.positions {
            let row = side.row(position)
            bytes.append(integer: row.price.raw)
            bytes.append(integer: row.size.raw)
        }
    }

    /// Restores the books of a partition with so many symbols.
    public init(restoring bytes: RawSpan, symbols count: Int) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        let books = try reader.count(
            of: .tick, max: count, bytesEach: Self.bytesMin, in: bytes)
        for _ in 0..<books {
            let symbol = try reader.uint32(in: bytes)
            guard symbol < count, slots.last.map({ $0.symbol < symbol }) ?? true else {
                throw reader.malformed(.tick)
            }
            let place = room(for: symbol)
            slots[place].source = try reader.uint32(in: bytes)
            slots[place].heldAt = try reader.int64(in: bytes)
            slots[place].since = try reader.int64(in: bytes)
            slots[place].clock = TapeClock(at: try reader.int64(in: bytes))
            let flags = try reader.uint32(in: bytes)
            guard flags <= 1, slots[place].heldAt <= slots[place].clock.now else {
                throw reader.malformed(.tick)
            }
            let asks = try Self.side(&reader, bytes)
            let bids = try Self.side(&reader, bytes)
            slots[place].rows = OrderBook(asks: asks, bids: bids, hasRows: flags == 1)
        }
        try reader.finish()
    }

    private static func side(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) -> BookRows {
        let state = BookRows.State(
            known: try reader.uint64(in: bytes), count: try reader.uint32(in: bytes),
            sure: try reader.uint32(in: bytes), reach: try reader.uint32(in: bytes))
        var rows: [BookRow] = []
        for _ in 0..<state.known.nonzeroBitCount {
            rows.append(
                BookRow(
                    price: Price(raw: try reader.int64(in: bytes)),
                    size: Quantity(raw: try reader.int64(in: bytes))))
        }
        guard let side = BookRows(state, known: rows) else { throw reader.malformed(.tick) }
        return side
    }
}
