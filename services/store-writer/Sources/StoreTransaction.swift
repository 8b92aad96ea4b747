import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

/// The rows of one batch inside of one open transaction, table by table.
struct StoreTransaction {
    let database: PostgresConnection
    let catalogue: SinkCatalogue
    let timeout: Duration

    func copy(_ batch: WriteBatch) throws(PostgresError) -> BatchOutcome {
        var outcome = BatchOutcome()
        let present = survey(batch, &outcome)
        for index in catalogue.sinks.indices where present[index] {
            let sink = catalogue.sinks[index]
            let rows = try database.copyIn(sink.copy, timeout: timeout) {
                row throws(PostgresError) in
                try write(batch, sink: index, to: &row, &outcome)
            }
            outcome.rows[sink.name] = rows
            guard let merge = sink.merge else { continue }
            let merged = try database.execute(merge.statement, timeout: timeout).affectedRows
            outcome.ignored[sink.name] = rows - merged
        }
        // Of kinds whose table is switched off, and those without a symbol.
        for (index, item) in batch.items.enumerated() {
            outcome.counts[index].givenTwice = item.givenTwice
            outcome.counts[index].skipped =
                UInt64(item.header.tickCount) - outcome.counts[index].written - item.givenTwice
        }
        return outcome
    }

    /// Which tables have rows in the batch: no round trip for none.
    private func survey(_ batch: WriteBatch, _ outcome: inout BatchOutcome) -> [Bool] {
        outcome.counts = [TickCount](repeating: TickCount(), count: batch.items.count)
        var present = [Bool](repeating: false, count: catalogue.sinks.count)
        batch.walk { _, _, record, _, _ in
            if let sink = catalogue.index(of: record) { present[sink] = true }
            guard let time = record.receiveTime else { return }
            outcome.oldestReceiveTime = min(outcome.oldestReceiveTime, time)
        }
        return present
    }

    private func write(
        _ batch: WriteBatch, sink index: Int, to row: inout BinaryCopyWriter,
        _ outcome: inout BatchOutcome
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        try batch.walk { item, context, record, ordinal, packet throws(PostgresError) in
            guard catalogue.index(of: record) == index else { return }
            if try sink.write(record, context, packet, ordinal, &row) {
                outcome.counts[item].written += 1
            }
        }
    }
}

extension WriteBatch {
    /// Calls `visit` with each tick that is not stored yet, in the order of the batch.
    func walk<Failure: Error>(
        _ visit: (
            _ item: Int, borrowing PacketContext, Record, _ ordinal: UInt64, RawSpan
        ) throws(Failure) -> Void
    ) throws(Failure) {
        for (index, item) in items.enumerated() {
            try item.message.withPayload { packet throws(Failure) in
                var context = PacketContext(item.header)
                try context.walk(packet) { context, record, ordinal throws(Failure) in
                    guard ordinal > item.storedOrdinal else { return }
                    try visit(index, context, record, ordinal, packet)
                }
            }
        }
    }
}

extension Record {
    /// Of trades and quotes, which are most of all that comes.
    fileprivate var receiveTime: Timestamp? {
        switch self {
        case .trade(let trade): trade.header.receiveTime
        case .quote(let quote): quote.header.receiveTime
        case .bar, .other, .malformed: nil
        }
    }
}
