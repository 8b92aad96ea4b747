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
    private static let series = [("1s", Int64(1)), ("1m", Int64(60))]
    private let symbols = ["AAPL", "MSFT", "SPY"]

    private func expected(_ feed: TickFeed) -> Set<PlainBar> {
        feed.bars(series: Self.series.map { (name: $0.0, seconds: $0.1) })
    }

    @Test("packets in, bars out: those that a plain calculation gives", arguments: [1, 2, 3])
    func bars(seed: UInt64) throws {
        let bench = try OperatorBench(namespace: "op\(seed)")
        let feed = TickFeed(seed: seed, symbols: symbols, packets: 150)
        try bench.take(feed)
        #expect(bench.drain())
        let found = try bench.onTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(Set(found.bars) == expected(feed) && found.bars.count == expected(feed).count)
        #expect(found.sources == ["test"])
        #expect(found.all.allSatisfy { $0.generation == 1 && $0.flags == .final })
        #expect(bench.core.tally.published == UInt64(found.bars.count))
        #expect(bench.core.tally.suppressed == 0 && bench.core.tally.late == 0)
        #expect(found.markers.map(\.definition) == [bench.settings.definition])
    }

    @Test("what people put on the tape neither changes bars nor holds them up")
    func manual() throws {
        let bench = try OperatorBench(namespace: "op77")
        let feed = TickFeed(seed: 4, symbols: symbols, packets: 60)
        var source = try feed.source(on: bench.tape, 0)
        var people = try feed.source(on: bench.tape, 0, name: "manual")
        for packet in feed.packets {
            var again = packet.trades
            for index in again.indices { again[index].trade.header.flags.insert(.backfilled) }
            for (_, trade) in again { people.append(trade) }
            bench.take(people.seal(watermark: Timestamp(nanoseconds: Int64.min)))
            TickFeed.append(packet, to: &source)
            bench.take(source.seal(watermark: packet.watermark))
            bench.take(people.seal(watermark: .undefined))
        }
        bench.take(source.seal(watermark: feed.end))
        #expect(bench.drain())
        #expect(bench.core.watermark == feed.end)
        let found = try bench.onTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(Set(found.bars) == expected(feed) && found.bars.count == expected(feed).count)
        #expect(found.sources == ["test"])
    }

    @Test("more bars than a packet holds leave, also when none had left before")
    func manyAtOnce() throws {
        let bench = try OperatorBench(namespace: "op10")
        // A trade per minute. Each opens its own windows, and one watermark closes them all.
        let feed = TickFeed(
            seed: 5, symbols: symbols, packets: 300, tradesPerPacket: 12,
            stepNanoseconds: 60_000_000_000)
        var source = try feed.source(on: bench.tape, 0)
        for packet in feed.packets {
            TickFeed.append(packet, to: &source)
            bench.take(source.seal(watermark: Timestamp(nanoseconds: 0)))
        }
        bench.take(source.seal(watermark: feed.end))
        #expect(!bench.core.isEmpty)
        #expect(bench.drain())
        let found = try bench.onTape()
        #expect(found.packets > 3)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(Set(found.bars) == expected(feed) && found.bars.count == expected(feed).count)
        // The first packets end within the output of the last input, so no input is complete
        // before.
        #expect(found.inputs.first?.sequence == 0)
        #expect(found.inputs.last?.sequence == 301)
    }

    @Test("a packet names the last input whose output is all in packets")
    func inputs() throws {
        let bench = try OperatorBench(namespace: "op11")
        let feed = TickFeed(seed: 6, symbols: symbols, packets: 40, stepNanoseconds: 300_000_000)
        var source = try feed.source(on: bench.tape, 0)
        for packet in feed.packets {
            TickFeed.append(packet, to: &source)
            bench.take(source.seal(watermark: packet.watermark))
            #expect(bench.drain())
        }
        let sequences = try bench.onTape().inputs.map(\.sequence)
        #expect(sequences.count > 10)
        #expect(zip(sequences, sequences.dropFirst()).allSatisfy { $0 < $1 })
        #expect(try bench.onTape().inputs.allSatisfy { $0.streamCreated.nanoseconds == 77 })
    }

    @Test("what stands on the tape is computed again and left out", arguments: [0, 1, 37, 80, 150])
    func recovery(cut: Int) throws {
        let namespace = "op2\(cut)"
        let feed = TickFeed(seed: 9, symbols: symbols, packets: 150)
        let first = try OperatorBench(namespace: namespace)
        try first.take(feed, 0..<cut, closing: false)
        #expect(first.drain())
        let before = try first.onTape().bars.count
        let second = try OperatorBench(first.tape)
        #expect(second.published?.ordinal ?? 0 == UInt64(before))
        try second.take(feed)
        #expect(second.drain())
        #expect(second.core.stopped == nil)
        #expect(second.core.tally.suppressed == UInt64(before))
        let found = try second.onTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(Set(found.bars) == expected(feed) && found.bars.count == expected(feed).count)
        #expect(found.epochs.count == 2)
    }

    @Test("other series than those on the tape stop the partition, and nothing more comes out")
    func changedSeries() throws {
        let feed = TickFeed(seed: 9, symbols: symbols, packets: 150)
        let first = try OperatorBench(namespace: "op30")
        try first.take(feed, closing: false)
        #expect(first.drain())
        let before = try first.onTape().bars.count
        #expect(before > 10)
        let second = try OperatorBench(first.tape, series: "1s,5s,1m")
        #expect(second.settings.definition != first.settings.definition)
        try second.take(feed)
        let sentence = try #require(second.core.stopped)
        #expect(sentence.contains("OPERATOR_SERIES") && sentence.contains("output \(before)"))
        #expect(second.core.mustHold && second.core.isEmpty)
        #expect(second.drain())
        #expect(try second.onTape().bars.count == before)
    }

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
        #expect(Set(try bench.onTape().bars) == expected(feed))
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

    @Test("at the bound of the outbox the reader is held, and let go when bars have left")
    func outbox() throws {
        let bench = try OperatorBench(namespace: "op33", series: "1s")
        let feed = TickFeed(
            seed: 8, symbols: symbols, packets: 900, tradesPerPacket: 16,
            stepNanoseconds: 2_000_000_000)
        var source = try feed.source(on: bench.tape, 0)
        var held = 0
        for packet in feed.packets {
            TickFeed.append(packet, to: &source)
            bench.take(source.seal(watermark: packet.watermark))
            guard bench.core.mustHold else { continue }
            held += 1
            #expect(bench.drain())
            #expect(!bench.core.mustHold)
        }
        bench.take(source.seal(watermark: feed.end))
        #expect(held >= 1)
        #expect(bench.drain())
        let found = try bench.onTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        let wanted = feed.bars(series: [(name: "1s", seconds: 1)])
        #expect(Set(found.bars) == wanted && found.bars.count == wanted.count)
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

    @Test("a tape whose beginning is gone makes the bars partial that overlap it")
    func tapeStart() throws {
        let bench = try OperatorBench(namespace: "op35")
        let feed = TickFeed(seed: 4, symbols: symbols, packets: 60)
        var source = try feed.source(on: bench.tape, 0)
        source.skip = 1_000
        for packet in feed.packets {
            TickFeed.append(packet, to: &source)
            bench.take(source.seal(watermark: packet.watermark))
        }
        bench.take(source.seal(watermark: feed.end))
        #expect(bench.drain())
        let found = try bench.onTape()
        let first = try #require(
            feed.packets.flatMap(\.trades).map(\.trade.header.providerTime.nanoseconds).min())
        for bar in found.all {
            let isPartial = bar.openTime.nanoseconds <= first
            #expect(bar.flags.contains(.partial) == isPartial)
        }
        #expect(found.all.contains { $0.flags.contains(.partial) })
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
        let found = try bench.onTape()
        #expect(found.problems.isEmpty && found.bars.isEmpty)
        #expect(found.inputs.map(\.sequence) == [1])
        let due = bench.core.watermarkNanosecondsMax
        bench.core.pump(bench.bars, now: .at(due / 2))
        #expect(bench.drain())
        #expect(try bench.onTape().inputs.map(\.sequence) == [1])
        bench.core.pump(bench.bars, now: .at(due + 5_000_000_000))
        #expect(bench.drain())
        #expect(try bench.onTape().inputs.map(\.sequence) == [1, 3])
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
        #expect(try bench.onTape().inputs == [start])
        #expect(try bench.core.checkpoint(now: .at(1)) == nil)
        bench.core.acknowledge(try #require(try bench.lastHeader()))
        let image = try #require(try bench.core.checkpoint(now: .at(1)))
        #expect(image.isBase && image.endsRequest && bench.core.mustHold)
        bench.core.stored()
        #expect(!bench.core.mustHold && bench.core.hasBegunLine)
    }
}
