internal import Glibc
internal import Primitives
internal import ServiceRuntime
internal import TapeCodec

/// Writes a recording: under another name until it is whole, so that a file that stands under its
/// own name is a whole one. Memory: one buffer.
public final class RecordingWriter {
    private static let bufferBytes = 256 * 1024

    public let path: String
    private let temporary: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var chain: UInt64
    public private(set) var packets: UInt64 = 0
    public private(set) var ticks: UInt64 = 0
    public private(set) var bytes: UInt64 = 0
    private var isFinished = false

    /// Why it could not be written. One line.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        public let description: String

        init(_ operation: String, _ path: String, _ code: SystemErrorCode) {
            description = "cannot \(operation) \(path): \(code)"
        }

        init(_ description: String) { self.description = description }
    }

    public init(_ path: String, _ info: RecordingInfo) throws(Failure) {
        guard info.symbols.count <= RecordingFormat.symbolsMax else {
            throw Failure("a recording names at most \(RecordingFormat.symbolsMax) symbols")
        }
        self.path = path
        temporary = "\(path).part"
        let opened = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard opened >= 0 else {
            throw Failure("write", temporary, SystemErrorCode(rawValue: errno))
        }
        descriptor = opened
        buffer.reserveCapacity(Self.bufferBytes + PacketLimits.bytesMax)
        let header = RecordingFormat.header(info)
        buffer += header
        bytes = UInt64(header.count)
        chain = buffer.withRawSpan { $0.uint64(at: header.count - RecordingFormat.checksumBytes) }
    }

    deinit {
        guard !isFinished else { return }
        close(descriptor)
        unsafe unlink(temporary)
    }

    public func add(_ packet: RecordedPacket) throws(Failure) {
        chain = packet.bytes.withRawSpan { Checksum.chained($0, after: chain) }
        buffer.append(little: UInt32(packet.bytes.count))
        buffer.append(little: chain)
        buffer += packet.bytes
        packets += 1
        ticks += packet.header.kind == .ticks ? UInt64(packet.header.tickCount) : 0
        bytes += UInt64(RecordingFormat.frameHeadBytes + packet.bytes.count)
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    /// Puts the whole file under its name, on disk.
    public func finish() throws(Failure) {
        var end: [UInt8] = []
        end.append(little: packets)
        end.append(little: ticks)
        chain = end.withRawSpan { Checksum.chained($0, after: chain) }
        buffer.append(little: UInt32(0))
        buffer += end
        buffer.append(little: chain)
        bytes += UInt64(RecordingFormat.endBytes)
        try flush()
        guard fsync(descriptor) == 0 else {
            throw Failure("write", temporary, SystemErrorCode(rawValue: errno))
        }
        guard unsafe rename(temporary, path) == 0 else {
            throw Failure("write", path, SystemErrorCode(rawValue: errno))
        }
        isFinished = true
        close(descriptor)
    }

    private func flush() throws(Failure) {
        var done = 0
        while done < buffer.count {
            let count = unsafe buffer.withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Failure("write", temporary, SystemErrorCode(rawValue: errno))
            }
            done += count
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
