internal import Glibc
internal import ServiceRuntime

/// A TCP socket to a server. No call of it blocks.
// Safety: holds a descriptor and no pointer; what is unsafe stays within the calls below.
@safe
struct ClientSocket: ~Copyable {
    enum Read {
        case bytes(Int)
        /// Everything that has arrived was read.
        case nothing
        /// The other side has ended the connection.
        case ended
        case failed(SystemErrorCode)
    }

    enum Written {
        case bytes(Int)
        case failed(SystemErrorCode)
    }

    struct Failure: Error {
        let code: SystemErrorCode
    }

    let descriptor: Int32

    /// Begins to connect: the socket is writable when that has ended, well or not.
    init(to address: RemoteAddress) throws(Failure) {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let made = socket(address.family, kind, 0)
        guard made >= 0 else { throw Failure(code: .last) }
        // Requests are few and small; behind Nagle's algorithm they would wait for each other.
        Self.set(made, Int32(IPPROTO_TCP), TCP_NODELAY)
        // A machine that vanished without a word is found out by the engine's heartbeat; this is
        // for a connection on which nothing is wanted.
        Self.set(made, SOL_SOCKET, SO_KEEPALIVE)
        let result = unsafe address.bytes.withUnsafeBytes { raw in
            // Safety: a sockaddr of that length, made by the system.
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
        // Both are wishes: a connection without them is one, too.
        _ = unsafe setsockopt(descriptor, level, option, &yes, size)
    }

    /// Nil: connected. To be asked when the socket has become writable.
    func connectFailure() -> SystemErrorCode? {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let result = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        if result != 0 { return .last }
        return code == 0 ? nil : SystemErrorCode(rawValue: code)
    }

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

    /// 0 bytes: the other side has to read first.
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
    /// What the last call of this thread left behind; to be read before any other call.
    fileprivate static var last: SystemErrorCode { SystemErrorCode(rawValue: errno) }
}
