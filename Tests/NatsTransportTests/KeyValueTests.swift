import Primitives
import Synchronization
import TestSupport
import Testing

@testable import NatsTransport

@Suite struct KeyValueTests {
    /// A server with one bucket.
    struct Fixture {
        let server: NatsServer
        let connection: NatsConnection
        let jetStream: JetStream
        let bucket: KeyValueBucket

        init(_ configuration: KeyValueConfiguration = KeyValueConfiguration(bucket: "md_b")) throws
        {
            server = try NatsServer()
            connection = try server.connect()
            jetStream = JetStream(connection)
            bucket = try jetStream.createBucket(configuration)
        }

        /// Writes without the bucket's code, as another client would.
        func write(
            _ key: String, _ text: String, _ headers: [(name: String, value: String)]
        ) throws {
            let reply = try connection.request(
                Array(text.utf8), to: "$KV.md_b.\(key)", headers: headers, timeout: patience)
            guard case .stored = JetStream.publishOutcome(of: reply) else {
                Issue.record("\(reply.text)")
                return
            }
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("before each call that blocks it is told how long that may take")
    func toldOfCalls() throws {
        let fixture = try Fixture()
        defer { withExtendedLifetime(fixture) {} }
        let told = Mutex<[Duration]>([])
        let jetStream = JetStream(fixture.connection, timeout: .seconds(9)) { limit in
            told.withLock { $0.append(limit) }
        }
        func calls(_ body: () throws -> Void) rethrows -> [Duration] {
            told.withLock { $0 = [] }
            try body()
            return told.withLock { $0 }
        }
        let bucket = fixture.bucket.asked(by: jetStream.within(.seconds(4)))
        #expect(try calls { _ = try jetStream.streamInfo("KV_md_b") } == [.seconds(9)])
        #expect(try calls { _ = try bucket.create("a", bytes("one")) } == [.seconds(4)])
        #expect(try calls { _ = try bucket.get("a") } == [.seconds(4)])
        let puts = [KeyValuePut(key: "b", value: bytes("two"), expected: 0)]
        #expect(calls { _ = bucket.put(all: puts) } == [.seconds(4)])
        let messages = [IdentifiedMessage(payload: bytes("x"), id: "1")]
        #expect(calls { _ = jetStream.publish(messages, to: "nobody") } == [.seconds(9)])
    }

    @Test("a value is created, read, updated and deleted, each against the revision before")
    func lifeOfAValue() throws {
        let fixture = try Fixture()
        defer { withExtendedLifetime(fixture) {} }
        let bucket = fixture.bucket
        #expect(try bucket.get("operator.7") == nil)
        #expect(try bucket.lastRevision() == 0)
        #expect(try bucket.create("operator.7", bytes("one")) == .stored(revision: 1))
        #expect(try bucket.create("operator.7", bytes("two")) == .conflict(present: 1))
        #expect(try bucket.put("operator.7", bytes("two"), expected: 9) == .conflict(present: 1))
        #expect(try bucket.put("operator.7", bytes("two"), expected: 0) == .conflict(present: 1))
        let first = try #require(try bucket.get("operator.7"))
        #expect(first.value == bytes("one"))
        #expect(first.revision == 1)
        #expect(first.key == "operator.7")
        let created = try bucket.info().created
        #expect(first.time > created)
        #expect(try bucket.put("operator.7", bytes("two"), expected: 1) == .stored(revision: 2))
        #expect(try bucket.get("operator.7")?.value == bytes("two"))
        #expect(try bucket.delete("operator.7", expected: 1) == .conflict(present: 2))
        #expect(try bucket.delete("operator.7", expected: 2) == .stored(revision: 3))
        #expect(try bucket.get("operator.7") == nil)
        #expect(try bucket.lastRevision() == 3)
        #expect(try bucket.put("operator.7", bytes("x"), expected: 0) == .conflict(present: 3))
        #expect(try bucket.create("operator.7", bytes("three")) == .stored(revision: 4))
        #expect(try bucket.get("operator.7")?.value == bytes("three"))
        #expect(try bucket.delete("operator.7") == .stored(revision: 5))
        #expect(try bucket.info().messages == 1)
    }

    @Test("of many who expect the same revision exactly one is stored")
    func race() throws {
        let fixture = try Fixture()
        let stored = Locked<[UInt64]>([])
        let contenders = 8
        let rounds: UInt64 = 10
        _ = try fixture.bucket.create("k", [0])
        for round in 1...rounds {
            let threads = (0..<contenders).map { number in
                let bucket = fixture.bucket
                return TestThread {
                    do {
                        let mine = [UInt8(number)]
                        if case .stored(let revision) = try bucket.put(
                            "k", mine, expected: round)
                        {
                            stored.withLock { $0.append(revision) }
                        }
                    } catch {
                        Issue.record("\(error)")
                    }
                }
            }
            for thread in threads { _ = thread.result() }
        }
        #expect(stored.withLock { $0 } == Array(2...rounds + 1))
    }

    @Test("keys and entries are listed with the bucket's last revision")
    func listing() throws {
        let fixture = try Fixture()
        defer { withExtendedLifetime(fixture) {} }
        let bucket = fixture.bucket
        #expect(try bucket.keys() == KeyValueKeys(lastRevision: 0, keys: []))
        for key in ["operator.9.part", "operator.10", "operator.9", "gateway.ib"] {
            _ = try bucket.create(key, bytes("of \(key)"))
        }
        _ = try bucket.put("operator.10", bytes("again"), expected: 2)
        _ = try bucket.delete("operator.9")
        let all = try bucket.keys()
        #expect(all.lastRevision == 6)
        #expect(all.keys == ["gateway.ib", "operator.10", "operator.9", "operator.9.part"])
        #expect(try bucket.keys(matching: "operator.*").keys == ["operator.10", "operator.9"])
        #expect(try bucket.keys(matching: "nothing.>").keys == [])
        #expect(try bucket.keys(matching: "nothing.>").lastRevision == 6)
        let entries = try bucket.entries(matching: "operator.>")
        #expect(entries.lastRevision == 6)
        #expect(entries.entries.map(\.key) == ["operator.10", "operator.9.part"])
        #expect(entries.entries.map(\.revision) == [5, 1])
        #expect(entries.entries.first?.value == bytes("again"))
        try expectInvalid { try bucket.keys(matching: "a..b") }
    }

    @Test("many keys, and many changes, are read in few rounds, in their order")
    func rounds() throws {
        let fixture = try Fixture()
        defer { withExtendedLifetime(fixture) {} }
        let rounds = Mutex(0)
        let bucket = fixture.bucket.asked(
            by: JetStream(fixture.connection) { _ in rounds.withLock { $0 += 1 } })
        let keys = (0..<40).map { "a.\($0)" }
        for key in keys { _ = try fixture.bucket.create(key, bytes(key)) }
        _ = try fixture.bucket.delete("a.7")
        _ = try fixture.bucket.create("b.0", bytes("other"))
        let found = try bucket.get(all: keys + ["a.40"])
        #expect(found.map { $0?.key } == keys.map { $0 == "a.7" ? nil : $0 } + [nil])
        #expect(found[39]?.value == bytes("a.39") && found[39]?.revision == 40)
        // 32 at the same time.
        #expect(rounds.withLock { $0 } == 2)
        #expect(throws: JetStreamError.self) { try bucket.get(all: ["a.1", "a b"]) }
        #expect(try bucket.get(all: []).isEmpty)
        rounds.withLock { $0 = 0 }
        let changes = try bucket.changes(38...UInt64.max, matching: "a.*", max: 100)
        #expect(changes.map(\.key) == ["a.37", "a.38", "a.39", "a.7"])
        #expect(changes.map(\.revision) == [38, 39, 40, 41])
        #expect(changes.last?.value == nil && changes.first?.value == bytes("a.37"))
        #expect(rounds.withLock { $0 } == 1)
        #expect(try bucket.changes(1...41, matching: "a.*", max: 10).count < 40)
        #expect(try bucket.changes(42...42, matching: "a.*", max: 10).isEmpty)
    }

    @Test("values up to the limit come back whole, larger ones are refused before they are sent")
    func sizes() throws {
        let fixture = try Fixture()
        defer { withExtendedLifetime(fixture) {} }
        let bucket = fixture.bucket
        var random = SeededRandom(seed: 11)
        let large = (0..<KeyValueLimits.valueBytesMax).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
        #expect(try bucket.create("large", large) == .stored(revision: 1))
        // The longest key still leaves room for a revision of many digits.
        let key = String(repeating: "k", count: KeyValueLimits.keyBytesMax)
        #expect(try bucket.put(key, large, expected: UInt64.max) == .conflict(present: 0))
        #expect(try bucket.create(key, large) == .stored(revision: 2))
        #expect(try bucket.get("large")?.value == large)
        #expect(try bucket.create("empty", []) == .stored(revision: 3))
        #expect(try bucket.get("empty")?.value == [])
        let error = try jetStreamFailure { try bucket.put("large", large + [0], expected: 1) }
        #expect(
            error
                == .invalid(
                    operation: "put \"large\" in bucket md_b",
                    detail: "524289 bytes, the bucket takes 524288"))
        #expect(try bucket.lastRevision() == 3)
    }

