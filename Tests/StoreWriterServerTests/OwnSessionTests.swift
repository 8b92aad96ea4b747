import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreKit
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

@Suite("A session with a store that a program brings")
struct OwnSessionTests {
    private static let place = SinkPlace(input: .ticks, partition: Partition(1))
    private static let free = SinkPlace(input: .bars, partition: Partition(0))

    private let content = OwnContent()
    private let service: TestService
    private let client: TapeClient
    private let tape: TestTape
    private let store: OwnStore

    init() throws {
        tape = try TestTape(NatsServer.shared(), namespace: "wownsession")
        let kinds = StoreKind.ofThisProgram + [StoreKind(content.kind)]
        let environment = tape.environment.merging([
            "STORE_KIND": "memory", "WRITER_HOT_STATE": "false",
        ]) { $1 }
        service = try TestService(Main.description(of: kinds), environment)
        client = try tape.connect(service)
        let settings = WriterSettings(service.context.configuration, kinds)
        let parts = settings.storeContext(client, service.context)
        store = OwnStore(content.kind, parts)
        #expect(store.letters.ensureStream() == nil)
    }

    private func session(_ owner: String) throws -> OwnSession {
        let session = OwnSession(
            store, owner: owner, beat: service.context.threads.thread(owner))
        try session.open()
        return session
    }

    private func claim(
        _ session: OwnSession, epoch: UInt64 = 1, known: Int64? = nil
    ) throws -> SinkRow {
        let claims = [SinkClaim(place: Self.place, epoch: epoch, knownEpoch: known)]
        return try #require(try session.claim(claims).first)
    }

