import MarketModel
import NatsTransport
import Primitives
import ServiceTestSupport
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

@testable import StoreWriter

/// What a fake does for a call whose owner dies.
private let death = StoreError.failed(
    StoreError.Failure(category: .retryable, cause: IntentFailure(description: "killed")))

/// One input of a partition on a tape: packets of one source with trades and quotes, and holes.
final class BlockTape: DeclaredPackets {
    private var items: [WriteBatch.Item] = []
    /// By table, the ordinals that it has to have.
    private(set) var ordinals: [String: Set<Int64>] = [:]
    /// The first ordinals of what is missing on the tape.
    private(set) var holes: Set<Int64> = []
    /// The ordinal after its last one.
    private(set) var end: Int64 = 1
    /// The sequence of the first packet that is left.
    private var first: UInt64 = 1
    /// It is purged below this sequence when a declared batch is read the next time.
    var purgeAtRead: UInt64?

    init(packets: Int, _ random: inout SeededRandom) throws {
        var builder = Self.builder()
        var next: UInt64 = 1
        for sequence in 1...UInt64(packets) {
            if sequence > 1, Int.random(in: 0..<8, using: &random) == 0 {
                holes.insert(Int64(next))
                next += 2
            }
            var ordinal = Int64(next)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                add(&builder, isTrade: Bool.random(using: &random), ordinal, sequence)
                ordinal += 1
            }
            next = try seal(&builder, next, sequence)
        }
        end = Int64(next)
    }

    /// One whose packets have so many ticks: trades and quotes by turns.
    init(packets: Int, ticks: Int) throws {
        var builder = Self.builder()
        var next: UInt64 = 1
        for sequence in 1...UInt64(packets) {
            for ordinal in Int64(next)..<Int64(next) + Int64(ticks) {
                add(&builder, isTrade: ordinal % 2 == 0, ordinal, sequence)
            }
            next = try seal(&builder, next, sequence)
        }
        end = Int64(next)
    }

    private static func builder() -> PacketBuilder {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: SourceName("test") ?? .manual)
        if let symbol = Symbol("AAPL") {
            _ = builder.register(
                SymbolDefinition(symbol: symbol, provider: "ib", since: .undefined))
        }
        return builder
    }

    private func add(
        _ builder: inout PacketBuilder, isTrade: Bool, _ ordinal: Int64, _ sequence: UInt64
    ) {
        // Some rows are of the next day.
        let time = 1_700_006_300_000_000_000 + Int64(sequence) * 10_000_000_000
        let header = TickHeader(
            symbol: 0, providerTime: Timestamp(nanoseconds: time),
            receiveTime: Timestamp(nanoseconds: time))
        let isIn =
            isTrade
            ? builder.append(
                Trade(header: header, price: Price(raw: ordinal), size: Quantity(raw: 1)))
            : builder.append(
                Quote(
                    header: header, bidPrice: Price(raw: ordinal), bidSize: Quantity(raw: 1),
                    askPrice: Price(raw: 2), askSize: Quantity(raw: 3)))
        precondition(isIn)
        ordinals[isTrade ? "trades" : "quotes", default: []].insert(ordinal)
    }

    /// Returns the ordinal after the packet.
    private func seal(
        _ builder: inout PacketBuilder, _ first: UInt64, _ sequence: UInt64
    ) throws -> UInt64 {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: first, watermark: Timestamp(nanoseconds: 0),
                sendTime: Timestamp(nanoseconds: 0)))
        items.append(
            WriteBatch.Item(
                input: 2, header: packet.header,
                message: try NatsMessage(subject: "x", payload: packet.bytes),
                position: TapePosition(
                    streamCreated: Timestamp(nanoseconds: 7), sequence: sequence,
                    packet: packet.header.identity, sources: [])))
        return packet.header.nextOrdinal
    }

    /// Removes the packets below a sequence, but never the last one.
    func purge(below sequence: UInt64) {
        let last = items.last?.position.sequence ?? 1
        first = max(first, min(sequence, last))
        items.removeAll { $0.position.sequence < first }
    }

    func loss(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> DeclaredLoss {
        if packet.sequence < first { return .end }
        return (position.position?.sequence ?? 1) < first ? .part : .nothing
    }

    /// Returns the next packets.
    func batch(after position: SinkPosition, packets: Int) -> WriteBatch {
        made(after: position, items.prefix { _ in true }, packets)
    }

    func batch(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> WriteBatch {
        if let sequence = purgeAtRead { purge(below: sequence) }
        purgeAtRead = nil
        return made(
            after: position, items.prefix { $0.position.sequence <= packet.sequence }, .max)
    }

    private func made(
        after position: SinkPosition, _ items: ArraySlice<WriteBatch.Item>, _ count: Int
    ) -> WriteBatch {
        var batch = WriteBatch()
        let last = position.position?.sequence ?? 0
        for var item in items.filter({ $0.position.sequence > last }).prefix(count) {
            item.storedOrdinal = position.account(item.header.source)?.lastOrdinal ?? 0
            batch.add(item)
        }
        return batch
    }
}

/// The letters that were kept.
final class BlockLetters {
    private(set) var ordinals: Set<Int64> = []
    /// Those whose batch is stored.
    private(set) var counted: [Int64] = []

    func keep(_ refused: [RefusedTick], _ batch: WriteBatch) -> [DeadLetter] {
        refused.map { tick in
            ordinals.insert(Int64(tick.ordinal))
            let item = batch.items[tick.item]
            return DeadLetter(
                service: "store-writer", namespace: "md", owner: "store", sink: "",
                reason: tick.reason, refusal: tick.refusal,
                place: DeadLetter.Place(
                    input: "ticks", partition: Partition(1), source: item.header.source,
                    epoch: item.header.epoch, ordinal: tick.ordinal, stream: "x",
                    streamCreated: item.position.streamCreated, sequence: item.position.sequence),
                symbol: "", eventTime: .undefined, notedAt: .undefined, payload: [])
        }
    }

    func committed(_ letters: [DeadLetter]) {
        counted += letters.map { Int64($0.place.ordinal) }
    }
}

/// The records, with compare-and-set.
final class BlockRecords: IntentKeeper {
    weak var world: BlockWorld?
    private var values: [SinkPlace: (value: [UInt8], revision: UInt64)] = [:]

    func read(_ place: SinkPlace) throws(StoreError) -> (value: [UInt8]?, revision: UInt64) {
        (values[place]?.value, values[place]?.revision ?? 0)
    }

    func write(
        _ place: SinkPlace, _ new: [UInt8], after expected: UInt64
    ) throws(StoreError) -> UInt64? {
        let fate = world?.fate(point(new, place)) ?? .well
        if fate == .killedBefore { throw death }
        guard values[place]?.revision ?? 0 == expected else { return nil }
        values[place] = (new, expected + 1)
        if fate == .killedAfter { throw death }
        return expected + 1
    }

    /// Adds what the next batch has to name.
    func owe(_ gaps: [SinkGap]) {
        guard var kept, let present = values[BlockWorld.place] else { return }
        kept.owed += gaps
        let json = kept.json(of: MarkOwner(namespace: "md", name: "store"))
        values[BlockWorld.place] = (json, present.revision + 1)
    }

    /// What it has now; `nil`: nothing.
    var kept: KeptIntent? { read(values[BlockWorld.place]?.value, BlockWorld.place) }

    private func read(_ bytes: [UInt8]?, _ place: SinkPlace) -> KeptIntent? {
        guard let bytes else { return nil }
        do throws(VersionedJSON.Refusal) {
            return try KeptIntent(
                json: bytes, of: place,
                store: MarkOwner(namespace: "md", name: "store"))
        } catch {
            preconditionFailure("a session wrote what it cannot read: \(error)")
        }
    }

    private func point(_ new: [UInt8], _ place: SinkPlace) -> BlockWorld.Point {
        let before = read(values[place]?.value, place)?.record
        let after = read(new, place)?.record
        if before?.epoch != after?.epoch { return .claim }
        return after?.intent == nil ? .position : .intent
    }
}

/// What a world asks of its server.
protocol WorldServer: BlockServer {
    var world: BlockWorld? { get set }
    /// How many blocks it knew already.
    var dropped: Int { get }
    /// How long an insert takes.
    var insertNanoseconds: Int64 { get set }
    /// By token, how often it was refused.
    var refusedSends: [String: Int] { get }
    /// From now on it refuses nothing.
    func mend()
    /// The ordinals that gaps name.
    var gaps: [ClosedRange<Int64>] { get }
    /// How often a table has each ordinal.
    func ordinals(_ table: String) -> [Int64: Int]
}

extension WorldServer {
    /// Which of the ordinals that any table has lie in these ranges.
    func ordinals(
        of ranges: [OrdinalRange], from tables: [String: Set<Int64>]
    ) -> [SourceName: [UInt64]] {
        let all = tables.reduce(into: Set<Int64>()) { found, table in
            if table.key != "ordinal_gaps" { found.formUnion(table.value) }
        }
        return ranges.reduce(into: [:]) { found, range in
            let own = all.map { UInt64($0) }.filter { (range.first...range.last).contains($0) }
            if !own.isEmpty { found[range.source] = own.sorted() }
        }
    }
}

/// The server: it takes a block as a whole, and drops one whose token it knows.
final class BlockTables: TokenServer, WorldServer {
    private struct RowID: Hashable {
        let table: String
        let key: BlockKey
    }

    let peer = "the tables"
    let settingNames = "none"
    let tablesSeen = ""
    weak var world: BlockWorld?
    /// Each row as often as it is there, with the partition of the table.
    private var rows: [RowID: [(part: Int, bytes: [UInt8])]] = [:]
    private var tokens: Set<String> = []
    private var refused: Set<Int64>
    private(set) var dropped = 0
    var insertNanoseconds: Int64 = 0
    private(set) var refusedSends: [String: Int] = [:]
    private(set) var gaps: [ClosedRange<Int64>] = []
    /// The same by the packet with which their batch ends.
    private var gapsByPacket: [Int64: [ClosedRange<UInt64>]] = [:]

    init(refusing refused: Set<Int64>) { self.refused = refused }

    func mend() { refused = [] }

    func problem() throws(StoreServerError) -> String? { nil }

    func confirm() {}

    func named(
        by packet: TapePacket, in ranges: [SourceName: ClosedRange<UInt64>], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [ClosedRange<UInt64>]] {
        guard let source = SourceName("test") else { return [:] }
        return [source: gapsByPacket[Int64(packet.sequence)] ?? []]
    }

    private static func native(_ block: any StoreBlock) -> NativeBlock {
        guard let block = block as? NativeBlock else { preconditionFailure("another block") }
        return block
    }

    func keys(of block: any StoreBlock) -> [BlockKey] { Self.native(block).keys }

    func identity() throws(StoreServerError) -> String { "one" }

    func insert(_ given: any StoreBlock, token: String) throws(StoreServerError) {
        let fate = world?.fate(.insert) ?? .well
        let block = Self.native(given)
        let killed = StoreServerError("killed", .away)
        if fate == .killedBefore { throw killed }
        world?.pass(insertNanoseconds)
        let keys = block.keys
        if block.table != .gaps, keys.contains(where: { refused.contains($0.ordinal) }) {
            refusedSends["\(block.table.name) \(token)", default: 0] += 1
            throw StoreServerError("a constraint", .rows)
        }
        if tokens.insert("\(block.table.name) \(token)").inserted {
            for (row, key) in keys.enumerated() {
                if block.table == .gaps {
                    let gap = key.ordinal...block.integer("last_ordinal", row: row)
                    gaps.append(gap)
                    gapsByPacket[block.integer("sequence", row: row), default: []].append(
                        UInt64(gap.lowerBound)...UInt64(gap.upperBound))
                }
                let id = RowID(table: block.table.name, key: key)
                rows[id, default: []].append((block.part, block.rows(row..<row + 1).body))
            }
        } else {
            dropped += 1
        }
        if fate == .killedAfter { throw killed }
    }

    func stored(
        _ block: any StoreBlock, of place: SinkPlace
    ) throws(StoreServerError) -> [BlockKey] {
        let native = Self.native(block)
        // Gaps of an earlier batch may lie between those of this one.
        if native.table == .gaps {
            return (gapsByPacket[native.integer("sequence", row: 0)] ?? []).map {
                BlockKey(source: "test", ordinal: Int64($0.lowerBound))
            }
        }
        let ordinals = native.keys.map(\.ordinal)
        guard let first = ordinals.min(), let last = ordinals.max() else { return [] }
        return rows.flatMap { id, copies in
            id.table == block.tableName && (first...last).contains(id.key.ordinal)
                ? copies.filter { $0.part == block.part }.map { _ in id.key } : []
        }
    }

    func ordinals(
        of ranges: [OrdinalRange], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [UInt64]] {
        ordinals(
            of: ranges,
            from: rows.keys.reduce(into: [:]) { $0[$1.table, default: []].insert($1.key.ordinal) })
    }

    func beyond(
        _ known: [SourceOrdinal], of place: SinkPlace
    ) throws(StoreServerError) -> [SourceOrdinal] {
        let last = rows.keys.filter { $0.table != "ordinal_gaps" }.map(\.key.ordinal).max()
        guard place == BlockWorld.place, let last, UInt64(last) > known.first?.lastOrdinal ?? 0,
            let source = SourceName("test")
        else { return [] }
        return [SourceOrdinal(source: source, epoch: 0, lastOrdinal: UInt64(last))]
    }

    func ordinals(_ table: String) -> [Int64: Int] {
        var found: [Int64: Int] = [:]
        for (id, copies) in rows where id.table == table {
            found[id.key.ordinal, default: 0] += copies.count
        }
        return found
    }
}
