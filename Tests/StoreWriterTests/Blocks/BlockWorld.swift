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

/// Owners of one place, one after the other, with a store without transactions. What NATS, the
/// server and the tape do is made up; the session is that of the product.
final class BlockWorld {
    /// Where something happens to an owner.
    enum Point: String, CaseIterable {
        case claim, intent, insert, position
    }

    enum Fate: String, CaseIterable {
        case well
        /// It dies before the call has an effect.
        case killedBefore
        /// The call has its effect, and it dies before it hears of it.
        case killedAfter
        /// It sleeps within the call while another owner takes over. Then the call has its effect.
        case sleeps
        /// It sleeps before the call: the time has passed when it looks at the clock.
        case sleepsBefore
    }

    struct Event: Hashable {
        let point: Point
        let fate: Fate
    }

    static let place = SinkPlace(input: .ticks, partition: Partition(1))

    private var random: SeededRandom
    private var now = MonotonicTime(nanoseconds: 1)
    private let settings: WriterSettings
    private let product: BlockStore.Product
    fileprivate let tape: BlockTape
    private let keeper = BlockRecords()
    private let server: any WorldServer
    private let letters = BlockLetters()
    private var ownerCount: UInt64 = 0
    /// How many owners sleep.
    private var sleepers = 0
    /// What has happened.
    private(set) var events: [Event: Int] = [:]
    /// Inserts of owners that another one had replaced, and blocks that the server knew.
    var droppedBlocks: Int { server.dropped }

    /// `kind` is the name of the store's kind.
    init(seed: UInt64, kind: String) throws {
        var random = SeededRandom(seed: seed)
        let configuration = try TestService.configuration(
            Main.description, ["STORE_KIND": kind, "WRITER_HOT_STATE": "false"])
        settings = WriterSettings(configuration)
        let isKeyed = kind == "questdb"
        product = isKeyed ? .questdb(configuration) : .clickhouse(configuration)
        tape = try BlockTape(packets: Int.random(in: 6...30, using: &random), &random)
        var refused: Set<Int64> = []
        if Int.random(in: 0..<3, using: &random) == 0 {
            for _ in 0..<3 { refused.insert(Int64.random(in: 1...60, using: &random)) }
        }
        server = isKeyed ? KeyedTables(refusing: refused) : BlockTables(refusing: refused)
        self.random = random
        keeper.world = self
        server.world = self
    }

    // MARK: owners

    private func session() -> BlockSession {
        ownerCount += 1
        let (letters, product) = (letters, product)
        return BlockSession(
            BlockSession.Parts(
                settings: settings, owner: "owner \(ownerCount)",
                store: MarkOwner(namespace: "md", name: "store"),
                layout: product.layout, rows: product.rows, keeper: keeper, packets: tape,
                letters: LetterOutput(
                    keep: { refused, batch throws(StoreError) in
                        letters.keep(refused, batch)
                        return []
                    }, committed: { _ in }),
                connect: { [server] () throws(StoreServerError) in server },
                now: { [unowned self] in now }))
    }

    /// Lets an owner claim, and write up to so many batches. It ends as its fate is.
    private func live(batches: Int) {
        let session = session()
        do throws(StoreError) {
            try session.open()
            let claim = SinkClaim(place: Self.place, epoch: ownerCount, knownEpoch: nil)
            guard let row = try session.claim([claim]).first, row.isClaimed else { return }
            var position = row.position
            for _ in 0..<batches {
                let batch = tape.batch(
                    after: position, packets: Int.random(in: 1...4, using: &random))
                if batch.isEmpty { return }
                var settled = position
                _ = try session.write(batch) { outcome in
                    settled = batch.advanced(by: outcome) { _ in position }[2] ?? position
                    return [settled]
                }
                settled.forgetBatch()
                position = settled
            }
        } catch {
            failures.append("\(error)")
        }
    }

    /// What owners failed with.
    private(set) var failures: [String] = []

    /// Runs to the end. Returns what is wrong then.
    func run() -> [String] {
        for _ in 0..<Int.random(in: 2...10, using: &random) {
            live(batches: Int.random(in: 1...6, using: &random))
            now = now + Int64.random(in: 0...2_000_000_000, using: &random)
        }
        isQuiet = true
        live(batches: .max)
        return problems()
    }

