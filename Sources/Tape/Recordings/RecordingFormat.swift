internal import Glibc
internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import TapeProtocol

/// The layout of a recording: little endian, a header, frames, an end.
///
///     header   magic 8 | version 2 | flags 2 | bytes of the header 4 | created 8 | from 8 | to 8
///              namespace 16 | source 24 | partitions 2 | present 2 | symbols 4
///              2 per partition that is present | per symbol 1 + its bytes | checksum 8
///     frame    bytes of the packet 4 | chain 8 | known at 8 | the packet
///     end      0 4 | packets 8 | ticks 8 | chain 8
///     bars     per partition that is present: from 8 | to 8 | closed 8; checksum 8
///
/// The chain is a checksum of the frame's time and packet that continues from the previous frame,
/// and for the first frame from the header's checksum. So no byte, no order and no number of
/// packets can change unnoticed. The part `bars` is there if the flag says so. Its checksum
/// continues from the end's chain, so it can be read without the frames.
package enum RecordingFormat {
    static let magic = Array("TAPEREC1".utf8)
    /// The one version that is written and read.
    package static let version: UInt16 = 2
    static let fixedBytes = 88
    package static let checksumBytes = 8
    /// The length of the packet, and the chain.
    package static let chainedFrom = 12
    package static let timeBytes = 8
    /// The length of a frame before its packet.
    package static let frameHeadBytes = chainedFrom + timeBytes
    package static let endBytes = 28
    static let barsEntryBytes = 24
    /// The flag of a recording that has bars.
    static let barsFlag: UInt16 = 1
    /// The most symbols of one recording: as many as a source can have. Writing more is refused.
    package static let symbolsMax = ProviderLimits.instrumentsMax
    /// The longest symbol that a recording names, in bytes. Writing a longer one is refused.
    package static let symbolBytesMax = Int(UInt8.max)
    static let headerBytesMax =
        fixedBytes + 2 * Partition.countRange.upperBound + symbolsMax * (1 + symbolBytesMax)
        + checksumBytes
    static let namespaceBytes = 16

    package static func header(_ info: RecordingInfo) -> [UInt8] {
        var bytes = magic
        let names = info.symbols.map { Array($0.text.utf8) }
        let length =
            fixedBytes + 2 * info.present.count + names.reduce(0) { $0 + 1 + $1.count }
            + checksumBytes
        bytes.reserveCapacity(length)
        let flags = info.hasBars ? barsFlag : 0
        bytes.append(
            little: UInt64(version) | UInt64(flags) << 16 | UInt64(length) << 32)
        bytes.append(little: UInt64(bitPattern: info.created.nanoseconds))
        bytes.append(little: UInt64(bitPattern: info.from.nanoseconds))
        bytes.append(little: UInt64(bitPattern: info.to.nanoseconds))
        bytes.append(padded: info.namespace, to: namespaceBytes)
        bytes.append(padded: info.source.text, to: SourceName.utf8CountMax)
        bytes.append(
            little: UInt64(info.partitions) | UInt64(info.present.count) << 16
                | UInt64(names.count) << 32)
        for partition in info.present {
            bytes.append(UInt8(truncatingIfNeeded: partition.number))
            bytes.append(UInt8(truncatingIfNeeded: partition.number >> 8))
        }
        for name in names {
            bytes.append(UInt8(truncatingIfNeeded: name.count))
            bytes += name
        }
        bytes.append(little: bytes.withRawSpan { Checksum.of($0) })
        return bytes
    }

    /// Reads the length of the header from the first 16 bytes. Throws what is wrong.
    static func headerLength(_ bytes: [UInt8]) throws(FormatProblem) -> Int {
        guard Array(bytes.prefix(magic.count)) == magic else {
            throw FormatProblem(0, "this is no recording of Tapeline")
        }
        let word = bytes.withRawSpan { $0.uint64(at: 8) }
        let version = UInt16(truncatingIfNeeded: word)
        guard version == Self.version else {
            throw FormatProblem(
                8,
                "it has format version \(version), this program knows \(Self.version): record it "
                    + "again, or use the release that made it")
        }
        let flags = UInt16(truncatingIfNeeded: word >> 16)
        guard flags == 0 || flags == barsFlag else {
            throw FormatProblem(10, "the flags \(flags) are not known here")
        }
        let length = Int(word >> 32)
        guard length >= fixedBytes + checksumBytes, length <= headerBytesMax else {
            throw FormatProblem(12, "a header of \(length) bytes makes no sense")
        }
        return length
    }

    /// Reads a complete header of the length that it states.
    static func info(_ bytes: [UInt8]) throws(FormatProblem) -> (RecordingInfo, checksum: UInt64) {
        let end = bytes.count - checksumBytes
        let (found, expected) = bytes.withRawSpan {
            ($0.uint64(at: end), Checksum.of($0.extracting(0..<end)))
        }
        guard found == expected else { throw FormatProblem(end, "the header is damaged") }
        var scanner = HeaderScanner(bytes: bytes, end: end)
        return (try scanner.info(), found)
    }
}

