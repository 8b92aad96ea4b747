import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// A packet on the tape of ticks.
struct TracedPacket: Equatable {
    let header: PacketHeader
    let sequence: UInt64
    /// When the tape stored it, by NATS's clock.
    let stored: Timestamp

    /// Returns the records that are wanted, by their ordinals, kinds and headers.
    func ticks(
        in packet: RawSpan, where isWanted: (UInt64, RecordKind, TickHeader) -> Bool
    ) -> [TracedTick] {
        var found: [TracedTick] = []
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard let (kind, tick, values) = Self.read(item, packet),
                isWanted(walk.ordinal, kind, tick)
            else { continue }
            found.append(
                TracedTick(
                    packet: self, ordinal: walk.ordinal, kind: kind, header: tick, values: values,
                    symbol: walk.symbol(tick.symbol, in: packet)))
        }
        return found
    }

    private static func read(
        _ item: PacketWalk.Item, _ packet: RawSpan
    ) -> (RecordKind, TickHeader, TracedTick.Values)? {
        switch item {
        case .trade(let trade): (.trade, trade.header, .trade(trade))
        case .quote(let quote): (.quote, quote.header, .quote(quote))
        case .other(let message):
            message.tickHeader(in: packet).flatMap { header in
                RecordKind(template: message.template).map { ($0, header, .other) }
            }
        case .bar, .control: nil
        }
    }
}

/// A record on the tape of ticks.
struct TracedTick: Equatable {
    enum Values: Equatable {
        case trade(Trade)
        case quote(Quote)
        case other
    }

    let packet: TracedPacket
    let ordinal: UInt64
    let kind: RecordKind
    let header: TickHeader
    let values: Values
    /// `nil` for a record without a symbol.
    let symbol: SymbolDefinition?

    var address: TickAddress {
        TickAddress(
            source: packet.header.source, partition: packet.header.partition, ordinal: ordinal)
    }

    /// The source in whose bars it is; `nil` for a tick of a person that names none.
    var owner: SourceName? {
        packet.header.source == .manual ? symbol?.source : packet.header.source
    }
}

/// Finds a tick on the tape.
struct TraceLookup {
    let client: TapeClient
    let shutdown: ShutdownSignal

    private static let turn: Duration = .milliseconds(100)

    func tick(_ subject: TraceCommand.Subject) throws -> TracedTick {
        switch subject {
        case .address(let address): try tick(at: address)
        case .from(let time, let symbol, let source, let kind):
            try first(of: symbol, from: time, source, kind)
        }
    }

    private func tick(at address: TickAddress) throws -> TracedTick {
        let packet = try TradeLookup(client: client, address: address, shutdown: shutdown)
            .packet("its row, if it has one, says when it was received and known")
        let place = TracedPacket(
            header: packet.header, sequence: packet.last.sequence, stored: packet.time)
        let found = packet.withBytes { bytes in
            place.ticks(in: bytes) { ordinal, _, _ in ordinal == address.ordinal }
        }
        guard let tick = found.first else {
            throw ToolError.unreadable("\(address) cannot be read: its packet does not hold it")
        }
        return tick
    }

    /// Returns the tick with the earliest time that is wanted. A tick may come after others of a
    /// later time, so the packets of a while behind it are read, too.
    private func first(
        of symbol: Symbol, from time: Timestamp, _ source: SourceName?, _ kind: RecordKind?
    ) throws -> TracedTick {
        let names = client.names
        let partition = names.partition(of: symbol)
        let input = TapeReaders.Input(
            partition: partition, stream: names.tickStream(of: partition),
            filters: [source.map { names.ticks(partition, $0) } ?? names.ticks(partition)])
        let reader = try RangeReader(client, group: "trace")
        defer { reader.close() }
        try reader.open(
            input, from: .time(time.advanced(byNanoseconds: -ProofTape.margin)), to: .stored)
        var found: TracedTick?
        var packets = 0
        while !reader.isOver {
            if shutdown.isRequested { throw ToolError.refused("interrupted") }
            try reader.receive(timeout: Self.turn) { packet in
                packets += 1
                let place = TracedPacket(
                    header: try packet.header.get(), sequence: packet.sequence,
                    stored: packet.time)
                let before = found?.header.eventTime ?? .undefined
                let ticks = packet.message.withPayload { bytes in
                    place.ticks(in: bytes) { _, present, header in
                        kind.map { $0 == present } ?? true && header.eventTime >= time
                            && header.eventTime < before
                    }
                }
                let own = ticks.filter { $0.symbol?.symbol == symbol }
                found = own.min { $0.header.eventTime < $1.header.eventTime } ?? found
                let end = found?.header.eventTime.advanced(byNanoseconds: ProofTape.margin)
                if end.map({ packet.time > $0 }) ?? false
                    || packets >= BarVersionReader.packetsMax
                {
                    reader.end(packet.range)
                }
            }
        }
        if let found { return found }
        throw ToolError.refused(
            "no \(kind?.rawValue ?? "tick") of \(symbol)\(source.map { " from \($0)" } ?? "") with "
                + "a time from \(time) on is among the \(packets) packets that the tape took since")
    }
}
