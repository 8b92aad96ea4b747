import MarketModel
import NatsTransport
import Primitives
import StoreSinks
import TapeCodec
import TapeTransport
import Testing

@testable import StoreWriter

@Suite("The position of a group of tables that waits apart")
struct ApartPositionTests {
    private let reason = ApartGroup.Reason(
        table: .trades, text: "no", since: Timestamp(nanoseconds: 1))

    private func place(_ sequence: UInt64, stream: Int64 = 77) -> TapePosition {
        TapePosition(
            streamCreated: Timestamp(nanoseconds: stream), sequence: sequence,
            packet: PacketIdentity(epoch: 1, firstOrdinal: sequence, checksum: 0), sources: [])
    }

    private func header(_ first: UInt64, _ count: UInt32) throws -> PacketHeader {
        var header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("a")), epoch: 1,
            firstOrdinal: first, watermark: .undefined, sendTime: .undefined)
        header.tickCount = count
        return header
    }

    /// Returns a position after ten records that are stored.
    private func stored() throws -> SinkPosition {
        var position = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 3)
        position.position = place(5)
        position.add(try header(1, 10), TickCount(written: 10))
        position.forgetBatch()
        return position
    }

    @Test("it begins where it is left, counts its own, and gives its counts back where it is met")
    func counts() throws {
        var common = try stored()
        common.leave(.ticks, reason)
        #expect(common.apart.left == [.ticks] && common.isMet(by: .ticks))
        // Ten more records, seven of them of the group.
        let next = try header(11, 10)
        common.add(next, TickCount(written: 3, apart: 7))
        common.position = place(6)
        common.forgetBatch()
        #expect(!common.isMet(by: .ticks) && common.floor?.sequence == 5)
        #expect(common.sources[0].written == 13 && common.sources[0].apart == 7)

        var own = try #require(common.apart[.ticks]).position
        #expect(own.ownerEpoch == 3 && own.sources[0].firstOrdinal == 11)
        #expect(own.sources[0].lastOrdinal == 10 && own.sources[0].written == 0)
        own.add(next, TickCount(written: 6, deadLettered: 1))
        own.position = place(6)
        common.apart[.ticks]?.position = own
        #expect(common.isMet(by: .ticks) && common.floor?.sequence == 6)
        common.join(.ticks)
        let account = common.sources[0]
        #expect(common.apart.isEmpty && common.apart.joined == [.ticks: 6])
        #expect(account.written == 19 && account.deadLettered == 1 && account.apart == 0)
        #expect(account.written + account.deadLettered == account.lastOrdinal)

        // A table that was switched off meanwhile.
        common.leave(.rest, reason)
        common.sources[0].apart = 4
        common.join(.rest, isWhole: false)
        #expect(common.sources[0].apart == 0 && common.sources[0].skipped == 4)
    }

    @Test("a group on another tape, or further back, is not met, and the tape is needed from there")
    func floor() throws {
        var common = try stored()
        common.leave(.ticks, reason)
        common.leave(.rest, reason)
        common.position = place(9)
        common.apart[.rest]?.position.position = place(7)
        #expect(common.floor?.sequence == 5)
        common.apart[.ticks]?.position.position = place(9, stream: 78)
        #expect(!common.isMet(by: .ticks) && common.floor?.streamCreated.nanoseconds == 78)
        common.join(.ticks)
        #expect(common.apart.groups.count == 2 && common.apart.joined.isEmpty)
        common.apart[.ticks]?.position.position = nil
        #expect(common.floor == nil && !common.isMet(by: .ticks))
    }

    @Test(
        "a batch leaves out a group at the inputs where it waits, and one for it has its rows alone"
    )
    func batches() throws {
        let catalogue = SinkCatalogue()
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("a")))
        let symbol = SymbolDefinition(
            symbol: try #require(Symbol("A")), provider: "p", since: .undefined)
        let tick = TickHeader(
            symbol: builder.register(symbol), providerTime: Timestamp(nanoseconds: 1),
            receiveTime: Timestamp(nanoseconds: 1))
        let hasTrade = builder.append(
            Trade(header: tick, price: Price(raw: 1), size: Quantity(raw: 1)))
        let gap = GapRecord(
            header: tick, from: .undefined, to: .undefined, kind: .any, reason: .disconnected,
            state: .open)
        let hasGap = builder.append(gap) == .appended
        #expect(hasTrade && hasGap)
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        var batch = WriteBatch()
        for input in [0, 2] {
            batch.add(
                WriteBatch.Item(
                    input: input, header: packet.header,
                    message: try NatsMessage(subject: "x", payload: packet.withBytes { $0.array }),
                    position: place(1)))
        }
        func present(_ work: BatchWork, _ catalogue: SinkCatalogue) -> [SinkName] {
            zip(catalogue.sinks, work.present).filter(\.1).map(\.0.name)
        }
        batch.apart = [2: [.ticks]]
        let common = BatchWork(batch, catalogue)
        #expect(common.outcome.counts.map(\.apart) == [0, 1])
        #expect(present(common, catalogue) == [.trades, .gaps])
        batch.apart[0] = [.ticks]
        #expect(present(BatchWork(batch, catalogue), catalogue) == [.gaps])
        let own = SinkCatalogue(TableGroup.ticks.tables)
        (batch.apart, batch.group) = ([:], .ticks)
        #expect(present(BatchWork(batch, own), own) == [.trades])
        #expect(Set(TableGroup.allCases.flatMap(\.tables)).count == SinkName.allCases.count)
    }

    @Test("a group is blocked from when it is left until its table takes rows")
    func board() throws {
        let board = ApartBoard()
        var common = try stored()
        board.post(0, common)
        #expect(board.lines.isEmpty && !board.isBlocked(.ticks))
        common.leave(.ticks, reason)
        board.post(0, common)
        #expect(board.isBlocked(.ticks) && board.blockedTable(.ticks) == .trades)
        #expect(board.tasks(.ticks)[0]?.limit.sequence == 5 && board.tasks(.bars).isEmpty)
        #expect(board.lines.map(\.inputs) == [[0]])
        board.unblocked(.ticks)
        board.post(0, common)
        #expect(!board.isBlocked(.ticks))
        // Another input goes apart: it is blocked again.
        board.post(1, common)
        #expect(board.isBlocked(.ticks))

        // What an earlier owner has reached says nothing.
        var own = try #require(common.apart[.ticks]).position
        own.position = place(8)
        board.advanced(.ticks, [0: own])
        #expect(board.reached(.ticks, 0)?.position?.sequence == 8)
        own.ownerEpoch = 2
        board.advanced(.ticks, [1: own])
        #expect(board.reached(.ticks, 1) == nil)
        common.apart[.ticks]?.position.ownerEpoch = 4
        board.post(0, common)
        #expect(board.reached(.ticks, 0) == nil)
        board.post(0, nil)
        #expect(board.tasks(.ticks).keys.sorted() == [1])
    }
}
