import MarketModel
import Membership
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreKit
import Synchronization
import TapeCodec
import TapeKeeping
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// What a store in memory keeps. It outlives the writers of a test.
final class OwnContent: Sendable {
    struct State {
        var marks: [String: String] = [:]
        var tables: [StoreTable] = []
        /// The number of transactions that fail next.
        var failures = 0
        /// Whether an error of `settle` does not reach the caller.
        var swallows = false
        /// Whether the next transaction is committed, and fails.
        var losesAnswer = false
        /// Called when rows are added, and at a commit; may throw.
        var onRows: (@Sendable ([StoreTable]) throws -> Void)?
        var onCommit: (@Sendable ([StoreTable]) throws -> Void)?
    }

    enum Failure: Error, CustomStringConvertible {
        case away, refused, tooLarge

        var description: String { self == .refused ? "the price is 666" : "no" }
    }

    let state = Mutex(State())

    /// Returns the values of a column of all rows of a table, as texts, in the order in which they
    /// were written.
    func values(_ column: String, of table: String) -> [String?] {
        state.withLock { $0.tables }.filter { $0.name == table }.flatMap { table in
            table.columns.first { $0.name == column }.map { column in
                (0..<column.count).map { column.text($0) }
            } ?? []
        }
    }

    /// Returns the ordinals of trades and quotes of a partition, in order.
    func ordinals(_ partition: Int) -> [Int] {
        ["trades", "quotes"].flatMap { table in
            zip(values("partition", of: table), values("ordinal", of: table)).compactMap {
                $0 == String(partition) ? $1.flatMap { Int($0) } : nil
            }
        }.sorted()
    }

    /// A kind of store that keeps rows here.
    var kind: RowStoreKind { RowStoreKind(name: "memory") { _ in OwnMemoryStore(self) } }
}

/// A store as another program may bring one. It takes no trade at 666. A connection is of no use
/// after an error of its own.
private final class OwnMemoryStore: RowStore {
    struct Spent: Error {}

    private let content: OwnContent
    private var isSpent = false

    init(_ content: OwnContent) { self.content = content }

    func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: ([String: String]) throws -> [String: String]
    ) throws {
        guard !isSpent else { throw Spent() }
        isSpent = true
        if names.isEmpty { throw OwnContent.Failure.away }
        for table in tables where table.prices.contains("666") {
            throw OwnContent.Failure.refused
        }
        try content.state.withLock { $0.onRows }?(tables)
        let present = content.state.withLock { $0.marks.filter { names.contains($0.key) } }
        let next: [String: String]
        do {
            next = try settle(present)
        } catch {
            isSpent = false
            if content.state.withLock({ $0.swallows }) { return }
            throw error
        }
        try content.state.withLock { $0.onCommit }?(tables)
        try content.state.withLock { state in
            if state.failures > 0 {
                state.failures -= 1
                throw OwnContent.Failure.away
            }
            guard state.marks.filter({ names.contains($0.key) }) == present else {
                throw OwnContent.Failure.away
            }
            state.marks.merge(next) { $1 }
            state.tables += tables
            if state.losesAnswer {
                state.losesAnswer = false
                throw OwnContent.Failure.away
            }
        }
        isSpent = false
    }

    func fault(of error: any Error) -> StoreFault {
        switch error as? OwnContent.Failure {
        case .away: .away
        case .refused: .rows
        case .tooLarge: .tooLarge
        case nil: .fatal
        }
    }
}

extension StoreTable {
    /// The prices of its rows; none when it has no such column.
    var prices: [String?] {
        columns.first { $0.name == "price" }.map { prices in
            (0..<prices.count).map { prices.text($0) }
        } ?? []
    }
}

@Suite("A kind of store that a program brings")
struct OwnKindTests {
    private let content = OwnContent()
    private let tape: TestTape
    private let kinds: [StoreKind]
    private let records = HandRecords()

    init() throws {
        tape = try TestTape(NatsServer.shared(), namespace: "wownkind", partitions: 2)
        kinds = StoreKind.ofThisProgram + [StoreKind(content.kind)]
    }

    /// Starts a writer that takes both partitions.
    private func start() throws -> RunningService {
        let environment = tape.environment.merging([
            "STORE_KIND": "memory", "WRITER_BATCH_WAIT": "20ms", "WRITER_HOT_STATE": "false",
        ]) { $1 }
        let service = try TestService(Main.description(of: kinds), environment)
        let settings = WriterSettings(service.context.configuration, kinds)
        return try service.startWriter(settings, on: tape, records)
    }

    @Test("a dry run of 'migrate' changes nothing, also where the kind cannot say what it would do")
    func dryRun() throws {
        let made = Mutex(0)
        let kind = RowStoreKind(
            name: "memory", migrate: { _, _ in made.withLock { $0 += 1 } },
            connect: content.kind.connect)
        let kinds = StoreKind.ofThisProgram + [StoreKind(kind)]
        func migrate(_ flags: [String]) throws -> ExitCode {
            let environment = tape.environment.merging(["STORE_KIND": "memory"]) { $1 }
            let service = try TestService(
                Main.description(of: kinds), environment, arguments: ["migrate"] + flags)
            return try Main.run(service.context, kinds)
        }
        #expect(throws: SettingsError.self) { try migrate(["--dry-run"]) }
        #expect(made.withLock { $0 } == 0)
        #expect(try migrate([]) == .success)
        #expect(made.withLock { $0 } == 1)
    }

    @Test("does not join the writers of another kind")
    func otherKind() throws {
        let registry = try GroupRegistry.make(tape.client)
        try registry.register(.store, reads: [.ticks], kind: "postgres")
        func run(_ name: String) throws -> ExitCode {
            let environment = tape.environment.merging([
                "STORE_KIND": "memory", "STORE_NAME": name, "WRITER_HOT_STATE": "false",
            ]) { $1 }
            let service = try TestService(Main.description(of: kinds), environment)
            return try Main.run(service.context, kinds)
        }
        let error = #expect(throws: TapeError.self) { try run("store") }
        #expect(error?.description.contains("name another STORE_NAME") == true)
        #expect(try registry.groups().first?.kind == "postgres")
    }

    @Test("has each tick once, after failed writes and another writer")
    func exactOnce() throws {
        let name = try #require(SourceName("test"))
        var sources = try (0..<2).map { partition in
            var source = TestSource(tape, Partition(partition), source: name)
            try source.define("S\(partition)", provider: "test")
            return source
        }
        func publish() throws {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: 25)
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
        func areStored(_ count: Int) -> Bool {
            eventually { (0..<2).allSatisfy { content.ordinals($0).count == count } }
        }
        try publish()
        let first = try start()
        #expect(areStored(25))
        content.state.withLock { $0.failures = 3 }
        try publish()
        #expect(areStored(50))
        #expect(content.state.withLock { $0.failures } == 0)
        #expect(try first.stop() == .success)
        try publish()
        let second = try start()
        #expect(areStored(75))
        #expect(try second.stop() == .success)
        for partition in 0..<2 { #expect(content.ordinals(partition) == Array(1...75)) }
    }
}
