internal import Primitives
internal import Recordings
internal import TapeCodec

/// Checked packets of a recording, one after the other in memory, and what came after them.
///
/// Safety: a block is used by one thread at a time. `FrameQueue` hands it from one to the other.
/// The memory is that of the block. It has room for the longest packet after the last byte before
/// the block is full.
@safe
final class FrameBlock: @unchecked Sendable {
    /// A block with so many bytes of packets is full.
    static let bytesFull = 1 << 20
    /// So many times these bytes of the file are read at most for a block, kept or not.
    private static let readFactor = 4
    /// A block with so many packets is full, too.
    private static let framesMax = 8_192

    /// What a block says of a packet.
    struct Frame {
        let recorded: RecordedFrame
        /// The number of the packet in the recording, from 1.
        let number: UInt64
        /// The packet's bytes in the block; empty when they are not kept.
        fileprivate let bytes: Range<Int>
    }

    enum End {
        /// The recording has ended, and was complete.
        case complete
        case failed(RecordingError)
    }

    private(set) var frames: [Frame] = []
    /// What came after the last packet; `nil`: more packets.
    private(set) var end: End?
    private let bytesFull: Int
    private let memory: UnsafeMutableRawBufferPointer
    private var used = 0

    init(bytesFull: Int) {
        self.bytesFull = bytesFull
        // The last packet of a block may begin just before it is full.
        unsafe memory = .allocate(
            byteCount: bytesFull + PacketLimits.bytesMax, alignment: MemoryLayout<UInt64>.alignment)
    }

    deinit { unsafe memory.deallocate() }

    /// Reads packets until the block is full, the recording ends, or `isStopped` is true before a
    /// packet. Only of packets whose messages the file leaves to the decoder the bytes are kept.
    func fill(from file: RecordingFile, isStopped: () -> Bool = { false }) {
        frames.removeAll(keepingCapacity: true)
        used = 0
        end = nil
        let isKept = file.leavesMessages
        let readEnd = file.offset + bytesFull * Self.readFactor
        do throws(RecordingError) {
            while used < bytesFull, file.offset < readEnd, frames.count < Self.framesMax,
                !isStopped()
            {
                let number = file.packets + 1
                let isThere: Void? = try file.withNext { frame, packet in
                    let bytes = isKept(frame.header) ? copy(packet) : used..<used
                    frames.append(Frame(recorded: frame, number: number, bytes: bytes))
                }
                guard isThere != nil else {
                    end = .complete
                    return
                }
            }
        } catch {
            end = .failed(error)
        }
    }

    private func copy(_ packet: RawSpan) -> Range<Int> {
        let place = used..<used + packet.byteCount
        used = place.upperBound
        unsafe packet.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: memory[place]).copyMemory(from: bytes)
        }
        return place
    }

    /// Calls `body` with the bytes of a packet of the block.
    func withPacket<Result, Failure: Error>(
        of frame: Frame, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory[frame.bytes])
        return try unsafe body(bytes.bytes)
    }
}
