internal import Glibc

/// The address of a server, as `connect` needs it.
package struct RemoteAddress: Hashable, Sendable {
    /// `AF_INET` or `AF_INET6`.
    package let family: Int32
    /// The bytes of a `sockaddr` of that family.
    package let bytes: [UInt8]
}

/// Why a name has no address.
package struct LookupFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

extension RemoteAddress {
    /// The most addresses that are tried for one name. Further ones are ignored.
    package static let perNameMax = 8

    /// Returns the addresses of `host`, in the system's order. `isNumeric`: `host` has to be an
    /// address in digits, and the call returns immediately. Otherwise the system looks the name up,
    /// without a time limit.
    package static func all(
        host: String, port: UInt16, isNumeric: Bool
    ) throws(LookupFailure) -> [Self] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV | (isNumeric ? AI_NUMERICHOST : 0)
        var found: UnsafeMutablePointer<addrinfo>?
        let result = unsafe getaddrinfo(host, String(port), &hints, &found)
        guard result == 0 else {
            let text = unsafe gai_strerror(result).map { unsafe String(cString: $0) }
            throw LookupFailure(
                description: "\(host) has no address: \(text ?? "error \(result)")")
        }
        defer { unsafe freeaddrinfo(found) }
        var addresses: [Self] = []
        var entry = unsafe found
        while let one = unsafe entry, addresses.count < perNameMax {
            unsafe addresses.append(Self(one.pointee))
            unsafe entry = one.pointee.ai_next
        }
        return addresses
    }

    /// Looks a name up.
    package static let named: NameLookup.Resolving = { host, port throws(LookupFailure) in
        try all(host: host, port: port, isNumeric: false)
    }

    /// The address in digits, without its port.
    package var text: String {
        let size = Int(NI_MAXHOST)
        var text = [CChar](repeating: 0, count: size)
        let result = unsafe bytes.withUnsafeBytes { raw in
            // Safety: the system made a sockaddr of that length.
            unsafe raw.withMemoryRebound(to: sockaddr.self) {
                unsafe getnameinfo(
                    $0.baseAddress, socklen_t(bytes.count), &text, socklen_t(size), nil, 0,
                    NI_NUMERICHOST)
            }
        }
        guard result == 0 else { return "" }
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    private init(_ entry: addrinfo) {
        family = unsafe entry.ai_family
        // Safety: the list states the length of the address that it points at.
        let raw = unsafe UnsafeRawBufferPointer(
            start: entry.ai_addr, count: Int(entry.ai_addrlen))
        bytes = unsafe Array(raw)
    }
}
