internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import Recordings
internal import TapeCodec

/// One pass through a recording: which records of each packet are delivered, in order.
struct ReplayPass {
    private let registry: InstrumentRegistry
    /// How far market times are moved, in nanoseconds; 0: they stay as recorded.
    private let shift: Int64
    private var routes: ReplayRoutes
    /// Per partition of the target tape: the number of records that the source has, and the number
    /// that this pass has met.
    private(set) var sent: [UInt64]
    private var met: [UInt64]
    /// The definitions that were delivered last.
    private var putDefinitions: [Symbol: SymbolDefinition] = [:]
    /// The source's number for each number of the packet; renewed with each packet.
    private var numbers: [UInt32: UInt32] = [:]
    /// The number of records that this pass has delivered.
    private(set) var delivered: UInt64 = 0
    /// The number of records that no provider delivers.
    private(set) var unknown: UInt64 = 0
    /// The first ordinal of each partition of the recording, as far as it was met.
    private(set) var origins: [Partition: UInt64]
    /// The partitions whose first ordinal this pass has checked.
    private var checked: Set<Partition> = []
    /// Why this pass cannot continue; `nil`: it can.
    private var problem: ReplayProblem?

    /// `origins` are those of an earlier pass through the same recording.
    init(
        _ registry: InstrumentRegistry, _ routes: ReplayRoutes, sent: [UInt64], shift: Int64,
        origins: [Partition: UInt64] = [:]
    ) {
        self.registry = registry
        self.routes = routes
        self.sent = sent
        self.shift = shift
        self.origins = origins
        met = [UInt64](repeating: 0, count: sent.count)
    }

    /// Appends the records of the packet that are not on the tape yet.
    mutating func take(
        _ packet: RecordedPacket, into batch: inout [ProviderRecord]
    ) throws(ReplayProblem) {
        guard packet.header.kind == .ticks else { return }
        try follow(packet.header)
        routes.begin()
        numbers.removeAll(keepingCapacity: true)
        PacketRecords.walk(packet) { item in
            switch item {
            case .definition(let index, let definition): routes.define(index, definition)
            case .record(let record): add(record, &batch)
            case .other: unknown += 1
            }
        }
        if let problem { throw problem }
    }

    /// Checks that the partition still begins at the same ordinal. A tape may be purged between two
    /// readings, and the counted records would then be others.
    private mutating func follow(_ header: PacketHeader) throws(ReplayProblem) {
        guard checked.insert(header.partition).inserted else { return }
        if let origin = origins[header.partition], origin != header.firstOrdinal {
            throw ReplayProblem(
                "partition \(header.partition) of the tape that is replayed began with ordinal "
                    + "\(origin) and begins with \(header.firstOrdinal) now: it was purged "
                    + "meanwhile; replay what is left into another namespace")
        }
        origins[header.partition] = header.firstOrdinal
    }

    /// Appends a record, unless the target tape has it or its symbol is not selected.
    private mutating func add(_ record: TapeRecord, _ batch: inout [ProviderRecord]) {
        guard let route = routes.route(of: record) else { return }
        met[route.partition] += 1
        guard met[route.partition] > sent[route.partition] else { return }
        guard let number = number(route.index, &batch) else { return }
        sent[route.partition] += 1
        delivered += 1
        batch.append(record.moved(byNanoseconds: shift).changed { $0.symbol = number })
    }

    /// Returns the source's number of the symbol; `nil`: there is none. Appends the symbol's
    /// definition when it has changed.
    private mutating func number(
        _ index: UInt32, _ batch: inout [ProviderRecord]
    ) -> UInt32? {
        if index == TickHeader.noSymbol { return index }
        if let number = numbers[index] { return number }
        guard let definition = routes.definition(index) else { return nil }
        let instrument = Instrument(
            symbol: definition.symbol, contract: Instrument.Contract(.stock), feeds: [])
        guard let number = registry.add(instrument) else {
            problem =
                problem
                ?? ReplayProblem(
                    "the recording has more than \(ProviderLimits.instrumentsMax) symbols: replay "
                        + "it in parts, by REPLAY_SYMBOLS")
            return nil
        }
        numbers[index] = number
        if putDefinitions[definition.symbol] != definition {
            putDefinitions[definition.symbol] = definition
            batch.append(
                .definition(
                    FeedDefinition(
                        instrument: number, provider: definition.provider,
                        since: definition.since.moved(byNanoseconds: shift),
                        lot: definition.lot?.moved(byNanoseconds: shift))))
        }
        return number
    }
}
