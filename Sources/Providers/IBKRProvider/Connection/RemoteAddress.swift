internal import Glibc

/// The address of a server, as `connect` needs it.
struct RemoteAddress: Hashable, Sendable {
    /// `AF_INET` or `AF_INET6`.
    let family: Int32
    /// The bytes of a `sockaddr` of that family.
    let bytes: [UInt8]
}

/// Why a name has no address.
struct LookupFailure: Error, Hashable, Sendable, CustomStringConvertible {
    let description: String
}

extension RemoteAddress {
    /// The most addresses that are tried for one name. Further ones are ignored.
    static let perNameMax = 8

    /// Returns the addresses of `host`, in the system's order. `isNumeric`: `host` has to be an
    /// address in digits, and the call returns immediately. Otherwise the system looks the name up,
    /// without a time limit.
    static func all(host: String, port: UInt16, isNumeric: Bool) throws(LookupFailure) -> [Self] {
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

    private init(_ entry: addrinfo) {
        family = unsafe entry.ai_family
        // Safety: the list states the length of the address that it points at.
        let raw = unsafe UnsafeRawBufferPointer(
            start: entry.ai_addr, count: Int(entry.ai_addrlen))
        bytes = unsafe Array(raw)
    }
}
