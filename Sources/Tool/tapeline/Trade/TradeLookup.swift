import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeListing
import TapeProtocol
import TapeTransport

/// Finds a trade on the tape by its address.
struct TradeLookup {
    private static let turn: Duration = .milliseconds(100)

    let client: TapeClient
    let address: TickAddress
    let shutdown: ShutdownSignal

    private var stream: String { client.names.tickStream(of: address.partition) }
    private var subject: String { client.names.ticks(address.partition, address.source) }

    /// Returns the trade with what people said of it so far.
    func trade() throws -> TradeOnTape {
        let packet = try packet(
            "without it no bar can be computed again, so the trade stays as it is")
        var found = try packet.withBytes { bytes throws(ToolError) in
            try trade(in: bytes, packet.header)
        }
        found.change = try lastChange(of: found, since: packet.last.sequence)
        return found
    }

    /// Returns the packet of the address. `consequence` says what follows where the tape has it no
    /// more.
    func packet(_ consequence: String) throws -> StoredPacket {
        guard address.partition.number < client.names.partitions else {
            throw ToolError.refused(
                "\(address) is not on the tape: it has \(client.names.partitions) partitions, "
                    + "which count from 0")
        }
        guard let head = try client.head(stream: stream, subject: subject) else {
            throw ToolError.refused(
                "\(address) is not on the tape: \(address.source) sent nothing to partition "
                    + "\(address.partition); 'tapeline tape' lists the sources")
        }
        guard address.ordinal <= head.lastOrdinal else {
            throw ToolError.refused(
                "\(address) is not on the tape: the last ordinal of \(address.source) in partition "
                    + "\(address.partition) is \(head.lastOrdinal)")
        }
        let search = PacketSearch(client.jetStream, stream: stream, subject: subject)
        guard let packet = try search.first(endingAt: address.ordinal, through: head.sequence),
            packet.header.firstOrdinal <= address.ordinal
        else {
            throw ToolError.refused("\(address) is not on the tape any more: \(consequence)")
        }
        return packet
    }

    private func trade(
        in packet: RawSpan, _ header: PacketHeader
    ) throws(ToolError) -> TradeOnTape {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade) where walk.ordinal == address.ordinal:
                return try found(trade, walk.symbol(trade.header.symbol, in: packet))
            case .quote where walk.ordinal == address.ordinal: throw noTrade("a quote")
            case .other(let message) where walk.ordinal == address.ordinal:
                let kind = RecordKind(template: message.template)?.rawValue ?? "unknown"
                throw noTrade("a record of the kind \(kind)")
            case .trade, .quote, .other, .bar, .control: continue
            }
        }
        throw .unreadable("\(address) cannot be read: its packet does not hold it")
    }

    private func noTrade(_ what: String) -> ToolError {
        .refused("\(address) is \(what), no trade: 'tapeline tail --kind trade' shows addresses")
    }

    private func found(
        _ trade: Trade, _ definition: SymbolDefinition?
    ) throws(ToolError) -> TradeOnTape {
        guard let definition else {
            throw .unreadable("\(address) cannot be read: its packet does not define its symbol")
        }
        guard trade.header.action == TradeAction.new.rawValue else {
            throw .refused(
                "\(address) is a provider's cancel or correction: give the address of the trade")
        }
        guard !trade.header.flags.contains(.snapshot), trade.price.isDefined,
            trade.size.isDefined, trade.size.raw >= 0
        else {
            throw .refused(
                "\(address) is a snapshot, or has no price or size: it counts in no bar")
        }
        return TradeOnTape(
            address: address, trade: trade, symbol: definition.symbol,
            owner: address.source == .manual ? definition.source : address.source)
    }

    /// Returns the last record of a person about the trade; `nil` when there is none, or when it
    /// took the one before back.
    private func lastChange(of found: TradeOnTape, since sequence: UInt64) throws -> TradeChange? {
        let names = client.names
        let input = TapeReaders.Input(
            partition: address.partition, stream: stream,
            filters: [names.ticks(address.partition, .manual)])
        let reader = try RangeReader(client, group: "trade")
        defer { reader.close() }
        try reader.open(input, from: .sequence(sequence), to: .stored)
        var last: TradeChange?
        while !reader.isOver {
            if shutdown.isRequested {
                throw ToolError.refused("interrupted; nothing was changed")
            }
            try reader.receive(timeout: Self.turn) { packet in
                packet.message.withPayload { bytes in
                    var walk = PacketWalk()
                    while let item = walk.next(in: bytes) {
                        guard case .other(let message) = item,
                            let change = message.tradeChange(in: bytes),
                            change.source == address.source, change.ordinal == address.ordinal,
                            change.header.eventTime == found.trade.header.eventTime,
                            walk.symbol(change.header.symbol, in: bytes)?.symbol == found.symbol
                        else { continue }
                        last = change
                    }
                }
            }
        }
        return last?.change == TradeChangeAction.restore.rawValue ? nil : last
    }
}