    /// Nothing happens any more.
    private var isQuiet = false

    /// Called before a call has its effect. Returns what happens to it.
    func fate(_ point: Point) -> Fate {
        guard !isQuiet, sleepers == 0 || Int.random(in: 0..<4, using: &random) == 0,
            Int.random(in: 0..<5, using: &random) == 0
        else { return .well }
        var fate = Fate.allCases.randomElement(using: &random) ?? .well
        if sleepers > 0, fate == .sleeps || fate == .sleepsBefore { fate = .killedAfter }
        // The clock is looked at before an insert alone.
        if fate == .sleepsBefore, point != .intent, point != .claim { fate = .sleeps }
        events[Event(point: point, fate: fate), default: 0] += 1
        switch fate {
        case .sleeps:
            sleepers += 1
            // Less than a server works on an insert, so that one that was sent may still come.
            now = now + Int64.random(in: 0...8_000_000_000, using: &random)
            live(batches: Int.random(in: 0...3, using: &random))
            sleepers -= 1
        case .sleepsBefore: now = now + 11_000_000_000
        case .well, .killedBefore, .killedAfter: break
        }
        return fate
    }

    // MARK: what has to be

    private func problems() -> [String] {
        var problems: [String] = []
        let wanted = tape.ordinals
        for (table, ordinals) in wanted {
            let found = server.ordinals(table)
            let stored = found.keys
            let refused = letters.ordinals.filter { ordinals.contains($0) }
            for (ordinal, count) in found where count != 1 {
                problems.append("\(table) has \(ordinal) \(count) times")
            }
            let missing = ordinals.subtracting(stored).subtracting(refused)
            if !missing.isEmpty { problems.append("\(table) lacks \(missing.sorted())") }
            let both = refused.intersection(stored)
            if !both.isEmpty { problems.append("\(both.sorted()) of \(table) are letters, too") }
        }
        let gaps = server.ordinals("ordinal_gaps")
        if Set(gaps.keys) != tape.holes || gaps.values.contains(where: { $0 != 1 }) {
            problems.append("the gaps are \(gaps), not \(tape.holes)")
        }
        return problems.isEmpty ? [] : problems + failures.suffix(2)
    }
}

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

    init(packets: Int, _ random: inout SeededRandom) throws {
        let source = SourceName("test") ?? .manual
        var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
        if let symbol = Symbol("AAPL") {
            _ = builder.register(
                SymbolDefinition(symbol: symbol, provider: "ib", since: .undefined))
        }
        var next: UInt64 = 1
        for sequence in 1...UInt64(packets) {
            if sequence > 1, Int.random(in: 0..<8, using: &random) == 0 {
                holes.insert(Int64(next))
                next += 2
            }
            var ordinal = Int64(next)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                // Some rows are of the next day.
                let time = 1_700_006_300_000_000_000 + Int64(sequence) * 10_000_000_000
                let header = TickHeader(
                    symbol: 0, providerTime: Timestamp(nanoseconds: time),
                    receiveTime: Timestamp(nanoseconds: time))
                let isTrade = Bool.random(using: &random)
                let isIn =
                    isTrade
                    ? builder.append(
                        Trade(
                            header: header, price: Price(raw: ordinal), size: Quantity(raw: 1)))
                    : builder.append(
                        Quote(
                            header: header, bidPrice: Price(raw: ordinal),
                            bidSize: Quantity(raw: 1), askPrice: Price(raw: 2),
                            askSize: Quantity(raw: 3)))
                precondition(isIn)
                ordinals[isTrade ? "trades" : "quotes", default: []].insert(ordinal)
                ordinal += 1
            }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: next, watermark: Timestamp(nanoseconds: 0),
                    sendTime: Timestamp(nanoseconds: 0)))
            next = packet.header.nextOrdinal
            items.append(
                WriteBatch.Item(
                    input: 2, header: packet.header,
                    message: try NatsMessage(subject: "x", payload: packet.bytes),
                    position: TapePosition(
                        streamCreated: Timestamp(nanoseconds: 7), sequence: sequence,
                        packet: packet.header.identity, sources: [])))
        }
    }

    /// Returns the next packets.
    func batch(after position: SinkPosition, packets: Int) -> WriteBatch {
        made(after: position, items.prefix { _ in true }, packets)
    }

    func batch(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> WriteBatch {
        made(after: position, items.prefix { $0.position.sequence <= packet.sequence }, .max)
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

    func keep(_ refused: [RefusedTick], _ batch: WriteBatch) {
        for tick in refused { ordinals.insert(Int64(tick.ordinal)) }
    }
}

/// The records, with compare-and-set.
final class BlockRecords: IntentKeeper {
    weak var world: BlockWorld?
    private var value: [UInt8]?
    private var revision: UInt64 = 0

    func read(_ place: SinkPlace) throws(StoreError) -> (value: [UInt8]?, revision: UInt64) {
        (value, revision)
    }

    func write(
        _ place: SinkPlace, _ new: [UInt8], after expected: UInt64
    ) throws(StoreError) -> UInt64? {
        let fate = world?.fate(point(new)) ?? .well
        if fate == .killedBefore { throw death }
        guard revision == expected else { return nil }
        revision += 1
        value = new
        if fate == .killedAfter { throw death }
        return revision
    }

    private func point(_ new: [UInt8]) -> BlockWorld.Point {
        func record(_ bytes: [UInt8]?) -> IntentRecord? {
            guard let bytes else { return nil }
            do throws(VersionedJSON.Refusal) {
                return try KeptIntent(
                    json: bytes, of: BlockWorld.place,
                    store: MarkOwner(namespace: "md", name: "store")
                ).record
            } catch {
                preconditionFailure("a session wrote what it cannot read: \(error)")
            }
        }
        let (before, after) = (record(value), record(new))
        if before?.epoch != after?.epoch { return .claim }
        return after?.intent == nil ? .position : .intent
    }
}

/// What a world asks of its server.
protocol WorldServer: BlockServer {
    var world: BlockWorld? { get set }
    /// How many blocks it knew already.
    var dropped: Int { get }
    /// How often a table has each ordinal.
    func ordinals(_ table: String) -> [Int64: Int]
}

/// The server: it takes a block as a whole, and drops one whose token it knows.
final class BlockTables: TokenServer, WorldServer {
    private struct RowID: Hashable {
        let table: String
        let key: BlockKey
    }

    let peer = "the tables"
    let settingNames = "none"
    weak var world: BlockWorld?
    /// Each row as often as it is there, with the partition of the table.
    private var rows: [RowID: [(part: Int, bytes: [UInt8])]] = [:]
    private var tokens: Set<String> = []
    private let refused: Set<Int64>
    private(set) var dropped = 0

    init(refusing refused: Set<Int64>) { self.refused = refused }

    func problem() throws(StoreServerError) -> String? { nil }

    func confirm() {}

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
        let keys = block.keys
        if block.table != .gaps, keys.contains(where: { refused.contains($0.ordinal) }) {
            throw StoreServerError("a constraint", .rows)
        }
        if tokens.insert("\(block.table.name) \(token)").inserted {
            for (row, key) in keys.enumerated() {
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
        let ordinals = keys(of: block).map(\.ordinal)
        guard let first = ordinals.min(), let last = ordinals.max() else { return [] }
        return rows.flatMap { id, copies in
            id.table == block.tableName && (first...last).contains(id.key.ordinal)
                ? copies.filter { $0.part == block.part }.map { _ in id.key } : []
        }
    }

    func beyond(
        _ known: [SourceOrdinal], of place: SinkPlace
    ) throws(StoreServerError) -> [SourceOrdinal] {
        let last = rows.keys.filter { $0.table != "ordinal_gaps" }.map(\.key.ordinal).max()
        guard let last, UInt64(last) > known.first?.lastOrdinal ?? 0,
            let source = SourceName("test")
        else { return [] }
        return [SourceOrdinal(source: source, epoch: 0, lastOrdinal: UInt64(last))]
    }

    /// How often a table has each ordinal.
    func ordinals(_ table: String) -> [Int64: Int] {
        var found: [Int64: Int] = [:]
        for (id, copies) in rows where id.table == table {
            found[id.key.ordinal, default: 0] += copies.count
        }
        return found
    }
}
