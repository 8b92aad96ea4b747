import Glibc
import Testing

@testable import ServiceRuntime

/// A TCP client that does what a proper HTTP client would not.
final class RawClient {
    let descriptor: Int32

    /// Connects from `source`, because all of 127.0.0.0/8 is this machine.
    init(port: UInt16, from source: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try RawClient.check(descriptor >= 0, "socket")
        var own = RawClient.address(source, 0)
        var peer = RawClient.address("127.0.0.1", port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = unsafe withUnsafePointer(to: &own) { own in
            unsafe withUnsafePointer(to: &peer) { peer in
                unsafe own.withMemoryRebound(to: sockaddr.self, capacity: 1) { own in
                    unsafe peer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                        unsafe bind(descriptor, own, size) == 0
                            && connect(descriptor, peer, size) == 0
                    }
                }
            }
        }
        try RawClient.check(isConnected, "connect")
    }

    deinit { close(descriptor) }

    /// Returns false if the server has closed the connection.
    @discardableResult
    func send(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
                == bytes.count
        }
    }

    /// Returns what arrives within 20 s, up to `limit` bytes. Empty if the connection has ended.
    func receive(_ limit: Int = 65_536) -> String {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&wanted, 1, 20_000) > 0 else { return "(nothing came)" }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = unsafe recv(descriptor, &buffer, limit, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
    }

    /// Reads only what has arrived already.
    func receiveNow(_ limit: Int) {
        var buffer = [UInt8](repeating: 0, count: limit)
        _ = unsafe recv(descriptor, &buffer, limit, Int32(MSG_DONTWAIT))
    }

    /// Reads until `end` has come or the connection has ended.
    func receive(until end: String) -> String {
        var text = ""
        while !text.contains(end) {
            let more = receive()
            if more.isEmpty || more == "(nothing came)" { break }
            text += more
        }
        return text
    }

    /// True if the server has closed the connection. What it may have sent is not read.
    var isClosedByServer: Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&wanted, 1, 0) > 0 else { return false }
        if Int32(wanted.revents) & (POLLHUP | POLLERR) != 0 { return true }
        var byte: UInt8 = 0
        return unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK)) <= 0
    }

    /// True if the connection was reset, whatever is still unread.
    var isReset: Bool {
        var wanted = pollfd(fd: descriptor, events: 0, revents: 0)
        return unsafe poll(&wanted, 1, 0) > 0 && Int32(wanted.revents) & (POLLHUP | POLLERR) != 0
    }

    private static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        unsafe inet_pton(AF_INET, host, &address.sin_addr)
        return address
    }

    struct Failed: Error { let what: String }

    private static func check(_ condition: Bool, _ what: String) throws {
        if !condition { throw Failed(what: "\(what): errno \(errno)") }
    }
}
