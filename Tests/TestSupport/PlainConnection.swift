import Glibc

/// A blocking TCP connection to this machine, with a deadline for each read.
package final class PlainConnection {
    package struct Failure: Error {
        let what: String
        let code = errno
    }

    private let descriptor: Int32

    package convenience init(port: UInt16) throws {
        guard let connected = LoopbackSocket.connect(to: port) else {
            throw Failure(what: "connect")
        }
        self.init(connected)
    }

    /// The next connection that comes to a listener.
    package convenience init(to listener: SilentListener) throws {
        guard let accepted = listener.accept(within: 20_000) else {
            throw Failure(what: "accept")
        }
        self.init(accepted)
    }

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends a line to a port, and returns the line that comes back.
    package static func command(_ line: String, port: UInt16) throws -> String {
        let connection = try PlainConnection(port: port)
        try connection.send(Array((line + "\n").utf8))
        let answer = try connection.receive { $0.contains(UInt8(ascii: "\n")) }
        return String(decoding: answer.dropLast(), as: UTF8.self)
    }

    /// Returns what a server says to a request until it ends the connection.
    package static func answer(to request: String, port: UInt16) throws -> String {
        let connection = try PlainConnection(port: port)
        try connection.send(Array(request.utf8))
        return String(decoding: try connection.receive { _ in false }, as: UTF8.self)
    }

    package func send(_ bytes: [UInt8]) throws {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count == bytes.count else { throw Failure(what: "write") }
    }

    /// Returns everything until `isEnough`, or until the other side has ended.
    package func receive(_ isEnough: ([UInt8]) -> Bool) throws -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !isEnough(all) {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw Failure(what: "read") }
            if count == 0 { return all }
            all += buffer[..<count]
        }
        return all
    }
}
