import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Publishes ticks under the source `manual`. The process that opened it last fences all earlier
/// ones.
final class ManualPublisher {
    static let openTimeout: Duration = .seconds(30)
    /// The tape is treated as stalled if no acknowledgement comes in this time.
    static let stallTimeout: Duration = .seconds(30)
    private static let turn: Duration = .milliseconds(5)

    /// A symbol of a source. `nil` means all its sources.
    private struct Pair: Hashable {
        let symbol: Symbol
        let source: SourceName?
    }

    private struct Registered {
        let number: UInt32
        /// What the number means from its next tick on.
        let definition: SymbolDefinition
    }

    private struct Lane {
        let lane: Int
        var symbols: [Pair: Registered] = [:]
    }

    private let mailbox = TapeMailbox(capacity: 256)
    private let publisher: TapePublisher
    private let shutdown: ShutdownSignal
    private let clock = SystemClock()
    private var lanes: [Partition: Lane] = [:]
    private var events: [TapeEvent] = []
    /// The number of ticks that were acknowledged.
    private(set) var ticks: UInt64 = 0
    private var sequences: [Int: UInt64] = [:]

    init(
        _ client: TapeClient, _ partitions: [Partition], _ shutdown: ShutdownSignal
    ) throws {
        self.shutdown = shutdown
        client.notify(mailbox)
        publisher = try TapePublisher(client, mailbox: mailbox)
        let names = client.names
        for partition in partitions {
            let builder = PacketBuilder(kind: .ticks, partition: partition, source: .manual)
            lanes[partition] = Lane(
                lane: publisher.addLane(
                    subject: names.ticks(partition, .manual),
                    stream: names.tickStream(of: partition), builder: builder))
        }
        raise(to: try Self.record(client))
    }

    /// Returns what was restored of the source from a database. Without a bucket nothing was.
    private static func record(_ client: TapeClient) throws(TapeError) -> SourceRecord {
        do throws(TapeError) {
            return try SourceRestore(client, of: .manual).record
        } catch {
            guard case .missingStream = error else { throw error }
            return SourceRecord()
        }
    }

    private func raise(to record: SourceRecord) {
        for (partition, lane) in lanes {
            guard let head = record.heads[.ticks(partition)] else { continue }
            publisher.raise(
                nextOrdinal: head.lastOrdinal + 1, aboveEpoch: head.epoch, stored: head.stored,
                lane: lane.lane)
        }
    }

    /// Opens an epoch on each partition.
    func open() throws {
        publisher.open()
        let deadline = clock.deadline(after: Self.openTimeout)
        while !publisher.isIdle || !publisher.hasOpened {
            guard clock.remaining(until: deadline) > .zero else {
                throw ToolError.unreachable(
                    "the tape took nothing for \(Self.openTimeout.shown): "
                        + (publisher.trouble ?? "no answer"))
            }
            try pump()
        }
    }

    /// Appends a tick that belongs to a source. Blocks while the partition's packet is full.
    func append(_ tick: ReplayTick, of source: SourceName, _ partition: Partition) throws {
        guard let lane = lanes[partition] else { return }
        var definition = tick.symbol
        definition?.source = source
        let index = symbol(definition, partition, lane)
        try append(
            tick.content.changed {
                $0.symbol = index
                $0.flags.insert(.backfilled)
            }, lane)
    }

