package import MarketModel
internal import Primitives
internal import TapeCodec

/// A trade or quote of the tape, with everything that decides which window it belongs to.
package struct LoggedTick: Hashable, Sendable {
    package struct ID: Hashable, Sendable {
        package var source: SourceName
        package var ordinal: UInt64

        package init(source: SourceName, ordinal: UInt64) {
            self.source = source
            self.ordinal = ordinal
        }
    }

    package var id: ID
    package var symbol: Symbol
    /// The provider that fed the symbol when the tick came.
    package var provider: String
    package var header: TickHeader
    package var trade: Trade?
    package var quote: Quote?

    package var time: Int64 { header.eventTime.nanoseconds }

    /// Orders ticks as in a window: event time, source, ordinal.
    static func isBefore(_ left: LoggedTick, _ right: LoggedTick) -> Bool {
        if left.time != right.time { return left.time < right.time }
        if left.id.source != right.id.source { return left.id.source < right.id.source }
        return left.id.ordinal < right.id.ordinal
    }
}

/// The contents of packets, in order.
enum LoggedEvent {
    case packet(SourceName, sendTime: Timestamp)
    case definition(SymbolDefinition, SourceName)
    case tick(LoggedTick)
    case gap(GapRecord, Symbol?)
    case repair(RepairRequest, Symbol?)
    /// The end of a packet.
    case watermark(Timestamp, SourceName)
}

/// The packets of a tape as a list of events. They are read once, with no state but the indexes of
/// the present packet.
package struct LoggedTape {
    private(set) var events: [LoggedEvent] = []

    init(_ packets: [SimulatedPacket]) {
        for packet in packets { packet.bytes.withRawSpan { read(packet.header, $0) } }
    }

    /// Returns all trades and quotes, in order.
    package static func ticks(of packets: [SimulatedPacket]) -> [LoggedTick] {
        LoggedTape(packets).events.compactMap {
            if case .tick(let tick) = $0 { tick } else { nil }
        }
    }

    private mutating func read(_ header: PacketHeader, _ packet: RawSpan) {
        events.append(.packet(header.source, sendTime: header.sendTime))
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            let id = LoggedTick.ID(source: header.source, ordinal: walk.ordinal)
            switch item {
            case .trade(let trade):
                add(id, walk.symbol(trade.header.symbol, in: packet), trade.header, trade: trade)
            case .quote(let quote):
                add(id, walk.symbol(quote.header.symbol, in: packet), quote.header, quote: quote)
            case .other(let message):
                if let gap = message.gapRecord(in: packet) {
                    events.append(.gap(gap, walk.symbol(gap.header.symbol, in: packet)?.symbol))
                } else if let request = message.repairRequest(in: packet) {
                    let symbol = walk.symbol(request.header.symbol, in: packet)?.symbol
                    events.append(.repair(request, symbol))
                }
            case .control(let message):
                guard let definition = message.symbolDefinition(in: packet)?.definition else {
                    continue
                }
                events.append(.definition(definition, header.source))
            case .bar: continue
            }
        }
        events.append(.watermark(header.watermark, header.source))
    }

    private mutating func add(
        _ id: LoggedTick.ID, _ definition: SymbolDefinition?, _ header: TickHeader,
        trade: Trade? = nil, quote: Quote? = nil
    ) {
        guard let definition else { return }
        events.append(
            .tick(
                LoggedTick(
                    id: id, symbol: definition.symbol, provider: definition.provider,
                    header: header, trade: trade, quote: quote)))
    }
}
