internal import Glibc
package import MarketModel
internal import Primitives
package import Recordings
package import ServiceRuntime
internal import TapeCodec

/// Writes a recording under another name until it is complete. So a file with the final name is
/// always complete. Memory: one buffer.
package final class RecordingWriter {
    private static let bufferBytes = 256 * 1024

    /// The final name.
    package let path: String
    /// The name until then.
    private let temporary: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// The checksum of everything that was added (`RecordingFormat`).
    private var chain: UInt64
    /// The partitions whose bars it has; `nil`: it has no bars.
    private let present: [Partition]?
    /// The numbers of packets, ticks, bars and bytes that were added.
    package private(set) var packets: UInt64 = 0
    package private(set) var ticks: UInt64 = 0
    package private(set) var bars: UInt64 = 0
    package private(set) var bytes: UInt64 = 0
    private var isFinished = false

    /// Why it could not be written. One line.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        case system(operation: String, path: String, SystemErrorCode)
        /// Another process writes a recording to the same file.
        case inUse(path: String)
        /// A file of this name was made meanwhile.
        case exists(path: String)
        case tooManySymbols(Int)
        case tooLong(Symbol)

        package var description: String {
            switch self {
            case .system(let operation, let path, let code):
                "cannot \(operation) \(path): \(code)"
            case .inUse(let path):
                "\(path) is being written by another 'tapeline record': wait for it"
            case .exists(let path):
                "\(path) is there already: remove it, or name another file"
            case .tooManySymbols(let count):
                "\(count) symbols are too many: a recording names at most "
                    + "\(RecordingFormat.symbolsMax)"
            case .tooLong(let symbol):
                "a symbol has \(symbol.text.utf8.count) bytes, a recording names those of at most "
                    + "\(RecordingFormat.symbolBytesMax): \(symbol)"
            }
        }
    }

    package init(_ path: String, _ info: RecordingInfo) throws(Failure) {
        guard info.symbols.count <= RecordingFormat.symbolsMax else {
            throw .tooManySymbols(info.symbols.count)
        }
        if let long = info.symbols.first(where: {
            $0.text.utf8.count > RecordingFormat.symbolBytesMax
        }) {
            throw .tooLong(long)
        }
        self.path = path
        present = info.hasBars ? info.present : nil
        temporary = "\(path).part"
        descriptor = try Self.begin(temporary)
        buffer.reserveCapacity(Self.bufferBytes + PacketLimits.bytesMax)
        let header = RecordingFormat.header(info)
        buffer += header
        bytes = UInt64(header.count)
        chain = buffer.withRawSpan { $0.uint64(at: header.count - RecordingFormat.checksumBytes) }
    }

    /// Starts the file. What a killed process left under this name is overwritten; a file that is
    /// still being written is left alone. A link is not followed, because it would lead the bytes
    /// elsewhere.
    private static func begin(_ path: String) throws(Failure) -> Int32 {
        let descriptor = unsafe open(
            path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw failure("write", path) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            Glibc.close(descriptor)
            throw .inUse(path: path)
        }
        guard ftruncate(descriptor, 0) == 0 else {
            let failure = failure("write", path)
            Glibc.close(descriptor)
            throw failure
        }
        return descriptor
    }

    private static func failure(_ operation: String, _ path: String) -> Failure {
        .system(operation: operation, path: path, SystemErrorCode(rawValue: errno))
    }

    deinit {
        guard !isFinished else { return }
        close(descriptor)
        unsafe unlink(temporary)
    }

    /// Adds the next packet, whose time is known.
    package func add(_ packet: RecordedPacket) throws(Failure) {
        precondition(packet.knownAt.isDefined, "a recording has the time of each packet")
        var frame: [UInt8] = []
        frame.reserveCapacity(RecordingFormat.timeBytes + packet.bytes.count)
        frame.append(little: UInt64(bitPattern: packet.knownAt.nanoseconds))
        frame += packet.bytes
        chain = frame.withRawSpan { Checksum.chained($0, after: chain) }
        buffer.append(little: UInt32(packet.bytes.count))
        buffer.append(little: chain)
        buffer += frame
        packets += 1
        switch packet.header.kind {
        case .ticks: ticks += UInt64(packet.header.tickCount)
        case .bars: bars += UInt64(packet.header.tickCount)
        case .watermark: break
        }
        bytes += UInt64(RecordingFormat.chainedFrom + frame.count)
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    /// Gives the complete file its final name, synced to the disk. `complete` says which bars are
    /// complete, of the partitions that are present.
    package func finish(bars complete: [RecordedBars] = []) throws(Failure) {
        var end: [UInt8] = []
        end.append(little: packets)
        end.append(little: ticks)
        chain = end.withRawSpan { Checksum.chained($0, after: chain) }
        buffer.append(little: UInt32(0))
        buffer += end
        buffer.append(little: chain)
        if let present {
            let stated = RecordingFormat.bars(complete, of: present, after: chain)
            buffer += stated
            bytes += UInt64(stated.count)
        }
        bytes += UInt64(RecordingFormat.endBytes)
        try flush()
        guard fsync(descriptor) == 0 else { throw Self.failure("write", temporary) }
        try name()
        isFinished = true
        close(descriptor)
    }

    /// Gives the file its final name without replacing a file that was made meanwhile: a hard link,
    /// unlike a rename, replaces nothing. On a file system without hard links, only a file that is
    /// made between the check and the rename is overlooked.
    private func name() throws(Failure) {
        if unsafe link(temporary, path) == 0 {
            unsafe unlink(temporary)
        } else {
            guard errno != EEXIST else { throw .exists(path: path) }
            guard [EPERM, ENOTSUP, ENOSYS].contains(errno) else {
                throw Self.failure("write", path)
            }
            guard unsafe access(path, F_OK) != 0 else { throw .exists(path: path) }
            guard unsafe rename(temporary, path) == 0 else { throw Self.failure("write", path) }
        }
        // The name is on the disk when its folder is synced. Some file systems cannot sync a
        // folder.
        let end = path.lastIndex(of: "/")
        let folder = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let opened = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { return }
        fsync(opened)
        Glibc.close(opened)
    }

    private func flush() throws(Failure) {
        var done = 0
        while done < buffer.count {
            let count = unsafe buffer.withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("write", temporary) }
            done += count
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