    /// Returns a batch of one packet with trades at these prices.
    private func batch(
        _ prices: [Int64], from ordinal: UInt64 = 1, sequence: UInt64 = 1
    ) throws -> WriteBatch {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: try #require(SourceName("test")))
        try builder.define("AAPL", provider: "ib")
        for price in prices {
            let header = TickHeader(at: StoreScene.time, received: StoreScene.time)
            let trade = Trade(
                header: header, price: Price(raw: price * 1_000_000_000),
                size: Quantity(raw: 100_000_000))
            let isIn = builder.append(trade)
            #expect(isIn)
        }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: ordinal, watermark: Timestamp(nanoseconds: 0),
                sendTime: Timestamp(nanoseconds: 0)))
        var batch = WriteBatch()
        batch.add(
            WriteBatch.Item(
                input: 0, header: packet.header,
                message: try NatsMessage(subject: "x", payload: packet.bytes),
                position: TapePosition(
                    streamCreated: Timestamp(nanoseconds: 77), sequence: sequence,
                    packet: packet.header.identity, sources: [])))
        return batch
    }

    /// Writes a batch after a position. Returns the position after it.
    @discardableResult
    private func write(
        _ batch: WriteBatch, after position: SinkPosition, _ session: OwnSession
    ) throws(StoreError) -> SinkPosition {
        var settled = position
        _ = try session.write(batch) { outcome in
            settled = batch.advanced(by: outcome) { _ in position }[0] ?? position
            return [settled]
        }
        settled.forgetBatch()
        return settled
    }

    private func category(_ body: () throws(StoreError) -> Void) -> StoreError.Category? {
        do throws(StoreError) {
            try body()
            return nil
        } catch {
            return error.category
        }
    }

    @Test("the next owner begins where the last one was, and the last one is fenced")
    func fence() throws {
        let first = try session("first")
        let claimed = try claim(first)
        #expect(claimed.isClaimed && claimed.position.ownerEpoch == 1)
        #expect(claimed.position.position == nil)
        let written = try write(try batch([1, 2, 3]), after: claimed.position, first)
        let second = try session("second")
        let taken = try claim(second, epoch: 7)
        #expect(taken.isClaimed && taken.position.ownerEpoch == 7)
        #expect(taken.position.position?.sequence == 1)
        #expect(taken.position.position?.packet == written.position?.packet)
        let account = try #require(taken.position.sources.first)
        #expect(account.lastOrdinal == 3 && account.written == 3)
        let late = try batch([4], from: 4, sequence: 2)
        #expect(
            category { () throws(StoreError) in try write(late, after: written, first) } == .fenced)
        #expect(content.ordinals(1) == [1, 2, 3])
        // A repeated claim is refused, a new one is not.
        #expect(try !claim(first, epoch: 2, known: 1).isClaimed)
        #expect(try first.read([Self.place]).first?.position.owner == "second")
        try write(late, after: taken.position, second)
        #expect(content.ordinals(1) == [1, 2, 3, 4])
        #expect(try claim(first).position.ownerEpoch == 8)
    }

    @Test("a position that is not claimed, or would go back, is not written")
    func refusedPositions() throws {
        let session = try session("first")
        var position = try claim(session).position
        position.ownerEpoch = 2
        let batch = try self.batch([1])
        #expect(
            category { () throws(StoreError) in try write(batch, after: position, session) }
                == .retryable)
        position.ownerEpoch = 1
        let later = try self.batch([1], sequence: 5)
        position = try write(later, after: position, session)
        #expect(
            category { () throws(StoreError) in try write(batch, after: position, session) }
                == .retryable)
        #expect(content.ordinals(1) == [1])
        #expect(
            category { () throws(StoreError) in _ = try session.read([Self.free]) } == .schema)
    }

    @Test("rows that the store refuses become dead letters, and all others are stored")
    func refusedRows() throws {
        let session = try session("first")
        let claimed = try claim(session)
        let prices = (1...500).map { [3, 77, 500].contains($0) ? Int64(666) : 1 }
        let written = try write(try batch(prices), after: claimed.position, session)
        #expect(written.sources.map(\.written) == [497])
        #expect(written.sources.map(\.deadLettered) == [3])
        #expect(content.ordinals(1).count == 497)
        let stream = tape.names.deadLetterStream
        let info = try #require(try client.jetStream.streamInfo(stream))
        #expect(info.messages == 3)
        let message = try client.jetStream.message(stream: stream, sequence: info.firstSequence)
        let letter = try DeadLetter(json: try #require(message).payload)
        #expect(letter.place.ordinal == 3)
        #expect(letter.refusal.message == "the store memory: the price is 666")
    }

    @Test("ordinals that the tape does not have are rows of a table of their own")
    func gaps() throws {
        let session = try session("first")
        let position = try write(
            try batch([1]), after: try claim(session).position, session)
        try write(try batch([1], from: 5, sequence: 2), after: position, session)
        let names = ["input", "partition", "source", "first_ordinal", "last_ordinal", "reason"]
        let row = names.map { content.values($0, of: "ordinal_gaps") }
        #expect(row == [["ticks"], ["1"], ["test"], ["2"], ["4"], ["hole"]])
    }

    @Test("marks of another store, and damaged ones, need a person")
    func foreignMarks() throws {
        let session = try session("first")
        let position = try claim(session).position
        let mark = Self.place.mark
        for text in [position.mark(of: "other"), "{}", "[", "{\"version\":9}"] {
            content.state.withLock { $0.marks[mark] = text }
            #expect(
                category { () throws(StoreError) in _ = try session.read([Self.place]) }
                    == .schema, "\(text)")
        }
    }

    @Test("a store that breaks its promise is used no more")
    func brokenPromise() throws {
        let session = try session("first")
        let claimed = try claim(session)
        content.state.withLock { $0.swallows = true }
        var position = claimed.position
        position.ownerEpoch = 0
        let batch = try self.batch([1])
        // The error is what `settle` says, and not that it succeeded.
        #expect(
            category { () throws(StoreError) in try write(batch, after: position, session) }
                == .fatal)
        #expect(content.ordinals(1).isEmpty)
    }
}
