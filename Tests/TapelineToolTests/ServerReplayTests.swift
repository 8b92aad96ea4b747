import DeadLetters
import MarketModel
import Membership
import Primitives
import ServiceTestSupport
import StoreHTTP
import StoreSinks
import TapeCodec
import TapeTransport
import Testing

@testable import TapelineTool

@Suite("Dead letters of a store without transactions") struct ServerReplayTests {
    private static let store = GroupName("store-b") ?? .store

    /// Returns the letter of a trade.
    private static func letter(
        _ ordinal: UInt64, kind: String = "clickhouse"
    ) throws -> DeadLetter {
        let source = try #require(SourceName("desk-1"))
        var builder = PacketBuilder(kind: .ticks, partition: Partition(3), source: source)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "ib", since: .undefined))
        let header = TickHeader(
            symbol: symbol, providerTime: Timestamp(nanoseconds: 1_000),
            receiveTime: Timestamp(nanoseconds: 2_000))
        let isTaken = builder.append(
            Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 2)))
        #expect(isTaken)
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinal, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: 3_000)))
        return DeadLetter(
            service: "store-writer", namespace: "md", owner: store.text, storeKind: kind,
            sink: "trades", reason: .data, refusal: DeadLetter.Refusal(message: "odd"),
            place: DeadLetter.Place(
                input: "ticks", partition: Partition(3), source: source, epoch: 1,
                ordinal: ordinal, stream: "MD_TICKS_3",
                streamCreated: Timestamp(nanoseconds: 7), sequence: 1),
            symbol: "AAPL", eventTime: Timestamp(nanoseconds: 1_000), notedAt: .undefined,
            payload: packet.bytes)
    }

    /// Replays letters.
    private static func run(_ world: ReplayWorld, _ letters: [DeadLetter]) throws -> [LetterFate] {
        let filled = FilledStore(store, world, world, partitions: 4)
        let replay = try ServerReplay(filled, isDryRun: false, now: { world.time })
        do {
            let fates = try letters.map { try replay.replay($0) }
            try replay.end()
            return fates
        } catch {
            guard !world.isDead else { throw error }
            // Its lock then lasts until its time is over.
            if case .failure(let other) = Result(catching: { try replay.end() }) {
                #expect(other is ToolError)
            }
            throw error
        }
    }

    @Test("wherever a replay ends, the next one makes each row once, and counts it once")
    func interrupted() throws {
        let letters = try [10, 12].map { try Self.letter($0) }
        var ends = 0
        for isKilled in [true, false] {
            for hasEffect in [true, false] {
                for fault in 1... {
                    let world = ReplayWorld()
                    world.fault = ReplayWorld.Fault(
                        call: fault, isKilled: isKilled, hasEffect: hasEffect)
                    let note: Comment = "call \(fault), \(isKilled), \(hasEffect)"
                    do {
                        #expect(try Self.run(world, letters) == [.stored, .stored], note)
                        #expect(world.calls < fault, note)
                        break
                    } catch {
                        ends += 1
                        (world.fault, world.isDead) = (nil, false)
                        world.time = world.time.advanced(byNanoseconds: 3_600_000_000_000)
                        let areFine = try Self.run(world, letters).allSatisfy(\.isFine)
                        #expect(areFine, note)
                        #expect(
                            world.rows == [10: 1, 12: 1] && world.notes == [10: 1, 12: 1], note)
                        #expect(world.values["store-b.fill"] == nil, note)
                    }
                }
            }
        }
        // Each call of each kind was one of them.
        #expect(ends > 60)
    }

    @Test("a row that comes after the error is counted, too: the next command waits for it")
    func late() throws {
        let letters = [try Self.letter(10)]
        var waits = 0
        for fault in 1... {
            let world = ReplayWorld()
            world.fault = ReplayWorld.Fault(call: fault, isKilled: false, hasEffect: false)
            guard (try? Self.run(world, letters)) == nil else { break }
            world.fault = nil
            // The lock names the row that may come.
            guard world.names("replayed") else { continue }
            waits += 1
            #expect(throws: ToolError.self) { try Self.run(world, [Self.letter(12)]) }
            world.rows[10] = 1
            let late = ServerFillTarget.lateRows.clampedNanoseconds
            world.time = world.time.advanced(byNanoseconds: late)
            #expect(try Self.run(world, [Self.letter(12)]) == [.stored], "call \(fault)")
            #expect(world.notes == [10: 1, 12: 1], "call \(fault)")
        }
        #expect(waits > 2)
    }

    @Test("only what the writer has settled and the store lacks becomes a row")
    func fates() throws {
        let world = ReplayWorld()
        world.rows[20] = 1
        world.gaps = [15...16]
        let letters = try [4, 12, 15, 20, 51].map { try Self.letter($0) }
        #expect(
            try Self.run(world, letters) == [.unknown, .stored, .missing, .present, .ahead])
        #expect(world.rows == [12: 1, 20: 1] && world.notes == [12: 1])
        let others = try [Self.letter(12), Self.letter(13, kind: "questdb")]
        #expect(try Self.run(world, others) == [.present, .elsewhere])
        world.refused = [14]
        let fate = try Self.run(world, [Self.letter(14)])
        #expect(fate == [.refused("it is odd")] && world.rows[14] == nil)
        #expect(world.notes == [12: 1])
        let filled = FilledStore(Self.store, world, world, partitions: 4)
        let trial = try ServerReplay(filled, isDryRun: true, now: { world.time })
        let tried = try Self.letter(13)
        #expect(try trial.replay(tried) == .storable)
        #expect(world.rows[13] == nil)
    }

    @Test("two commands take turns")
    func lock() throws {
        let world = ReplayWorld()
        let filled = FilledStore(Self.store, world, world, partitions: 4)
        let first = try ServerReplay(filled, isDryRun: false, now: { world.time })
        #expect(throws: ToolError.self) { try Self.run(world, []) }
        try first.end()
        #expect(try Self.run(world, []) == [])
    }
}