    @Test("a full bucket refuses with the server's reason")
    func full() throws {
        let fixture = try Fixture(
            KeyValueConfiguration(bucket: "md_b", bytesMax: 400, valueBytesMax: 200))
        let value = [UInt8](repeating: 1, count: 200)
        #expect(try fixture.bucket.create("a", value) == .stored(revision: 1))
        try expectRefusal(nil, 10_077) { try fixture.bucket.create("b", value) }
        #expect(try fixture.bucket.get("a")?.value == value)
    }

    @Test(
        "what is stored survives an orderly and a hard end of the server", arguments: [true, false])
    func restart(orderly: Bool) throws {
        let fixture = try Fixture()
        #expect(try fixture.bucket.create("a", bytes("1")) == .stored(revision: 1))
        #expect(try fixture.bucket.put("a", bytes("2"), expected: 1) == .stored(revision: 2))
        #expect(try fixture.bucket.delete("b") == .stored(revision: 3))
        let created = try fixture.bucket.info().created
        if orderly { fixture.server.stop() } else { fixture.server.kill() }
        #expect(eventually { !fixture.connection.isConnected })
        guard case .unknown = try fixture.bucket.put("a", bytes("x"), expected: 2) else {
            Issue.record("a write without a link has an outcome")
            return
        }
        try fixture.server.start()
        #expect(eventually { fixture.connection.isConnected })
        #expect(try fixture.bucket.info().created == created)
        #expect(try fixture.bucket.get("a")?.value == bytes("2"))
        #expect(try fixture.bucket.put("a", bytes("3"), expected: 2) == .stored(revision: 4))
        #expect(try fixture.jetStream.createBucket(fixture.bucket.configuration).get("b") == nil)
    }

