import MarketModel
import Primitives
import TapeCodec

/// What the tape says of one partition of a source: which data are missing there, and which
/// instruments are being asked for. It follows from the packets alone, taken in their order; so a
/// successor that takes those behind a stored one knows the same as whoever stored it.
struct PartitionLedger: Equatable, Sendable {
    /// The last packet that is in it.
    struct Position: Equatable, Sendable {
        var sequence: UInt64 = 0
        var lastOrdinal: UInt64 = 0
    }

    struct Entry: Equatable, Sendable {
        /// Kinds of data whose subscription has begun and not ended: a bit each, by the raw kind.
        var fed: UInt16 = 0
        /// Some record of it said so; else nothing is known of what came before this ledger.
        var isKnown = false
        var missing = MissingParts()
    }

    var position = Position()
    /// Nothing was left out from the partition's first packet on. Else it is not known of every
    /// instrument whether it was asked for.
    var isWhole = true
    var entries: [Symbol: Entry] = [:]

    /// Whether the instrument was being asked for where the ledger ends. What is not known is taken
    /// for true: that tells of a gap too much, and of none too little.
    func isFed(_ symbol: Symbol) -> Bool {
        guard let entry = entries[symbol], entry.isKnown else { return !isWhole }
        return entry.fed != 0
    }

    /// A tenure begins, which asks for these instruments. What was being asked for among them stays
    /// so, and what was not is not before the tape says it; no other one is asked for any more.
    mutating func begin(_ wanted: Set<Symbol>) {
        for symbol in wanted where isFed(symbol) && entries[symbol]?.isKnown != true {
            entries[symbol, default: Entry()].fed = 1
            entries[symbol]?.isKnown = true
        }
        isWhole = true
        for symbol in entries.keys {
            if !wanted.contains(symbol) { entries[symbol]?.fed = 0 }
            tidy(symbol)
        }
    }

    var missing: [(symbol: Symbol, part: MissingPart)] {
        entries.flatMap { symbol, entry in entry.missing.parts.map { (symbol, $0) } }
    }

    enum Taken: Equatable {
        case nothingNew
        /// What is missing, or who is fed, is another than before.
        case changed
    }

    /// Takes the partition's next packet, after it was found to be whole. What it has already is
    /// passed over; what is missing in between is noted.
    mutating func take(_ packet: RawSpan, _ header: PacketHeader, sequence: UInt64) -> Taken {
        position.sequence = sequence
        let last = header.nextOrdinal &- 1
        guard last > position.lastOrdinal else { return .nothingNew }
        var taken = Taken.nothingNew
        if header.firstOrdinal > position.lastOrdinal &+ 1 { taken = lose() }
        position.lastOrdinal = last
        var reader = FeedRecordReader()
        while let found = reader.next(in: packet) {
            taken = .changed
            switch found {
            case .gap(let symbol, let gap): take(gap, symbol)
            case .subscription(let symbol, let record): take(record, symbol)
            case .fetched(let symbol, let tick): entries[symbol]?.missing.note(tick)
            }
        }
        return taken
    }

    /// Packets in between are gone.
    mutating func lose() -> Taken {
        guard isWhole else { return .nothingNew }
        isWhole = false
        for symbol in entries.keys { entries[symbol]?.isKnown = false }
        return .changed
    }

    private mutating func take(_ gap: GapRecord, _ symbol: Symbol) {
        switch GapReason(rawValue: gap.reason) {
        // A policy left these out among others that were taken: filled in, they would double those.
        case .dropped, .tapeLost: return
        case .unknown, .disconnected, .gatewayLost, .providerLoss, .maintenance, nil: break
        }
        switch GapState(rawValue: gap.state) {
        case .open:
            entries[symbol, default: Entry()].missing.add(
                MissingPart(kind: gap.kind, reason: gap.reason, from: gap.from, to: gap.to))
        case .filled, .abandoned: entries[symbol]?.missing.settle(gap.kind, gap.from, gap.to)
        case .filling, nil: break
        }
        tidy(symbol)
    }

    private mutating func take(_ record: SubscriptionRecord, _ symbol: Symbol) {
        let bit = record.kind < 16 ? UInt16(1) << UInt16(record.kind) : 1
        switch SubscriptionAction(rawValue: record.action) {
        case .start:
            // The first bit: what was taken for true until it is known.
            entries[symbol, default: Entry()].fed &= ~1
            entries[symbol]?.fed |= bit
            entries[symbol]?.isKnown = true
        case .stop:
            let isAll = record.kind == DataKind.any.rawValue
            entries[symbol, default: Entry()].fed &= isAll ? 0 : ~(bit | 1)
            entries[symbol]?.isKnown = true
        case .switchProvider, nil: break
        }
        tidy(symbol)
    }

    /// Of a whole ledger, an instrument that nobody asks for and of which nothing is missing is as
    /// one that was never there.
    private mutating func tidy(_ symbol: Symbol) {
        guard let entry = entries[symbol], entry.missing.parts.isEmpty else { return }
        if isWhole, entry.fed == 0 { entries[symbol] = nil }
    }
}
