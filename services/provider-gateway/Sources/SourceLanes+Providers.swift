import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Lanes of a source whose symbols come and go: providers are told where it left off.
extension SourceLanes {
    /// Starts the providers behind what stands.
    mutating func resume(
        _ delivery: Delivery, client: TapeClient, now: Timestamp, desk: GapDesk?, beat: ThreadBeat,
        context: ProviderKind.Context
    ) throws -> Resumption {
        let reached = try reached(client: client)
        let book = delivery.book
        var order = ProviderOrder(
            source: settings.source, book: book, instruments: book.wanted,
            reached: (0..<UInt32(book.count)).map { number in
                guard let symbol = book.instrument(number)?.symbol else { return .undefined }
                let partition = names.partition(of: symbol)
                guard desk?.isFed(symbol, in: partition) ?? true else { return .undefined }
                return reached[partition] ?? .undefined
            })
        order.partitions = names.partitions
        order.standing = try standing(client: client)
        let handOver = desk.map { delivery.handOver($0.missing, now: now) }
        order.gaps = handOver?.gaps ?? []
        let clock = SystemClock()
        let (router, instruments) = delivery.router(
            Moment(wall: clock.now(), monotonic: clock.monotonic().nanoseconds),
            gaps: order.gaps)
        // A provider may open connections when it starts, and knows nothing of this thread's beat.
        beat.beat(before: ThreadWatch.callLimit)
        let providers = try delivery.start(order, instruments: instruments, context)
        if let desk, let handOver { desk.begin(handOver, wanted: wanted(book)) }
        let supply = TickSupply(DeliveredTicks(providers, book: book, router: router))
        return Resumption(
            supply: supply, gaps: GapBook(laneOf: [], laneCount: tickLanes.count),
            isUrgent: supply.isUrgent)
    }

    private func wanted(_ book: InstrumentBook) -> [Partition: Set<Symbol>] {
        var wanted: [Partition: Set<Symbol>] = [:]
        for number in book.wanted {
            guard let symbol = book.instrument(number)?.symbol else { continue }
            wanted[names.partition(of: symbol), default: []].insert(symbol)
        }
        return wanted
    }

    /// Per partition in which anything was ever given out: how much, and the last of it.
    private func standing(client: TapeClient) throws -> [ProviderOrder.Standing] {
        try laneOf.sorted { $0.key < $1.key }.compactMap { partition, lane in
            let last = publisher.nextOrdinal(lane: lane) - 1
            guard last > 0 else { return nil }
            let packet = try client.lastContent(
                stream: names.tickStream(of: partition),
                subject: names.ticks(partition, settings.source))
            return ProviderOrder.Standing(
                partition: partition, lastOrdinal: last,
                packet: packet?.withBytes { $0.array } ?? [])
        }
    }

    /// Per partition: no tick before it is missing there.
    private func reached(client: TapeClient) throws -> [Partition: Timestamp] {
        var reached: [Partition: Timestamp] = [:]
        func note(_ partition: Partition, _ time: Timestamp) {
            // A marker's watermark says nothing.
            guard time.isDefined, time.nanoseconds != Int64.min else { return }
            reached[partition] = max(reached[partition] ?? time, time)
        }
        for partition in laneOf.keys {
            let last = try client.lastContent(
                stream: names.tickStream(of: partition),
                subject: names.ticks(partition, settings.source))
            guard let last else { continue }
            note(partition, last.header.watermark)
            note(partition, last.withBytes { Self.arrival(in: $0) })
        }
        for stream in 0..<TapeNames.tickStreams {
            let last = try client.lastContent(
                stream: names.tickStream(stream),
                subject: names.watermarks(stream: stream, settings.source))
            guard let last else { continue }
            for partition in laneOf.keys where names.streamIndex(of: partition) == stream {
                note(partition, last.header.watermark)
            }
        }
        return reached
    }

    /// Up to where everything had arrived when a packet was made: the watermark is behind it by
    /// what a provider's stamps are coarse, and what stands in between must not be made once more.
    private static func arrival(in packet: borrowing RawSpan) -> Timestamp {
        var latest = Timestamp(nanoseconds: Int64.min)
        func note(_ header: TickHeader) {
            // In a partition records stand in the order in which they arrived.
            if header.receiveTime.isDefined { latest = max(latest, header.receiveTime) }
            guard header.flags.isDisjoint(with: [.backfilled, .delayed]) else { return }
            latest = max(latest, header.eventTime.advanced(byNanoseconds: 1))
        }
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): note(trade.header)
            case .quote(let quote): note(quote.header)
            case .other(let message):
                if let header = message.tickHeader(in: packet) { note(header) }
            case .bar, .control: continue
            }
        }
        return latest
    }

    /// The next symbol of the source; answers its lane. Nobody has said since when it is fed.
    mutating func add(_ symbol: Symbol, provider: String) -> Int {
        // There is a lane for every partition when symbols can come.
        let lane = laneOf[names.partition(of: symbol)] ?? tickLanes[0]
        let definition = SymbolDefinition(symbol: symbol, provider: provider, since: .undefined)
        places.append(Place(lane: lane, symbol: publisher.register(definition, lane: lane)))
        return lane
    }

    /// From its next tick on the symbol's definition says who feeds it, and since when.
    mutating func subscribed(_ number: Int, _ symbol: Symbol, by provider: String, since: Timestamp)
    {
        places[number].isSubscribed = true
        publisher.redefine(
            places[number].symbol,
            as: SymbolDefinition(symbol: symbol, provider: provider, since: since),
            lane: places[number].lane)
    }
}