    /// Appends a person's request to the operators. Without a source it concerns all sources of the
    /// symbol.
    func append(
        _ request: RepairRequest, of symbol: Symbol, _ source: SourceName?, _ partition: Partition
    ) throws {
        guard let lane = lanes[partition] else { return }
        var request = request
        request.header.symbol = self.symbol(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined, source: source),
            partition, lane)
        try append(.repair(request), lane)
    }

    /// Appends a person's change of a trade that belongs to this source.
    func append(
        _ change: TradeChange, of symbol: Symbol, _ source: SourceName?, _ partition: Partition
    ) throws {
        guard let lane = lanes[partition] else { return }
        var change = change
        change.header.symbol = self.symbol(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined, source: source),
            partition, lane)
        try append(.tradeChange(change), lane)
    }

    /// Appends what a person does to the deployment, which belongs to no symbol.
    func append(_ action: ActionRecord, _ partition: Partition) throws {
        guard let lane = lanes[partition] else { return }
        try append(.action(action), lane)
    }

    private func append(_ record: TapeRecord, _ lane: Lane) throws {
        var mark = (ticks: ticks, deadline: clock.deadline(after: Self.stallTimeout))
        while true {
            switch publisher.append(record, lane: lane.lane) {
            case .appended: return
            case .refused(let reason): throw ToolError.unreadable("\(reason)")
            case .full:
                try pump()
                try checkProgress(&mark)
            }
        }
    }

    /// Returns the sequence of the partition's last packet with ticks; 0 if there was none.
    func lastSequence(_ partition: Partition) -> UInt64 {
        lanes[partition].flatMap { sequences[$0.lane] } ?? 0
    }

    /// Returns when everything is on the tape.
    func drain() throws {
        var mark = (ticks: ticks, deadline: clock.deadline(after: Self.stallTimeout))
        while !publisher.isIdle {
            try pump()
            try checkProgress(&mark)
        }
    }

    // MARK: parts

    private func checkProgress(_ mark: inout (ticks: UInt64, deadline: MonotonicTime)) throws {
        if ticks > mark.ticks {
            mark = (ticks, clock.deadline(after: Self.stallTimeout))
        } else if clock.remaining(until: mark.deadline) == .zero {
            throw ToolError.unreachable(
                "the tape takes nothing: \(publisher.trouble ?? "no answer"); \(ticks) ticks stand "
                    + "there; run it again later, it goes on behind them")
        }
    }

    /// Returns the number of a symbol. A definition that differs from the last one, for example in
    /// the lot, is stated before the next tick, so that each tick keeps its own.
    private func symbol(
        _ definition: SymbolDefinition?, _ partition: Partition, _ lane: Lane
    ) -> UInt32 {
        guard let definition else { return TickHeader.noSymbol }
        let pair = Pair(symbol: definition.symbol, source: definition.source)
        let number: UInt32
        if let known = lane.symbols[pair] {
            if known.definition == definition { return known.number }
            number = known.number
            publisher.redefine(number, as: definition, lane: lane.lane)
        } else {
            number = publisher.register(definition, lane: lane.lane)
        }
        lanes[partition]?.symbols[pair] = Registered(number: number, definition: definition)
        return number
    }

    private func pump() throws {
        for lane in lanes.values
        where publisher.isReady(lane: lane.lane) && publisher.waitingTicks(lane: lane.lane) > 0 {
            // Backfilled ticks neither advance watermarks nor are compared with them.
            publisher.publish(lane: lane.lane, watermark: Timestamp(nanoseconds: Int64.min))
        }
        publisher.timePassed()
        _ = mailbox.receive(into: &events, max: 256, timeout: Self.turn)
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .answer(let message): publisher.handle(message)
            case .closed(let reason): throw ToolError.unreachable("NATS is gone: \(reason)")
            case .delivery, .reconnected, .wake: continue
            }
        }
        for packet in publisher.acknowledged {
            ticks += UInt64(packet.header.tickCount)
            if packet.header.tickCount > 0 { sequences[packet.lane] = packet.sequence }
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
        publisher.rolledBack.removeAll(keepingCapacity: true)
        if lanes.values.contains(where: { publisher.isFenced(lane: $0.lane) }) {
            throw ToolError.refused(
                "somebody else publishes under the source 'manual' now; \(ticks) ticks stand "
                    + "there; run it again when that is done")
        }
        if shutdown.isRequested {
            throw ToolError.refused(
                "interrupted; \(ticks) ticks stand on the tape; run it again, it goes on behind "
                    + "them")
        }
    }
}
