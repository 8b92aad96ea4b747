internal import Glibc

/// Where a server is, as `connect` wants it.
struct RemoteAddress: Hashable, Sendable {
    let family: Int32
    /// A `sockaddr` of that family.
    let bytes: [UInt8]
}

/// Why a name has no address.
struct LookupFailure: Error, Hashable, Sendable, CustomStringConvertible {
    let description: String
}

extension RemoteAddress {
    /// Addresses that are tried of one name; a name that has more is known by these.
    static let perNameMax = 8

    /// All addresses of `host`, numbers or a name. A name is asked for outside of this process,
    /// which takes as long as it takes.
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
        // Safety: the list says how long the address is that it points at.
        let raw = unsafe UnsafeRawBufferPointer(
            start: entry.ai_addr, count: Int(entry.ai_addrlen))
        bytes = unsafe Array(raw)
    }
}
