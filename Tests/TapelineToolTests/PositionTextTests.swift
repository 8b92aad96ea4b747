import ClickHouseWire
import Membership
import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import Testing

@testable import TapelineTool

@Suite("Positions: arguments, states, tables")
struct PositionTextTests {
    private let identity = PacketIdentity(epoch: 3, firstOrdinal: 11, checksum: 0xab)
    private let created = Timestamp(nanoseconds: 5)

    private var position: GroupPosition {
        get throws {
            var position = GroupPosition(group: .store, input: .ticks, partition: Partition(7))
            position.packet = GroupPosition.Packet(
                streamCreated: created, sequence: 20, identity: identity)
            position.sources = [
                GroupPosition.Source(
                    source: try #require(SourceName("ib")), lastOrdinal: 30, tapeOrdinal: 30,
                    epoch: 3)
            ]
            return position
        }
    }

    private func state(
        created: Int64 = 5, _ first: UInt64 = 1, _ last: UInt64 = 99,
        found: PacketIdentity? = nil, of position: GroupPosition? = nil
    ) throws -> PositionState {
        let bounds = ReaderLane.StreamBounds(
            created: Timestamp(nanoseconds: created), firstSequence: first, lastSequence: last,
            isReplicated: false)
        return PositionState.of(try position ?? self.position, in: bounds) { found }
    }

    @Test("the states")
    func states() throws {
        let other = PacketIdentity(epoch: 4, firstOrdinal: 11, checksum: 0xab)
        #expect(try state(found: identity) == .holds)
        #expect(try state(found: other) == .anotherPacket(other))
        #expect(try state(21, 99, found: identity) == .purgedAway(first: 21))
        #expect(try state(found: nil) == .purgedAway(first: 1))
        #expect(try state(1, 19) == .behindTheEnd(last: 19))
        #expect(try state(created: 6, found: identity) == .streamMadeAnew(.init(nanoseconds: 6)))
        var empty = GroupPosition(group: .store, input: .bars, partition: Partition(0))
        #expect(try state(of: empty) == .nothingRead)
        // An accepted start knows its sources, and depends on no packet that could be lost.
        empty.sources = try position.sources
        #expect(try state(of: empty) == .holds)
    }

    @Test("a table fits into 100 columns, and says what is wrong")
    func table() throws {
        var large = try position
        large.packet = GroupPosition.Packet(
            streamCreated: created, sequence: 99_999_999_999,
            identity: PacketIdentity(
                epoch: 999_999, firstOrdinal: 99_999_999_999, checksum: UInt64.max))
        large.moved = Timestamp(nanoseconds: 0)
        var waits = try position
        waits.apart = [.init(group: "rest", table: "md.news", reason: "canceled\non lock timeout")]
        let table = PositionTable(
            rows: [
                .init(position: waits, state: .holds),
                .init(position: large, state: .behindTheEnd(last: 5)),
            ], now: Timestamp(nanoseconds: 90_000_000_000))
        #expect(table.lines.allSatisfy { $0.count <= 100 }, "\(table.lines)")
        #expect(table.lines[1].hasSuffix("20      3          11       -  holds"))
        #expect(table.lines[2].contains("checksum 00000000000000ab; last ordinals: ib 30"))
        let apart = "the tables of rest wait apart: md.news: canceled; on lock timeout"
        #expect(table.lines[3].hasSuffix(apart), "\(table.lines)")
        #expect(table.lines[4].hasSuffix("90 s  behind the end: the tape ends at 5"))
        #expect(!table.isFine)
        let json = try JSONValue.parse(table.json())
        #expect(json["holds"]?.bool == false)
        #expect(json["positions"]?.array?.first?["checksum"]?.string == "00000000000000ab")
        #expect(json["positions"]?.array?.last?["state"]?.string == "behind the end")
        let groups = json["positions"]?.array?.map {
            $0["apart"]?.array?.map { $0["group"]?.string }
        }
        #expect(groups == [["rest"], []])
    }

    @Test("how long ago")
    func ages() {
        func age(_ seconds: Int64) -> String {
            Timestamp(nanoseconds: 0).age(at: Timestamp(nanoseconds: seconds * 1_000_000_000))
        }
        #expect([age(0), age(9), age(10), age(599)] == ["0.0 s", "9.0 s", "10 s", "599 s"])
        #expect([age(600), age(36_000), age(864_000)] == ["10 min", "10 h", "10 d"])
        #expect(age(-5) == "0.0 s" && Timestamp.undefined.age(at: .init(nanoseconds: 1)) == "-")
    }

