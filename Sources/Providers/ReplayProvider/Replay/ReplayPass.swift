internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import TapeCodec

/// One way through a recording: what of each packet is to be delivered, in order.
struct ReplayPass {
    private let book: InstrumentBook
    private let shift: Int64
    private var routes: ReplayRoutes
    /// Per partition of the tape that is replayed into: of how many records the source has it, and
    /// how many were met here.
    private(set) var sent: [UInt64]
    private var met: [UInt64]
    private var said: [Symbol: SymbolDefinition] = [:]
    /// Per number of the packet; refreshed with each.
    private var numbers: [UInt32: UInt32] = [:]
    private(set) var delivered: UInt64 = 0
    /// Records that no provider delivers.
    private(set) var unknown: UInt64 = 0
    /// With which ordinal each partition of the recording begins, as far as it was met.
    private(set) var origins: [Partition: UInt64]
    private var isKnown: Set<Partition> = []
    private var problem: ReplayProblem?

    /// `origins`: those of an earlier way through the same recording.
    init(
        _ book: InstrumentBook, _ routes: ReplayRoutes, sent: [UInt64], shift: Int64,
        origins: [Partition: UInt64] = [:]
    ) {
        self.book = book
        self.routes = routes
        self.sent = sent
        self.shift = shift
        self.origins = origins
        met = [UInt64](repeating: 0, count: sent.count)
    }

    /// Appends what of the packet is not on the tape yet.
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

    /// A tape may be purged between two readings: what was counted would be other records then.
    private mutating func follow(_ header: PacketHeader) throws(ReplayProblem) {
        guard isKnown.insert(header.partition).inserted else { return }
        if let origin = origins[header.partition], origin != header.firstOrdinal {
            throw ReplayProblem(
                "partition \(header.partition) of the tape that is replayed began with ordinal "
                    + "\(origin) and begins with \(header.firstOrdinal) now: it was purged "
                    + "meanwhile; replay what is left into another namespace")
        }
        origins[header.partition] = header.firstOrdinal
    }

    private mutating func add(_ record: TapeRecord, _ batch: inout [ProviderRecord]) {
        guard let route = routes.route(of: record) else { return }
        met[route.partition] += 1
        guard met[route.partition] > sent[route.partition] else { return }
        guard let number = number(route.index, &batch) else { return }
        sent[route.partition] += 1
        delivered += 1
        batch.append(record.moved(byNanoseconds: shift).changed { $0.symbol = number })
    }

    /// The source's number of the symbol; says who feeds it when that is news.
    private mutating func number(
        _ index: UInt32, _ batch: inout [ProviderRecord]
    ) -> UInt32? {
        if index == TickHeader.noSymbol { return index }
        if let number = numbers[index] { return number }
        guard let definition = routes.definition(index) else { return nil }
        let instrument = Instrument(
            symbol: definition.symbol, contract: Instrument.Contract(.stock), feeds: [])
        guard let number = book.add(instrument) else {
            problem =
                problem
                ?? ReplayProblem(
                    "the recording has more than \(ProviderLimits.instrumentsMax) symbols: replay "
                        + "it in parts, by REPLAY_SYMBOLS")
            return nil
        }
        numbers[index] = number
        if said[definition.symbol] != definition {
            said[definition.symbol] = definition
            batch.append(
                .definition(
                    FeedDefinition(
                        instrument: number, provider: definition.provider,
                        since: definition.since.moved(byNanoseconds: shift))))
        }
        return number
    }
}
