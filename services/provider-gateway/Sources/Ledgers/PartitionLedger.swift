import MarketModel
import Primitives
import TapeCodec

/// The state of one partition of a source, according to the tape: which data are missing, and which
/// instruments are being requested. It depends only on the packets, taken in order. So a successor
/// that continues a stored ledger with the packets after it gets the same ledger as its
/// predecessor.
struct PartitionLedger: Equatable, Sendable {
    /// The last packet that the ledger contains.
    struct Position: Equatable, Sendable {
        var sequence: UInt64 = 0
        var lastOrdinal: UInt64 = 0
    }

    /// The state of one instrument.
    struct Entry: Equatable, Sendable {
        /// The kinds of data whose subscription has begun and not ended, as a bit each, by the raw
        /// kind.
        var fed: UInt16 = 0
        /// Whether a record reported the instrument's subscriptions. If not, nothing is known about
        /// the time before this ledger.
        var isKnown = false
        var missing = MissingParts()
        /// Its trades, of a provider that continues by ids.
        var ids: TradeIDs?
        /// Its values, of a provider that publishes what has changed.
        var values = LastValues()
    }

    var position = Position()
    /// Whether the ledger knows for every instrument whether it was requested. False after packets
    /// were lost, until the next tenure begins.
    var isWhole = true
    /// The instruments about which something is known.
    var entries: [Symbol: Entry] = [:]

    /// Returns whether the instrument was being requested at the end of the ledger. True when that
    /// is unknown: then a gap may be reported too many, but never one too few.
    func isFed(_ symbol: Symbol) -> Bool {
        guard let entry = entries[symbol], entry.isKnown else { return !isWhole }
        return entry.fed != 0
    }

    /// Begins a tenure that requests these instruments. Those that were being requested stay so.
    /// The others become so only when the tape reports it. Instruments outside of `wanted` are no
    /// longer requested.
    mutating func begin(_ wanted: Set<Symbol>) {
        for symbol in wanted where isFed(symbol) && entries[symbol]?.isKnown != true {
            // The first bit stands for kinds that are not known.
            entries[symbol, default: Entry()].fed = 1
            entries[symbol]?.isKnown = true
        }
        isWhole = true
        for symbol in entries.keys {
            if !wanted.contains(symbol) { entries[symbol]?.fed = 0 }
            tidy(symbol)
        }
    }

    /// Everything that is missing in the partition.
    var missing: [(symbol: Symbol, part: MissingPart)] {
        entries.flatMap { symbol, entry in
            entry.missing.parts.map { part in
                var part = part
                part.ids = entry.ids?.missing(in: part)
                return (symbol, part)
            }
        }
    }

    enum Taken: Equatable {
        case nothingNew
        /// The gaps or the subscriptions have changed.
        case changed
    }

    /// Takes the partition's next packet, which has been checked for damage. Ordinals that the
    /// ledger has already are skipped; ordinals that are missing in between are noted as a loss.
    mutating func take(
        _ packet: RawSpan, _ header: PacketHeader, sequence: UInt64,
        _ followed: FollowedProviders = FollowedProviders()
    ) -> Taken {
        position.sequence = sequence
        let last = header.nextOrdinal &- 1
        guard last > position.lastOrdinal else { return .nothingNew }
        var taken = Taken.nothingNew
        if header.firstOrdinal > position.lastOrdinal &+ 1 { taken = lose() }
        position.lastOrdinal = last
        var reader = FeedRecordReader(followed)
        while let found = reader.next(in: packet) {
            // Values are stored with the position.
            if case .value(let symbol, let value) = found {
                entries[symbol]?.values.take(value)
                continue
            }
            taken = .changed
            switch found {
            case .value: break
            case .gap(let symbol, let gap): take(gap, symbol)
            case .subscription(let symbol, let record): take(record, symbol)
            case .fetched(let symbol, let tick, let id):
                entries[symbol]?.missing.note(tick)
                entries[symbol]?.ids?.fetched(id)
            }
        }
        // They are stored with the position.
        reader.runs(in: packet) { symbol, run in
            guard let entry = entries[symbol] else { return }
            if entry.ids == nil || !followed.hasDenseIDs {
                entries[symbol]?.ids = TradeIDs(run.last)
            } else {
                entries[symbol]?.ids?.take(run)
            }
        }
        return taken
    }

    /// Notes that packets of the partition are lost: from now on it is unknown which instruments
    /// are requested.
    mutating func lose() -> Taken {
        guard isWhole else { return .nothingNew }
        isWhole = false
        for symbol in entries.keys { entries[symbol]?.isKnown = false }
        return .changed
    }

    private mutating func take(_ gap: GapRecord, _ symbol: Symbol) {
        switch GapReason(rawValue: gap.reason) {
        // Do not fill these: other ticks of the same time are on the tape and would be there twice.
        case .dropped, .tapeLost, .scale: return
        case .unknown, .disconnected, .gatewayLost, .providerLoss, .maintenance, nil: break
        }
        switch GapState(rawValue: gap.state) {
        case .open:
            entries[symbol, default: Entry()].missing.add(
                MissingPart(kind: gap.kind, reason: gap.reason, from: gap.from, to: gap.to))
        case .filled, .abandoned:
            entries[symbol]?.missing.settle(gap.kind, gap.from, gap.to)
            entries[symbol]?.ids?.settle(gap.from, gap.to)
        case .filling, nil: break
        }
        tidy(symbol)
    }

    private mutating func take(_ record: SubscriptionRecord, _ symbol: Symbol) {
        let bit = record.kind < 16 ? UInt16(1) << UInt16(record.kind) : 1
        switch SubscriptionAction(rawValue: record.action) {
        case .start:
            // Clear the first bit, which was the assumption as long as nothing was known.
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

    /// Removes an entry that holds no information: unless packets were lost, an instrument that is
    /// not requested and misses nothing is the same as one that was never there.
    private mutating func tidy(_ symbol: Symbol) {
        guard let entry = entries[symbol], entry.missing.parts.isEmpty else { return }
        if isWhole, entry.fed == 0 { entries[symbol] = nil }
    }
}
