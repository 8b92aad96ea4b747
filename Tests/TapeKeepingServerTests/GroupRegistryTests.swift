import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapeKeeping

@Suite struct GroupRegistryTests {
    private let tape: TestTape

    init() throws {
        tape = try TestTape(NatsServer(), namespace: "md", streams: false)
    }

    private func group(_ name: String) throws -> GroupName { try #require(GroupName(name)) }

    private func position(
        _ partition: Int, _ durable: UInt64, input: ReaderPosition.Input = .ticks
    ) throws -> ReaderPosition {
        ReaderPosition(
            partition: Partition(partition), input: input, sequence: durable + 3, durable: durable,
            sources: [
                SourceOrdinal(
                    source: try #require(SourceName("sim")), epoch: 2, lastOrdinal: durable)
            ],
            proof: ReaderPosition.Proof(
                streamCreated: Timestamp(nanoseconds: 77),
                packet: PacketIdentity(epoch: 2, firstOrdinal: durable, checksum: .max)))
    }

    @Test("a group registers once; registered anew it only changes what it reads")
    func register() throws {
        #expect(throws: TapeError.self) { try GroupRegistry.open(tape.client) }
        let registry = try GroupRegistry.make(tape.client)
        #expect(try registry.register(.store, reads: [.ticks, .bars]))
        let first = try #require(try registry.groups().first)
        #expect(try !registry.register(.store, reads: [.bars, .ticks]))
        let revision = try registry.lastRevision()
        #expect(try GroupRegistry.open(tape.client).register(.store, reads: [.ticks]))
        #expect(try registry.lastRevision() > revision)
        let second = try #require(try registry.groups().first)
        #expect(first.registered == second.registered && second.reads == [.ticks])
        #expect(!second.told.isDefined && second.positions.isEmpty)
    }

    @Test("what a store says of itself is kept, also when a person registers it again")
    func stores() throws {
        #expect(try GroupRegistry.registrations(tape.client).isEmpty, "there is no bucket")
        let registry = try GroupRegistry.make(tape.client)
        let (other, archive) = (try group("store-b"), try group("archive"))
        for group in [archive, other, .operators] { try registry.register(group, reads: [.ticks]) }
        #expect(try GroupRegistry.registrations(tape.client).essential == [.operators, other])
        #expect(try registry.register(other, reads: [.ticks], kind: "lake", isNeeded: false))
        #expect(try !registry.register(other, reads: [.ticks]))
        let error = #expect(throws: TapeError.self) {
            try registry.register(other, reads: [.bars], kind: "postgres", isNeeded: true)
        }
        #expect(error?.isRetryable == false)
        #expect(
            error?.description.hasPrefix("group store-b is a store of the kind lake, and this")
                == true)
        #expect(try registry.register(other, reads: [.bars]))
        #expect(try registry.register(other, reads: [.ticks], widens: true))
        #expect(try !registry.register(other, reads: [.bars], widens: true))
        #expect(try registry.groups().last?.reads == [.ticks, .bars])
        try registry.record([position(1, 1)], of: other, told: Timestamp(nanoseconds: 1))
        let all = try GroupRegistry.registrations(tape.client)
        #expect(all.map(\.group) == [archive, .operators, other])
        #expect(all[2].kind == "lake" && !all[2].isNeeded && all[2].positions.isEmpty)
        #expect(all.essential == [.operators])
        #expect(all.dropLast().essential == [.operators, .store], "no store is registered")
    }

    @Test("positions are kept by partition, whoever registers again; removed, they are forgotten")
    func positions() throws {
        let registry = try GroupRegistry.make(tape.client)
        try registry.register(.operators, reads: [.ticks])
        try registry.register(.store, reads: [.ticks, .bars])
        let all = try [position(0, 5), position(255, 1), position(256, 9), position(4_095, 2)]
        let bars = try position(3, 8, input: .bars)
        try registry.record(
            (all + [bars]).reversed(), of: .store, told: Timestamp(nanoseconds: 10))
        try registry.record([position(256, 4)], of: .store, told: Timestamp(nanoseconds: 11))
        let groups = try registry.groups()
        #expect(groups.map(\.group) == [.operators, .store])
        #expect(groups[0].positions.isEmpty)
        #expect(groups[1].positions == [bars, all[0], all[1], try position(256, 4), all[3]])
        #expect(groups[1].told == Timestamp(nanoseconds: 11))
        #expect(try registry.remove(.store) && !(try registry.remove(.store)))
        #expect(try registry.groups().map(\.group) == [.operators])
        try registry.register(.store, reads: [.ticks])
        #expect(try registry.groups()[1].positions.isEmpty)
    }

