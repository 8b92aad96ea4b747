internal import Primitives

/// One GET over a socket, plain or with TLS, for health checks and the command line. Time and size
/// are bounded.
package enum HTTPProbe {
    /// The most bytes of an answer's header and body together; more is an error.
    package static let answerBytesMax = 16 << 20
    /// The most bytes of an answer's header; more is an error.
    package static let headerBytesMax = 65_536

    /// Returns the answer with any status, including 503. `host` is an IP address or a name. The
    /// timeout covers everything from connecting to the last byte, except the look-up of a name,
    /// which has the system's own limits.
    package static func get(
        host: String, port: UInt16, path: String, timeout: Duration, trust: ProbeTrust = .plain
    ) throws(ServiceError) -> (status: Int, body: [UInt8]) {
        let url = "\(trust == .plain ? "http" : "https")://\(host):\(port)\(path)"
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw .probe(url: shortened(url, toBytes: 200), problem: "this is no path")
        }
        let deadline = SystemClock().deadline(after: timeout)
        var failure = ServiceError.unknownHost(host)
        for address in SocketAddress.all(of: host, port: port) {
            var socket = try ProbeSocket(url: url, deadline: deadline, family: address.family)
            do throws(ServiceError) {
                try socket.connect(to: address)
            } catch {
                failure = error
                continue
            }
            if trust != .plain { try socket.startTLS(trust) }
            // Version 1.0 excludes an answer in chunks, and makes the server close the connection.
            try socket.send(
                Array("GET \(path) HTTP/1.0\r\nHost: \(host):\(port)\r\n\r\n".utf8))
            return try HTTPAnswer(url: url, reading: socket).result
        }
        throw failure
    }
}

/// Collects an answer until it is complete, and parses it.
private struct HTTPAnswer {
    private let url: String
    private var bytes: [UInt8] = []
    private var bodyStart: Int?
    private var bodyBytes: Int?
    private var status = 0

    init(url: String, reading socket: borrowing ProbeSocket) throws(ServiceError) {
        self.url = url
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = try socket.receive(into: &buffer)
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= HTTPProbe.answerBytesMax else {
                throw bad("the answer has more than \(HTTPProbe.answerBytesMax) bytes")
            }
            if bodyStart == nil { try readHeader() }
            guard bodyStart != nil || bytes.count <= HTTPProbe.headerBytesMax else {
                throw bad("the answer is not HTTP")
            }
            if let start = bodyStart, let length = bodyBytes, bytes.count - start >= length {
                break
            }
        }
        guard let start = bodyStart else { throw bad("the answer is not HTTP") }
        if let length = bodyBytes, bytes.count - start < length {
            throw bad("the answer ends after \(bytes.count - start) of \(length) bytes")
        }
    }

    var result: (status: Int, body: [UInt8]) {
        let start = bodyStart ?? bytes.count
        let end = bodyBytes.map { start + $0 } ?? bytes.count
        return (status, Array(bytes[start..<end]))
    }

    private mutating func readHeader() throws(ServiceError) {
        guard let end = endOfHeader() else { return }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let code = Int(words[1]),
            (100...599).contains(code)
        else { throw bad("the answer is not HTTP") }
        status = code
        bodyStart = end + 4
        for line in lines.dropFirst() where line.lowercased().hasPrefix("content-length:") {
            let text = line.dropFirst("content-length:".count).filter { $0 != " " && $0 != "\t" }
            guard let length = Int(text), (0...HTTPProbe.answerBytesMax).contains(length) else {
                throw bad("the length of the answer is '\(shortened(text, toBytes: 40))'")
            }
            bodyBytes = length
        }
    }

    private func endOfHeader() -> Int? {
        let end: [UInt8] = [13, 10, 13, 10]
        guard bytes.count >= end.count else { return nil }
        return (0...(bytes.count - end.count)).first { bytes[$0..<$0 + 4].elementsEqual(end) }
    }

    private func bad(_ problem: String) -> ServiceError { .probe(url: url, problem: problem) }
}
