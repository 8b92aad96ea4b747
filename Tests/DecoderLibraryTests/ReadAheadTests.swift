import ArrowColumns
import Foundation
import MarketModel
import Primitives
import Recordings
import ReplayProvider
import TapeCodec
import TestSupport
import Testing

@testable import DecoderLibrary

/// What a thread reads ahead is what one thread alone reads.
@Suite("Recordings that are read ahead")
struct ReadAheadTests {
    /// Everything that a reading gives.
    private struct Reading: Equatable {
        /// By column: the bytes of its values, the bits of its rows with a value, and its texts.
        var values: [[UInt8]] = ColumnKind.trades.columns.map { _ in [] }
        var validity: [[Bool]] = ColumnKind.trades.columns.map { _ in [] }
        var texts: [[UInt8]] = ColumnKind.trades.columns.map { _ in [] }
        var batches: [Int] = []
        var failure: DecodeError?
        var provenance = ""

        mutating func add(_ batch: ColumnBatch) {
            batches.append(batch.rows)
            for (index, column) in ColumnKind.trades.columns.enumerated() {
                let values = unsafe UnsafeRawBufferPointer(
                    start: batch.values(of: index), count: batch.rows * column.width)
                unsafe self.values[index] += Array(values)
                let bits = unsafe batch.validity(of: index)
                validity[index] += (0..<batch.rows).map { row in
                    unsafe bits.map {
                        unsafe $0.load(fromByteOffset: row / 8, as: UInt8.self) >> (row % 8) & 1
                            == 1
                    } ?? true
                }
                guard let page = batch.texts(of: index), let bytes = unsafe page.buffers.bytes,
                    let ends = unsafe page.buffers.offsets
                else { continue }
                let count = unsafe Int(
                    ends.load(fromByteOffset: page.count * 4, as: Int32.self))
                let found = unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
                #expect(found.starts(with: texts[index]))
                texts[index] = found
            }
        }
    }

    /// Reads by the library's class, with blocks of so many bytes. `hasThread`: whether the system
    /// has a thread for it.
    private func ahead(
        _ path: String, blockBytes: Int, _ selection: RowSelection, hasThread: Bool = true
    ) throws -> Reading {
        var reading = Reading()
        let columns = try RecordingColumns(
            path, ColumnShape(of: .trades), selection, blockBytes: blockBytes)
        columns.queue.isStarted = !hasThread
        do throws(DecodeError) {
            while let batch = try columns.next() { reading.add(batch) }
        } catch {
            reading.failure = error
        }
        reading.provenance = columns.provenance()
        return reading
    }

    /// Reads packet by packet, in this thread alone.
    private func plain(_ path: String, _ selection: RowSelection) throws -> Reading {
        var reading = Reading()
        let file = try RecordingFile(path)
        var decoder = ColumnDecoder([.trades], selection)
        do throws(RecordingError) {
            while try file.withNext({ (frame, packet) -> Void in
                let origin = PacketOrigin(
                    sequence: file.packets, knownAt: frame.knownAt, place: frame.place)
                do throws(DecodeError) {
                    try decoder.take(packet, frame.header, origin)
                } catch {
                    reading.failure = error
                }
            }) != nil, reading.failure == nil {}
        } catch {
            reading.failure = DecodeError(error)
        }
        if let batch = decoder.batch(of: .trades) { reading.add(batch) }
        reading.provenance = decoder.provenance(
            isComplete: file.hasEnded && reading.failure == nil, interface: interfaceNumber)
        return reading
    }

    /// Writes a recording of packets with few trades each. `hole`: ordinals are missing before this
    /// packet; `cut`: its last message is cut; 0: none. Returns how many packets it has.
    private func record(
        _ fixture: DecoderFixture, _ random: inout SeededRandom, hole: Int, cut: Int
    ) throws -> Int {
        let writer = try RecordingWriter(
            fixture.path,
            RecordingInfo(
                namespace: "md", partitions: 4, source: fixture.source, from: .undefined,
                to: .undefined, created: Timestamp(nanoseconds: 1), present: [Partition(1)]))
        var first: UInt64 = 1
        let count = Int.random(in: 1...60, using: &random)
        for number in 0..<count {
            if number == hole, hole > 0 { first += 7 }
            let trades = Int.random(in: 0...40, using: &random)
            let packet = try fixture.packet(first, trades: trades)
            let knownAt = DecoderFixture.known(number)
            try writer.add(
                number == cut && cut > 0
                    ? DecoderFixture.cut(packet, knownAt)
                    : RecordedPacket(packet, knownAt: knownAt))
            first += UInt64(trades) + 2
        }
        try writer.finish()
        return count
    }

