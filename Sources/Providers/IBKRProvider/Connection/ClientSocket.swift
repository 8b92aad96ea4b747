internal import Glibc
internal import ProviderKit
internal import ServiceRuntime

/// A TCP socket to a server. None of its calls blocks.
// Safety: holds a descriptor and no pointer; what is unsafe stays within the calls below.
@safe
struct ClientSocket: ~Copyable {
    enum Read {
        /// This many bytes were read.
        case bytes(Int)
        /// Everything that has arrived was read.
        case nothing
        /// The peer has closed the connection.
        case ended
        case failed(SystemErrorCode)
    }

    enum Written {
        /// The socket accepted this many bytes; 0: the peer has to read first.
        case bytes(Int)
        case failed(SystemErrorCode)
    }

    struct Failure: Error {
        let code: SystemErrorCode
    }

    let descriptor: Int32

    /// Opens a socket and begins to connect. The socket becomes writable when the attempt has
    /// ended, with or without success: `connectFailure` has the outcome.
    init(to address: RemoteAddress) throws(Failure) {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let made = socket(address.family, kind, 0)
        guard made >= 0 else { throw Failure(code: .last) }
        // Requests are few and small. With Nagle's algorithm they would wait for each other.
        Self.set(made, Int32(IPPROTO_TCP), TCP_NODELAY)
        // The engine's heartbeat detects a peer that vanished without closing. This option covers a
        // connection on which nothing is requested.
        Self.set(made, SOL_SOCKET, SO_KEEPALIVE)
        let result = unsafe address.bytes.withUnsafeBytes { raw in
            // Safety: the system made a sockaddr of that length.
            unsafe raw.withMemoryRebound(to: sockaddr.self) {
                unsafe connect(made, $0.baseAddress, socklen_t(address.bytes.count))
            }
        }
        if result != 0 {
            let code = SystemErrorCode.last
            guard code.rawValue == EINPROGRESS || code.rawValue == EINTR else {
                close(made)
                throw Failure(code: code)
            }
        }
        descriptor = made
    }

    deinit { close(descriptor) }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        // Both options are optional: a connection without them works, too.
        _ = unsafe setsockopt(descriptor, level, option, &yes, size)
    }

    /// Returns why connecting failed; `nil` when connected. Call it when the socket has become
    /// writable.
    func connectFailure() -> SystemErrorCode? {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let result = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        if result != 0 { return .last }
        return code == 0 ? nil : SystemErrorCode(rawValue: code)
    }

    /// Reads at most as many bytes as the buffer has.
    func read(into buffer: inout [UInt8]) -> Read {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
            }
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            let code = SystemErrorCode.last
            switch code.rawValue {
            case EINTR: continue
            case EAGAIN: return .nothing
            default: return .failed(code)
            }
        }
    }

    /// Writes the bytes from index `start` on, as far as the socket accepts them.
    func write(_ bytes: borrowing [UInt8], from start: Int) -> Written {
        while true {
            let count = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[start...])
                return unsafe send(
                    descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 { return .bytes(count) }
            let code = SystemErrorCode.last
            switch code.rawValue {
            case EINTR: continue
            case EAGAIN: return .bytes(0)
            default: return .failed(code)
            }
        }
    }
}

extension SystemErrorCode {
    /// The error of this thread's last call. Read it before any other call.
    fileprivate static var last: SystemErrorCode { SystemErrorCode(rawValue: errno) }
}
