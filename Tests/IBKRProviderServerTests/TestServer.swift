import Glibc

/// A listening socket that a test controls.
final class TestServer: Sendable {
    struct Failed: Error {}

    let port: UInt16
    private let descriptor: Int32

    init() throws {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(made, $0, size) == 0 && listen(made, 16) == 0
                    && getsockname(made, $0, &size) == 0
            }
        }
        descriptor = made
        port = UInt16(bigEndian: address.sin_port)
        guard isBound else { throw Failed() }
    }

    deinit { close(descriptor) }

    /// Returns `nil` if no client connects within ten seconds.
    func accept() -> Peer? {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, 10_000) == 1 else { return nil }
        let accepted = Glibc.accept(descriptor, nil, nil)
        return accepted < 0 ? nil : Peer(descriptor: accepted)
    }

    final class Peer: Sendable {
        private let descriptor: Int32

        init(descriptor: Int32) { self.descriptor = descriptor }

        deinit { close(descriptor) }

        /// Returns fewer bytes if the other side ends or sends nothing for ten seconds.
        func read(_ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&entry, 1, 10_000) == 1 else { break }
                var part = [UInt8](repeating: 0, count: count - bytes.count)
                let got = unsafe recv(descriptor, &part, part.count, 0)
                guard got > 0 else { break }
                bytes += part[..<got]
            }
            return bytes
        }

        func write(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let sent = unsafe rest.withUnsafeBytes {
                    unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard sent > 0 else { return }
                rest = rest.dropFirst(sent)
            }
        }

        func end() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

        /// Resets the connection. Data under way are lost.
        func reset() {
            var unspecified = sockaddr()
            unspecified.sa_family = sa_family_t(AF_UNSPEC)
            let size = socklen_t(MemoryLayout<sockaddr>.size)
            _ = unsafe connect(descriptor, &unspecified, size)
        }
    }
}