    @Test("rows, holes, damage and their places are those of one thread")
    func same() throws {
        var reasons: [DecodeError.Reason?: Int] = [:]
        for seed in 1...60 {
            for reason in try compare(seed: seed) { reasons[reason, default: 0] += 1 }
        }
        for reason in [nil, DecodeError.Reason.hole, .damaged] {
            #expect(reasons[reason, default: 0] > 3, "\(reasons)")
        }
    }

    /// Returns why the readings of a recording failed; `nil`: they did not.
    private func compare(seed: Int) throws -> [DecodeError.Reason?] {
        var reasons: [DecodeError.Reason?] = []
        var random = SeededRandom(seed: UInt64(seed))
        let fixture = try DecoderFixture()
        let hole = seed % 3 == 0 ? Int.random(in: 1...50, using: &random) : 0
        let cut = seed % 3 == 2 ? Int.random(in: 1...20, using: &random) : 0
        let packets = try record(fixture, &random, hole: hole, cut: cut)
        if seed % 3 == 1 {
            try fixture.changeBytes { bytes in
                let place = Int.random(in: 200..<bytes.count, using: &random)
                if seed % 2 == 0 { bytes.removeLast(bytes.count - place) }
                if seed % 2 == 1 { bytes[place] ^= .random(in: 1...255, using: &random) }
            }
        }
        for marksHoles in [false, true] {
            let selection = RowSelection(marksHoles: marksHoles)
            let expected = try plain(fixture.path, selection)
            reasons.append(expected.failure?.reason)
            if (1..<packets).contains(cut) {
                #expect(expected.failure?.description.contains("no packet") == true)
            }
            for blockBytes in [1, 3_000, FrameBlock.bytesFull] {
                for hasThread in [true, false] {
                    var found = try ahead(
                        fixture.path, blockBytes: blockBytes, selection, hasThread: hasThread)
                    // The first batch comes early.
                    found.batches = [found.batches.reduce(0, +)].filter { $0 > 0 }
                    #expect(
                        found == expected,
                        "seed \(seed), blocks of \(blockBytes) bytes, \(hasThread)")
                }
            }
        }
        return reasons
    }

    @Test("a message that is damaged is reported before a wrong source", arguments: [false, true])
    func otherSource(isCut: Bool) throws {
        let fixture = try DecoderFixture()
        let writer = try RecordingWriter(
            fixture.path,
            RecordingInfo(
                namespace: "md", partitions: 4, source: try #require(SourceName("other")),
                from: .undefined, to: .undefined, created: Timestamp(nanoseconds: 1),
                present: [Partition(1)]))
        let (packet, knownAt) = (try fixture.packet(1, trades: 4), DecoderFixture.known(0))
        try writer.add(
            isCut
                ? DecoderFixture.cut(packet, knownAt) : RecordedPacket(packet, knownAt: knownAt))
        try writer.finish()
        let failure = try ahead(fixture.path, blockBytes: 1, RowSelection()).failure
        let text = isCut ? "no packet" : "the packet is not of this recording"
        #expect(failure?.reason == .damaged && failure?.description.contains(text) == true)
    }

    @Test("an error stays, and comes after the rows before it")
    func failure() throws {
        let fixture = try DecoderFixture(packets: 30, trades: 10)
        try fixture.changeBytes { $0[$0.count / 2] ^= 1 }
        let columns = try RecordingColumns(
            fixture.path, ColumnShape(of: .trades), RowSelection(), blockBytes: 1)
        let batch = try columns.next()
        #expect(batch.map { (100...200).contains($0.rows) } == true)
        let errors = (0..<3).map { _ in
            #expect(throws: DecodeError.self) { _ = try columns.next() }
        }
        #expect(errors[0]?.reason == .damaged && Set(errors).count == 1)
    }

    @Test("batches that a reader keeps stay as they are")
    func kept() throws {
        let fixture = try DecoderFixture(packets: 2_000, trades: 100)
        let ordinal = try #require(ColumnKind.trades.columns.firstIndex { $0.name == "ordinal" })
        let columns = try RecordingColumns(
            fixture.path, ColumnShape(of: .trades), RowSelection())
        var batches: [ColumnBatch] = []
        while let batch = try columns.next() { batches.append(batch) }
        let found = batches.flatMap { batch in
            (0..<batch.rows).map { row in
                unsafe batch.values(of: ordinal).load(fromByteOffset: row * 8, as: Int64.self)
            }
        }
        // Each packet has a quote and a gap after its trades.
        let expected = (0..<2_000).flatMap { packet in
            (1...100).map { Int64(packet * 102 + $0) }
        }
        let areRight = found == expected
        #expect(areRight && batches.count > 3)
    }
}
