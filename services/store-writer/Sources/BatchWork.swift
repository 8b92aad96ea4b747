import TapeTransport
import MarketModel
import NatsTransport
import Primitives
import StoreSinks
import TapeCodec

/// A record of which no row can be made or stored, or the unreadable rest of a packet. A dead
/// letter is made of it.
struct RefusedTick: Sendable {
    /// The index of the item in the batch.
    let item: Int
    /// The ordinal of the record; of an unreadable rest, its first ordinal.
    let ordinal: UInt64
    /// The number of records: 1, or those of an unreadable rest.
    var count: UInt64 = 1
    /// The record's table; `nil` for an unreadable rest, whose kinds are not known.
    let sink: SinkName?
    let reason: DeadLetter.Reason
    let refusal: DeadLetter.Refusal
}

/// The state of a batch while its rows are written: what was sent, and what was refused. The
/// session of the store fills it.
struct BatchWork: Sendable {
    var outcome = BatchOutcome()
    /// The records that become dead letters.
    var refused: [RefusedTick] = []
    /// By the table's index in the catalogue, whether the batch has records of it. Other tables
    /// cost no round trip.
    private(set) var present: [Bool]
    /// By item: the number of records that `walk` visits. It visits neither those after a damage
    /// nor those whose ordinals were stored before.
    private var met: [UInt64]

    init(_ batch: WriteBatch, _ catalogue: SinkCatalogue) {
        outcome.counts = [TickCount](repeating: TickCount(), count: batch.items.count)
        met = [UInt64](repeating: 0, count: batch.items.count)
        present = [Bool](repeating: false, count: catalogue.sinks.count)
        batch.walk(
            itemEnd: { item, context in
                if let groups = context.groups { outcome.groups[item] = groups }
            }
        ) { item, context, record, ordinal, _ in
            met[item] += 1
            if let sink = catalogue.index(of: record) {
                guard batch.isFor(catalogue.sinks[sink].name, item: item) else {
                    outcome.counts[item].apart += 1
                    return
                }
                present[sink] = true
                noteChange(record, context, ordinal, of: item, batch.items[item].position)
            } else {
                outcome.counts[item].skipped += 1
                if let sink = catalogue.switchedOff(record) {
                    outcome.skipped[sink, default: 0] += 1
                }
            }
            guard let time = record.receiveTime else { return }
            outcome.oldestReceiveTime = min(outcome.oldestReceiveTime, time)
        }
        for packets in batch.rowless {
            outcome.skipped.merge(packets.run.skipped, uniquingKeysWith: +)
        }
    }

    /// Notes a cancel or a correction by id.
    @inline(__always)
    private mutating func noteChange(
        _ record: Record, _ context: borrowing PacketContext, _ ordinal: UInt64, of item: Int,
        _ position: TapePosition
    ) {
        guard case .trade(let trade) = record, trade.header.action != 0,
            let change = ChangeByID(
                record, context, ordinal: ordinal, streamCreated: position.streamCreated,
                sequence: position.sequence)
        else { return }
        outcome.changes[item, default: []].append(change)
    }

    /// Notes a record whose sink takes its kind, but can make no row of it.
    mutating func refuse(_ item: Int, _ ordinal: UInt64, _ sink: SinkName) {
        refused.append(
            RefusedTick(
                item: item, ordinal: ordinal, sink: sink, reason: .undecodable,
                refusal: DeadLetter.Refusal(
                    message: "no row can be made of it: a field is damaged, or its packet does not "
                        + "define what it refers to")))
    }

    /// Completes the counts, so that each record is in exactly one of them. Call it once, after all
    /// tables.
    mutating func close(_ batch: WriteBatch) {
        for (index, item) in batch.items.enumerated() {
            outcome.counts[index].givenTwice = item.givenTwice
            let expected = UInt64(item.header.tickCount) - item.givenTwice
            // What cannot be read is counted with the common position, not with a group's.
            if met[index] < expected, batch.group == nil {
                refuseRest(index, item, expected - met[index])
            }
        }
        for tick in refused {
            outcome.counts[tick.item].deadLettered += tick.count
            outcome.changes[tick.item]?.removeAll { $0.ordinal == tick.ordinal }
        }
    }

    /// Notes the last `count` records of a damaged packet, which cannot be read.
    private mutating func refuseRest(_ index: Int, _ item: WriteBatch.Item, _ count: UInt64) {
        let error = item.message.withPayload { PacketReader.damage(of: $0, item.header)?.error }
        refused.append(
            RefusedTick(
                item: index, ordinal: item.header.nextOrdinal - count, count: count, sink: nil,
                reason: .undecodable,
                refusal: DeadLetter.Refusal(
                    message: error.map { "the packet is damaged from here on: \($0)" }
                        ?? "the packet is damaged from here on")))
    }
}

extension WriteBatch {
    /// Calls `visit` with each record that is not stored yet, in the order of the batch, with the
    /// index of its item, its packet's context and its packet's bytes. Calls `itemEnd` after each
    /// item.
    func walk<Failure: Error>(
        itemEnd: (_ item: Int, borrowing PacketContext) -> Void = { _, _ in },
        _ visit: (
            _ item: Int, borrowing PacketContext, Record, _ ordinal: UInt64, RawSpan
        ) throws(Failure) -> Void
    ) throws(Failure) {
        guard let first = items.first else { return }
        // One context serves all packets, because it keeps its memory from packet to packet.
        var context = PacketContext(first.header)
        context.store = store
        for index in items.indices {
            try items[index].walk(&context) { context, record, ordinal, packet throws(Failure) in
                try visit(index, context, record, ordinal, packet)
            }
            itemEnd(index, context)
        }
    }

    /// Does the same for the records of one item.
    func walk<Failure: Error>(
        item index: Int,
        _ visit: (
            borrowing PacketContext, Record, _ ordinal: UInt64, RawSpan
        ) throws(Failure) -> Void
    ) throws(Failure) {
        var context = PacketContext(items[index].header)
        context.store = store
        try items[index].walk(&context, visit)
    }
}

extension WriteBatch.Item {
    /// Visits the records that are not stored yet. Records beyond the header's count have no
    /// ordinal and are left out.
    fileprivate func walk<Failure: Error>(
        _ context: inout PacketContext,
        _ visit: (
            borrowing PacketContext, Record, _ ordinal: UInt64, RawSpan
        ) throws(Failure) -> Void
    ) throws(Failure) {
        context.begin(header)
        context.tapeTime = tapeTime
        try message.withPayload { packet throws(Failure) in
            try context.walk(packet) { context, record, ordinal throws(Failure) in
                guard ordinal > storedOrdinal,
                    ordinal - header.firstOrdinal < UInt64(header.tickCount)
                else { return }
                try visit(context, record, ordinal, packet)
            }
        }
    }
}

extension Record {
    /// The receive time of trades and quotes, which are most of all ticks; `nil` for others.
    fileprivate var receiveTime: Timestamp? {
        switch self {
        case .trade(let trade): trade.header.receiveTime
        case .quote(let quote): quote.header.receiveTime
        case .bar, .other, .malformed: nil
        }
    }
}