/// An error and its offset.
struct FormatProblem: Error {
    let offset: Int
    let problem: String
    /// Whether it is an error of the system.
    var isOfSystem = false

    init(_ offset: Int, _ problem: String) {
        self.offset = offset
        self.problem = problem
    }

    /// The system does not read the file.
    init(_ offset: Int, code: Int32) {
        // The text belongs to the C library (thread-local since glibc 2.32), so it is copied
        // immediately.
        let reason = unsafe strerror(code).map { unsafe String(cString: $0) }
        self.init(offset, "it cannot be read: \(reason ?? "error") (errno \(code))")
        isOfSystem = true
    }
}

/// Reads a header whose checksum is right, so that only its writer can have made an error.
private struct HeaderScanner {
    let bytes: [UInt8]
    let end: Int
    private var offset = RecordingFormat.fixedBytes

    init(bytes: [UInt8], end: Int) {
        self.bytes = bytes
        self.end = end
    }

    mutating func info() throws(FormatProblem) -> RecordingInfo {
        let counts = word(80)
        let partitions = Int(counts & 0xffff)
        guard TapeNames(namespace: text(40, 16), partitions: partitions) != nil,
            let source = SourceName(text(56, 24))
        else { throw FormatProblem(40, "namespace, source or partitions make no sense") }
        let present = try present(Int(counts >> 16 & 0xffff), below: partitions)
        let symbols = try symbols(Int(counts >> 32))
        guard offset == end else { throw FormatProblem(offset, "the header has more than it says") }
        return RecordingInfo(
            namespace: text(40, 16), partitions: partitions, source: source, from: time(24),
            to: time(32), created: time(16), present: present, symbols: symbols,
            hasBars: UInt16(truncatingIfNeeded: word(8) >> 16) == RecordingFormat.barsFlag)
    }

    private mutating func present(
        _ count: Int, below limit: Int
    ) throws(FormatProblem) -> [Partition] {
        guard count <= limit, end - offset >= 2 * count else {
            throw FormatProblem(offset, "the list of partitions is cut off")
        }
        var found: [Partition] = []
        for _ in 0..<count {
            let number = Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
            guard number < limit, number > found.last?.number ?? -1 else {
                throw FormatProblem(offset, "partition \(number) makes no sense here")
            }
            found.append(Partition(number))
            offset += 2
        }
        return found
    }

    private mutating func symbols(_ count: Int) throws(FormatProblem) -> [Symbol] {
        guard count <= RecordingFormat.symbolsMax else {
            throw FormatProblem(84, "\(count) symbols are too many")
        }
        var found: [Symbol] = []
        for _ in 0..<count {
            guard offset < end, end - offset - 1 >= Int(bytes[offset]) else {
                throw FormatProblem(offset, "the list of symbols is cut off")
            }
            let name = bytes[offset + 1..<offset + 1 + Int(bytes[offset])]
            guard let symbol = Symbol(String(decoding: name, as: UTF8.self)) else {
                throw FormatProblem(offset, "this is no symbol")
            }
            found.append(symbol)
            offset += 1 + name.count
        }
        return found
    }

    private func word(_ offset: Int) -> UInt64 { bytes.withRawSpan { $0.uint64(at: offset) } }

    private func time(_ offset: Int) -> Timestamp {
        Timestamp(nanoseconds: Int64(bitPattern: word(offset)))
    }

    private func text(_ offset: Int, _ length: Int) -> String {
        String(decoding: bytes[offset..<offset + length].prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension [UInt8] {
    package mutating func append(little value: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    package mutating func append(little value: UInt32) {
        for shift in stride(from: 0, to: 32, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
        }
    }

    fileprivate mutating func append(padded text: String, to length: Int) {
        let bytes = text.utf8.prefix(length)
        self += bytes
        self += repeatElement(0, count: length - bytes.count)
    }
}
