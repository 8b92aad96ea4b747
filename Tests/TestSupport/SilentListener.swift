import Glibc

/// A peer that accepts connections (the kernel does) and never sends anything by itself.
package final class SilentListener: Sendable {
    package let port: UInt16
    package let descriptor: Int32

    package struct Failed: Error { let code: Int32 }

    package init() throws {
        guard let (descriptor, port) = LoopbackSocket.listen() else { throw Failed(code: errno) }
        (self.descriptor, self.port) = (descriptor, port)
    }

    deinit { close(descriptor) }

    /// Returns a connection; `nil` if none came within this time.
    package func accept(within milliseconds: Int32) -> Int32? {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, milliseconds) > 0 else { return nil }
        let accepted = Glibc.accept(descriptor, nil, nil)
        return accepted < 0 ? nil : accepted
    }
}
