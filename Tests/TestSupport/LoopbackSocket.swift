import Glibc

/// TCP sockets on this machine's own address. `nil` always comes with an `errno`.
package enum LoopbackSocket {
    /// Returns a listening socket, on a port that the kernel chose.
    package static func listen() -> (descriptor: Int32, port: UInt16)? {
        unsafe made(port: 0) { descriptor, address, size in
            unsafe bind(descriptor, address, size.pointee) == 0
                && Glibc.listen(descriptor, 64) == 0
                && getsockname(descriptor, address, size) == 0
        }
    }

    package static func connect(to port: UInt16) -> Int32? {
        unsafe made(port: port) { descriptor, address, size in
            unsafe Glibc.connect(descriptor, address, size.pointee) == 0
        }?.descriptor
    }

    private static func made(
        port: UInt16,
        _ use: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Bool
    ) -> (descriptor: Int32, port: UInt16)? {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isUsable = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe use(descriptor, $0, &size)
            }
        }
        guard isUsable else {
            let code = errno
            close(descriptor)
            errno = code
            return nil
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
