import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// The start of the providers. Each gets a `ProviderOrder` that says where the source left off: the
/// end of the source's ticks in each partition, and the gaps.
extension SourceLanes {
    /// The result of `resume`: the running providers, which continue after the tape's last packets.
    struct Resumption {
        var ticks: DeliveredTicks
        /// The gaps of this tenure that have no record yet. At first these are the gaps that a
        /// provider with numbered ticks leaves.
        var gaps: PendingGaps
        /// Whether a provider cannot wait for the tape: see `ProviderSource.isUrgent`.
        var isUrgent: Bool
    }

    /// Reads where the source left off and starts the providers there. Blocks meanwhile. Call it
    /// when the epochs are open: until then a predecessor may still add ticks. `tracker` has the
    /// ledgers of the source's gaps; `nil` when no provider fills gaps.
    mutating func resume(
        client: TapeClient, now: Timestamp, tracker: GapTracker?, beat: ThreadBeat,
        context: ProviderKind.Context
    ) throws -> Resumption {
        let delivery = settings.delivery
        let registry = delivery.registry
        let ends = try readEnds(client: client)
        var order = ProviderOrder(
            source: settings.source, registry: registry, instruments: registry.wanted,
            reached: (0..<UInt32(registry.count)).map { number in
                guard let symbol = registry.instrument(number)?.symbol else { return .undefined }
                let partition = names.partition(of: symbol)
                guard tracker?.isFed(symbol, in: partition) ?? true else { return .undefined }
                return ends[partition]?.arrived ?? .undefined
            })
        order.lastTrades = (0..<UInt32(registry.count)).compactMap { number in
            guard let symbol = registry.instrument(number)?.symbol,
                let last = tracker?.lastTrade(symbol, in: names.partition(of: symbol))
            else { return nil }
            return ProviderOrder.LastTrade(instrument: number, id: last.id, time: last.time)
        }
        order.lastValues = lastValues(registry, tracker)
        order.partitions = names.partitions
        order.standing = ends.values.map(\.standing)
            .sorted { $0.partition < $1.partition }
        let handOver = tracker.map { delivery.handOver($0.missing, now: now) }
        order.gaps = handOver?.gaps ?? []
        let clock = SystemClock()
        let (router, instruments) = delivery.router(
            Moment(wall: clock.now(), monotonic: clock.monotonic()),
            gaps: order.gaps)
        // A provider may open connections in `start`, and does not beat for this thread meanwhile.
        beat.beat(before: ThreadWatch.callLimit)
        let providers = try delivery.start(order, instruments: instruments, context)
        if let tracker, let handOver { tracker.begin(handOver, wanted: wanted(registry)) }
        let ticks = DeliveredTicks(providers, registry: registry, router: router)
        return Resumption(
            ticks: ticks, gaps: gaps(providers.first?.0.resumption, registry, ticks),
            isUrgent: ticks.inlets.areUrgent)
    }

    /// Returns the newest values on the tape of all instruments.
    private func lastValues(
        _ registry: InstrumentRegistry, _ tracker: GapTracker?
    ) -> [PublishedValue] {
        (0..<UInt32(registry.count)).flatMap { number -> [PublishedValue] in
            guard let symbol = registry.instrument(number)?.symbol else { return [] }
            let last = tracker?.lastValues(symbol, in: names.partition(of: symbol)) ?? []
            return last.map {
                PublishedValue(
                    instrument: number, periodStart: $0.periodStart, value: $0.value,
                    revision: $0.revision)
            }
        }
    }

    /// Returns the gaps that a provider with numbered ticks leaves. Adds the places of its
    /// instruments now, because their gap records come before their first ticks. `resumption` is
    /// `nil` for other providers, which send gap records themselves.
    private mutating func gaps(
        _ resumption: ProviderResumption?, _ registry: InstrumentRegistry, _ ticks: DeliveredTicks
    ) -> PendingGaps {
        if let resumption {
            for number in 0..<registry.count {
                guard let symbol = ticks.symbol(number) else { continue }
                let feeder = ticks.feeder(number)
                _ = add(symbol, provider: feeder, lot: ticks.lot(number))
                subscribed(number, by: feeder, since: resumption.since)
            }
        }
        var gaps = PendingGaps(laneOf: places.map(\.lane), laneCount: tickLanes.count)
        for gap in resumption?.missing ?? [] {
            gaps.missed(
                PendingGaps.Gap(
                    symbol: Int(gap.instrument), kind: gap.kind, from: gap.from, to: gap.to,
                    reason: gap.reason))
        }
        return gaps
    }

