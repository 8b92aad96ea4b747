internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import Recordings
internal import TapeCodec

/// A record without the number that a process or packet gave its symbol.
struct PlainRecord: Hashable {
    /// `nil`: the record is about no symbol.
    let symbol: Symbol?
    let record: TapeRecord

    init(_ record: TapeRecord, of symbol: Symbol?) {
        self.symbol = symbol
        self.record = record.changed { $0.symbol = 0 }
    }
}

/// The records that are on the target tape already: per partition their number, and the last one.
/// The *target tape* is the one that the gateway writes; the recording comes from another tape.
///
/// Each record of a recording takes exactly one ordinal there, in the recording's order, and
/// nothing else is added to the source. So the record with ordinal n is the n-th one of that
/// partition, and the rest begins after it. The last record is compared, because this is true only
/// for the same recording.
struct ReplayStanding {
    /// The end of one partition of the target tape.
    struct Tail {
        /// The number of records that it has had, purged or not.
        let count: UInt64
        /// `nil`: there is no record, or the last one is of a kind that no provider delivers.
        let last: PlainRecord?
    }

    /// By partition.
    private(set) var tails: [Tail]

    init(_ order: ProviderOrder) throws(ReplayProblem) {
        tails = [Tail](repeating: Tail(count: 0, last: nil), count: order.partitions)
        for standing in order.standing where standing.partition.number < order.partitions {
            tails[standing.partition.number] = try Self.tail(standing)
        }
    }

    /// The source has no record on the target tape.
    var isEmpty: Bool { tails.allSatisfy { $0.count == 0 } }

    /// Returns the end of a partition. Throws if its last packet is missing or cannot be read.
    private static func tail(_ standing: ProviderOrder.Standing) throws(ReplayProblem) -> Tail {
        guard standing.lastOrdinal > 0 else { return Tail(count: 0, last: nil) }
        guard !standing.packet.isEmpty else {
            throw ReplayProblem(
                "the tape has nothing left of partition \(standing.partition) but its number of "
                    + "ticks: replay into another namespace")
        }
        let packet: RecordedPacket
        do {
            packet = try RecordedPacket(standing.packet)
        } catch {
            throw ReplayProblem("the tape's last packet cannot be read: \(error)")
        }
        guard packet.header.nextOrdinal == standing.lastOrdinal + 1 else {
            throw ReplayProblem(
                "the tape has lost what it had of partition \(standing.partition) behind ordinal "
                    + "\(packet.header.nextOrdinal - 1): replay into another namespace")
        }
        var symbols: [UInt32: Symbol] = [:]
        var last: PlainRecord?
        PacketRecords.walk(packet) { item in
            switch item {
            case .definition(let index, let definition): symbols[index] = definition.symbol
            case .record(let record):
                last = PlainRecord(record, of: record.header.flatMap { symbols[$0.symbol] })
            case .other: last = nil
            }
        }
        return Tail(count: standing.lastOrdinal, last: last)
    }
}

/// Why a replay cannot continue. One line.
struct ReplayProblem: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Reads a recording and finds in it what is on the tape already.
struct ReplayProof {
    private let standing: ReplayStanding
    private var routes: ReplayRoutes
    /// The number of records that were read, by partition of the target tape.
    private var passed: [UInt64]
    /// The number of partitions whose last record was not found yet.
    private var left: Int
    /// The distance by which times were moved; `nil` when no record on the tape has shown it yet.
    private(set) var shift: Int64?
    private var problem: ReplayProblem?

    /// `shift` is `nil` when it has to be found.
    init(_ standing: ReplayStanding, _ routes: ReplayRoutes, shift: Int64?) {
        self.standing = standing
        self.routes = routes
        self.shift = shift
        passed = [UInt64](repeating: 0, count: standing.tails.count)
        left = standing.tails.count { $0.count > 0 }
    }

    /// True when everything was found.
    var isDone: Bool { left == 0 }

    /// Compares the records of the recording's next packet.
    mutating func take(_ packet: RecordedPacket) throws(ReplayProblem) {
        guard packet.header.kind == .ticks else { return }
        routes.begin()
        PacketRecords.walk(packet) { item in
            switch item {
            case .definition(let index, let definition): routes.define(index, definition)
            case .record(let record):
                guard let route = routes.route(of: record) else { return }
                compare(record, route)
            case .other: return
            }
        }
        if let problem { throw problem }
    }

    /// Compares a record with the target tape, if it has the ordinal of its partition's last
    /// record.
    private mutating func compare(_ record: TapeRecord, _ route: ReplayRoutes.Route) {
        passed[route.partition] += 1
        let tail = standing.tails[route.partition]
        guard passed[route.partition] == tail.count else { return }
        left -= 1
        let symbol = routes.symbol(of: record)
        if let last = tail.last {
            shift = shift ?? distance(from: record, to: last.record)
            if PlainRecord(record.moved(byNanoseconds: shift ?? 0), of: symbol) == last { return }
        }
        problem =
            problem
            ?? ReplayProblem(
                "record \(tail.count) of partition \(route.partition) on the tape is not the "
                    + "recording's: it was replayed with other settings, or others wrote there; "
                    + "replay into another namespace")
    }

    /// Returns how far a record's times were moved, in nanoseconds; `nil`: it has no time.
    private func distance(from record: TapeRecord, to standing: TapeRecord) -> Int64? {
        guard let old = record.header, let new = standing.header else { return nil }
        for time in [\TickHeader.receiveTime, \.providerTime]
        where old[keyPath: time].isDefined && new[keyPath: time].isDefined {
            return new[keyPath: time].nanoseconds(since: old[keyPath: time])
        }
        return nil
    }

    /// Returns what was not found; `nil`: everything was. Call it at the recording's end.
    func missing() -> ReplayProblem? {
        guard !isDone else { return nil }
        let behind = standing.tails.indices.first { passed[$0] < standing.tails[$0].count } ?? 0
        return ReplayProblem(
            "partition \(behind) of the tape has \(standing.tails[behind].count) records of this "
                + "source, the recording only \(passed[behind]): it is not what was replayed "
                + "there; replay into another namespace")
    }
}
