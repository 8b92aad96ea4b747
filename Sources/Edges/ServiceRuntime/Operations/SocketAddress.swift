internal import Glibc

/// An IP address with a port.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private(set) var size: socklen_t

    /// Reads a numeric address: a name would have to be looked up, without a deadline of ours.
    /// Fails when `host` is neither an IPv4 nor an IPv6 address, nor `localhost`.
    init?(host: String, port: UInt16) {
        let numeric = host == "localhost" ? "127.0.0.1" : host
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        if unsafe inet_pton(AF_INET, numeric, &v4.sin_addr) == 1 {
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = port.bigEndian
            size = socklen_t(MemoryLayout<sockaddr_in>.size)
            unsafe withUnsafeMutableBytes(of: &storage) {
                unsafe $0.storeBytes(of: v4, as: sockaddr_in.self)
            }
        } else if unsafe inet_pton(AF_INET6, numeric, &v6.sin6_addr) == 1 {
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = port.bigEndian
            size = socklen_t(MemoryLayout<sockaddr_in6>.size)
            unsafe withUnsafeMutableBytes(of: &storage) {
                unsafe $0.storeBytes(of: v6, as: sockaddr_in6.self)
            }
        } else {
            return nil
        }
    }

    /// Returns a numeric address itself, or the addresses that the system knows for a name, in its
    /// order.
    static func all(of host: String, port: UInt16) -> [SocketAddress] {
        if let address = SocketAddress(host: host, port: port) { return [address] }
        var hints = unsafe addrinfo(
            ai_flags: AI_ADDRCONFIG | AI_NUMERICSERV, ai_family: AF_UNSPEC,
            ai_socktype: Int32(SOCK_STREAM.rawValue), ai_protocol: 0, ai_addrlen: 0, ai_addr: nil,
            ai_canonname: nil, ai_next: nil)
        var first: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, "\(port)", &hints, &first) == 0 else { return [] }
        defer { unsafe freeaddrinfo(first) }
        var addresses: [SocketAddress] = []
        var next = unsafe first
        while let entry = unsafe next {
            if let address = unsafe SocketAddress(entry.pointee) { addresses.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        return addresses
    }

    private init?(_ entry: addrinfo) {
        size = unsafe entry.ai_addrlen
        let bytes = Int(size)
        guard let address = unsafe entry.ai_addr, bytes <= MemoryLayout<sockaddr_storage>.size
        else { return nil }
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: bytes))
        }
    }

    /// Room for an address that the system fills in.
    init() { size = socklen_t(MemoryLayout<sockaddr_storage>.size) }

    var family: Int32 { Int32(storage.ss_family) }

    /// The numeric address. An IPv4 address on a socket of both families is one of IPv4. Empty for
    /// another family.
    var host: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let written = unsafe withUnsafeBytes(of: storage) { bytes -> Bool in
            let place = family == AF_INET ? 4 : 8
            guard family == AF_INET || family == AF_INET6, let base = bytes.baseAddress
            else { return false }
            return unsafe inet_ntop(
                Int32(family), base + place, &text, socklen_t(text.count)) != nil
        }
        guard written else { return "" }
        let shown = String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let mapped = "::ffff:"
        return shown.hasPrefix(mapped) && shown.contains(".")
            ? String(shown.dropFirst(mapped.count)) : shown
    }

    var port: UInt16 {
        // The port is at the same place in both families.
        unsafe withUnsafeBytes(of: storage) {
            UInt16(bigEndian: unsafe $0.load(fromByteOffset: 2, as: UInt16.self))
        }
    }

    /// The unit for which a limit counts: an IPv4 address, or the /64 of an IPv6 address, in which
    /// one client can use any number of addresses.
    var peer: PeerAddress {
        unsafe withUnsafeBytes(of: storage) { bytes in
            let v4 = unsafe bytes.load(fromByteOffset: 4, as: UInt32.self)
            if family == AF_INET { return PeerAddress(network: UInt64(v4)) }
            let high = unsafe bytes.load(fromByteOffset: 8, as: UInt64.self)
            let middle = unsafe bytes.load(fromByteOffset: 16, as: UInt32.self)
            let mapped = unsafe bytes.load(fromByteOffset: 20, as: UInt32.self)
            // ::ffff:a.b.c.d is an IPv4 address on a socket of both families.
            let isMapped = high == 0 && UInt32(bigEndian: middle) == 0xffff
            return PeerAddress(network: isMapped ? UInt64(mapped) : high)
        }
    }

    mutating func withPointer<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe withUnsafeMutablePointer(to: &size) { unsafe body(address, $0) }
            }
        }
    }
}

/// What comes from one such peer shares a limit.
package struct PeerAddress: Hashable, Sendable {
    let network: UInt64

    init(network: UInt64) { self.network = network }

    /// Reads a numeric address. `nil`: it is none.
    package init?(_ address: String) {
        guard let found = SocketAddress(host: address, port: 0) else { return nil }
        self = found.peer
    }
}