    /// Returns the symbols that are requested from now on, by partition.
    private func wanted(_ registry: InstrumentRegistry) -> [Partition: Set<Symbol>] {
        var wanted: [Partition: Set<Symbol>] = [:]
        for number in registry.wanted {
            guard let symbol = registry.instrument(number)?.symbol else { continue }
            wanted[names.partition(of: symbol), default: []].insert(symbol)
        }
        return wanted
    }

    /// The end of the source's ticks in one partition, as far as providers need it.
    private struct PartitionEnd {
        var standing: ProviderOrder.Standing
        /// All ticks before this time had arrived when the last packet was made, so they are on the
        /// tape or in gaps; undefined when there is no such time.
        var arrived = Timestamp.undefined

        /// Notes a watermark on the tape: all ticks before it had arrived.
        mutating func reached(_ watermark: Timestamp) {
            // The smallest time is a marker's watermark and has no meaning.
            guard watermark.isDefined, watermark.nanoseconds != Int64.min else { return }
            standing.watermark =
                standing.watermark.isDefined ? max(standing.watermark, watermark) : watermark
            note(arrival: watermark)
        }

        /// Notes that all ticks before this time had arrived.
        mutating func note(arrival time: Timestamp) {
            guard time.isDefined, time.nanoseconds != Int64.min else { return }
            arrived = arrived.isDefined ? max(arrived, time) : time
        }
    }

    /// Reads the end of the source's ticks in each partition: the last packet of its lane, and the
    /// last watermark of its stream.
    private func readEnds(client: TapeClient) throws -> [Partition: PartitionEnd] {
        var ends: [Partition: PartitionEnd] = [:]
        let lanes = Array(laneOf)
        let streams = 0..<TapeNames.tickStreams
        var places = lanes.map { onTape($0.key) }
        for stream in streams {
            places.append(
                (names.tickStream(stream), names.watermarks(stream: stream, settings.source)))
        }
        let lasts = try client.lastPacketsOfEach(places).map { packets in
            packets.last.flatMap { $0.marker == nil ? $0 : nil }
        }
        for ((partition, lane), last) in zip(lanes, lasts) {
            var found = PartitionEnd(
                standing: ProviderOrder.Standing(
                    partition: partition, lastOrdinal: publisher.nextOrdinal(lane: lane) - 1,
                    packet: []))
            if let last {
                found.standing.packet = last.withBytes { $0.array }
                found.reached(last.header.watermark)
                found.note(arrival: last.withBytes { Self.arrival(in: $0) })
            }
            ends[partition] = found
        }
        for (stream, last) in zip(streams, lasts.dropFirst(lanes.count)) {
            guard let last else { continue }
            for partition in laneOf.keys where names.streamIndex(of: partition) == stream {
                ends[partition]?.reached(last.header.watermark)
            }
        }
        return ends
    }

    /// Returns the time before which all ticks had arrived when a packet was made: the latest time
    /// in it. The packet's watermark is earlier by the resolution of the provider's stamps. Ticks
    /// between the two are on the tape and must not be fetched from a provider's history.
    private static func arrival(in packet: borrowing RawSpan) -> Timestamp {
        var latest = Timestamp(nanoseconds: Int64.min)
        func note(_ header: TickHeader) {
            // The records of a partition are in the order of their arrival.
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

    /// Adds the place of the next symbol number in the source's list, and returns its lane. Its
    /// definition names the provider, but not since when it delivers the symbol: `subscribed` adds
    /// that.
    mutating func add(_ symbol: Symbol, provider: String, lot: RoundLot?) -> Int {
        // When symbols can be added, every partition has a lane: see `Delivery.partitions`.
        let lane = laneOf[names.partition(of: symbol)] ?? tickLanes[0]
        let definition = SymbolDefinition(
            symbol: symbol, provider: provider, since: .undefined, lot: lot)
        definitions.append(definition)
        places.append(Place(lane: lane, symbol: publisher.register(definition, lane: lane)))
        return lane
    }

    /// Changes the symbol's definition: `provider` has delivered it since `since`. It is valid from
    /// the symbol's next record on. `number` is the symbol's number in the source's list.
    mutating func subscribed(_ number: Int, by provider: String, since: Timestamp) {
        places[number].isSubscribed = true
        definitions[number].provider = provider
        definitions[number].since = since
        redefine(number)
    }

    /// Changes the lot in the symbol's definition, in the same way.
    mutating func setLot(_ lot: RoundLot?, _ number: Int) {
        guard definitions[number].lot != lot else { return }
        definitions[number].lot = lot
        redefine(number)
    }

    private func redefine(_ number: Int) {
        let place = places[number]
        publisher.redefine(place.symbol, as: definitions[number], lane: place.lane)
    }
}
