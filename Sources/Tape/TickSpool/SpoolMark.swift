internal import MarketModel
internal import Primitives

/// Where the unconsumed frames of each queue begin, as stored in the file `mark`: all earlier
/// frames of the queue are on the tape.
///
/// While a queue is not empty, its stored number may be too low: the next process recognises by its
/// content which frame is the last one on the tape (`Spool.find`). The number has to be right
/// before a packet of the queue's partitions goes onto the tape past the spool (`Spool.storeMark`).
/// That packet is then the last one there. It is in no frame, so no frame would be recognised.
///
///     0  magic   8  number of queues   16  a word per queue   then XXH3 of everything before it
struct SpoolMark: Equatable {
    struct Queue: Equatable {
        /// All frames of the queue below this number are on the tape.
        var below: UInt64 = 1
        /// Whether no packet went past the spool after the frames from `below` on. It is false when
        /// a mark was lost: then these frames may be on the tape, followed by such packets.
        var isSure = true
    }

    static let fileName = "mark"
    /// "TSPMARK2", little endian.
    private static let magic: UInt64 = 0x324b_5241_4d50_5354
    /// The bit of a queue's word that is set when the queue is not sure.
    private static let unsure: UInt64 = 1 << 63
    /// What is known when the mark was lost or never written: nothing.
    static let none = SpoolMark(queues: [Queue(isSure: false)])

    /// One queue at least. With n queues, partition p belongs to queue p mod n.
    let queues: [Queue]

    /// The number from which on there are unconsumed frames.
    var lowest: UInt64 { queues.reduce(UInt64.max) { min($0, $1.below) } }
    /// The highest number below which a queue has consumed all its frames.
    var highest: UInt64 { queues.reduce(1) { max($0, $1.below) } }

    /// Returns whether the frame is known to be on the tape.
    func covers(_ frame: FrameHeader) -> Bool {
        frame.number < queues[frame.partition.number % queues.count].below
    }

    /// Returns the queues of this mark for `count` queues. When the number of queues has changed,
    /// only the lowest number is right for all partitions.
    func divided(among count: Int) -> [Queue] {
        if queues.count == count { return queues }
        let all = queues.count == 1 ? queues[0] : Queue(below: lowest, isSure: false)
        return Array(repeating: all, count: count)
    }

    // MARK: bytes

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(Self.magic)
        bytes.append(UInt64(queues.count))
        for queue in queues { bytes.append(queue.isSure ? queue.below : queue.below | Self.unsure) }
        bytes.append(bytes.withRawSpan { Checksum.of($0) })
        return bytes
    }

    /// Reads the mark in a spool's folder; `none` when there is none or it is damaged.
    static func read(in folder: String) throws(SpoolError) -> SpoolMark {
        parse(try SpoolFiles.contents("\(folder)/\(fileName)")) ?? none
    }

    /// Reads a mark. Returns `nil` when the bytes are no mark. Bytes after the checksum are left of
    /// an earlier, longer mark and are ignored.
    static func parse(_ bytes: [UInt8]?) -> SpoolMark? {
        guard let bytes, bytes.count >= 32 else { return nil }
        return bytes.withRawSpan { span in
            let count = span.uint64(at: 8)
            guard span.uint64(at: 0) == magic, count > 0,
                count <= UInt64(Partition.countRange.upperBound)
            else { return nil }
            return queues(in: span, count: Int(count)).map(SpoolMark.init)
        }
    }

    private static func queues(in span: RawSpan, count: Int) -> [Queue]? {
        let end = 16 + 8 * count
        guard span.byteCount >= end + 8,
            span.uint64(at: end) == Checksum.of(span.extracting(0..<end))
        else { return nil }
        let queues = (0..<count).map { index in
            let word = span.uint64(at: 16 + 8 * index)
            return Queue(below: max(1, word & ~unsure), isSure: word & unsure == 0)
        }
        return queues.allSatisfy { $0.below <= FrameHeader.numberMax } ? queues : nil
    }
}
