import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreIntents
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// A tape, and a store behind a front in Python, whose control port plans faults.
protocol FrontBench {
    var front: PythonServer { get }
    var tape: TestTape { get }
    var records: HandRecords { get }
    /// The settings of a writer.
    var environment: [String: String] { get }
    /// Returns of trades and quotes: partition, how many rows, how many ordinals, first and last.
    func shown() throws -> [String]
    /// Returns of the ordinals that gaps name as missing: partition, and how many.
    func named() throws -> [String]
}

extension FrontBench {
    /// Runs `store-writer migrate`.
    @discardableResult
    func migrate(_ flags: [String] = [], _ changes: [String: String] = [:]) throws -> ExitCode {
        let service = try TestService(
            Main.description, environment.merging(changes) { $1 }, arguments: ["migrate"] + flags)
        return try Main.run(service.context)
    }

    /// Runs `store-writer audit`. Returns its exit code, and what it said.
    func audit() throws -> (code: ExitCode, said: String) {
        let service = try TestService(Main.description, environment, arguments: ["audit"])
        return (try Main.run(service.context), service.log.text)
    }

    /// Starts a writer that takes all partitions.
    func start(_ changes: [String: String] = [:]) throws -> RunningService {
        let service = try TestService(
            Main.description, environment.merging(changes) { $1 })
        var settings = WriterSettings(service.context.configuration)
        settings.batches.waitNanoseconds = 20_000_000
        return try service.startWriter(settings, on: tape, records)
    }

    /// Plans faults of the front.
    @discardableResult
    func plan(_ line: String) throws -> String { try front.command(line) }

    /// The same for a message.
    var seen: String {
        do { return "\(try shown())" } catch { return "\(error)" }
    }

    /// Waits until each partition has so many ticks, each once.
    func isComplete(_ ticks: Int) throws -> Bool {
        let wanted = (0..<2).map { "\($0) \(ticks) \(ticks) 1 \(ticks)" }
        return try eventually(within: 120) { try shown() == wanted }
    }

    /// Sources of ticks for both partitions.
    func sources() throws -> [TestSource] {
        let name = try #require(SourceName("test"))
        return try (0..<2).map { partition in
            var source = TestSource(tape, Partition(partition), source: name)
            try source.define("S\(partition)", provider: "test")
            return source
        }
    }

    func publish(_ sources: inout [TestSource], ticks: Int = 25) throws {
        for index in sources.indices { try publish(&sources[index], ticks: ticks) }
    }

    /// Publishes to one partition.
    func publish(_ source: inout TestSource, ticks: Int = 25) throws {
        WriterBench.fill(&source, ticks: ticks)
        try source.publish(watermark: Timestamp(nanoseconds: WriterBench.start))
    }

    /// Makes the tables, and starts a writer, which stores the first ticks.
    func begin(_ sources: inout [TestSource]) throws -> RunningService {
        try migrate()
        try publish(&sources)
        let writer = try start()
        #expect(try isComplete(25), "\(seen)")
        return writer
    }

    /// Lets a writer that has begun store ticks through lost answers, a server that is away, and a
    /// full disk.
    func storeThroughFaults(_ sources: inout [TestSource]) throws {
        try plan("lose 3")
        try publish(&sources)
        #expect(try isComplete(50), "\(seen)")
        try plan("away 4")
        try plan("full 2")
        try publish(&sources)
        #expect(try isComplete(75), "\(seen)")
    }

    /// Lets a writer store ticks while its server gets another password: one that the file has
    /// before, and one that it has only after a refusal.
    func storeWithNewPasswords(_ key: String, _ others: [String: String] = [:]) throws {
        let passwords = ["pw-a4711", "pw-b4711", "pw-c4711"]
        let folder = try TemporaryFolder("password")
        var sources = try sources()
        try migrate()
        let file = try folder.write(passwords[0] + "\n", to: "password")
        try plan("password \(passwords[0])")
        let writer = try start(others.merging(["\(key)_FILE": file]) { $1 })
        try publish(&sources)
        #expect(try isComplete(25), "\(seen)")
        #expect(try plan("refused") == "0")
        try folder.write(passwords[1] + "\n", to: "password")
        try plan("password \(passwords[1])")
        try publish(&sources)
        #expect(try isComplete(50), "\(seen)")
        // One of each thread that had the old one, at most.
        let refused = try plan("refused")
        #expect(["1", "2"].contains(refused), "\(refused)")
        try plan("password \(passwords[2])")
        try publish(&sources)
        #expect(try eventually(within: 60) { try plan("refused") != refused }, "\(seen)")
        try folder.write(passwords[2] + "\n", to: "password")
        #expect(try isComplete(75), "\(seen)")
        #expect(try writer.stop() == .success)
        let log = writer.service.log.text
        #expect(!passwords.contains { log.contains($0) }, "\(log)")
    }

    /// Lets a writer store all ticks but the one of each partition that the server refuses. Returns
    /// the first dead letter.
    func letterOfRefusedRows() throws -> DeadLetter {
        var sources = try sources()
        try publish(&sources)
        let writer = try start()
        #expect(
            try eventually(within: 60) {
                try shown().map { $0.split(separator: " ")[1] } == ["24", "24"]
            }, "\(seen)")
        #expect(try writer.stop() == .success)
        let stream = tape.names.deadLetterStream
        let info = try #require(try tape.client.jetStream.streamInfo(stream))
        #expect(info.messages == 2)
        let message = try tape.client.jetStream.message(
            stream: stream, sequence: info.firstSequence)
        return try DeadLetter(json: try #require(message).payload)
    }

    /// A writer refuses a database that was made in the place of the one of its record.
    func refuseOtherDatabase(_ drop: () throws -> Void) throws {
        var sources = try sources()
        let first = try begin(&sources)
        #expect(try first.stop() == .success)
        try drop()
        try migrate()
        try publish(&sources)
        let second = try start()
        #expect(
            eventually(within: 60) { second.service.log.text.contains("in another database") },
            "\(second.service.log.text)")
        _ = try second.stop()
    }

    /// Of how many partitions a batch is declared, which is not stored for good.
    func declared() throws -> Int {
        let keeper = IntentBucket(tape.client, of: .store)
        let owner = MarkOwner(namespace: tape.names.namespace, name: GroupName.store.text)
        return try (0..<2).count { partition in
            let place = SinkPlace(input: .ticks, partition: Partition(partition))
            guard let value = try keeper.read(place).value else { return false }
            return try KeptIntent(json: value, of: place, store: owner).record.intent != nil
        }
    }
}
