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
        #expect(common.apart.isJoinedPartly)

        // What the last group has lost. The store checks that it is named.
        common.forgetBatch()
        for group in [TableGroup.rest, .bars] { common.leave(group, reason) }
        common.sources[0].apart = 5
        common.join(.rest)
        #expect(common.sources[0].apart == 5 && common.sources[0].skipped == 4)
        common.join(.bars)
        #expect(common.sources[0].apart == 0 && common.sources[0].skipped == 9)
        #expect(!common.apart.isJoinedPartly)
    }

    @Test("what a group that waits apart finds missing is told, also before the first of a source")
    func holes() throws {
        var own = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 3)
        own.position = place(5)
        own.add(try header(1, 10), TickCount(written: 10))
        own.add(try header(16, 5), TickCount(written: 5))
        own.add(try header(16, 5), TickCount(givenTwice: 5))
        var json = JSONWriter()
        own.write(after: 4, into: &json)
        let gaps = try JSONValue.parse(json.text)["gaps"]?.array ?? []
        #expect(gaps.map { $0["first_ordinal"]?.int } == [11] && gaps[0]["last_ordinal"]?.int == 15)
        var batch = WriteBatch(group: .ticks)
        batch.add(
            WriteBatch.Item(
                input: 0, header: try header(8, 3),
                message: try NatsMessage(subject: "x", payload: []), position: place(6)))
        let outcome = BatchOutcome(counts: [TickCount(written: 3)])
        let begun = SinkPosition(input: .ticks, partition: Partition(0), ownerEpoch: 3)
        for (group, first) in [(TableGroup.ticks, 1), (nil, 8)] as [(TableGroup?, UInt64)] {
            batch.group = group
            let found = try #require(batch.advanced(by: outcome) { _ in begun }[0])
            #expect(found.sources[0].firstOrdinal == first)
            #expect(found.gaps.map(\.ordinals) == (first == 1 ? [1...7] : []))
        }
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
        // It went apart after what its writer has seen: nothing is known.
        #expect(!board.unblocked(.ticks, seen: Timestamp(nanoseconds: 0)))
        #expect(board.isBlocked(.ticks) && board.lines[0].problem == nil)
        #expect(board.unblocked(.ticks, seen: reason.since))
        #expect(board.isReading(.ticks, 0))
        // It could not be taken back.
        #expect(board.lastLeft(.ticks) == reason.since && board.lastLeft(.bars) == nil)
        let later = ApartGroup.Reason(
            table: .quotes, text: "no", since: Timestamp(nanoseconds: 2))
        board.rejected(.ticks, later)
        #expect(board.blockedTable(.ticks) == .quotes && board.lastLeft(.ticks) == later.since)
        #expect(!board.unblocked(.ticks, seen: reason.since))
        #expect(board.unblocked(.ticks, seen: later.since))
        board.rejected(.ticks, "never", at: Timestamp(nanoseconds: 3))
        #expect(board.blockedTable(.ticks) == .trades && board.lines[0].reason.text == "never")
        #expect(!board.unblocked(.ticks, seen: later.since))
        #expect(board.unblocked(.ticks, seen: Timestamp(nanoseconds: 3)))
        board.rejected(.bars, "never", at: Timestamp(nanoseconds: 3))
        #expect(!board.isBlocked(.bars))
        board.problem(.ticks, 0, "gone")
        #expect(!board.isBlocked(.ticks) && !board.isReading(.ticks, 0))
        #expect(board.lines[0].problem == "ticks of partition 0: gone")
        board.problem(.ticks, 0, nil)
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

    @Test("what is decided for a try holds for its rows and for the positions after it")
    func moves() throws {
        let common = try stored()
        var left = common
        left.leave(.rest, reason)
        left.forgetBatch()
        var moves = GroupMoves(leaving: [.ticks: reason])
        #expect(!moves.isEmpty && moves.apart(0, left) == [.ticks, .rest])
        let after = moves.moved(0, left, isWhole: true)
        #expect(after.apart.left == [.ticks] && Set(after.apart.groups) == [.ticks, .rest])
        moves.joining[0] = [.rest]
        #expect(moves.apart(0, left) == [.ticks] && moves.apart(1, left) == [.ticks, .rest])
        #expect(moves.moved(0, left, isWhole: true).apart.joined == [.rest: 5])
        #expect(moves.moved(1, left, isWhole: true).apart.joined.isEmpty)
        #expect(GroupMoves().isEmpty && GroupMoves().apart(0, common).isEmpty)
    }

    @Test("how far a group is behind is counted in records of all sources")
    func behind() throws {
        var common = try stored()
        #expect(common.records(ahead: .ticks) == nil)
        common.leave(.ticks, reason)
        #expect(common.records(ahead: .ticks) == 0)
        common.add(try header(11, 10), TickCount(apart: 10))
        var other = PacketHeader(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("b")), epoch: 1,
            firstOrdinal: 5, watermark: .undefined, sendTime: .undefined)
        other.tickCount = 3
        common.add(other, TickCount(apart: 3))
        #expect(common.records(ahead: .ticks) == 13)
        common.apart[.ticks]?.position.position = place(9)
        #expect(common.records(ahead: .ticks) == nil)
    }

    @Test("the tape may be purged up to the floor when each position of it was on a standby")
    func standby() throws {
        var common = try stored()
        common.isOnStandby = true
        #expect(common.isFloorOnStandby)
        common.leave(.ticks, reason)
        #expect(!common.isFloorOnStandby)
        common.apart[.ticks]?.position.isOnStandby = true
        #expect(common.isFloorOnStandby)
    }
}

