import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

@Suite("A checkpoint's input as bytes")
struct CheckpointInputTests {
    private func input() throws -> CheckpointInput {
        CheckpointInput(
            position: TapePosition(
                streamCreated: Timestamp(nanoseconds: 77), sequence: 0x0102,
                packet: PacketIdentity(epoch: 3, firstOrdinal: 4, checksum: 0xfeed),
                sources: [
                    SourceOrdinal(
                        source: try #require(SourceName("a")), epoch: 5, lastOrdinal: 6),
                    SourceOrdinal(
                        source: try #require(SourceName("bc")), epoch: 7, lastOrdinal: 8),
                ]),
            publishFrom: Timestamp(nanoseconds: -1), hasBegun: true)
    }

    private func read(_ bytes: [UInt8]) -> CheckpointInput? {
        bytes.withRawSpan { CheckpointInput($0) }
    }

    @Test("it is read as it was written, with and without each of its parts")
    func roundTrip() throws {
        let whole = try input()
        for hasPosition in [true, false] {
            for from in [Timestamp(nanoseconds: 5), Timestamp(nanoseconds: Int64.min), nil] {
                for hasBegun in [true, false] {
                    let input = CheckpointInput(
                        position: hasPosition ? whole.position : nil, publishFrom: from,
                        hasBegun: hasBegun)
                    #expect(read(input.bytes) == input)
                }
            }
        }
    }

    @Test("ranges that are still to be computed again are read as they were written")
    func pending() throws {
        let whole = try input()
        var counts: [Int] = []
        for kind in [DataKind.any, .quote] {
            let input = CheckpointInput(
                position: whole.position, publishFrom: whole.publishFrom, hasBegun: true,
                pending: try #require(try agenda(kind, isHidden: false).pending))
            #expect(input.pending.map(\.kind) == [.any, kind])
            #expect(read(input.bytes) == input)
            for count in input.bytes.indices {
                #expect(read(Array(input.bytes.prefix(count))) == nil)
            }
            #expect(read(input.bytes + [0]) == nil)
            counts.append(input.bytes.count)
        }
        #expect(counts[1] == counts[0] + 2)
    }

    /// A repair after its first day, with two ranges left.
    private func agenda(_ kind: DataKind, isHidden: Bool) throws -> RepairAgenda {
        let day = RepairAgenda.dayNanoseconds
        var last = DirtyRange(symbol: .max, from: day, to: day + 6, reason: 255)
        last.kind = kind
        var agenda = RepairAgenda(
            [
                DirtyRange(symbol: 1, from: -5, to: 0, reason: 4),
                DirtyRange(symbol: 1, from: 5, to: 6, reason: 4), last,
            ], at: try #require(try input().position), isHidden: isHidden)
        agenda.endDay()
        return agenda
    }

    @Test("the days of a hidden repair cannot be in a checkpoint")
    func hidden() throws {
        #expect(try agenda(.any, isHidden: true).pending == nil)
        #expect(try agenda(.any, isHidden: false).pending?.ranges.count == 2)
    }

    @Test("it has what the previous line took of each source")
    func earlier() throws {
        var input = try input()
        var earlier = EarlierSources([
            SourceOrdinal(source: try #require(SourceName("b")), epoch: 1, lastOrdinal: 6),
            SourceOrdinal(source: try #require(SourceName("a")), epoch: 1, lastOrdinal: 4),
        ])
        let header = PacketHeader(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("b")), epoch: 2,
            firstOrdinal: 7, watermark: Timestamp(nanoseconds: 9), sendTime: .undefined)
        var packet = header
        packet.tickCount = 1
        let none: [UInt8] = []
        none.withRawSpan { earlier.take(packet, $0, partition: nil) }
        input.earlier = earlier
        #expect(read(input.bytes) == input)
        let rest = try self.input().bytes.dropFirst(12)
        #expect(
            input.bytes == [
                1, 0, 39, 0, 255, 255, 255, 255, 255, 255, 255, 255, 2, 0, 0, 0,
                4, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127, 1, 0x61,
                6, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0x62,
            ] + rest)
        for count in input.bytes.indices { #expect(read(Array(input.bytes.prefix(count))) == nil) }
        #expect(read(input.bytes + [0]) == nil)
        var other = input.bytes
        other[33] = 0x63
        #expect(read(other) == nil, "out of order")
        input.position = nil
        #expect(read(input.bytes) == input)
    }

    @Test("it has these bytes")
    func golden() throws {
        #expect(
            try input().bytes == [
                1, 0, 7, 0, 255, 255, 255, 255, 255, 255, 255, 255,
                77, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0,
                3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xed, 0xfe, 0, 0, 0, 0, 0, 0,
                2, 0, 0, 0,
                5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1, 0x61,
                7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0x62, 0x63,
            ])
    }

    @Test("what is cut, longer, of another version or out of order is refused, and nothing traps")
    func malformed() throws {
        let good = try input().bytes
        for count in good.indices { #expect(read(Array(good.prefix(count))) == nil) }
        #expect(read(good + [0]) == nil)
        for (what, index, value) in [
            ("another version", 0, 2), ("ranges and no position", 2, 8), ("no ranges", 2, 15),
            ("an unknown flag", 2, 64), ("3 sources", 52, 3), ("258 sources", 53, 1),
            ("an empty name", 72, 0), ("names out of order", 73, 0x63),
        ] as [(String, Int, UInt8)] {
            var other = good
            other[index] = value
            #expect(read(other) == nil, "\(what)")
        }
        var random = SeededRandom(seed: 3)
        for _ in 0..<4_000 {
            var other = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                other[Int.random(in: other.indices, using: &random)] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            if let found = read(other) { #expect(found.bytes == other) }
        }
    }

    @Test("all sources that a partition can have fit into a checkpoint")
    func limit() {
        let sources = StreamLimits.sourcesKnownMax * (17 + SourceName.utf8CountMax)
        let pending = RepairAgenda.pendingMax * 22
        // Those of the position; those that the previous line took; new ones beside these.
        #expect(12 + 44 + 4 + 4 + 3 * sources + 4 + pending <= CheckpointLimits.inputBytesMax)
    }
}
