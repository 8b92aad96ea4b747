import Foundation
import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing

@testable import TickSpool

@Suite struct SpoolTests {
    @Test("packets come back whole and in order, over partitions and segments and a restart")
    func order() throws {
        var rig = try SpoolRig()
        rig.segmentBytes = 2_000
        var expected: [SealedPacket] = []
        do {
            let spool = try rig.open()
            #expect(spool.isEmpty)
            for index in 0..<40 {
                expected.append(try rig.maker.packet(index % 3, ticks: index % 5))
            }
            for (index, outcome) in try spool.append(expected).enumerated() {
                #expect(outcome == .appended(number: UInt64(index + 1)))
            }
            try spool.sync()
            #expect(spool.frames == 40)
            #expect(try rig.segments().count > 3)
        }
        let spool = try rig.open()
        #expect(spool.opening.frames == 40)
        #expect(spool.opening.ticks == UInt64(expected.reduce(0) { $0 + Int($1.header.tickCount) }))
        #expect(spool.opening.tornBytes == 0)
        #expect(spool.opening.damagedFrames == 0)
        let found = try spool.drain()
        #expect(found.bytes == expected.bytes)
        #expect(found.map(\.oldestEventTime) == expected.map(\.oldestEventTime))
        #expect(spool.isEmpty)
        #expect(spool.damages.isEmpty)
        #expect(try rig.segments().isEmpty)
        #expect(spool.bytes == 0)
    }

    @Test("what is appended while the spool is drained leaves in its turn")
    func both() throws {
        var rig = try SpoolRig()
        rig.segmentBytes = 1_500
        let spool = try rig.open()
        var appended: [SealedPacket] = []
        var drained: [SealedPacket] = []
        for round in 0..<60 {
            for _ in 0..<(round % 4) {
                let packet = try rig.maker.packet(round % 7)
                _ = try spool.append(packet)
                appended.append(packet)
            }
            if round % 3 == 0 { try spool.sync() }
            if let spooled = try spool.take() {
                drained.append(spooled.packet)
                try spool.consume(spooled.number)
            }
        }
        drained += try spool.drain()
        #expect(drained.bytes == appended.bytes)
        #expect(try rig.segments().isEmpty)
    }

