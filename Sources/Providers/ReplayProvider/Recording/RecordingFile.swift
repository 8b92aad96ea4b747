internal import Glibc
internal import MarketModel
internal import Primitives
internal import ServiceRuntime
internal import TapeCodec

/// Reads a recording and trusts nothing in it: a cut or a changed byte is an error with its offset.
/// Memory: one packet and one buffer.
package final class RecordingFile: RecordedTape {
    private static let bufferBytes = 256 * 1024

    package let path: String
    package private(set) var about: RecordingInfo
    /// The numbers of packets and ticks that were read.
    package private(set) var packets: UInt64 = 0
    package private(set) var ticks: UInt64 = 0
    package private(set) var missing = MissingTicks()
    private let descriptor: Int32
    private var isOpen = true
    /// The checksum of everything that was read (`RecordingFormat`).
    private var chain: UInt64 = 0
    /// The end was read, and is right.
    private var hasEnded = false
    private var buffer: [UInt8] = []
    /// The offset in the buffer of the first byte that was not read yet.
    private var start = 0
    /// The offset in the file of the next byte.
    package private(set) var offset = 0

    package init(_ path: String) throws(RecordingError) {
        self.path = path
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else {
            throw RecordingError(
                path: path, offset: 0,
                problem: "it cannot be read: \(SystemErrorCode(rawValue: errno))")
        }
        descriptor = opened
        about = RecordingInfo(
            namespace: "", partitions: 1, source: .manual, from: .undefined, to: .undefined,
            created: .undefined)
        try readHeader()
    }

    deinit { close() }

    package func close() {
        if isOpen { Glibc.close(descriptor) }
        isOpen = false
    }

    /// Reads a recording to its end, which proves its numbers of packets and ticks.
    package static func check(
        _ path: String, isStopped: () -> Bool = { false }
    ) throws(RecordingError) -> (info: RecordingInfo, packets: UInt64, ticks: UInt64) {
        let file = try RecordingFile(path)
        while try file.readPacket() != nil {
            if isStopped() { break }
        }
        return (file.about, file.packets, file.ticks)
    }

    package func next() throws -> RecordedPacket? { try readPacket() }

    /// Reads and checks the next packet. Returns false at the end, when everything was right.
    package func step() throws(RecordingError) -> Bool { try readPacket() != nil }

    private func readHeader() throws(RecordingError) {
        do throws(FormatProblem) {
            let head = try peek(16)
            let length = try RecordingFormat.headerLength(head)
            let header = try peek(length)
            (about, chain) = try RecordingFormat.info(header)
            skip(length)
        } catch {
            throw RecordingError(path: path, offset: error.offset, problem: error.problem)
        }
    }

    /// Returns the next packet; `nil`: the recording has ended, and was complete.
    func readPacket() throws(RecordingError) -> RecordedPacket? {
        guard !hasEnded else { return nil }
        let place = offset
        do throws(FormatProblem) {
            let head = try peek(RecordingFormat.frameHeadBytes)
            let length = Int(head.withRawSpan { $0.uint32(at: 0) })
            guard length > 0 else {
                try readEnd(place)
                return nil
            }
            guard length <= PacketLimits.bytesMax else {
                throw FormatProblem(place, "a packet of \(length) bytes makes no sense")
            }
            return try frame(length, head.withRawSpan { $0.uint64(at: 4) }, place)
        } catch {
            throw RecordingError(path: path, offset: error.offset, problem: error.problem)
        }
    }

    /// Reads one frame, whose checksum has to be `expected`. `place`: its offset in the file.
    private func frame(
        _ length: Int, _ expected: UInt64, _ place: Int
    ) throws(FormatProblem) -> RecordedPacket {
        let whole = try peek(RecordingFormat.frameHeadBytes + length)
        let bytes = Array(whole[RecordingFormat.frameHeadBytes...])
        let present = bytes.withRawSpan { Checksum.chained($0, after: chain) }
        guard present == expected else { throw FormatProblem(place, "the packet is damaged") }
        let packet: RecordedPacket
        do throws(PacketError) {
            packet = try RecordedPacket(bytes)
        } catch {
            throw FormatProblem(
                place + RecordingFormat.frameHeadBytes + error.offset, "no packet: \(error)")
        }
        guard packet.header.source == about.source, packet.header.kind != .bars,
            packet.header.partition.number < about.partitions
        else { throw FormatProblem(place, "the packet is not of this recording") }
        chain = present
        skip(whole.count)
        packets += 1
        missing.took(packet.header, isInRange: true)
        ticks += packet.header.kind == .ticks ? UInt64(packet.header.tickCount) : 0
        return packet
    }

    /// Reads the end, which states the numbers of packets and ticks.
    private func readEnd(_ place: Int) throws(FormatProblem) {
        let end = try peek(RecordingFormat.endBytes)
        let counts = Array(end[4..<20])
        let expected = counts.withRawSpan { Checksum.chained($0, after: chain) }
        let stated = end.withRawSpan { ($0.uint64(at: 4), $0.uint64(at: 12), $0.uint64(at: 20)) }
        guard stated == (packets, ticks, expected) else {
            throw FormatProblem(place, "its end does not fit what stands before it")
        }
        skip(RecordingFormat.endBytes)
        guard try fill(1) == 0 else { throw FormatProblem(offset, "there is more behind its end") }
        hasEnded = true
    }

    // MARK: bytes

    /// Returns the next bytes of the file, exactly `count`.
    private func peek(_ count: Int) throws(FormatProblem) -> [UInt8] {
        let found = try fill(count)
        guard found >= count else {
            throw FormatProblem(
                offset + found, "it is cut off here: it was not written to its end")
        }
        return Array(buffer[start..<start + count])
    }

    /// Goes on to the bytes after these.
    private func skip(_ count: Int) {
        start += count
        offset += count
    }

    /// Fills the buffer. Returns how many bytes are there: at least `count` if the file has them.
    private func fill(_ count: Int) throws(FormatProblem) -> Int {
        guard buffer.count - start < count else { return buffer.count - start }
        buffer.removeSubrange(..<start)
        start = 0
        var chunk = [UInt8](repeating: 0, count: Self.bufferBytes)
        while buffer.count < count {
            let found = unsafe read(descriptor, &chunk, chunk.count)
            if found < 0, errno == EINTR { continue }
            guard found >= 0 else {
                throw FormatProblem(
                    offset, "it cannot be read: \(SystemErrorCode(rawValue: errno))")
            }
            if found == 0 { break }
            buffer += chunk[..<found]
        }
        return buffer.count
    }
}
