import TapeTransport
import MarketModel
import NatsTransport
import Primitives
import StoreSinks
import TapeCodec
import TapeProtocol

extension DeadLetterOutput {
    /// Stores dead letters, in NATS or in files. Throws when neither accepts them. `peer` is the
    /// store, for the message.
    func keep(_ made: [DeadLetter], _ peer: String) throws(StoreError) {
        do throws(DeadLetterOutput.Refused) {
            try take(made)
        } catch {
            throw .withheld(
                StoreError.Withheld(
                    operation: "set rows aside", peer: peer, remedy: .waitForLetters,
                    reason: oneLine(error.description)))
        }
    }

    /// Returns the dead letter of a refused record, with all that a person and `tapeline dlq
    /// replay` need.
    func letter(
        _ tick: RefusedTick, of batch: WriteBatch, _ catalogue: SinkCatalogue
    ) -> DeadLetter {
        let item = batch.items[tick.item]
        let isBars = item.header.kind == .bars
        let payload = item.message.withPayload { packet in
            bytes(of: tick, packet, item.header)
        }
        let facts = TickFacts(payload, catalogue)
        return DeadLetter(
            service: service, namespace: names.namespace,
            owner: owner, storeKind: storeKind, sink: tick.sink?.rawValue ?? "",
            reason: tick.reason, refusal: tick.refusal,
            place: DeadLetter.Place(
                input: (isBars ? SinkInput.bars : .ticks).rawValue,
                partition: item.header.partition, source: item.header.source,
                epoch: item.header.epoch, ordinal: tick.ordinal,
                stream: isBars
                    ? names.barStream : names.tickStream(of: item.header.partition),
                streamCreated: item.position.streamCreated, sequence: item.position.sequence),
            count: tick.count, symbol: facts.symbol, eventTime: facts.time,
            notedAt: now(), payload: payload)
    }

    /// Returns a packet with this one record and its definitions. If that is not possible, returns
    /// the original packet's bytes from the damage on, or all of them when no damage is found.
    private func bytes(
        of tick: RefusedTick, _ packet: RawSpan, _ header: PacketHeader
    ) -> [UInt8] {
        if tick.sink != nil,
            let excerpt = PacketReader.excerpt(of: packet, header, ordinal: tick.ordinal)
        {
            return excerpt
        }
        let start = PacketReader.damage(of: packet, header)?.offset ?? 0
        return packet.extracting(start..<packet.byteCount).array
    }
}

/// The symbol and the time of a dead letter's record, for people, as far as it can be read.
struct TickFacts {
    /// Empty when there is none, or when it cannot be read.
    private(set) var symbol = ""
    private(set) var time = Timestamp.undefined

    init(_ packet: [UInt8], _ catalogue: SinkCatalogue) {
        packet.withRawSpan { packet in
            do throws(PacketError) {
                var context = PacketContext(try PacketReader.header(of: packet))
                context.walk(packet) { context, record, _ in
                    read(record, context, packet, catalogue)
                }
            } catch {
                // The bytes are the rest of a damaged packet, and begin with no header.
                return
            }
        }
    }

    private mutating func read(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ catalogue: SinkCatalogue
    ) {
        if let sink = catalogue.index(of: record) {
            time = catalogue.sinks[sink].time(record, context, packet) ?? time
        }
        let index: UInt32
        switch record {
        case .trade(let trade): index = trade.header.symbol
        case .quote(let quote): index = quote.header.symbol
        case .bar(let bar): index = bar.symbol
        case .other(let message):
            guard let header = message.tickHeader(in: packet) else { return }
            index = header.symbol
        case .malformed: return
        }
        symbol = context.symbol(index)?.symbol.text ?? ""
    }
}