    @Test("the same packet is shown until it is taken")
    func peek() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        #expect(try spool.peek() == nil)
        #expect(try spool.take() == nil)
        try spool.append([try rig.maker.packet(), try rig.maker.packet()])
        #expect(try spool.peek()?.number == 1)
        #expect(try spool.peek()?.number == 1)
        try spool.consume(1)
        #expect(try spool.peek()?.number == 2)
        try spool.consume(7)
        #expect(spool.frames == 1)
    }

    @Test("several are on their way; a segment goes when all of it is consumed, in any order")
    func outOfOrder() throws {
        var rig = try SpoolRig()
        rig.segmentBytes = 1_000
        let spool = try rig.open()
        for index in 0..<20 { _ = try spool.append(try rig.maker.packet(index)) }
        let segments = try rig.segments().count
        var numbers: [UInt64] = []
        while let spooled = try spool.take() { numbers.append(spooled.number) }
        #expect(numbers == Array(1...20))
        for number in numbers.dropFirst().reversed() { try spool.consume(number) }
        #expect(spool.frames == 20)
        #expect(try rig.segments().count == segments)
        #expect(spool.ticks == 3)
        try spool.consume(1)
        #expect(spool.isEmpty)
        #expect(try rig.segments().isEmpty)
    }

    @Test("no more than a fixed number are on their way")
    func takenMax() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        for _ in 0...Spool.takenMax { _ = try spool.append(try rig.maker.packet(ticks: 0)) }
        for _ in 0..<Spool.takenMax { #expect(try spool.take() != nil) }
        #expect(try spool.peek() == nil)
        try spool.consume(1)
        #expect(try spool.take()?.number == UInt64(Spool.takenMax + 1))
    }

    @Test("what was not consumed is handed out again after a rewind, and after a restart")
    func rewind() throws {
        var rig = try SpoolRig()
        rig.segmentBytes = 1_000
        var spool: Spool? = try rig.open()
        for index in 0..<20 { _ = try spool?.append(try rig.maker.packet(index % 2)) }
        for _ in 0..<10 { _ = try spool?.take() }
        for number in [1, 2, 3, 5, 6] as [UInt64] { try spool?.consume(number) }
        spool?.rewind()
        #expect(spool?.frames == 17)
        #expect(spool?.ticks == 51)
        #expect(try spool?.peek()?.number == 4)
        spool = nil
        let again = try rig.open()
        #expect(again.opening.frames == 17)
        #expect(try again.peek()?.number == 4)
        #expect(try again.drain().count == 17)
        #expect(again.isEmpty)
    }

    @Test("numbers go on where they were after everything was consumed and the process ended")
    func numbers() throws {
        let rig = try SpoolRig()
        for round in 0..<3 {
            let spool = try rig.open()
            #expect(spool.isEmpty)
            #expect(
                try spool.append([try rig.maker.packet(), try rig.maker.packet()])
                    == [
                        .appended(number: UInt64(round * 2 + 1)),
                        .appended(number: UInt64(round * 2 + 2)),
                    ])
            #expect(try spool.drain().count == 2)
        }
    }

    @Test("a lost mark means that frames are read again, and that their ordinals decide")
    func lostMark() throws {
        let rig = try SpoolRig()
        do {
            let spool = try rig.open()
            for _ in 0..<5 { _ = try spool.append(try rig.maker.packet()) }
            for number in 1...3 as ClosedRange<UInt64> {
                #expect(try spool.peek()?.number == number)
                try spool.consume(number)
            }
        }
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(rig.active)/mark"))
        let past = try rig.maker.packet()
        // Still lost for another process, when one does not come to read the frames.
        for _ in 0..<2 {
            let found = try rig.open().find([Partition(0): past.content])
            #expect(found.standing(Partition(0), nextOrdinal: 19) == .below(ordinal: 19))
        }
        let spool = try rig.open()
        #expect(spool.frames == 5)
        #expect(try spool.drain().count == 5)
        _ = try spool.append(try rig.maker.packet())
        let found = try spool.find([Partition(0): past.content])
        #expect(found.standing(Partition(0), nextOrdinal: 19) == .through(number: 0))
    }

    @Test("the owner sees what is spooled per partition, and how far watermarks may go")
    func tails() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        let packets = [
            try rig.maker.packet(4), try rig.maker.packet(4, ticks: 2), try rig.maker.packet(9),
        ]
        try spool.append(packets)
        let tail = try #require(spool.tail(Partition(4)))
        #expect(tail.frames == 2)
        #expect(tail.ticks == 5)
        #expect(tail.oldestEventTime == packets[0].oldestEventTime)
        #expect(spool.tail(Partition(5)) == nil)
        #expect(try spool.peek()?.number == 1)
        try spool.consume(1)
        #expect(spool.tail(Partition(4))?.oldestEventTime == packets[0].header.watermark)
        #expect(spool.ticks == 5)
        let reopened = try { () throws -> Spool in
            _ = try spool.setAside(reason: "test", now: Timestamp(nanoseconds: PacketMaker.start))
            return spool
        }()
        #expect(reopened.tail(Partition(4)) == nil)
        #expect(reopened.ticks == 0)
    }

    @Test("the epochs that its holder opened are on record, and those of an empty spool are short")
    func holder() throws {
        let rig = try SpoolRig()
        do {
            let spool = try rig.open()
            #expect(spool.epochs(Partition(1)).isEmpty)
            try spool.hold([(Partition(1), 4), (Partition(2), 9)])
            try spool.hold([(Partition(1), 6)])
            #expect(spool.epochs(Partition(1)) == [4, 6])
            _ = try spool.append(try rig.maker.packet(1))
            try spool.hold([(Partition(1), 8), (Partition(1), 8)])
            #expect(spool.epochs(Partition(1)) == [4, 6, 8])
        }
        let spool = try rig.open()
        #expect(!spool.opening.isHolderUnknown)
        #expect(spool.epochs(Partition(1)) == [4, 6, 8])
        #expect(spool.epochs(Partition(2)) == [9])
        _ = try spool.drain()
        try spool.hold([(Partition(1), 10)])
        #expect(spool.epochs(Partition(1)) == [8, 10])
        for epoch in 11...200 as ClosedRange<UInt64> {
            _ = try spool.append(try rig.maker.packet(1))
            try spool.hold([(Partition(1), epoch)])
        }
        #expect(spool.epochs(Partition(1)).count == SpoolHolder.epochsMax)
        #expect(spool.epochs(Partition(1)).last == 200)
    }

    @Test("a damaged holder file leaves the packets, and says that the owner is not known")
    func damagedHolder() throws {
        let rig = try SpoolRig()
        do {
            let spool = try rig.open()
            try spool.hold([(Partition(0), 4)])
            _ = try spool.append(try rig.maker.packet())
        }
        try Data("{".utf8).write(to: URL(fileURLWithPath: "\(rig.active)/holder"))
        let spool = try rig.open()
        #expect(spool.opening.isHolderUnknown)
        #expect(spool.epochs(Partition(0)).isEmpty)
        #expect(spool.frames == 1)
    }
}
