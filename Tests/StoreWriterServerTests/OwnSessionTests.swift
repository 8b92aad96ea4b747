import DeadLetters
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreKit
import StoreSinks
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
        // Each test counts the letters of its own namespace.
        let number = String(UInt32.random(in: .min ... .max), radix: 36)
        tape = try TestTape(NatsServer.shared(), namespace: "wown\(number)")
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
        #expect(letter.place.ordinal == 3 && letter.storeKind == "memory")
        #expect(letter.refusal.message == "the store memory: the price is 666")
    }

    @Test("a dead letter becomes a row once, and the writer goes on from the new count")
    func replayed() throws {
        let session = try session("first")
        let position = try claim(session).position
        content.state.withLock {
            $0.onRows = { tables in
                let isBad = tables.flatMap(\.prices).contains("7")
                if isBad { throw OwnContent.Failure.refused }
            }
        }
        let written = try write(try batch([1, 7, 3]), after: position, session)
        #expect(content.ordinals(1) == [1, 3])
        let stream = tape.names.deadLetterStream
        let message = try client.jetStream.message(stream: stream, sequence: 1)
        let letter = try DeadLetter(json: try #require(message).payload)
        let (kind, configuration) = (content.kind, service.context.configuration)
        var replay = OwnReplay(
            MarkOwner(namespace: tape.names.namespace, name: "store"), SinkCatalogue(),
            isDryRun: false, now: { Timestamp(nanoseconds: StoreScene.time) },
            connect: { try kind.connect(configuration) })
        #expect(try replay.replay(letter) == .refused("the price is 666"))
        content.state.withLock { $0.onRows = nil }
        #expect(try replay.replay(letter) == .stored)
        #expect(try replay.replay(letter) == .present)
        #expect(content.ordinals(1) == [1, 2, 3])
        let next = try batch([4], from: 4, sequence: 2)
        #expect(try failure(next, after: written, session)?.category == .retryable)
        session.close()
        try session.open()
        let claimed = try claim(session, known: written.ownerEpoch)
        #expect(claimed.position.sources.map(\.written) == [3])
        #expect(claimed.position.sources.map(\.deadLettered) == [0])
        try write(next, after: claimed.position, session)
        #expect(content.ordinals(1) == [1, 2, 3, 4])
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

    /// Returns what a write fails with.
    private func failure(
        _ batch: WriteBatch, after position: SinkPosition, _ session: OwnSession
    ) throws -> StoreError.Failure? {
        do throws(StoreError) {
            try write(batch, after: position, session)
            return nil
        } catch {
            let failure: StoreError.Failure = try #require(error.failure)
            return failure
        }
    }

    private func letters() throws -> UInt64 {
        try #require(try client.jetStream.streamInfo(tape.names.deadLetterStream)).messages
    }

    @Test("a store that goes back under a living connection is claimed and read again")
    func wentBack() throws {
        let session = try session("first")
        let first = try write(try batch([1]), after: try claim(session).position, session)
        let backup = content.state.withLock { ($0.marks, $0.tables) }
        let second = try write(try batch([2], from: 2, sequence: 2), after: first, session)
        content.state.withLock { ($0.marks, $0.tables) = backup }
        let third = try batch([3], from: 3, sequence: 3)
        let error = try failure(third, after: second, session)
        #expect(error?.category == .retryable)
        #expect(
            category { () throws(StoreError) in _ = try session.read([Self.place]) } == .retryable)
        #expect(content.ordinals(1) == [1])
        session.close()
        try session.open()
        let claimed = try claim(session, known: second.ownerEpoch)
        #expect(claimed.isClaimed && claimed.position.position?.sequence == 1)
        let again = try batch([2, 3], from: 2, sequence: 3)
        try write(again, after: claimed.position, session)
        #expect(content.ordinals(1) == [1, 2, 3])
    }

    @Test("a batch whose answer is lost is not written twice")
    func lostAnswer() throws {
        let session = try session("first")
        let position = try claim(session).position
        content.state.withLock { $0.losesAnswer = true }
        let batch = try batch([1, 2])
        let error = try failure(batch, after: position, session)
        #expect(error?.category == .retryable)
        let again = try failure(batch, after: position, session)
        #expect(again?.category == .retryable, "the mark is not the one that is known")
        session.close()
        try session.open()
        let claimed = try claim(session, known: 1)
        #expect(claimed.position.position?.sequence == 1)
        #expect(claimed.position.sources.map(\.written) == [2])
        #expect(content.ordinals(1) == [1, 2])
    }

    @Test("no letter is stored before the rows of its batch are taken")
    func lettersLast() throws {
        let session = try session("first")
        let position = try claim(session).position
        let batch = try batch([1, 2, 666, 4, 5])
        // The batch without the refused row; each trial has another number of rows.
        content.state.withLock {
            $0.onRows = { if $0.map(\.rowCount) == [4] { throw OwnContent.Failure.away } }
        }
        let error = try failure(batch, after: position, session)
        #expect(error?.category == .retryable)
        #expect(try letters() == 0)
        content.state.withLock {
            $0.onRows = nil
            $0.failures = 1
        }
        let late = try failure(batch, after: position, session)
        #expect(late?.category == .retryable)
        #expect(try letters() == 1)
        try write(batch, after: position, session)
        #expect(try letters() == 1)
        #expect(content.ordinals(1) == [1, 2, 4, 5])
    }

    @Test("rows that exclude each other are found together")
    func exclusion() throws {
        let session = try session("first")
        let position = try claim(session).position
        content.state.withLock {
            $0.onRows = { tables in
                let prices = tables.flatMap(\.prices).filter { $0 == "555" }
                if prices.count > 1 { throw OwnContent.Failure.refused }
            }
        }
        let prices: [Int64] = [1, 555, 3, 666, 555, 6, 555]
        try write(try batch(prices), after: position, session)
        #expect(content.ordinals(1) == [1, 2, 3, 6])
        #expect(try letters() == 3)
    }

    @Test("a batch that is refused at its commit is divided, and a row that is alone set aside")
    func lateRefusal() throws {
        let session = try session("first")
        let position = try claim(session).position
        content.state.withLock {
            $0.onCommit = { tables in
                let isBad = tables.flatMap(\.prices).contains("7")
                if isBad { throw OwnContent.Failure.refused }
            }
        }
        var both = try batch([1])
        for item in try batch([7], from: 2, sequence: 2).items { both.add(item) }
        let error = try failure(both, after: position, session)
        #expect(error?.category == .retryable && error?.isTooMuchAtOnce == true)
        #expect(try letters() == 0)
        let first = try write(try batch([1]), after: position, session)
        let second = try write(try batch([7], from: 2, sequence: 2), after: first, session)
        #expect(try letters() == 1)
        let several = try batch([3, 7], from: 3, sequence: 3)
        #expect(
            category { () throws(StoreError) in try write(several, after: second, session) }
                == .schema)
        #expect(try letters() == 1)
        #expect(content.ordinals(1) == [1])
    }

    @Test("refused rows of gaps are told, and nothing is set aside")
    func refusedGaps() throws {
        let session = try session("first")
        let position = try write(try batch([1]), after: try claim(session).position, session)
        content.state.withLock {
            $0.onRows = { tables in
                let hasGaps = tables.contains { $0.name == "ordinal_gaps" }
                if hasGaps { throw OwnContent.Failure.refused }
            }
        }
        let batch = try batch([1], from: 5, sequence: 2)
        do throws(StoreError) {
            try write(batch, after: position, session)
            Issue.record("it was written")
        } catch {
            #expect(error.category == .schema && "\(error)".contains("rows of ordinal_gaps"))
        }
    }

    @Test("batches become smaller when one is too large, or when writes fail again and again")
    func tooLarge() throws {
        let session = try session("first")
        let position = try claim(session).position
        content.state.withLock { $0.onRows = { _ in throw OwnContent.Failure.tooLarge } }
        let batch = try batch([1, 2])
        let error = try failure(batch, after: position, session)
        #expect(error?.category == .retryable && error?.isTooMuchAtOnce == true)
        content.state.withLock { $0.onRows = { _ in throw OwnContent.Failure.away } }
        let faults = try (0..<3).map { _ in
            try failure(batch, after: position, session)?.isTooMuchAtOnce
        }
        #expect(faults == [false, true, true])
        content.state.withLock { $0.onRows = nil }
        try write(batch, after: position, session)
        content.state.withLock { $0.failures = 1 }
        let later = try self.batch([3], from: 3, sequence: 2)
        let last = try failure(later, after: position, session)
        #expect(last?.isTooMuchAtOnce == false)
    }

    @Test("marks of another store, and damaged ones, need a person")
    func foreignMarks() throws {
        let session = try session("first")
        let position = try claim(session).position
        let mark = Self.place.mark
        let own = MarkOwner(namespace: tape.names.namespace, name: "store")
        var damaged = [
            "{}", "[", "{\"v\":9}", position.mark(of: MarkOwner(namespace: "other", name: "store")),
            position.mark(of: MarkOwner(namespace: own.namespace, name: "other")),
        ]
        for epoch in [0, -1, Int64.max] {
            var position = position
            position.ownerEpoch = epoch
            damaged.append(position.mark(of: own))
        }
        let written = try write(try batch([1]), after: position, session)
        damaged.append(
            written.mark(of: own).replacing("\"sequence\":1,", with: "\"sequence\":0,"))
        for text in damaged {
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
