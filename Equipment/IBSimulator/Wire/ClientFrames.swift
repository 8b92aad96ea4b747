/// Splits a client's bytes into its greeting and its frames.
struct ClientFrames: Sendable {
    enum Piece: Equatable, Sendable {
        /// The lowest and the highest version, and what follows them (`+PACEAPI`).
        case greeting(min: Int32, max: Int32, options: String)
        case frame([String])
    }

    enum Fault: Error, Equatable, Sendable {
        case noGreeting
        case badVersions(String)
        /// The frame is empty, or its last field is not terminated.
        case unended
        case tooLong(Int)
    }

    /// A frame's maximum size, above that of any legitimate request.
    static let frameBytesMax = 64 << 10

    private var bytes: [UInt8] = []
    private var start = 0
    private var isGreeted = false

    mutating func append(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more
    }

    /// Returns the next piece. `nil` if more bytes are needed.
    mutating func next() throws(Fault) -> Piece? {
        let prefix = isGreeted ? 0 : 4
        guard bytes.count - start >= prefix + 4 else { return nil }
        if !isGreeted {
            guard Array(bytes[start..<start + 4]) == Array("API\0".utf8) else {
                throw .noGreeting
            }
        }
        let head = start + prefix
        let length = bytes[head..<head + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.frameBytesMax else { throw .tooLong(length) }
        guard bytes.count - head - 4 >= length else { return nil }
        let body = bytes[head + 4..<head + 4 + length]
        start = head + 4 + length
        guard isGreeted else {
            isGreeted = true
            return try Self.greeting(String(decoding: body, as: UTF8.self))
        }
        guard body.last == 0 else { throw .unended }
        let fields = body.dropLast().split(separator: 0, omittingEmptySubsequences: false)
        return .frame(fields.map { String(decoding: $0, as: UTF8.self) })
    }

    /// Parses `v157..178`, `v176` or `v100..187 +PACEAPI`.
    static func greeting(_ text: String) throws(Fault) -> Piece {
        let words = text.split(separator: " ", maxSplits: 1)
        guard let first = words.first, first.hasPrefix("v") else {
            throw .badVersions(String(text.prefix(64)))
        }
        let range = first.dropFirst().split(separator: ".", omittingEmptySubsequences: true)
        guard let low = range.first.flatMap({ Int32($0) }),
            let high = range.last.flatMap({ Int32($0) }), range.count <= 2, low <= high
        else { throw .badVersions(String(text.prefix(64))) }
        let options = words.count > 1 ? String(words[1]) : ""
        return .greeting(min: low, max: high, options: options)
    }
}