    @Test("a write whose answer does not come is unknown, and settled by the same write again")
    func unknown() throws {
        var options = NatsServer.Options()
        options.users = [
            NatsServer.User(name: "whole", password: "p"),
            NatsServer.User(
                name: "deaf", password: "p",
                permissions: "publish: [\">\"], subscribe: [\"nothing\"]"),
        ]
        let server = try NatsServer(options)
        let bucket = try JetStream(try server.connect(user: "whole", password: "p"))
            .createBucket(KeyValueConfiguration(bucket: "md_b"))
        #expect(try bucket.create("a", bytes("1")) == .stored(revision: 1))
        let deaf = KeyValueBucket(
            JetStream(
                try server.connect(user: "deaf", password: "p"), timeout: .milliseconds(200)),
            bucket.configuration)
        guard case .unknown(let reason) = try deaf.put("a", bytes("2"), expected: 1) else {
            Issue.record("who cannot listen got an answer")
            return
        }
        #expect(reason.contains("$KV.md_b.a"))
        #expect(try eventually { try bucket.lastRevision() == 2 })
        #expect(try bucket.put("a", bytes("2"), expected: 1) == .conflict(present: 2))
        #expect(try bucket.get("a")?.value == bytes("2"))
    }

    @Test("a bucket that was made with other settings is refused and stays as it is")
    func otherSettings() throws {
        let fixture = try Fixture()
        // Made with the settings of `nats kv add`.
        var usual = KeyValueConfiguration(bucket: "usual").stream
        usual.messagesMax.perSubject = 5
        usual.maxMessageBytes = -1
        usual.flags.insert(.allowDirect)
        _ = try fixture.jetStream.createStream(usual)
        let wanted = KeyValueConfiguration(bucket: "usual", metadata: ["partitions": "32"])
        let expected = JetStreamError.differs(
            stream: "KV_usual",
            differences: [
                "max_msg_size is -1, not 524544", "max_msgs_per_subject is 5, not 1",
                "allow_direct is true, not false", "metadata partitions is absent, not 32",
            ])
        #expect(throws: expected) { try fixture.jetStream.createBucket(wanted) }
        #expect(throws: expected) { try fixture.jetStream.openBucket(wanted) }
        #expect(try fixture.jetStream.streamInfo("KV_usual")?.configuration == usual)
    }

    @Test("opening makes nothing; making it again finds what is in it")
    func open() throws {
        let fixture = try Fixture()
        _ = try fixture.bucket.create("a", bytes("1"))
        let same = fixture.bucket.configuration
        #expect(try fixture.jetStream.createBucket(same).get("a")?.revision == 1)
        #expect(try fixture.jetStream.openBucket(same)?.get("a")?.revision == 1)
        let other = KeyValueConfiguration(bucket: "other")
        #expect(try fixture.jetStream.openBucket(other) == nil)
        #expect(try fixture.jetStream.streamInfo("KV_other") == nil)
        let gone = KeyValueBucket(fixture.jetStream, other)
        try expectRefusal(404, 10_059) { try gone.lastRevision() }
        let writing = try jetStreamFailure { try gone.create("a", []) }
        guard case .unavailable = writing else {
            Issue.record("\(writing)")
            return
        }
        #expect(writing.isRetryable)
    }

