internal import Glibc

/// The environment lacks something that the benchmark needs.
struct Unusable: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A listener on a loopback port that the kernel chose.
final class Listener: Sendable {
    let descriptor: Int32
    let port: UInt16

    init() throws {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard made >= 0 else { throw Unusable("no socket: errno \(errno)") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(made, $0, size) == 0 && listen(made, 4) == 0
                    && getsockname(made, $0, &size) == 0
            }
        }
        guard isBound else {
            let code = errno
            close(made)
            throw Unusable("no port: errno \(code)")
        }
        descriptor = made
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }

    /// Returns a connection that waits to be accepted, or `nil` if there is none.
    func accept() -> Int32? {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe Glibc.poll(&poll, 1, 0) > 0 else { return nil }
        let made = Glibc.accept(descriptor, nil, nil)
        guard made >= 0 else { return nil }
        var yes: Int32 = 1
        unsafe setsockopt(
            made, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        return made
    }
}