@Suite("When a group of tables comes back")
struct ApartReturnTests {
    private static let second: Int64 = 1_000_000_000

    @Test("not before a second, three quick transactions or none to do; later each time")
    func stays() {
        var back = ApartReturn()
        back.left(at: .at(0))
        // It is level already: the stay alone counts.
        #expect(!back.mayReturn(isLevel: true, at: .at(Self.second - 1)))
        #expect(back.mayReturn(isLevel: true, at: .at(Self.second)))
        #expect(!back.mayReturn(isLevel: false, at: .at(Self.second)))
        for _ in 0..<ApartReturn.quickInARow { back.wrote(10, at: .at(Self.second)) }
        #expect(back.mayReturn(isLevel: false, at: .at(Self.second)))
        back.refused()
        #expect(!back.mayReturn(isLevel: false, at: .at(Self.second)))
        var now = Self.second
        for stay in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] as [Int64] {
            back.returned(at: .at(now))
            back.left(at: .at(now))
            // A second worker that leaves it changes nothing.
            back.left(at: .at(now + 1))
            now += stay * Self.second
            #expect(!back.mayReturn(isLevel: true, at: .at(now - 1)), "\(stay)")
            #expect(back.mayReturn(isLevel: true, at: .at(now)), "\(stay)")
        }
        back.returned(at: .at(now))
        now += ApartReturn.settledNanoseconds
        back.left(at: .at(now))
        #expect(back.mayReturn(isLevel: true, at: .at(now + Self.second)))
    }

    @Test("a slow transaction keeps it apart until quick ones follow, or for a while without one")
    func slow() {
        var back = ApartReturn()
        back.left(at: .at(0))
        let now = 10 * Self.second
        for _ in 0..<9 { back.wrote(1, at: .at(now)) }
        back.wrote(ApartReturn.quickNanoseconds, at: .at(now))
        #expect(!back.mayReturn(isLevel: false, at: .at(now + 100 * Self.second)))
        #expect(!back.mayReturn(isLevel: true, at: .at(now + ApartReturn.quietNanoseconds - 1)))
        #expect(back.mayReturn(isLevel: true, at: .at(now + ApartReturn.quietNanoseconds)))
    }

    @Test("a worker waits a moment for a group that is near, and after each miss twice as long")
    func meetings() {
        var meetings = GroupMeetings()
        func holds(_ input: Int, _ isNear: Bool, _ nanoseconds: Int64) -> Bool {
            meetings.follow(input, isNear: isNear, now: .at(nanoseconds))
            return meetings.held.contains(input)
        }
        let (hold, first) = (GroupMeetings.holdNanoseconds, GroupMeetings.pauseFirst)
        #expect(!holds(0, false, 0) && meetings.isEmpty)
        var now: Int64 = 0
        for pause in [2, 4, 8, 16, 32, 64, 64] as [Int64] {
            #expect(holds(0, true, now))
            #expect(holds(0, true, now + hold - 1))
            #expect(!holds(0, true, now + hold))
            #expect(!holds(0, false, now + hold + 1))
            now += pause * 1_000_000_000
            #expect(!holds(0, true, now - 1), "\(pause)")
        }
        #expect(holds(1, true, now - 1))
        // One that is kept, or cannot be waited for, is no miss, and pauses for no longer.
        #expect(holds(0, true, now))
        #expect(!holds(0, false, now + hold / 2))
        #expect(!holds(0, true, now + first - 1))
        #expect(holds(0, true, now + first))
        #expect(!holds(0, true, now + first + hold))
        #expect(!holds(0, true, now + first + GroupMeetings.pauseMax - 1))
        // All of it is forgotten when no group waits there.
        #expect(holds(1, true, now + first))
        meetings.end(0)
        meetings.end(1)
        #expect(meetings.isEmpty && meetings.held.isEmpty)
        now += first + hold + 1
        #expect(holds(0, true, now) && !holds(0, true, now + hold))
        #expect(holds(0, true, now + first))
    }
}

@Suite("When a group of tables goes apart for refused rows")
struct RefusedInARowTests {
    @Test("not for a handful of rows, but for so many in a row of which none was taken")
    func counts() {
        var inARow = RefusedInARow()
        func refuse(_ table: SinkName) -> Bool { inARow.refused(table) }
        for _ in 1..<RefusedInARow.rowsMax {
            #expect(!refuse(.trades))
            // Rows that another table of the group takes say nothing of this one.
            inARow.forget(.quotes)
        }
        #expect(!refuse(.quotes))
        #expect(!refuse(.bars))
        let before = inARow
        #expect(refuse(.trades))
        inARow = before
        inARow.forget(.trades)
        for _ in 1..<RefusedInARow.rowsMax { #expect(!refuse(.trades)) }
        #expect(refuse(.trades))
        #expect(RefusedInARow.rowsMax == 128)
    }
}
