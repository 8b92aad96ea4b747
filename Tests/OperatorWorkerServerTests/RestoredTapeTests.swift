import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// The disk of NATS was destroyed, and a person raised what a database has.
@Suite("A worker on a tape that was made again")
struct RestoredTapeTests {
    /// What the database has of partition 0.
    private static let lastBar: UInt64 = 70
    private static let lastTick: UInt64 = 900
    private static let epoch: UInt64 = 9

    private func trade(_ milliseconds: Int64, _ symbol: UInt32) -> Trade {
        let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000 + milliseconds * 1_000_000)
        return Trade(
            header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
            price: Price(raw: 1_000_000_000), size: Quantity(raw: 100_000_000))
    }

    private func time(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: (1_700_000_000 + second) * 1_000_000_000)
    }

    /// Makes the request that `tapeline position raise` makes.
    private func request(_ tape: TestTape, _ source: SourceName) throws {
        let bucket = try tape.client.jetStream.openOrMakeBucket(
            tape.names.operatorBucketConfiguration)
        let request = RebuildRequest(
            requested: time(0),
            stored: RebuildRequest.Stored(
                lastOrdinal: Self.lastBar, epoch: Self.epoch,
                sources: [
                    SourceOrdinal(source: source, epoch: 3, lastOrdinal: Self.lastTick)
                ]))
        _ = try bucket.create(RebuildRequest.key(Partition(0)), request.json)
    }

    @Test("its bars continue after those of the database, and leave those of before alone")
    func continues() throws {
        let tape = try TestTape(try NatsServer(), namespace: "restored")
        let name = try #require(SourceName("test"))
        try request(tape, name)
        var source = TestSource(tape, Partition(0), source: name)
        let symbol = source.register(
            SymbolDefinition(symbol: try #require(Symbol("A")), provider: "test", since: .undefined)
        )
        source.epoch = 4
        source.skip = Self.lastTick
        let worker = try TestWorker(tape, ["OPERATOR_SERIES": "1s"], takes: [0])
        let running = try worker.start()
        // The window of 10 s began before this tape. That of 3 s ended before it.
        source.append(trade(10_200, symbol))
        try source.publish(watermark: time(10))
        source.append(trade(11_100, symbol))
        source.append(trade(3_000, symbol))
        try source.publish(watermark: time(12))
        // Late, and within the lateness: the next version of the bar of 11 s.
        source.append(trade(11_500, symbol))
        try source.publish(watermark: time(13))
        source.append(trade(14_500, symbol))
        try source.publish(watermark: time(20))

        var found = try BarsOnTape(tape, 0, after: Self.lastBar)
        #expect(
            try eventually {
                found = try BarsOnTape(tape, 0, after: Self.lastBar)
                return found.newest("1s")[time(14).nanoseconds] != nil
            }, "\(found.bars) \(found.problems)")
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.epochs.first == Self.epoch + 1)
        #expect(
            found.bars.map(\.openTime)
                == [time(11), time(11), time(14)].map(\.nanoseconds), "\(found.bars)")
        #expect(found.all.map(\.trades) == [1, 2, 1])
        // Where a request is fulfilled, the next owner continues from the checkpoint.
        let bucket = try tape.client.jetStream.openOrMakeBucket(
            tape.names.operatorBucketConfiguration)
        #expect(try eventually { try bucket.get(RebuildRequest.key(Partition(0))) == nil })
        #expect(running.log.count(of: "tape.rolled_back") == 0)
        #expect(try running.stop() == .success)
    }
}
