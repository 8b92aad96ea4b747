import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreKit
import Synchronization
import TapeCodec
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

/// A store as another program may bring one. It takes no trade at 666.
private final class OwnMemoryStore: RowStore {
    struct Away: Error {}
    struct Refused: Error, CustomStringConvertible { let description = "the price is 666" }

    private let content: OwnContent

    init(_ content: OwnContent) { self.content = content }

    func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: ([String: String]) throws -> [String: String]
    ) throws {
        for table in tables {
            let prices = table.columns.first { $0.name == "price" }
            if let prices, (0..<prices.count).contains(where: { prices.text($0) == "666" }) {
                throw Refused()
            }
        }
        let present = content.state.withLock { $0.marks.filter { names.contains($0.key) } }
        let next: [String: String]
        do {
            next = try settle(present)
        } catch {
            if content.state.withLock({ $0.swallows }) { return }
            throw error
        }
        try content.state.withLock { state in
            if state.failures > 0 {
                state.failures -= 1
                throw Away()
            }
            guard state.marks.filter({ names.contains($0.key) }) == present else { throw Away() }
            state.marks.merge(next) { $1 }
            state.tables += tables
        }
    }

    func fault(of error: any Error) -> StoreFault { error is Refused ? .rows : .away }
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
        let client = try tape.connect(service)
        let member = HandMembership(records, takes: [0, 1])
        return try service.start { context in
            defer { client.close() }
            return try Writer(
                settings, client: client, context: context, report: WriterReport()
            ) { ports in
                member.join(ports)
                return member
            }.run()
        }
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