    @Test("the layout is the one of `nats kv`: stream, subjects, flags, and markers both ways")
    func layout() throws {
        let fixture = try Fixture()
        let reply = try fixture.connection.request(
            [], to: "$JS.API.STREAM.INFO.KV_md_b", timeout: patience)
        let configuration = try #require(try JSONValue.parse(reply.payload)["config"])
        #expect(configuration["subjects"]?.array?.compactMap(\.string) == ["$KV.md_b.>"])
        #expect(configuration["max_msgs_per_subject"]?.int == 1)
        #expect(configuration["discard"]?.string == "new")
        #expect(configuration["storage"]?.string == "file")
        #expect(configuration["allow_rollup_hdrs"]?.bool == true)
        #expect(configuration["deny_delete"]?.bool == true)
        #expect(configuration["allow_direct"]?.bool != true)
        #expect(configuration["deny_purge"]?.bool != true)
        _ = try fixture.bucket.create("a.b", bytes("1"))
        let put = try #require(
            try fixture.jetStream.lastMessage(stream: "KV_md_b", subject: "$KV.md_b.a.b"))
        #expect(put.payload == bytes("1"))
        _ = try fixture.bucket.delete("a.b")
        let marker = try #require(
            try fixture.jetStream.lastMessage(stream: "KV_md_b", subject: "$KV.md_b.a.b"))
        #expect(marker.headers?.contains("KV-Operation: DEL\r\n") == true)
        #expect(marker.payload == [])
        // It also sees what other clients write.
        try fixture.write("c", "one", [])
        #expect(try fixture.bucket.get("c")?.value == bytes("one"))
        try fixture.write("c", "", [("KV-Operation", "PURGE"), ("Nats-Rollup", "sub")])
        #expect(try fixture.bucket.get("c") == nil)
        try fixture.write("c", "two", [("KV-Operation", "PUT"), ("X", "DEL")])
        #expect(try fixture.bucket.get("c")?.value == bytes("two"))
        try fixture.write("c", "", [("Nats-Marker-Reason", "MaxAge")])
        #expect(try fixture.bucket.get("c") == nil)
    }

    @Test(
        "keys follow ADR-6",
        arguments: [
            ("a", true), ("operator.7", true), ("A-z_0/9=x.y", true), ("", false), (".a", false),
            ("a.", false), ("a..b", false), ("a b", false), ("a*", false), ("a.>", false),
            ("é", false), ("a\n", false), ("_kv", false), ("_kv.a", false), ("_k", true),
            ("a._kv", true), (String(repeating: "x", count: 255), true),
            (String(repeating: "x", count: 256), false),
        ])
    func keys(key: String, isValid: Bool) {
        #expect(KeyValueKey.isValid(key) == isValid)
    }

    @Test("invalid keys, buckets and sizes are refused before anything is sent")
    func invalid() throws {
        let fixture = try Fixture()
        let bucket = fixture.bucket
        try expectInvalid { try bucket.get("a b") }
        try expectInvalid { try bucket.create("", []) }
        try expectInvalid { try bucket.put("a.", [], expected: 0) }
        try expectInvalid { try bucket.delete(">") }
        let bad = [
            KeyValueConfiguration(bucket: ""), KeyValueConfiguration(bucket: "a.b"),
            KeyValueConfiguration(bucket: String(repeating: "b", count: 65)),
            KeyValueConfiguration(bucket: "b", valueBytesMax: 0),
            KeyValueConfiguration(
                bucket: "b", valueBytesMax: KeyValueLimits.valueBytesMax + 1),
        ]
        for configuration in bad {
            try expectInvalid { try fixture.jetStream.createBucket(configuration) }
            try expectInvalid { try fixture.jetStream.openBucket(configuration) }
        }
        fixture.connection.close()
        try expectFailure(NatsError.closed) { try bucket.create("a", []) }
    }

    private func expectInvalid<Result>(
        _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Result
    ) throws {
        let error = try jetStreamFailure(location, body)
        guard case .invalid = error else {
            Issue.record("\(error)", sourceLocation: location)
            return
        }
        #expect(!error.isRetryable, sourceLocation: location)
        #expect("\(error)".hasSuffix("nothing was sent"), sourceLocation: location)
    }
}
