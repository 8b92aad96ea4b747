import MarketModel
import NatsTransport
import Primitives
import Synchronization
import TapeCodec
import TapeProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import TapeTransport
@testable import TapeTransportTests

/// The positions that readers publish.
@Suite struct ReaderPositionTests {
    private func source(_ name: String = "sim") throws -> SourceName {
        try #require(SourceName(name))
    }

    private func position(
        _ partition: Int, _ last: UInt64, input: ReaderPosition.Input = .ticks, epoch: UInt64 = 1
    ) throws -> ReaderPosition {
        let proof = ReaderPosition.Proof(
            streamCreated: Timestamp(nanoseconds: 1_764_000_000_123_456_789),
            packet: PacketIdentity(epoch: epoch, firstOrdinal: last, checksum: .max - last))
        return ReaderPosition(
            partition: Partition(partition), input: input, sequence: last * 2, durable: last,
            sources: [
                SourceOrdinal(source: try source("other"), epoch: 9, lastOrdinal: 999_999),
                SourceOrdinal(source: try source(), epoch: epoch, lastOrdinal: last),
            ], proof: partition % 2 == 0 ? proof : nil)
    }

    // MARK: messages

    @Test("positions survive their way, in as many messages as they take")
    func roundTrip() throws {
        let many = try (0..<4_096).map { try position($0, UInt64($0), input: .ticks) }
        for positions in [[], [try position(7, 1, input: .bars)], many] {
            let messages = PositionMessage.messages(group: "store", positions)
            #expect(messages.allSatisfy { $0.count <= PositionMessage.bytesMax + 64 })
            let told = try messages.map { try PositionMessage(json: $0) }
            #expect(told.flatMap(\.positions) == positions)
            #expect(told.allSatisfy { $0.group == "store" })
        }
        #expect(PositionMessage.messages(group: "store", many).count > 5)
    }

