import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool

/// A tape with known ticks, and a tail of it whose output is kept.
struct TailBench {
    let tape: TestTape
    private let folder: TemporaryFolder

    static let start: Int64 = 1_750_000_000_123_456_789

    init(_ server: NatsServer, namespace: String, partitions: Int = 4) throws {
        tape = try TestTape(server, namespace: namespace, partitions: partitions)
        folder = try TemporaryFolder("tail")
    }

    /// Returns a source on one partition that feeds the symbols, which need not belong there.
    func source(_ partition: Int, _ symbols: [String], name: String = "test") throws -> TestSource {
        var source = TestSource(
            tape, Partition(partition), source: try #require(SourceName(name)))
        for symbol in symbols {
            _ = source.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(symbol)), provider: "made", since: .undefined))
        }
        return source
    }

    static func trade(_ symbol: UInt32, _ number: Int64, price: Int64 = 1_234_500_000) -> Trade {
        Trade(
            header: TickHeader(
                symbol: symbol, flags: number % 7 == 0 ? [.snapshot, .delayed] : [], resolution: 3,
                providerTime: Timestamp(nanoseconds: start + number),
                receiveTime: Timestamp(nanoseconds: start + number + 5),
                providerID: UInt64(number)),
            price: Price(raw: price + number), size: Quantity(raw: 100_000_000 * number + 1),
            exchange: ShortText("Q") ?? .empty, conditions: ShortText("@ F") ?? .empty)
    }

    static func quote(_ symbol: UInt32, _ number: Int64) -> Quote {
        Quote(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined,
                receiveTime: Timestamp(nanoseconds: start + number)),
            bidPrice: Price(raw: -5), bidSize: Quantity(raw: 1), askPrice: .undefined,
            askSize: .undefined, bidExchange: ShortText("N") ?? .empty)
    }

    /// What the tail at work has written so far.
    var written: String { text("out") }
    /// The errors that the tail at work has reported so far.
    var errors: String { text("err") }

    private func text(_ name: String) -> String {
        let bytes = FileManager.default.contents(atPath: folder.file(name)) ?? Data()
        return String(decoding: bytes, as: UTF8.self)
    }

    var deployment: Deployment {
        get throws {
            try Deployment.find(TapeTarget(), environment: tape.environment, executable: "/x")
        }
    }

    func tail(
        _ arguments: [String], shutdown: ShutdownSignal = ShutdownSignal()
    ) throws -> Said {
        try Said(["tail"] + arguments, tape.environment, shutdown: shutdown, in: folder)
    }
}

extension Said {
    /// The objects of the lines.
    func objects() throws -> [JSONValue] { try lines.map { try JSONValue.parse(String($0)) } }

    /// Returns source, partition and ordinal of each tick.
    func places() throws -> [String] {
        try objects().map {
            "\($0["source"]?.string ?? "")/\($0["partition"]?.int ?? -1)/"
                + "\($0["ordinal"]?.int ?? -1)"
        }
    }
}