/// A server and the records of a store in memory. A call may fail, before or after its effect.
private final class ReplayWorld: FilledServer, FilledRecords {
    struct Fault {
        let call: Int
        /// The process ends; else it hears of the error.
        let isKilled: Bool
        let hasEffect: Bool
    }

    struct Lost: Error {}

    var fault: Fault?
    var isDead = false
    private(set) var calls = 0
    var time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
    /// How often the row of an ordinal is there, and how many rows are noted of it as copied.
    var rows: [Int64: Int] = [:]
    private(set) var notes: [Int64: Int64] = [:]
    var gaps: [ClosedRange<Int64>] = []
    /// The ordinals of rows that are refused.
    var refused: Set<Int64> = []
    private(set) var values: [String: [UInt8]] = [:]
    private var revisions: [String: UInt64] = [:]
    private let lane = FillLane(input: "ticks", partition: 3, source: "desk-1")

    init() {
        let mark = JSONWriter.made(version: 1) { json in
            json.member("store", "store-b")
            json.array("position") { json in
                json.object { json in
                    json.member("stream_created_ns", 7)
                    json.array("sources") { json in
                        json.object { json in
                            json.member("source", "desk-1")
                            json.member("first_ordinal", 5)
                            json.member("last_ordinal", 50)
                            json.member("skipped", 0)
                            json.member("dead_lettered", 3)
                        }
                    }
                }
            }
        }
        values["store-b.intents.ticks.3"] =
            JSONWriter.made(version: 1) { json in
                json.member("mark", mark.text)
                json.member("database", "db")
            }.bytes
    }

    /// Returns `nil` when the call fails.
    private func tried<Value>(_ body: () -> Value) -> Value? {
        calls += 1
        guard let fault, fault.call == calls else { return body() }
        if fault.hasEffect { _ = body() }
        isDead = fault.isKilled
        return nil
    }

    private func call<Value>(_ body: () -> Value) throws(StoreServerError) -> Value {
        guard let value = tried(body) else { throw StoreServerError("it is away", .away) }
        return value
    }

    private func record<Value>(_ body: () -> Value) throws -> Value {
        guard let value = tried(body) else { throw Lost() }
        return value
    }

    /// Whether the lock is there, and has this member.
    func names(_ member: String) -> Bool {
        values["store-b.fill"].map { String(decoding: $0, as: UTF8.self).contains(member) } ?? false
    }

    // MARK: records

    func get(_ key: String) throws -> (value: [UInt8], revision: UInt64)? {
        values[key].map { ($0, revisions[key] ?? 1) }
    }

    func put(_ key: String, _ value: [UInt8], after revision: UInt64) throws -> UInt64? {
        try record {
            guard (values[key] == nil ? 0 : revisions[key] ?? 1) == revision else { return nil }
            values[key] = value
            revisions[key, default: 1] += 1
            return revisions[key]
        }
    }

    func delete(_ key: String, expected revision: UInt64) throws {
        try record { if revisions[key] == revision { values[key] = nil } }
    }

    // MARK: the server

    let kind = "clickhouse"
    let settingNames = "CLICKHOUSE_URL"
    let peer = "memory"
    let present: Set<String> = ["trades"]

    func identity() -> String { "db" }

    func named() throws(StoreServerError) -> [FillLane: FilledStore.Named] {
        try call {
            var named = FilledStore.Named()
            named.gaps = gaps
            for (ordinal, rows) in notes { named.addCopied(ordinal...ordinal, rows: rows) }
            return [lane: named]
        }
    }

    func ordinals(
        of step: FillPlan.Stretch, _ rows: [FillRows]
    ) throws(StoreServerError) -> [Int64] {
        try call { self.rows.keys.filter(step.ordinals.contains).sorted() }
    }

    func blocks(_ rows: [FillRows.Row], of table: FilledTable) -> FilledBlocks { FilledBlocks() }

    func blocks(_ notes: [FillNote]) -> [any StoreBlock] {
        NativeRows(.fills).blocks(notes, isDated: false)
    }

    func row(
        of letter: DeadLetter, _ catalogue: SinkCatalogue, sink: Int, at time: Timestamp
    ) -> LetterBlock? {
        NativeRows(ClickHouseTable(catalogue.sinks[sink]))
            .row(of: letter, catalogue, sink: sink, at: time)
    }

    func insert(_ given: any StoreBlock, token: String) throws(StoreServerError) {
        guard let block = given as? NativeBlock else { preconditionFailure("another block") }
        let keys = block.keys.map(\.ordinal)
        guard refused.isDisjoint(with: keys) else { throw StoreServerError("it is odd", .rows) }
        try call {
            for (row, ordinal) in keys.enumerated() {
                if block.tableName == "fills" {
                    notes[ordinal, default: 0] += block.integer("rows", row: row)
                } else {
                    rows[ordinal, default: 0] += 1
                }
            }
        }
    }

    func confirm() throws(StoreServerError) { try call {} }
}
