import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@Suite struct TapeClientTests {
    private func tapeFailure<Result>(
        _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Result
    ) throws -> TapeError {
        try #require(throws: TapeError.self, sourceLocation: location) { try body() }
    }

    @Test("streams are made once; making them again changes nothing")
    func ensure() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        let before = try #require(try rig.client.jetStream.streamInfo("MD_TICKS_1"))
        try rig.client.ensureTickStreams(bytesMax: 256 * 1_048_576)
        try rig.client.ensureBarStream(bytesMax: 256 * 1_048_576)
        let after = try #require(try rig.client.jetStream.streamInfo("MD_TICKS_1"))
        #expect(after.created == before.created)
        #expect(after.configuration.discard == .new && after.configuration.storage == .file)
        #expect(after.configuration.maxAge == .zero)
        for name in (0..<4).map(tape.names.tickStream) + [tape.names.barStream] {
            try rig.client.requireStream(name)
        }
    }

    @Test(
        "a namespace that was made with other numbers is refused, with what differs and what to do")
    func otherPartitions() throws {
        let tape = try TapeServer(partitions: 8)
        let names = try #require(TapeNames(namespace: "md", partitions: 4))
        let rig = try TapeRig(tape.server, names: names)
        let error = try tapeFailure { try rig.client.ensureTickStreams(bytesMax: 256 * 1_048_576) }
        #expect(!error.isRetryable)
        #expect(
            error.description
                == "stream MD_TICKS_0 was made with other settings (subjects is md.ticks.0.* "
                + "md.ticks.4.* md.wm.0.*, not md.ticks.0.* md.wm.0.*; metadata "
                + "tapeline.partitions is 8, not 4): set MDS_PARTITIONS as it was, or "
                + "MDS_NAMESPACE anew")
        let found = try tapeFailure { try rig.client.requireStream("MD_BARS") }
        #expect(
            found.description
                == "stream MD_BARS was made with other settings (tapeline.partitions is 8, not 4): "
                + "set MDS_PARTITIONS as it was, or MDS_NAMESPACE anew")
    }

    @Test("streams are made larger, never smaller, and one that cannot grow serves as it is")
    func sizes() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        let mebibyte: Int64 = 1_048_576
        func sizes() throws -> [Int64?] {
            try (0..<4).map { index in
                try rig.client.jetStream.streamInfo(tape.names.tickStream(index))?
                    .configuration.maxBytes
            }
        }
        for (wanted, size) in [(512, 512), (64, 512)] as [(Int64, Int64)] {
            try rig.client.ensureTickStreams(bytesMax: wanted * mebibyte)
            #expect(try sizes() == [Int64?](repeating: size * mebibyte, count: 4))
        }
        // More than any disk.
        try rig.client.ensureTickStreams(bytesMax: Int64.max)
        #expect(try sizes() == [Int64?](repeating: 512 * mebibyte, count: 4))
        #expect(rig.log.count("\"event\":\"tape.stream.size\"") == 12)
        #expect(rig.log.count("was made larger") == 4)
        #expect(rig.log.count("it is not made smaller") == 4)
        #expect(rig.log.count("it is used as it is") == 4)
    }

    @Test("a stream that is not there yet is worth waiting for; a name that is none is not")
    func missing() throws {
        let server = try NatsServer()
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let rig = try TapeRig(server, names: names)
        let error = try tapeFailure { try rig.client.requireStream("MD_BARS") }
        #expect(error.isRetryable)
        #expect(
            error.description
                == "stream MD_BARS does not exist yet: 'tapeline setup' makes it")
        let bad = try tapeFailure { try rig.client.requireStream("no such.name") }
        #expect(!bad.isRetryable)
        let unmade = try tapeFailure {
            try rig.client.ensureStream("BAD NAME", subjects: ["a"], bytesMax: -1)
        }
        #expect(!unmade.isRetryable)
    }

    @Test("on a server with users nothing is made or changed: it is waited for, or used as it is")
    func withUsers() throws {
        var options = NatsServer.Options()
        options.extra = "authorization { user: u, password: p }"
        let server = try NatsServer(options)
        let url = "nats://u:p@\(server.address)"
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let rig = try TapeRig(server, names: names, url: url)
        let missing = try tapeFailure { try rig.client.ensureTickStreams(bytesMax: 1 << 20) }
        #expect(missing.isRetryable && missing.description.contains("'tapeline setup'"))
        let bucket = try tapeFailure {
            _ = try rig.client.jetStream.openOrMakeBucket(names.sourceBucketConfiguration)
        }
        #expect(bucket.isRetryable && bucket.description.contains("KV_md_sources"))
        #expect(try rig.client.jetStream.streamInfo("MD_TICKS_0") == nil)

        var bars = names.barStreamConfiguration(bytesMax: 1 << 20)
        bars.subjects.removeAll { $0 == names.universeValues }
        bars.consumerInactiveMax = .zero
        #expect(try rig.client.jetStream.setUpStream(bars).outcome == .made)
        let older = try tapeFailure { try rig.client.ensureBarStream(bytesMax: 1 << 20) }
        #expect(older.isRetryable)
        #expect(
            older.description
                == "stream MD_BARS was made by another release and lacks md.all.universe: "
                + "'tapeline setup' adds that")
        let wanted = names.barStreamConfiguration(bytesMax: 2 << 20)
        #expect(
            try rig.client.jetStream.setUpStream(wanted).outcome
                == .enlarged(from: 1 << 20, subjects: 1))
        #expect(try rig.client.jetStream.setUpStream(wanted).outcome == .left)
        func limit() throws -> Duration? {
            try rig.client.jetStream.streamInfo("MD_BARS")?.configuration.consumerInactiveMax
        }
        #expect(try limit() == TapeNames.consumerInactiveMax)
        // A limit that somebody else chose stays.
        var longer = wanted
        longer.consumerInactiveMax = .seconds(7)
        #expect(try rig.client.jetStream.setUpStream(longer).outcome == .left)
        #expect(try limit() == TapeNames.consumerInactiveMax)
        try rig.client.ensureBarStream(bytesMax: 2 << 20)
        #expect(rig.log.count("tape.stream.size") == 0)
        try rig.client.ensureBarStream(bytesMax: 4 << 20)
        #expect(rig.log.count("'tapeline setup' does that") == 1)
        #expect(
            try rig.client.jetStream.streamInfo("MD_BARS")?.configuration.maxBytes == 2 << 20)
        let other = try #require(TapeNames(namespace: "md", partitions: 4))
        let otherRig = try TapeRig(server, names: other, url: url)
        let different = try tapeFailure { try otherRig.client.ensureBarStream(bytesMax: 2 << 20) }
        #expect(!different.isRetryable)
    }

    @Test("a server that is not there is worth another try")
    func unreachable() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let server = try NatsServer()
        server.stop()
        let error = try tapeFailure { try TapeRig(server, names: names) }
        #expect(error.isRetryable && error.description.contains(server.address))
    }

    @Test("a server without JetStream makes no stream, and says so")
    func withoutJetStream() throws {
        var options = NatsServer.Options()
        options.jetStream = false
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let server = try NatsServer(options)
        let rig = try TapeRig(server, names: names)
        let error = try tapeFailure { try rig.client.ensureBarStream(bytesMax: -1) }
        #expect(error.isRetryable)
    }

    @Test("losing and finding NATS reaches readiness, the log and the mailbox")
    func reconnects() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        #expect(rig.readiness.health.ready)
        tape.server.stop()
        #expect(eventually { !rig.readiness.health.ready })
        #expect(eventually { rig.log.count("nats.connection.lost") == 1 })
        try tape.server.start()
        #expect(rig.run { rig.reconnects == 1 })
        #expect(eventually { rig.readiness.health.ready })
        #expect(rig.log.count("nats.connection.restored") == 1)
        rig.client.close()
        #expect(rig.run { rig.closed != nil })
    }

    @Test("a server that is about to leave is heard of")
    func lameDuck() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        tape.server.lameDuck()
        #expect(eventually { rig.log.count("nats.server.leaving") == 1 })
    }
}
