import Glibc

/// A plain TCP connection to a server on this machine. Every wait has a deadline.
final class LoopbackConnection {
    private static let waitMilliseconds: Int32 = 20_000
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failed(description: "no socket: errno \(errno)") }
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = port.bigEndian
        peer.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = unsafe withUnsafePointer(to: &peer) { peer in
            unsafe peer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, size) == 0
            }
        }
        guard isConnected else {
            let code = errno
            close(descriptor)
            throw Failed(description: "nobody listens on port \(port): errno \(code)")
        }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failed(description: "cannot send: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// Returns one line, without its end.
    func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[..<end].filter { $0 != UInt8(ascii: "\r") }
                buffer.removeFirst(end + 1)
                return String(decoding: line, as: UTF8.self)
            }
            guard try receive() else { throw Failed(description: "the connection has ended") }
        }
    }

    func bytes(_ count: Int) throws -> [UInt8] {
        while buffer.count < count {
            guard try receive() else { throw Failed(description: "the connection has ended") }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// Returns everything until the peer closes the connection.
    func rest() throws -> String {
        while try receive() {}
        defer { buffer = [] }
        return String(decoding: buffer, as: UTF8.self)
    }

    /// Returns false if the peer has closed the connection.
    private func receive() throws -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&wanted, 1, Self.waitMilliseconds) > 0 else {
            throw Failed(description: "nothing came")
        }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: chunk[..<count])
        return true
    }
}

/// The answer of an operations port.
struct HTTPAnswer {
    let status: Int
    let head: String
    let body: String

    init(port: UInt16, method: String = "GET", path: String) throws {
        let connection = try LoopbackConnection(port: port)
        let length = method == "GET" ? "" : "Content-Length: 0\r\n"
        try connection.send(
            "\(method) \(path) HTTP/1.1\r\nHost: test\r\n\(length)Connection: close\r\n\r\n")
        let text = try connection.rest()
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1).map(String.init)
        let words = text.split(separator: " ", maxSplits: 2)
        guard words.count == 3, let status = Int(words[1]) else {
            throw LoopbackConnection.Failed(description: "this is no HTTP: \(text)")
        }
        self.status = status
        head = parts.first ?? ""
        body = parts.count > 1 ? parts[1] : ""
    }
}
