import ArrowColumns
import MarketModel
import Recordings
import TapeCodec
import TestSupport
import Testing

@testable import DecoderLibrary

/// How far a recording is read ahead, and that nothing is left of it.
@Suite("Queues of packets that are read ahead")
struct FrameQueueTests {
    @Test("a queue that is closed has no thread")
    func closed() throws {
        let fixture = try DecoderFixture(packets: 30, trades: 10)
        weak var ended: FrameQueue?
        do {
            let queue = FrameQueue(try RecordingFile(fixture.path), blockBytes: 1)
            ended = queue
            let block = queue.next(after: nil)
            #expect(block.frames.count == 1 && block.end == nil)
            queue.close()
        }
        // The thread would keep it.
        #expect(ended == nil)
    }

    @Test("a reading leaves no thread, wherever it ends", arguments: [false, true])
    func ended(isDamaged: Bool) throws {
        let fixture = try DecoderFixture(packets: 300, trades: 100)
        if isDamaged { try fixture.changeBytes { $0[$0.count / 2] ^= 1 } }
        for most in [0, 1, .max] {
            weak var queue: FrameQueue?
            do {
                // The thread is busy, or waits for an empty block, or has ended.
                let columns = try RecordingColumns(
                    fixture.path, ColumnShape(of: .trades), RowSelection(), blockBytes: 3_000)
                queue = columns.queue
                var (count, failure): (Int, DecodeError?) = (0, nil)
                do throws(DecodeError) {
                    while count < most, try columns.next() != nil { count += 1 }
                } catch {
                    failure = error
                }
                #expect((failure != nil) == (isDamaged && most == .max))
                #expect((columns.queue.thread != nil) == (most == 1))
                #expect(count >= min(most, 1))
            }
            #expect(queue == nil, "after \(most) batches")
        }
    }

    @Test("packets that are not kept fill a block, too")
    func notKept() throws {
        let fixture = try DecoderFixture(packets: 30, trades: 10)
        let file = try RecordingFile(fixture.path)
        let block = FrameBlock(bytesFull: try fixture.packet(1, trades: 10).count)
        block.fill(from: file)
        #expect(block.frames.count == 4 && block.end == nil && file.packets == 4)
    }

    @Test("bars are read among many packets of ticks, and little of the file is read ahead")
    func bars() throws {
        let fixture = try DecoderFixture()
        try fixture.recordBars(5, tickPackets: 300)
        let columns = try RecordingColumns(
            fixture.path, ColumnShape(of: .bars), RowSelection(), blockBytes: 1)
        let batch = try columns.next()
        #expect(batch?.rows == 5)
        let next = try columns.next()
        #expect(next == nil && columns.provenance().contains(#""complete":true"#))
        let file = try RecordingFile(fixture.path)
        file.leavesMessages = { $0.kind == .bars }
        let queue = FrameQueue(file, blockBytes: 1)
        let block = queue.next(after: nil)
        queue.close()
        #expect(block.frames.count == 1 && file.packets <= UInt64(FrameQueue.blocksMax))
    }

    @Test("a queue that is stopped reads no other packet")
    func stopped() throws {
        let fixture = try DecoderFixture(packets: 30, trades: 10)
        let file = try RecordingFile(fixture.path)
        let queue = FrameQueue(file, blockBytes: FrameBlock.bytesFull)
        // It is asked within each packet. Each has 12 ordinals.
        file.leavesMessages = { [weak queue] header in
            if header.firstOrdinal > 60 { queue?.stop() }
            return true
        }
        let block = queue.next(after: nil)
        queue.close()
        #expect(block.frames.count == 6 && block.end == nil && file.packets == 6)
    }
}
