import Glibc
import TestSupport

/// A listening socket that a test controls.
final class TestServer: Sendable {
    private let listener: SilentListener

    var port: UInt16 { listener.port }

    init() throws { listener = try SilentListener() }

    /// Returns `nil` if no client connects within ten seconds.
    func accept() -> Peer? { listener.accept(within: 10_000).map { Peer(descriptor: $0) } }

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
