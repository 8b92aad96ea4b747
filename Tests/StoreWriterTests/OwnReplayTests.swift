import DeadLetters
import MarketModel
import Primitives
import ServiceTestSupport
import StoreKit
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import StoreWriter

/// A store in memory, of which one transaction may fail.
private final class MemoryRows: RowStore {
    enum Fault: CaseIterable {
        case beforeCommit
        /// It is committed, and the caller does not hear of it.
        case lostAnswer
    }

    struct Away: Error {}
    struct Refused: Error {}

    var marks: [String: String] = [:]
    var ordinals: [String?] = []
    var refuses = false
    /// The number of the transaction that fails, and how.
    var fault: (number: Int, Fault)?
    private var number = 0

    func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: ([String: String]) throws -> [String: String]
    ) throws {
        number += 1
        if refuses, !tables.isEmpty { throw Refused() }
        let next = try settle(marks.filter { names.contains($0.key) })
        let fault = fault.flatMap { $0.number == number ? $0.1 : nil }
        if fault == .beforeCommit { throw Away() }
        marks.merge(next) { $1 }
        for table in tables {
            for column in table.columns where column.name == "ordinal" {
                ordinals += (0..<column.count).map { column.text($0) }
            }
        }
        if fault == .lostAnswer { throw Away() }
    }

    func fault(of error: any Error) -> StoreFault { error is Refused ? .rows : .away }
}

@Suite("Dead letters of a store that a program brings")
struct OwnReplayTests {
    private static let owner = MarkOwner(namespace: "md", name: "store")
    private static let place = SinkPlace(input: .ticks, partition: Partition(3))

    private static func letter(_ ordinal: UInt64) throws -> DeadLetter {
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
            service: "store-writer", namespace: "md", owner: "store", storeKind: "memory",
            sink: "trades", reason: .data, refusal: DeadLetter.Refusal(message: "odd"),
            place: DeadLetter.Place(
                input: "ticks", partition: Partition(3), source: source, epoch: 1,
                ordinal: ordinal, stream: "MD_TICKS_3",
                streamCreated: Timestamp(nanoseconds: 7), sequence: 1),
            symbol: "AAPL", eventTime: Timestamp(nanoseconds: 1_000), notedAt: .undefined,
            payload: packet.bytes)
    }

    /// A store whose writer has read up to ordinal 50, and set these aside.
    private static func store(_ letters: [DeadLetter]) throws -> MemoryRows {
        let store = MemoryRows()
        var position = SinkPosition(input: .ticks, partition: Partition(3), ownerEpoch: 4)
        position.owner = "writer"
        position.position = TapePosition(
            streamCreated: Timestamp(nanoseconds: 7), sequence: 9,
            packet: PacketIdentity(epoch: 1, firstOrdinal: 50, checksum: 0), sources: [])
        position.sources = [
            SinkPosition.SourceAccount(
                source: try #require(SourceName("desk-1")), firstOrdinal: 1, lastOrdinal: 50,
                written: 48, skipped: 0, deadLettered: 2, epoch: 1, tapeOrdinal: 50)
        ]
        store.marks[place.mark] = position.mark(of: owner)
        for letter in letters { store.marks[letter.mark] = DeadLetter.openMark }
        return store
    }

    private static func run(
        _ store: MemoryRows, _ letters: [DeadLetter], isDryRun: Bool = false
    ) throws -> [LetterFate] {
        var replay = OwnReplay(
            owner, SinkCatalogue(), isDryRun: isDryRun, now: { Timestamp(nanoseconds: 5_000) },
            connect: { store })
        return try letters.map { try replay.replay($0) }
    }

    private static func counts(_ store: MemoryRows) throws -> [UInt64] {
        let position = try SinkPosition(
            mark: try #require(store.marks[place.mark]), of: place, store: owner)
        let account = try #require(position.sources.first)
        #expect(position.owner == "writer" && position.position?.sequence == 9)
        return [account.written, account.deadLettered]
    }

    @Test("a row is made once and counted once, whichever transaction fails, and how")
    func interrupted() throws {
        let letters = try [10, 12].map { try Self.letter($0) }
        for fault in MemoryRows.Fault.allCases {
            // Each letter takes two transactions, of which the first one only looks.
            for number in [2, 4] {
                let store = try Self.store(letters)
                store.fault = (number, fault)
                #expect(throws: MemoryRows.Away.self) { try Self.run(store, letters) }
                let areFine = try Self.run(store, letters).allSatisfy(\.isFine)
                #expect(areFine && store.ordinals.sorted { $0 ?? "" < $1 ?? "" } == ["10", "12"])
                #expect(try Self.counts(store) == [50, 0])
                #expect(try Self.run(store, letters) == [.present, .present])
            }
        }
    }

    @Test("only what a stored batch has set aside becomes a row")
    func fates() throws {
        let letters = try [10, 12].map { try Self.letter($0) }
        let store = try Self.store(letters)
        #expect(try Self.run(store, letters, isDryRun: true) == [.storable, .storable])
        store.refuses = true
        #expect(try Self.run(store, [letters[0]]) == [.refused("Refused()")])
        #expect(store.ordinals.isEmpty && store.marks[letters[0].mark] == DeadLetter.openMark)
        #expect(try Self.counts(store) == [48, 2])
        store.refuses = false
        let others = try [11, 51].map { try Self.letter($0) }
        #expect(try Self.run(store, others) == [.passed, .ahead])
        #expect(try Self.run(MemoryRows(), letters) == [.unknown, .unknown])
        store.marks[Self.place.mark] = "{}"
        #expect(throws: OwnStoreError.self) { try Self.run(store, letters) }
    }
}
