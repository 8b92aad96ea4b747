import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Reads one partition of the tape from a given time on.
struct ProofTape {
    let client: TapeClient
    let names: TapeNames
    let partition: Partition
    let shutdown: ShutdownSignal

    private static let turn: Duration = .milliseconds(100)
    /// The tape stores a packet a little after its ticks, and clocks differ.
    static let margin: Int64 = 30_000_000_000

    enum Ending {
        /// `take` asked to stop, or the tape ended.
        case whole
        /// The tape begins after the first ticks of the range.
        case cut
        case interrupted
    }

    /// Passes packets to `take` until it returns false.
    func read(
        from start: Int64, _ take: (PacketHeader, RawSpan) throws(ToolError) -> Bool
    ) throws(ToolError) -> Ending {
        try readPackets(from: start) { header, _, bytes throws(ToolError) in
            try take(header, bytes)
        }
    }

    /// The same with the sequence of each packet in its stream.
    func readPackets(
        from start: Int64, _ take: (PacketHeader, UInt64, RawSpan) throws(ToolError) -> Bool
    ) throws(ToolError) -> Ending {
        do {
            return try readOn(from: start, take)
        } catch {
            throw ToolError(reading: error)
        }
    }

    private func readOn(
        from start: Int64, _ take: (PacketHeader, UInt64, RawSpan) throws(ToolError) -> Bool
    ) throws -> Ending {
        let stream = names.tickStream(of: partition)
        let input = TapeReaders.Input(
            partition: partition, stream: stream,
            filters: [
                names.ticks(partition),
                names.watermarks(stream: names.streamIndex(of: partition)),
            ])
        let place = Timestamp(nanoseconds: start).advanced(byNanoseconds: -Self.margin)
        let reader = try RangeReader(client, group: "prove")
        defer { reader.close() }
        try reader.open(input, from: .time(place), to: .stored)
        var isCut: Bool?
        while !reader.isOver {
            if shutdown.isRequested { return .interrupted }
            try reader.receive(timeout: Self.turn) { packet in
                let header = try packet.header.get()
                if header.kind == .ticks, header.tickCount > 0, isCut == nil {
                    // There were earlier packets, and this one was stored after the range had
                    // begun.
                    let isBehind = header.firstOrdinal > 1 && packet.time.nanoseconds > start
                    isCut = try isBehind && isFirst(packet.sequence, stream)
                }
                let wantsMore = try packet.message.withPayload {
                    try take(header, packet.sequence, $0)
                }
                if !wantsMore { reader.end(packet.range) }
            }
            if isCut == true { return .cut }
        }
        return .whole
    }

    /// Returns whether no earlier packet of the partition is stored.
    private func isFirst(_ sequence: UInt64, _ stream: String) throws -> Bool {
        let first = try client.jetStream.firstMessage(
            stream: stream, from: 1, subject: names.ticks(partition))
        return first.map { $0.sequence >= sequence } ?? true
    }

    // MARK: single ticks

    /// Passes the trades, quotes and provider's bars of a packet to `take`, with symbols and
    /// sources resolved.
    static func ticks(
        _ header: PacketHeader, _ packet: RawSpan, _ groups: SourceGroups,
        _ take: (ProofTick) throws(ToolError) -> Void
    ) throws(ToolError) {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade):
                let symbol = walk.symbol(trade.header.symbol, in: packet)
                guard var found = tick(symbol, header, walk.ordinal, groups) else { continue }
                found.trade = trade
                try take(found)
            case .quote(let quote):
                let symbol = walk.symbol(quote.header.symbol, in: packet)
                guard var found = tick(symbol, header, walk.ordinal, groups) else { continue }
                found.quote = quote
                try take(found)
            case .other(let message):
                guard let bar = message.providerBar(in: packet),
                    var found = tick(
                        walk.symbol(bar.header.symbol, in: packet), header, walk.ordinal, groups)
                else { continue }
                found.providerBar = bar
                try take(found)
            case .bar, .control: continue
            }
        }
    }

    private static func tick(
        _ symbol: SymbolDefinition?, _ header: PacketHeader, _ ordinal: UInt64,
        _ groups: SourceGroups
    ) -> ProofTick? {
        symbol.map {
            let owner = groups.owner(of: $0.source ?? header.source)
            return ProofTick(
                symbol: SourceSymbol($0.symbol, of: owner), provider: $0.provider,
                source: header.source, ordinal: ordinal, lot: $0.lot)
        }
    }
}
