internal import Primitives

/// The versions of the text protocol that this module speaks.
package enum ServerVersion {
    package static let min = 157
    /// After this version, messages change in ways that were never observed on a connection; from
    /// 201 on, they are not text any more.
    package static let max = 187

    /// Live sizes of US stocks are in shares from this version on; before it they are in round lots
    /// of 100.
    package static func hasLiveShares(_ version: Int) -> Bool { version >= 159 }
    /// The same for historical data.
    package static func hasHistoricalShares(_ version: Int) -> Bool { version >= 175 }
}

/// The server's answer to the handshake.
package struct ServerGreeting: Hashable, Sendable {
    /// The version that both sides speak from here on.
    package let version: Int
    /// The server's own version.
    package let serverVersion: Int
    /// When the connection was made, in the server's format.
    package let timeText: String
}

/// The first exchange on a connection.
package struct Handshake: Sendable {
    package let versions: ClosedRange<Int>
    /// Everything that the client sends first.
    package let opening: [UInt8]

    /// `options`, such as `+PACEAPI`, follow the versions.
    package init(
        versions: ClosedRange<Int> = ServerVersion.min...ServerVersion.max, options: String = ""
    ) throws(IBWireError) {
        guard options.utf8.count <= 256, options.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
        else { throw .handshakeOptions }
        self.versions = versions
        let low = versions.lowerBound
        let high = versions.upperBound
        let range = low == high ? "v\(low)" : "v\(low)..\(high)"
        let body = Array((options.isEmpty ? range : "\(range) \(options)").utf8)
        var bytes = Array("API\0".utf8)
        // The body has at most some hundred bytes, so the upper two bytes of the length are 0.
        bytes += [0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xff)]
        opening = bytes + body
    }

    /// Reads the body of the first message from the server.
    package func answer(_ frame: RawSpan) throws(IBWireError) -> ServerGreeting {
        var fields = FieldCursor(frame)
        let server = fields.integer()
        let text = fields.text()
        guard fields.fault == nil, let server = Int(exactly: server) else {
            throw .handshakeAnswer(Self.excerpt(of: frame))
        }
        if server == -1 { throw .redirected(to: text) }
        guard server > 0 else { throw .handshakeAnswer(Self.excerpt(of: frame)) }
        guard server >= versions.lowerBound else {
            throw .serverTooOld(server: server, minimum: versions.lowerBound)
        }
        return ServerGreeting(
            version: min(server, versions.upperBound), serverVersion: server, timeText: text)
    }

    /// Returns the beginning of an answer for people, without control characters.
    private static func excerpt(of frame: RawSpan) -> String {
        let bytes = frame.extracting(first: 80).array
        return String(
            decoding: bytes.map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: " ") },
            as: UTF8.self)
    }
}
