internal import CLinux
internal import Glibc
import Primitives

/// A TCP socket that accepts connections.
// Safety: holds a descriptor and no pointer; what is unsafe stays within the calls below.
@safe
struct ListeningSocket: ~Copyable {
    let descriptor: Int32
    let port: UInt16

    enum Accepted {
        case connection(Int32, SocketAddress)
        /// No connection waits any more.
        case nobody
        /// The process or the machine has no descriptors or no memory left.
        case shortage
    }

    /// The most connections that the kernel keeps until they are accepted. It delays further ones.
    static let backlog: Int32 = 128

    /// Port 0 means any free port; `port` is then the chosen one.
    init(address: String, port: UInt16) throws(ServiceError) {
        guard var socketAddress = SocketAddress(host: address, port: port) else {
            throw .badAddress(address)
        }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = socket(socketAddress.family, kind, 0)
        guard socket >= 0 else {
            throw .listen(address: address, port: port, .current)
        }
        // Without it a restarted service would have to wait for its predecessor's connections.
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        let isBound = unsafe socketAddress.withPointer { unsafe bind(socket, $0, $1.pointee) == 0 }
        guard isBound && listen(socket, ListeningSocket.backlog) == 0 else {
            let code = SystemErrorCode.current
            close(socket)
            if code.rawValue == EADDRINUSE { throw .portInUse(address: address, port: port) }
            throw .listen(address: address, port: port, code)
        }
        var bound = SocketAddress()
        _ = unsafe bound.withPointer { unsafe getsockname(socket, $0, $1) }
        descriptor = socket
        self.port = bound.port
    }

    deinit { close(descriptor) }

    /// Accepts a connection. Never blocks. The caller then owns the descriptor.
    func accept() -> Accepted {
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        while true {
            var peer = SocketAddress()
            let connection = unsafe peer.withPointer {
                unsafe shim_accept(descriptor, $0, $1, flags)
            }
            if connection >= 0 { return .connection(connection, peer) }
            let code = SystemErrorCode.current
            switch code.rawValue {
            case EAGAIN: return .nobody
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .shortage
            // Any other error belongs to that one connection, which is lost.
            default: continue
            }
        }
    }
}