    @Test("a message has these bytes")
    func golden() throws {
        let position = try position(2, 5, input: .bars)
        let text = String(
            decoding: PositionMessage.messages(group: "store", [position])[0], as: UTF8.self)
        #expect(
            text == """
                {"v":1,"group":"store","positions":[{"partition":2,"input":"bars","sequence":10,\
                "durable":5,"stream_created_ns":1764000000123456789,"packet_epoch":1,\
                "packet_ordinal":5,"packet_checksum":18446744073709551610,"sources":[\
                {"source":"other","epoch":9,"last_ordinal":999999},\
                {"source":"sim","epoch":1,"last_ordinal":5}]}]}
                """)
    }

    @Test("a position that is larger than a message has one of its own")
    func large() throws {
        let names = try (0..<1_000).map { try source("source-number-\($0)") }
        let wide = ReaderPosition(
            partition: Partition(1), input: .ticks, sequence: 1, durable: 0,
            sources: names.map { SourceOrdinal(source: $0, epoch: 1, lastOrdinal: 1) })
        let small = try position(2, 2)
        let messages = PositionMessage.messages(group: "g", [small, wide, small])
        #expect(messages.count == 3 && messages[1].count > PositionMessage.bytesMax)
        #expect(try PositionMessage(json: messages[1]).positions == [wide])
    }

    @Test(
        "what is no message of positions is refused",
        arguments: ["", "{}", #"{"v":1,"group":"g"}"#, #"{"v":2,"group":"g","positions":[]}"#])
    func noMessage(text: String) {
        #expect(throws: VersionedJSON.Refusal.self) {
            try PositionMessage(json: Array(text.utf8))
        }
    }

    @Test(
        "a message with a position that nobody can have told is refused as a whole",
        arguments: [
            #""partition":1,"input":"ticks","sources":[]"#,
            #""partition":1,"input":"ticks","sequence":1,"sources":[]"#,
            #""partition":9999,"input":"ticks","sequence":1,"durable":1,"sources":[]"#,
            #""partition":1,"input":"news","sequence":1,"durable":1,"sources":[]"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":2,"sources":[]"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":"1","sources":[]"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":1,"sources":[{"source":"sim","#
                + #""epoch":1}]"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":1,"sources":[{"source":"S","#
                + #""epoch":1,"#
                + #""last_ordinal":1}]"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":1,"sources":[{"source":"sim","#
                + #""epoch":1,"#
                + #""last_ordinal":9223372036854775807}]"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":1,"sources":[],"#
                + #""stream_created_ns":1"#,
            #""partition":1,"input":"ticks","sequence":1,"durable":1,"sources":[],"#
                + #""stream_created_ns":1,"#
                + #""packet_epoch":1,"packet_ordinal":-1,"packet_checksum":1"#,
        ])
    func malformed(position: String) {
        let right = #"{"partition":1,"input":"ticks","sequence":1,"durable":1,"sources":[]}"#
        for (position, isRight) in [(right, true), ("{\(position)}", false)] {
            let text = #"{"v":1,"group":"g","positions":["# + right + "," + position + "]}"
            let message = try? PositionMessage(json: Array(text.utf8))
            #expect((message != nil) == isRight)
        }
    }

    @Test(
        "a message counts on the subject of its own group alone",
        arguments: [
            ("md.pos.features", true), ("md.pos.store", false), ("md.pos.features.x", false),
            ("md.pos.other-features", false),
        ])
    func ownSubject(subject: String, isRight: Bool) throws {
        let bytes = PositionMessage.messages(group: "features", [try position(1, 1)])[0]
        let message = try? PositionMessage(json: bytes, on: subject)
        #expect((message != nil) == isRight)
    }

    @Test("nothing is durable that was not read")
    func durableWithinReach() {
        let position = ReaderPosition(
            partition: Partition(1), input: .bars, sequence: 5, durable: 9, sources: [])
        #expect(position.durable == 5)
    }

    // MARK: over NATS

    private func news(_ listener: PositionListener) -> [SourceRecord.Lane: SourceRecord.Head] {
        listener.takeRisen()?.heads ?? [:]
    }

    @Test("told once a second, and at once when asked; the highest counts, of this source's ticks")
    func toldAndHeard() throws {
        let tape = try TapeServer()
        let (reader, other, gateway) = (try tape.rig(), try tape.rig(), try tape.rig())
        let reporter = try PositionReporter(reader.client, group: "store")
        let second = try PositionReporter(other.client, group: "operator")
        let asked = Mutex(0)
        let third = try position(3, 10, epoch: 4)
        let bars = try position(5, 70, input: .bars)
        for (now, isDue) in [(Int64(0), true), (999_999_999, false), (1_000_000_000, true)] {
            let before = asked.withLock { $0 }
            reporter.report(now: .at(now)) {
                asked.withLock { $0 += 1 }
                return [third, bars]
            }
            #expect(asked.withLock { $0 } == before + (isDue ? 1 : 0))
        }
        try reader.client.connection.flush(timeout: patience)
        // A listener that starts later asks.
        let listener = try PositionListener(gateway.client, source: source())
        #expect(listener.takeRisen() == nil)
        var heard: [SourceRecord.Lane: SourceRecord.Head] = [:]
        try listener.ask()
        #expect(
            eventually {
                heard.merge(news(listener)) { $1 }
                return heard == [.ticks(Partition(3)): .init(epoch: 4, lastOrdinal: 10)]
            })
        // A program of people moves nothing. Its report comes before its next one.
        let people = try PositionReporter(other.client, group: "features")
        let (high, unknown) = try (position(3, 99, epoch: 9), position(5, 99))
        people.report(now: .at(0)) { [high, unknown] }
        let positions = try [position(3, 12, epoch: 0), position(4, 1), position(3, 11, epoch: 2)]
        second.report(now: .at(0)) { positions }
        #expect(
            eventually {
                heard.merge(news(listener)) { $1 }
                return heard[.ticks(Partition(3))] == .init(epoch: 4, lastOrdinal: 12)
            })
        #expect(heard.count == 2 && listener.takeRisen() == nil, "nothing has risen since")
    }

    @Test("nonsense is told and ignored; without a link it is told, too")
    func trouble() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        let reporter = try PositionReporter(rig.client, group: "store")
        let listener = try PositionListener(rig.client, source: source())
        try rig.publish("nonsense", to: tape.names.positions(group: "x"))
        #expect(eventually { rig.log.count("tape.positions.not_understood") == 1 })
        // A program of people may publish on the subject of its group, and names the store.
        let groups = try GroupPositionListener(rig.client)
        let forged = PositionMessage.messages(group: "store", [try self.position(1, 99)])[0]
        try rig.publish(
            String(decoding: forged, as: UTF8.self), to: tape.names.positions(group: "features"))
        let position = try self.position(1, 1)
        reporter.report(now: .at(0)) { [position] }
        var heard: [SourceRecord.Lane: SourceRecord.Head] = [:]
        #expect(
            eventually {
                heard.merge(news(listener)) { $1 }
                return groups.store.groups["store"]?.positions.values.map(\.sequence) == [2]
                    && !heard.isEmpty
            })
        #expect(heard == [.ticks(Partition(1)): .init(epoch: 1, lastOrdinal: 1)])
        #expect(groups.store.groups["store"]?.changes == 1 && groups.store.groups.count == 1)
        rig.client.close()
        reporter.report(now: .at(1_000_000_000)) { [position] }
        #expect(rig.log.count("tape.positions.untold") == 1)
        #expect(throws: TapeError.self) { try listener.ask() }
    }
}
