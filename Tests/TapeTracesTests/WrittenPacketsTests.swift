import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TapeTraces

@Suite("What a writer learns of operators")
final class WrittenPacketsTests {
    private static let start = Timestamp(nanoseconds: 1_750_000_000_000_000_000)
    private static let begin = MonotonicTime(nanoseconds: 5_000_000_000)

    private static func after(_ milliseconds: Int64) -> Timestamp {
        start.advanced(byNanoseconds: milliseconds * 1_000_000)
    }

    private var packets = WrittenPackets(slowNanoseconds: 1_000_000_000)

    private func header(
        _ source: SourceName, _ ordinal: UInt64, partition: Int = 3, sealed: Int64 = 15
    ) -> PacketHeader {
        var header = PacketHeader(
            kind: source == .operator ? .bars : .ticks, partition: Partition(partition),
            source: source, epoch: 2, firstOrdinal: ordinal, watermark: Self.start,
            sendTime: Self.after(sealed))
        header.tickCount = 10
        return header
    }

    /// A packet of ten ticks from this ordinal on.
    private func packet(
        _ ordinal: UInt64, _ reason: PacketTrace.Reason? = nil, partition: Int = 3
    ) throws -> WrittenPackets.Packet {
        WrittenPackets.Packet(
            header: header(try #require(SourceName("ibkr")), ordinal, partition: partition),
            step: .store("store"),
            way: PacketTrace.Way(
                received: Self.after(10), stored: Self.after(20), from: Self.after(50),
                to: Self.after(90)),
            reason: reason, since: Self.begin)
    }

    /// Notes that an operator said at a time that it had all ticks up to an ordinal.
    private func worked(
        _ milliseconds: Int64, _ ordinal: UInt64, late: [UInt64] = [], epoch: UInt64 = 2
    ) throws -> [String] {
        let source = try #require(SourceName("ibkr"))
        return packets.worked(
            header(.operator, 1, sealed: milliseconds),
            [SourceOrdinal(source: source, epoch: epoch, lastOrdinal: ordinal)],
            late: late.map { WrittenPackets.LateTick(source: source, ordinal: $0) }
        ).map { Self.text($0) }
    }

    private static func text(_ outcome: WrittenPackets.Outcome) -> String {
        switch outcome {
        case .found(let packet, let reason, let worked):
            let time =
                worked.isDefined ? "\(worked.nanoseconds(since: start) / 1_000_000)" : "unknown"
            return "\(packet.header.firstOrdinal) \(reason) \(time)"
        case .foundBefore(let packet, let reason):
            return "\(packet.header.firstOrdinal) \(reason) before"
        }
    }

    @Test("what the writer found waits until an operator has all of it, and leaves once")
    func found() throws {
        let first = packets.wrote(try packet(101, .slow))
        #expect(first == nil)
        #expect(try worked(400, 109) == [])
        // An operator of before a restore knows other ordinals.
        #expect(try worked(450, 110, epoch: 1) == [])
        #expect(try worked(500, 110) == ["101 slow 500"])
        #expect(try worked(600, 200) == [])
    }

    @Test("what an operator had before it was written leaves immediately")
    func before() throws {
        #expect(try worked(70, 110) == [])
        let found = packets.wrote(try packet(101, .refused(2)))
        #expect(found.map { Self.text($0) } == "101 refused(2) 70")
        let elsewhere = packets.wrote(try packet(101, .slow, partition: 4))
        #expect(elsewhere == nil)
    }

    @Test("after its time what the writer found leaves without an operator, at the end all of it")
    func due() throws {
        _ = packets.wrote(try packet(101, .slow))
        _ = packets.wrote(try packet(111))
        let early = packets.due(now: Self.begin + (WrittenPackets.waitNanoseconds - 1))
        #expect(early.isEmpty)
        let due = packets.due(now: Self.begin + WrittenPackets.waitNanoseconds)
        #expect(due.map { Self.text($0) } == ["101 slow unknown"])
        _ = packets.wrote(try packet(121, .slow))
        let last = packets.due(now: nil)
        #expect(last.map { Self.text($0) } == ["121 slow unknown"])
    }

    @Test("a packet with ticks that an operator listed as late is found before, once")
    func late() throws {
        _ = packets.wrote(try packet(101))
        _ = packets.wrote(try packet(111))
        #expect(try worked(40, 100, late: [100, 111, 120, 121]) == ["111 late(2) before"])
        #expect(try worked(50, 200, late: [111]) == [])
    }

    @Test("a packet that an operator did not have when it was slow already is found before")
    func slow() throws {
        _ = packets.wrote(try packet(101))
        _ = packets.wrote(try packet(111))
        // It came at 10 ms, and may take a second.
        #expect(try worked(1_010, 100) == [])
        #expect(try worked(1_011, 110) == [])
        #expect(try worked(1_500, 120) == ["111 slow before"])
    }

    @Test("without room the oldest packet leaves")
    func room() throws {
        for number in 0..<UInt64(WrittenPackets.packetsMax) {
            let pushed = packets.wrote(try packet(1 + number * 10, number == 0 ? .slow : nil))
            #expect(pushed == nil)
        }
        let pushed = packets.wrote(try packet(1_000_001, .slow))
        #expect(pushed.map { Self.text($0) } == "1 slow unknown")
        let next = packets.wrote(try packet(1_000_011))
        #expect(next == nil)
    }
}
