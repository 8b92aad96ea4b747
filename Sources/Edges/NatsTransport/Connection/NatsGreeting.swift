import Glibc
import Primitives

/// Reads the line that a NATS server sends to each new connection. libnats 3.4.1 has no call that
/// returns the server's version.
enum NatsGreeting {
    enum Version: Equatable {
        /// "2.12.8"
        case known(String)
        /// The server answers, but does not report its version.
        case hidden
        /// The server cannot be reached at the moment.
        case unknown
    }

    static func version(at address: String) -> Version {
        guard let line = firstLine(at: address) else { return .unknown }
        return parse(line)?["version"]?.string.map(Version.known) ?? .hidden
    }

    /// Returns whether the server demands a certificate of its clients.
    static func demandsCertificate(at address: String) -> Bool {
        firstLine(at: address).flatMap(parse)?["tls_verify"]?.bool == true
    }

    /// Returns whether the server has users, so that a client must authenticate; `nil` when the
    /// server cannot be reached at the moment.
    static func demandsAuthorization(at address: String) -> Bool? {
        firstLine(at: address).flatMap(parse).map { $0["auth_required"]?.bool == true }
    }

    private static func parse(_ line: String) -> JSONValue? {
        guard line.hasPrefix("INFO ") else { return nil }
        do {
            return try JSONValue.parse(String(line.dropFirst(5)))
        } catch {
            // A peer that greets like a NATS server and then sends something else is treated as
            // unreachable.
            return nil
        }
    }

    private static func firstLine(at address: String) -> String? {
        guard let (host, port) = split(address) else { return nil }
        let deadline = ContinuousClock.now + NatsLimits.connectTimeout
        guard let descriptor = connected(host, port, deadline) else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count < NatsLimits.greetingBytesMax {
            guard ready(descriptor, POLLIN, deadline) else { return nil }
            var chunk = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            bytes += chunk.prefix(count)
            if let end = bytes.firstIndex(of: UInt8(ascii: "\r")) {
                return String(decoding: bytes[..<end], as: UTF8.self)
            }
        }
        return nil
    }

    /// Splits `host:port` or `[address]:port`.
    static func split(_ address: String) -> (host: String, port: String)? {
        guard let colon = address.lastIndex(of: ":") else { return nil }
        let port = address[address.index(after: colon)...]
        let host = address[..<colon].filter { $0 != "[" && $0 != "]" }
        guard !host.isEmpty, UInt16(port) != nil else { return nil }
        return (host, String(port))
    }

    private static func connected(
        _ host: String, _ port: String, _ deadline: ContinuousClock.Instant
    ) -> Int32? {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, port, &hints, &found) == 0 else { return nil }
        defer { unsafe freeaddrinfo(found) }
        var next = unsafe found
        while let address = unsafe next {
            if let descriptor = unsafe connected(to: address.pointee, deadline) {
                return descriptor
            }
            unsafe next = unsafe address.pointee.ai_next
        }
        return nil
    }

    private static func connected(
        to address: addrinfo, _ deadline: ContinuousClock.Instant
    ) -> Int32? {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = unsafe socket(address.ai_family, kind, address.ai_protocol)
        guard descriptor >= 0 else { return nil }
        let status = unsafe connect(descriptor, address.ai_addr, address.ai_addrlen)
        if status == 0 || (errno == EINPROGRESS && ready(descriptor, POLLOUT, deadline)) {
            return descriptor
        }
        close(descriptor)
        return nil
    }

    private static func ready(
        _ descriptor: Int32, _ event: Int32, _ deadline: ContinuousClock.Instant
    ) -> Bool {
        let left = (deadline - ContinuousClock.now).natsMilliseconds
        guard ContinuousClock.now < deadline else { return false }
        var request = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        return unsafe poll(&request, 1, Int32(clamping: left)) > 0
    }
}
