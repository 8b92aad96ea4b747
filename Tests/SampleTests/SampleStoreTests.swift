import Foundation
import MarketModel
import Primitives
import Seeds
import ServiceTestSupport
import StoreKit
import TapeCodec
import TestSupport
import Testing

@testable import SQLiteStore

/// The store of `Samples/tapeline-sample`, by itself and in its writer.
@Suite("The sample's store")
struct SampleStoreTests {
    private static let partitions = 2
    private static let rounds = 6

    @Test("keeps what a store promises")
    func proof() throws {
        for seed in Seeds(fixed: 1...20, weight: 0.1).all() {
            let folder = try TemporaryFolder("sample-store")
            let path = folder.file("a.sqlite")
            try StoreProof(
                seed: seed, connect: { try SQLiteStore(path, timeoutMilliseconds: 500) },
                rows: { try SQLiteStore(path).rows(of: $0) }
            ).run(steps: 60)
        }
    }

    @Test("takes columns by their names, and says which errors need a person")
    func columns() throws {
        let folder = try TemporaryFolder("sample-columns")
        let store = try SQLiteStore(folder.file("a.sqlite"))
        func add(_ names: [String]) throws {
            let columns = names.map { StoreColumn(name: $0, values: .text([$0])) }
            try store.transact([StoreTable(name: "t", columns: columns)], marks: []) { _ in [:] }
        }
        try add(["a", "b"])
        try add(["b", "a"])
        #expect(try store.rows(of: "t", "a, b") == [["a", "b"], ["a", "b"]])
        do {
            try add(["a", "c"])
            Issue.record("a column was made")
        } catch {
            #expect(store.fault(of: error) == .schema)
        }
    }

    @Test("has each tick once, whatever writer is killed")
    func kills() throws {
        let folder = try TemporaryFolder("sample-writer")
        let tape = try TestTape(
            try NatsServer(), namespace: "samplestore", partitions: Self.partitions)
        let path = folder.file("ticks.sqlite")
        func start(_ member: String, _ words: [String] = []) throws -> ServerProcess {
            try SampleBench.start(
                "writer", tape, folder,
                [
                    "STORE_KIND": "sqlite", "SQLITE_FILE": path, "WRITER_HOT_STATE": "false",
                    "WRITER_BATCH_WAIT": "5ms", "MDS_MEMBER": member,
                    "STORE_NAME": "store-sqlite",
                ], words: words)
        }
        func stored() throws -> [[String?]] {
            try ["trades", "quotes"].flatMap {
                try SQLiteStore(path).rows(of: $0, "partition, ordinal")
            }
        }
        var sources = try (0..<Self.partitions).map { partition in
            let source = try #require(SourceName("test"))
            return TestSource(tape, Partition(partition), source: source)
        }
        var members = [try start("a"), try start("b")]
        for round in 0..<Self.rounds {
            for index in sources.indices {
                for _ in 0..<20 { try publish(&sources[index], ticks: 25) }
            }
            // It has begun with these, and is somewhere among them.
            let before = round * Self.partitions * 20 * 25
            try #require(try eventually { try stored().count > before })
            let killed = round % members.count
            members[killed].stop(SIGKILL)
            members[killed] = try start(killed == 0 ? "a" : "b")
        }
        let count = Self.rounds * 20 * 25
        let logs = { members.map(\.log).joined() }
        #expect(
            try eventually { try stored().count >= Self.partitions * count }, "\(logs())")
        // One that has only just begun would be ended by the signal's default.
        #expect(eventually { members.allSatisfy { $0.log.contains("service.started") } })
        #expect(members.map { $0.stop() } == [0, 0], "\(logs())")
        let expected = (0..<Self.partitions).flatMap { partition in
            (1...count).map { ["\(partition)", "\($0)"] }
        }
        let found = try stored().map { $0.map { $0 ?? "" } }
        #expect(found.count == expected.count)
        #expect(Set(found) == Set(expected))
        try expectAudit(count, path) { try start("audit", ["audit"]) }
    }

    /// Its own audit agrees, and sees a row that is missing and one that is there twice.
    private func expectAudit(
        _ count: Int, _ path: String, _ start: () throws -> ServerProcess
    ) throws {
        func audit() throws -> (code: Int32, log: String) {
            let run = try start()
            return (run.waitUntilExit(), run.log)
        }
        var told = try audit()
        #expect(told.code == 0 && told.log.contains("audit.clean"), "\(told.log)")
        for fault in [
            "DELETE FROM trades WHERE ordinal = 7 AND partition = 1",
            "INSERT INTO trades SELECT * FROM trades WHERE ordinal = 9 AND partition = 0",
        ] {
            try SQLiteFile(path, timeoutMilliseconds: 500).run(fault)
        }
        told = try audit()
        #expect(told.code == 1, "\(told.log)")
        for problem in [
            "ticks of partition 0: test has \(count + 1) rows of \(count) ordinals",
            "ticks of partition 1: test has \(count - 1) ordinals, written are \(count)",
        ] {
            #expect(told.log.contains(problem), "\(told.log)")
        }
        try SQLiteFile(path, timeoutMilliseconds: 500).run("DELETE FROM marks")
        told = try audit()
        #expect(told.code == 1 && told.log.contains("nothing was compared"), "\(told.log)")
    }

    /// Publishes a packet of trades, and a quote.
    private func publish(_ source: inout TestSource, ticks: Int) throws {
        let symbol = try #require(Symbol("S\(source.partition.number)"))
        let number = source.register(
            SymbolDefinition(symbol: symbol, provider: "test", since: .undefined, source: nil))
        for tick in 0..<ticks {
            let time = Timestamp(
                nanoseconds: 1_700_000_000_000_000_000 + Int64(source.nextOrdinal) * 1_000)
            let header = TickHeader(
                symbol: number, providerTime: time, receiveTime: time, providerID: 0)
            let (price, size) = (Price(raw: Int64(tick)), Quantity(raw: 1))
            if tick == 0 {
                source.append(
                    Quote(
                        header: header, bidPrice: price, bidSize: size, askPrice: price,
                        askSize: size))
            } else {
                source.append(Trade(header: header, price: price, size: size))
            }
        }
        try source.publish(watermark: Timestamp(nanoseconds: 1_700_000_000_000_000_000))
    }
}
