import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import TapeCodec

/// Packets that are written in one transaction. They stay as they came; rows are made from them
/// while they are copied to the server, so that a retry costs nothing but the copy.
struct WriteBatch {
    struct Item {
        let input: Int
        let header: PacketHeader
        let message: NatsMessage
        /// Where the reader stands behind this packet.
        let position: TapePosition
        /// The source's last ordinal that is stored already: what the packet has up to there came
        /// before, and is left out. Below the packet's first ordinal as a rule.
        var storedOrdinal: UInt64 = 0

        var givenTwice: UInt64 {
            guard storedOrdinal >= header.firstOrdinal else { return 0 }
            return min(UInt64(header.tickCount), storedOrdinal - header.firstOrdinal + 1)
        }
    }

    private(set) var items: [Item] = []
    private(set) var rows = 0
    private(set) var bytes = 0
    /// When the first packet came, in monotonic nanoseconds.
    private(set) var since: Int64 = 0

    var isEmpty: Bool { items.isEmpty }

    /// No more may be added before it is written.
    var isFull: Bool {
        rows >= WriterSettings.batchRowsMax || bytes >= WriterSettings.batchBytesMax
            || items.count >= WriterSettings.batchPacketsMax
    }

    mutating func add(_ item: Item, now: Int64) {
        if items.isEmpty { since = now }
        items.append(item)
        rows += Int(item.header.tickCount)
        bytes += Int(item.header.byteCount)
    }

    mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        rows = 0
        bytes = 0
    }

    /// A partition that another writer has taken over: its packets are that one's.
    mutating func remove(inputs: Set<Int>) {
        let kept = items.filter { !inputs.contains($0.input) }
        removeAll()
        for item in kept { add(item, now: since) }
    }
}

/// What the rows of a batch came to.
struct BatchOutcome: Sendable {
    var trades = 0
    var quotes = 0
    var bars = 0
    /// Gap records of the tape.
    var gaps = 0
    /// Bars that the table holds in the same or a later revision.
    var barsIgnored = 0
    /// Per item of the batch.
    var counts: [TickCount] = []
    /// The earliest receive time among the ticks; undefined when there are none.
    var oldestReceiveTime = Timestamp.undefined
}

extension WriteBatch {
    /// Copies the rows inside the transaction that is open on `database`.
    func copy(
        to database: PostgresConnection, timeout: Duration
    ) throws(PostgresError) -> BatchOutcome {
        var outcome = BatchOutcome()
        outcome.counts = [TickCount](repeating: TickCount(), count: items.count)
        if items.contains(where: { $0.header.kind == .ticks && $0.header.tickCount > 0 }) {
            var gaps: [GapTable.Row] = []
            outcome.trades = try database.copyIn(TradeTable.copy, timeout: timeout) {
                row throws(PostgresError) in
                try copyTrades(to: &row, &outcome, &gaps)
            }
            outcome.quotes = try database.copyIn(QuoteTable.copy, timeout: timeout) {
                row throws(PostgresError) in
                try copyQuotes(to: &row, &outcome)
            }
            // Rare: no round trip for none.
            if !gaps.isEmpty {
                outcome.gaps = try database.copyIn(GapTable.copy, timeout: timeout) {
                    row throws(PostgresError) in
                    for gap in gaps { try GapTable.write(gap, to: &row) }
                }
            }
        }
        if items.contains(where: { $0.header.kind == .bars && $0.header.tickCount > 0 }) {
            outcome.bars = try database.copyIn(BarTable.copy, timeout: timeout) {
                row throws(PostgresError) in
                try copyBars(to: &row, &outcome)
            }
            let stored = try database.execute(BarTable.upsert, timeout: timeout).affectedRows
            outcome.barsIgnored = outcome.bars - stored
        }
        // Ticks of kinds that have no table yet, and those without a symbol.
        for index in items.indices {
            let count = UInt64(items[index].header.tickCount)
            outcome.counts[index].givenTwice = items[index].givenTwice
            outcome.counts[index].skipped =
                count - outcome.counts[index].written - items[index].givenTwice
        }
        return outcome
    }

    private func walk(
        _ kind: PacketKind,
        _ visit: (
            Int, borrowing PacketContext, Record, UInt64, RawSpan
        ) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        for (index, item) in items.enumerated() where item.header.kind == kind {
            try item.message.withPayload { packet throws(PostgresError) in
                var context = PacketContext(item.header)
                try context.walk(packet) { context, record, ordinal throws(PostgresError) in
                    guard ordinal > item.storedOrdinal else { return }
                    try visit(index, context, record, ordinal, packet)
                }
            }
        }
    }

    /// Also finds the gap records, which go to a table of their own.
    private func copyTrades(
        to row: inout BinaryCopyWriter, _ outcome: inout BatchOutcome,
        _ gaps: inout [GapTable.Row]
    ) throws(PostgresError) {
        try walk(.ticks) { index, context, record, ordinal, packet throws(PostgresError) in
            if case .other(let message) = record,
                let gap = context.gap(message, in: packet, ordinal: ordinal)
            {
                gaps.append(gap)
                outcome.counts[index].written += 1
            }
            guard case .trade(let trade) = record,
                let symbol = context.symbol(trade.header.symbol)
            else { return }
            try TradeTable.write(trade, symbol, context.header, ordinal: ordinal, to: &row)
            outcome.counts[index].written += 1
            outcome.oldestReceiveTime = min(outcome.oldestReceiveTime, trade.header.receiveTime)
        }
    }

    private func copyQuotes(
        to row: inout BinaryCopyWriter, _ outcome: inout BatchOutcome
    ) throws(PostgresError) {
        try walk(.ticks) { index, context, record, ordinal, _ throws(PostgresError) in
            guard case .quote(let quote) = record,
                let symbol = context.symbol(quote.header.symbol)
            else { return }
            try QuoteTable.write(quote, symbol, context.header, ordinal: ordinal, to: &row)
            outcome.counts[index].written += 1
            outcome.oldestReceiveTime = min(outcome.oldestReceiveTime, quote.header.receiveTime)
        }
    }

    private func copyBars(
        to row: inout BinaryCopyWriter, _ outcome: inout BatchOutcome
    ) throws(PostgresError) {
        try walk(.bars) { index, context, record, ordinal, _ throws(PostgresError) in
            guard case .bar(let bar) = record, let symbol = context.symbol(bar.symbol),
                let series = context.series(bar.series)
            else { return }
            try BarTable.write(bar, symbol, series, context.header, ordinal: ordinal, to: &row)
            outcome.counts[index].written += 1
        }
    }
}
