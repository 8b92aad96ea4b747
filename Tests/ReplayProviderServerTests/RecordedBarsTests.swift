import Foundation
import MarketModel
import NatsTransport
import Primitives
import Recordings
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ReplayProvider

@Suite("Bars in a recording of a real tape")
struct RecordedBarsTests {
    /// A packet of bars with the time at which the tape took it.
    private struct Packet: Equatable {
        let bytes: [UInt8]
        let knownAt: Timestamp
    }

    /// Returns the packets of bars that the tape has, by partition.
    private func stored(_ tape: TestTape) throws -> [Partition: [Packet]] {
        var found: [Partition: [Packet]] = [:]
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            var latest = Timestamp(nanoseconds: .min)
            for packet in try tape.barPackets(partition) {
                let message = try #require(
                    try tape.client.jetStream.message(
                        stream: tape.names.barStream, sequence: packet.sequence))
                latest = max(latest, message.time)
                found[partition, default: []].append(Packet(bytes: packet.payload, knownAt: latest))
            }
        }
        return found
    }

    /// Returns the packets of a recording, in its order, and those of bars by partition.
    private func recorded(_ path: String) throws -> (all: [[UInt8]], bars: [Partition: [Packet]]) {
        let file = try RecordingFile(path)
        var all: [[UInt8]] = []
        var bars: [Partition: [Packet]] = [:]
        while true {
            let next = try file.withNext { frame, bytes in (frame, bytes.array) }
            guard let (frame, bytes) = next else { return (all, bars) }
            all.append(bytes)
            guard frame.header.kind == .bars else { continue }
            bars[frame.header.partition, default: []].append(
                Packet(bytes: bytes, knownAt: frame.knownAt))
        }
    }

    @Test("it has what the tape took, in the same order each time, and says which are complete")
    func complete() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let tape = try TestTape(bench.server, namespace: "rba", partitions: 4)
        try bench.putMarket(on: tape, ticks: 3_000)
        let worker = try bench.program("operator-worker", tape)
        #expect(try eventually { try LastBars(tape).bars.count > 20 })
        #expect(worker.stop() == 0)
        var range = bench.range(tape)
        let path = bench.folder.file("a.tape")
        let (writer, missing) = try bench.record(range, to: path)
        #expect(writer.ticks == 3_000 && writer.bars > 20 && missing.isEmpty)
        let (all, bars) = try recorded(path)
        #expect(try bars == stored(tape))
        let said = try RecordingFile(path).bars()
        #expect(said.count == 4 && said.allSatisfy { $0.from.nanoseconds == .min })
        #expect(said.allSatisfy { $0.to == range.to && $0.closed.isDefined })
        _ = try bench.record(range, to: bench.folder.file("b.tape"))
        #expect(try recorded(bench.folder.file("b.tape")).all == all)
        // From a time on: from shortly before it.
        range.from = range.to.advanced(byNanoseconds: -1_000_000_000)
        _ = try bench.record(range, to: bench.folder.file("c.tape"))
        let late = try RecordingFile(bench.folder.file("c.tape")).bars()
        let begin = range.from.advanced(byNanoseconds: -RecordedRange.aheadNanoseconds)
        #expect(late.allSatisfy { $0.from == begin && $0.to == range.to })
    }

    @Test("ordinals that the bars lack are counted, and a tape without bars has none")
    func lost() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let tape = try TestTape(bench.server, namespace: "rbb", partitions: 4)
        try bench.putMarket(on: tape, ticks: 500)
        let path = bench.folder.file("a.tape")
        let (writer, none) = try bench.record(bench.range(tape), to: path)
        #expect(writer.bars == 0 && none.isEmpty)
        let nothing = try RecordingFile(path).bars()
        #expect(!nothing.isEmpty && nothing.allSatisfy(\.isEmpty))
        let partition = nothing[0].partition
        var source = TestSource(tape, partition, source: .operator, kind: .bars)
        let symbol = source.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "", since: .undefined,
                source: bench.source))
        let series = source.register(
            SeriesDefinition(name: try #require(SeriesName("1s")), widthNanoseconds: 1))
        for skip in [UInt64(0), 7] {
            source.skip = skip
            source.append(
                Bar(
                    symbol: symbol, series: series, openTime: Timestamp(nanoseconds: 1),
                    closeTime: Timestamp(nanoseconds: 2)))
            try source.publish(watermark: Timestamp(nanoseconds: 9))
        }
        let (_, missing) = try bench.record(bench.range(tape), to: "\(path).2")
        #expect(missing.lost == 7 && missing.purged == 0)
        let said = try RecordingFile("\(path).2").bars()
        #expect(said[0].closed == Timestamp(nanoseconds: 9) && !said[0].isEmpty)
        #expect(said.dropFirst().allSatisfy { $0.isEmpty })
        // All bars of a range before the second packet are purged.
        let second = try #require(try tape.barPackets(partition).last).sequence
        var early = bench.range(tape)
        early.to = try #require(
            try tape.client.jetStream.message(stream: tape.names.barStream, sequence: second)
        ).time
        #expect(try bench.record(early, to: "\(path).3").1.isEmpty)
        _ = try tape.client.jetStream.purge(
            stream: tape.names.barStream, subject: tape.names.bars(partition), below: second)
        #expect(try bench.record(early, to: "\(path).4").1.purged > 0)
        #expect(try RecordingFile("\(path).4").bars()[0].isEmpty)
        // What the tape takes after its server's time now is not read.
        var late = bench.range(tape)
        late.to = late.to.advanced(byNanoseconds: 3_600_000_000_000)
        _ = try bench.record(late, to: "\(path).5")
        #expect(try RecordingFile("\(path).5").bars().allSatisfy { $0.isEmpty || $0.to < late.to })
        #expect(try !RecordingFile("\(path).5").bars()[0].isEmpty)
    }

    @Test("watermarks of a stream in which the source has no ticks are recorded, too")
    func watermarks() throws {
        let bench = try ReplayBench(NatsServer.shared())
        let tape = try TestTape(bench.server, namespace: "rbc", partitions: 4)
        try bench.putMarket(on: tape, ticks: 10)
        let path = bench.folder.file("a.tape")
        var range = bench.range(tape)
        range.source = try #require(SourceName("quiet"))
        var ticks = TestSource(tape, Partition(0), source: range.source)
        let symbol = ticks.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "", since: .undefined))
        let header = TickHeader(
            symbol: symbol, providerTime: ticks.sendTime, receiveTime: ticks.sendTime)
        ticks.append(Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 1)))
        try ticks.publish(watermark: Timestamp(nanoseconds: 5))
        var idle = TestSource(tape, Partition(2), source: range.source, kind: .watermark)
        let packet = idle.seal(watermark: Timestamp(nanoseconds: 7)).bytes
        try TestSource.put(packet, on: tape.names.watermarks(stream: 2, range.source), of: tape)
        let (writer, missing) = try bench.record(range, to: path)
        #expect(writer.packets == 2 && writer.ticks == 1 && missing.isEmpty)
        #expect(try recorded(path).all.contains(packet))
        #expect(try RecordingFile(path).about.present == [Partition(0)])
    }
}
