import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

@Suite("One partition of the operator")
struct PartitionOperatorTests {
    private let symbols = ["AAPL", "MSFT", "SPY"]

    @Test("trades of a symbol that its packet does not define are counted and left out")
    func unknownSymbol() throws {
        let bench = try OperatorBench(namespace: "op31")
        let feed = TickFeed(seed: 3, symbols: symbols, packets: 1)
        var source = try feed.source(on: bench.tape, 0)
        source.append(try #require(feed.packets[0].trades.first).trade)
        var bytes = source.seal(watermark: feed.end).bytes
        // The trade is the last message, and its symbol is the first field of its block.
        let index = bytes.count - WireFormat.Block.trade
        for value: UInt32 in [1, 2_000, UInt32.max] {
            for place in 0..<4 {
                bytes[index + place] = UInt8(truncatingIfNeeded: value >> (place * 8))
            }
            bench.take(PacketBuilder.checked(bytes))
        }
        #expect(bench.core.machine.counters.unknownSymbol == 3)
        #expect(bench.core.stopped == nil && bench.core.isEmpty)
    }

    @Test("messages of a later version are stepped over; ticks of unknown kinds have ordinals")
    func foreignMessages() throws {
        let bench = try OperatorBench(namespace: "op32")
        let feed = TickFeed(seed: 3, symbols: ["A"], packets: 30)
        var source = try feed.source(on: bench.tape, 0)
        for packet in feed.packets {
            TickFeed.append(packet, to: &source)
            let sealed = source.seal(watermark: packet.watermark)
            // An unknown message without and one with variable fields, and an unknown tick.
            let foreign =
                message(0x0077, block: 24) + message(0x0177, block: 8, variable: 5)
                + message(0x8077, block: 16)
            var bytes = sealed.bytes + foreign
            bytes[WireFormat.HeaderOffset.tickCount] += 1
            bench.take(PacketBuilder.checked(bytes))
        }
        bench.take(source.seal(watermark: feed.end))
        #expect(bench.drain())
        #expect(Set(try bench.barsOnTape().bars) == feed.bars(series: FeedScene.series))
    }

    private func message(_ template: UInt16, block: Int, variable: Int? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in [UInt16(block), template, WireFormat.schemaID, WireFormat.version + 1] {
            bytes += [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)]
        }
        bytes += [UInt8](repeating: 0xee, count: block)
        if let variable {
            bytes += [UInt8(variable), 0, 0, 0] + [UInt8](repeating: 0x41, count: variable)
        }
        return bytes
    }

    @Test("more sources than the limit stop the partition with a sentence")
    func sources() throws {
        let bench = try OperatorBench(namespace: "op34")
        for number in 0...StreamLimits.sourcesMax {
            let name = try #require(SourceName("source-\(number)"))
            var builder = PacketBuilder(kind: .watermark, partition: Partition(0), source: name)
            #expect(bench.core.stopped == nil)
            bench.take(
                builder.seal(
                    PacketBuilder.Seal(
                        epoch: 1, firstOrdinal: 1, watermark: Timestamp(nanoseconds: 5),
                        sendTime: Timestamp(nanoseconds: 5))))
        }
        #expect(bench.core.stopped?.contains("more sources") == true)
        #expect(bench.core.isEmpty && bench.drain())
    }

    @Test("an input that makes no bars is told after a while, and not again")
    func quiet() throws {
        let bench = try OperatorBench(namespace: "op36")
        let name = try #require(SourceName("quiet"))
        var builder = PacketBuilder(kind: .watermark, partition: Partition(0), source: name)
        for step: UInt64 in 1...3 {
            bench.take(
                builder.seal(
                    PacketBuilder.Seal(
                        epoch: 1, firstOrdinal: step,
                        watermark: Timestamp(nanoseconds: TickFeed.start + Int64(step)),
                        sendTime: Timestamp(nanoseconds: 5))))
            // Twice within that time of the bench's clock.
            #expect(bench.drain())
            #expect(bench.drain())
        }
        let found = try bench.barsOnTape()
        #expect(found.problems.isEmpty && found.bars.isEmpty)
        #expect(found.inputs.map(\.sequence) == [1])
        let due = bench.core.watermarkNanosecondsMax
        bench.core.pump(bench.bars, now: .at(due / 2))
        #expect(bench.drain())
        #expect(try bench.barsOnTape().inputs.map(\.sequence) == [1])
        bench.core.pump(bench.bars, now: .at(due + 5_000_000_000))
        #expect(bench.drain())
        #expect(try bench.barsOnTape().inputs.map(\.sequence) == [1, 3])
    }

    @Test("an image is handed out when what stands was met again and what it counts is on the tape")
    func images() throws {
        let feed = TickFeed(seed: 9, symbols: symbols, packets: 150)
        let first = try OperatorBench(namespace: "op40")
        try first.take(feed, 0..<100, closing: false)
        // Its bars are not on the tape yet.
        #expect(try first.core.checkpoint(now: .at(1), isLast: true) == nil)
        #expect(first.drain())
        first.core.acknowledge(try #require(try first.lastHeader()))
        let image = try #require(try first.core.checkpoint(now: .at(1), isLast: true))
        #expect(image.output?.ordinal == first.core.acknowledged && image.sequence == 100)
        #expect(!image.isBase && !image.endsRequest)
        #expect(try first.core.checkpoint(now: .at(1), isLast: true) == nil)
        let second = try OperatorBench(first.tape)
        try second.take(feed, 0..<40, closing: false)
        #expect(try second.core.checkpoint(now: .at(1), isLast: true) == nil)
    }

    @Test("a new line says where it begins, is kept, and only then takes input")
    func base() throws {
        let bench = try OperatorBench(namespace: "op41")
        let start = TapePosition.before(Timestamp(nanoseconds: 77))
        bench.core = PartitionOperator(
            partition: Partition(0), settings: bench.settings,
            beginning: Beginning(
                way: .base(Base(end: nil, openingInput: start, endsRequest: true)),
                machine: GraphMachine(bench.settings.program),
                input: CheckpointInput(position: nil, publishFrom: nil, hasBegun: false)),
            lane: bench.bars)
        #expect(bench.core.mustHold && !bench.core.hasBegunLine)
        #expect(try bench.core.checkpoint(now: .at(1)) == nil)
        #expect(bench.drain())
        #expect(try bench.barsOnTape().inputs == [start])
        #expect(try bench.core.checkpoint(now: .at(1)) == nil)
        bench.core.acknowledge(try #require(try bench.lastHeader()))
        let image = try #require(try bench.core.checkpoint(now: .at(1)))
        #expect(image.isBase && image.endsRequest && bench.core.mustHold)
        bench.core.stored()
        #expect(!bench.core.mustHold && bench.core.hasBegunLine)
    }
}
