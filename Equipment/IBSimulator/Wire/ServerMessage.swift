/// A message to a client: its texts in the order of the wire.
struct ServerMessage: Equatable, Sendable {
    let id: Int32
    /// The name in the truth log.
    let name: String
    /// `nil` if the message has no field for a request.
    let request: Int32?
    /// The constant second field that some messages have.
    let version: Int32?
    /// The fields after the request's number.
    let values: [String]

    init(
        _ id: Int32, _ name: String, version: Int32? = nil, request: Int32? = nil,
        _ values: [String]
    ) {
        self.id = id
        self.name = name
        self.version = version
        self.request = request
        self.values = values
    }

    /// Appends the length, then the fields, each terminated by NUL.
    func appendFrame(to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        Self.append(id, to: &bytes)
        if let version { Self.append(version, to: &bytes) }
        if let request { Self.append(request, to: &bytes) }
        for value in values { Self.append(value, to: &bytes) }
        Self.setLength(of: start, in: &bytes)
    }

    /// Appends the answer to a client's greeting: two fields, without a message number.
    static func appendGreeting(version: Int32, time: String, to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        append(version, to: &bytes)
        append(time, to: &bytes)
        setLength(of: start, in: &bytes)
    }

    private static func append(_ number: Int32, to bytes: inout [UInt8]) {
        append(String(number), to: &bytes)
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    private static func setLength(of start: Int, in bytes: inout [UInt8]) {
        let length = UInt32(truncatingIfNeeded: bytes.count - start - 4)
        for place in 0..<4 {
            bytes[start + place] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(place)))
        }
    }
}