    @Test("a group whose name begins like another's is another one")
    func names() throws {
        let registry = try GroupRegistry.make(tape.client)
        for name in ["a", "a-b", "ticks"] {
            try registry.register(group(name), reads: [.ticks])
            try registry.record(
                [position(1, 1)], of: group(name), told: Timestamp(nanoseconds: 1))
        }
        #expect(try registry.remove(group("a")))
        let left = try registry.groups()
        #expect(left.map(\.group.text) == ["a-b", "ticks"])
        #expect(left.allSatisfy { $0.positions.count == 1 })
    }

    @Test("what cannot be read holds everything: it is never less than was registered")
    func damaged() throws {
        let registry = try GroupRegistry.make(tape.client)
        try registry.register(.operators, reads: [.ticks])
        try registry.record(
            [position(1, 1)], of: .operators, told: Timestamp(nanoseconds: 1))
        for (key, value) in [
            ("group.odd", "{"), ("group.operator.ticks.0", "{\"v\":1,\"positions\":[{}]}"),
            ("group.nobody.ticks.0", "{}"), ("group.Upper", "{}"),
        ] {
            let standing = try registry.bucket.get(key)
            _ = try registry.bucket.put(key, Array(value.utf8), expected: standing?.revision ?? 0)
        }
        let groups = try registry.groups()
        #expect(groups.map(\.group.text) == ["odd", "operator"])
        #expect(groups[0].reads == [.ticks, .bars] && groups[1].positions.isEmpty)
        #expect(groups.allSatisfy { $0.problem?.isNewer == false })
        #expect(try registry.register(group("odd"), reads: [.ticks, .bars]))
        #expect(try registry.groups()[0].problem == nil)
    }

    @Test("a registration and positions have these bytes")
    func golden() throws {
        let time = Timestamp(nanoseconds: 5)
        let group = RegisteredGroup(group: .store, registered: time, reads: [.ticks, .bars])
        let text = String(decoding: group.json, as: UTF8.self)
        #expect(
            text == """
                {"v":1,"group":"store","registered":"1970-01-01T00:00:00.000000005Z",\
                "registered_ns":5,"reads":["bars","ticks"],"role":"store","kind":"","needed":true}
                """)
        let position = try position(3, 8)
        let block = String(
            decoding: PositionBlock.json([position], told: time), as: UTF8.self)
        #expect(
            block == """
                {"v":1,"told_ns":5,"positions":[{"partition":3,"input":"ticks","sequence":11,\
                "durable":8,"stream_created_ns":77,"packet_epoch":2,"packet_ordinal":8,\
                "packet_checksum":18446744073709551615,\
                "sources":[{"source":"sim","epoch":2,"last_ordinal":8}]}]}
                """)
    }

    @Test(
        "a group of a newer release keeps all that it may read, and stays registered as it is",
        arguments: [
            #"{"v":1,"registered_ns":5,"reads":["ticks","news"]}"#,
            #"{"v":1,"registered_ns":5,"reads":["ticks",{"of":"AAPL"}]}"#,
            #"{"v":2,"registered_ns":5,"reads":["ticks"]}"#,
        ])
    func newer(text: String) throws {
        let registry = try GroupRegistry.make(tape.client)
        let stored = Array(text.utf8)
        _ = try registry.bucket.create("group.store", stored)
        let group = try #require(try registry.groups().first)
        #expect(group.reads == [.ticks, .bars] && group.problem?.isNewer == true)
        #expect(try !registry.register(.store, reads: [.ticks]))
        #expect(try registry.bucket.get("group.store")?.value == stored)
    }

    @Test("there can be too many groups")
    func tooMany() throws {
        let registry = try GroupRegistry.make(tape.client)
        for number in 0..<GroupRegistry.groupsMax {
            try registry.register(group("g\(number)"), reads: [.ticks])
        }
        #expect(throws: TapeError.self) {
            try registry.register(group("one-more"), reads: [.ticks])
        }
        #expect(try registry.register(group("g0"), reads: [.bars]), "it is there already")
    }
}