    @Test("arguments")
    func arguments() throws {
        let accept = try PositionCommand.parse([
            "accept", "--partition=3", "--partition", "4", "--input", "bars", "--yes",
        ])
        #expect(accept.partitions == [Partition(3), Partition(4)] && accept.input == .bars)
        #expect(accept.group == nil && accept.isConfirmed)
        #expect(accept.wants(try position) == false)
        let show = try PositionCommand.parse(["show", "--json"])
        #expect(try show.asJSON && show.wants(position) && show.group == nil)
    }

    @Test("what is going to be given up is said exactly")
    func text() throws {
        let source = try #require(SourceName("ib"))
        var plan = try Acceptance(
            position, tapeSources: [], streamCreated: created, lastSequence: 0
        ) { _, _ in nil }
        plan.changes = [
            Acceptance.SourceChange(
                source: source, storedOrdinal: 30, lost: 31...40, givenTwice: 21...30,
                lastOrdinal: 40, tapeOrdinal: 20, epoch: 3)
        ]
        #expect(
            AcceptanceText(plans: [plan]).lines == [
                "store, ticks of partition 7: from 20 to the start of the tape",
                "  ib: ordinals 31 to 40 were destroyed and are given up (10)",
                "  ib: ordinals 21 to 30 are on the tape again, are stored, and will be left out "
                    + "(10)",
                "in all: 10 ordinals destroyed, 10 given twice",
            ])
        let json = try JSONValue.parse(AcceptanceText(plans: [plan]).json)
        #expect(json["destroyed"]?.int == 10 && json["given_twice"]?.int == 10)
        let change = json["accepted"]?.array?.first?["sources"]?.array?.first
        #expect(change?["destroyed"]?.array?.compactMap(\.int) == [31, 40])
        #expect(
            StorePositions.gaps(plan) == """
                [{"source":"ib","first_ordinal":31,"last_ordinal":40,"reason":"tape_lost",\
                "detail":"accepted by a person"}]
                """)
    }

    @Test("tables that wait apart are given up only where that is asked for")
    func apart() throws {
        var waits = try position
        waits.apart = [
            GroupPosition.TablesApart(group: "bars", table: "bars", reason: "locked"),
            GroupPosition.TablesApart(group: "ticks", table: "trades", reason: "not\nnow"),
        ]
        let others = [try position, waits]
        let careful = try PositionCommand.parse(["accept", "--yes"])
        #expect(try careful.givenUp(others, accepting: []).isEmpty)
        #expect(try careful.givenUp(others, accepting: [try position]).isEmpty)
        let refusal = #expect(throws: ToolError.self) {
            try careful.givenUp(others, accepting: [waits])
        }
        let text = refusal?.description ?? ""
        #expect(text.contains("the tables of bars wait apart at ticks of partition 7 (bars: lock"))
        #expect(text.contains("'tapeline position accept --apart'") && !text.contains("\n"))
        let given = try PositionCommand.parse(["accept", "--yes", "--apart"])
        #expect(try given.givenUp(others, accepting: []) == [waits])
        #expect(try given.givenUp(others, accepting: [waits]) == [waits])
        let said = AcceptanceText(givenUp: [waits])
        #expect(
            said.lines == [
                "store, ticks of partition 7: what is left to the tables of bars, ticks is given "
                    + "up",
                "in all: 0 ordinals destroyed, 0 given twice",
            ])
        let entry = try JSONValue.parse(said.json)["given_up"]?.array?.first
        #expect(entry?["tables"]?.array?.compactMap(\.string) == ["bars", "ticks"])
        #expect(!said.isNothing && AcceptanceText().isNothing)
    }

    @Test("where a position does not hold, a store is told what its kind can do")
    func remedies() {
        #expect(PositionRun.remedy(nil) == "'tapeline position accept' for a store")
        let settings = ClickHouseClient.Settings(
            url: "http://h:1", user: "default", password: nil, database: "d")
        let said = PositionRun.remedy(.clickhouse(settings))
        #expect(said.contains("STORE_NEEDED=false") && !said.contains("accept"), "\(said)")
    }
}
