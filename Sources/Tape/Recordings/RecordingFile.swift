internal import Glibc
internal import MarketModel
internal import Primitives
package import TapeCodec

/// Reads a recording and trusts nothing in it: a cut or a changed byte is an error with its offset.
/// Memory: one packet and what is read ahead of it.
package final class RecordingFile: RecordedTape {
    /// The bytes of one read. They fit into a processor's cache, where the packets are then read.
    private static let readBytes = 256 * 1024

    package let path: String
    package private(set) var about: RecordingInfo
    /// The numbers of packets and ticks that were read.
    package private(set) var packets: UInt64 = 0
    package private(set) var ticks: UInt64 = 0
    /// The number of packets of bars among those that were read.
    package private(set) var barPackets: UInt64 = 0
    package private(set) var missing = MissingTicks()
    /// Says of which packets the reader of `withNext` checks the messages, because it walks over
    /// them anyway. What is wrong with a message is still reported before what is wrong with the
    /// file itself.
    package var leavesMessages: (PacketHeader) -> Bool = { _ in false }
    let descriptor: Int32
    private var isOpen = true
    /// The checksum of everything that was read (`RecordingFormat`).
    private var chain: UInt64 = 0
    /// When the tape took the last packet of each kind and partition.
    private var latest: [Timestamp] = []
    /// Whether the end was read, and is right.
    package private(set) var hasEnded = false
    private var buffer = [UInt8](repeating: 0, count: 2 * readBytes)
    /// The bytes of the buffer that hold the file from `offset` on.
    private var unread = 0..<0
    /// The offset in the file of the next byte.
    package private(set) var offset = 0

    package init(_ path: String) throws(RecordingError) {
        self.path = path
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else { throw RecordingError(path, FormatProblem(0, code: errno)) }
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
        while try file.step() {
            if isStopped() { break }
        }
        return (file.about, file.packets, file.ticks)
    }

    /// Returns the next packet that is not of bars; `nil`: the recording has ended, and was
    /// complete.
    package func next() throws -> RecordedPacket? {
        while true {
            let packet = try withNext { frame, bytes -> RecordedPacket? in
                frame.header.kind == .bars ? nil : RecordedPacket(frame, bytes.array)
            }
            guard let packet else { return nil }
            if let packet { return packet }
        }
    }

    /// Reads and checks the next packet. Returns false at the end, when everything was right.
    package func step() throws(RecordingError) -> Bool { try withNext { _, _ in () } != nil }

    /// Reads and checks the next packet, and calls `body` with it, without a copy. Returns `nil`
    /// when the recording has ended, and was complete. `body` must not use the file.
    package func withNext<Result>(
        _ body: (RecordedFrame, RawSpan) -> Result
    ) throws(RecordingError) -> Result? {
        guard !hasEnded else { return nil }
        do throws(FormatProblem) {
            guard let (frame, place) = try nextFrame() else { return nil }
            return buffer.withRawSpan { body(frame, $0.extracting(place)) }
        } catch {
            throw RecordingError(path, error)
        }
    }

    private func readHeader() throws(RecordingError) {
        do throws(FormatProblem) {
            let length = try RecordingFormat.headerLength(Array(buffer[try peek(16)]))
            (about, chain) = try RecordingFormat.info(Array(buffer[try peek(length)]))
            latest = Array(
                repeating: Timestamp(nanoseconds: .min),
                count: Int(PacketKind.watermark.rawValue) * about.partitions)
            skip(length)
        } catch {
            throw RecordingError(path, error)
        }
    }

    /// Reads the next frame, or the end. Returns the packet's place in the buffer.
    private func nextFrame() throws(FormatProblem) -> (RecordedFrame, Range<Int>)? {
        let start = try peek(RecordingFormat.chainedFrom).lowerBound
        let (length, expected) = buffer.withRawSpan {
            (Int($0.uint32(at: start)), $0.uint64(at: start + 4))
        }
        guard length > 0 else {
            try readEnd()
            return nil
        }
        guard length <= PacketLimits.bytesMax else {
            throw FormatProblem(offset, "a packet of \(length) bytes makes no sense")
        }
        let frame = try peek(RecordingFormat.frameHeadBytes + length)
        let place = frame.dropFirst(RecordingFormat.frameHeadBytes)
        let header = try check(
            frame.dropFirst(RecordingFormat.chainedFrom), place, chained: expected)
        let isLeft = leavesMessages(header)
        if !isLeft { try checkMessages(place, header) }
        let knownAt: Timestamp
        do throws(FormatProblem) {
            try checkOrigin(header)
            knownAt = try time(header, at: frame.lowerBound + RecordingFormat.chainedFrom)
        } catch {
            if isLeft { try checkMessages(place, header) }
            throw error
        }
        chain = expected
        let packetOffset = offset + RecordingFormat.frameHeadBytes
        skip(frame.count)
        count(header)
        return (RecordedFrame(header: header, knownAt: knownAt, place: packetOffset), place)
    }

    /// Notes a packet as read.
    private func count(_ header: PacketHeader) {
        packets += 1
        switch header.kind {
        case .ticks: ticks += UInt64(header.tickCount)
        case .bars: barPackets += 1
        case .watermark: break
        }
        missing.took(header, isInRange: true)
    }

    /// Checks a packet of the buffer, whose chain has to be `expected`.
    private func check(
        _ chained: Range<Int>, _ place: Range<Int>, chained expected: UInt64
    ) throws(FormatProblem) -> PacketHeader {
        let present = buffer.withRawSpan {
            Checksum.chained($0.extracting(chained), after: chain)
        }
        guard present == expected else { throw FormatProblem(offset, "the packet is damaged") }
        do throws(PacketError) {
            return try buffer.withRawSpan { bytes throws(PacketError) in
                try PacketReader.header(of: bytes.extracting(place))
            }
        } catch {
            throw Self.problem(error, in: offset + RecordingFormat.frameHeadBytes)
        }
    }

    /// Checks the messages of a packet of the buffer.
    private func checkMessages(
        _ place: Range<Int>, _ header: PacketHeader
    ) throws(FormatProblem) {
        do throws(PacketError) {
            try buffer.withRawSpan { bytes throws(PacketError) in
                try PacketReader.checkMessages(of: bytes.extracting(place), header)
            }
        } catch {
            throw Self.problem(error, in: offset + RecordingFormat.frameHeadBytes)
        }
    }

    private static func problem(_ error: PacketError, in packet: Int) -> FormatProblem {
        FormatProblem(packet + error.offset, "no packet: \(error)")
    }

    /// Checks the messages of a packet of the file at `path` that were left to the reader.
    package static func check(
        _ packet: RawSpan, of frame: RecordedFrame, in path: String
    ) throws(RecordingError) {
        do throws(PacketError) {
            try PacketReader.checkMessages(of: packet, frame.header)
        } catch {
            throw RecordingError(path, problem(error, in: frame.place))
        }
    }

    private func checkOrigin(_ header: PacketHeader) throws(FormatProblem) {
        let isOurs =
            header.kind == .bars
            ? about.hasBars && header.source == .operator : header.source == about.source
        guard isOurs, header.partition.number < about.partitions else {
            throw FormatProblem(offset, "the packet is not of this recording")
        }
    }

    /// Returns when the tape took a packet. The time is at this place of the buffer.
    private func time(
        _ header: PacketHeader, at place: Int
    ) throws(FormatProblem) -> Timestamp {
        let time = Timestamp(
            nanoseconds: Int64(bitPattern: buffer.withRawSpan { $0.uint64(at: place) }))
        let index =
            (Int(header.kind.rawValue) - 1) * about.partitions + header.partition.number
        guard time.isDefined, time >= latest[index] else {
            throw FormatProblem(
                offset + RecordingFormat.chainedFrom,
                "the time at which the tape took the packet makes no sense")
        }
        latest[index] = time
        return time
    }

    /// Reads the end, which states the numbers of packets and ticks, and what it says of bars.
    private func readEnd() throws(FormatProblem) {
        let end = try peek(RecordingFormat.endBytes)
        let (isRight, last) = buffer.withRawSpan { bytes in
            let end = bytes.extracting(end)
            let expected = Checksum.chained(end.extracting(4..<20), after: chain)
            let isRight =
                (end.uint64(at: 4), end.uint64(at: 12), end.uint64(at: 20))
                == (packets, ticks, expected)
            return (isRight, expected)
        }
        guard isRight else {
            throw FormatProblem(offset, "its end does not fit what stands before it")
        }
        skip(RecordingFormat.endBytes)
        if about.hasBars {
            let place = try peek(RecordingFormat.barsBytes(about.present.count))
            _ = try RecordingFormat.bars(
                Array(buffer[place]), of: about.present, after: last, at: offset)
            skip(place.count)
        }
        guard try fill(1) == 0 else { throw FormatProblem(offset, "there is more behind its end") }
        hasEnded = true
    }

    // MARK: bytes

    /// Returns the place in the buffer of the next bytes of the file, exactly `count`. It is valid
    /// until the next call.
    private func peek(_ count: Int) throws(FormatProblem) -> Range<Int> {
        let found = try fill(count)
        guard found >= count else {
            throw FormatProblem(
                offset + found, "it is cut off here: it was not written to its end")
        }
        return unread.prefix(count)
    }

    /// Goes on to the bytes after these.
    private func skip(_ count: Int) {
        unread = unread.dropFirst(count)
        offset += count
    }

    /// Fills the buffer. Returns how many bytes are there: at least `count` if the file has them.
    private func fill(_ count: Int) throws(FormatProblem) -> Int {
        guard unread.count < count else { return unread.count }
        makeRoom(for: count)
        while unread.count < count {
            let end = unread.upperBound
            let found = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe read(
                    descriptor, bytes.baseAddress?.advanced(by: end),
                    min(bytes.count - end, Self.readBytes))
            }
            if found < 0, errno == EINTR { continue }
            guard found >= 0 else { throw FormatProblem(offset, code: errno) }
            if found == 0 { break }
            unread = unread.lowerBound..<end + found
        }
        return unread.count
    }

    /// Moves what is unread to the buffer's front, so that `count` bytes and a read fit after it.
    private func makeRoom(for count: Int) {
        let kept = unread.count
        unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe base.copyMemory(from: base + unread.lowerBound, byteCount: kept)
        }
        unread = 0..<kept
        let needed = count + Self.readBytes
        if buffer.count < needed {
            buffer += [UInt8](repeating: 0, count: needed - buffer.count)
        }
    }
}
