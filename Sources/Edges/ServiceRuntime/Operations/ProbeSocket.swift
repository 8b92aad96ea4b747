internal import Glibc
internal import Primitives

/// A connected socket with one deadline for all its operations.
struct ProbeSocket: ~Copyable {
    private let descriptor: Int32
    private let url: String
    private let deadline: MonotonicTime
    /// `nil`: what is sent and received is plain.
    private var session: ProbeTLS?

    init(url: String, deadline: MonotonicTime, family: Int32) throws(ServiceError) {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let created = socket(family, kind, 0)
        guard created >= 0 else { throw .system(operation: "socket", .current) }
        descriptor = created
        self.url = url
        self.deadline = deadline
    }

    deinit { close(descriptor) }

    func connect(to address: SocketAddress) throws(ServiceError) {
        var address = address
        let isConnected = unsafe address.withPointer {
            unsafe Glibc.connect(descriptor, $0, $1.pointee) == 0
        }
        if isConnected { return }
        let code = SystemErrorCode.current
        guard code.rawValue == EINPROGRESS else { throw failed(code) }
        try wait(for: POLLOUT)
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
        if error != 0 { throw failed(SystemErrorCode(rawValue: error)) }
    }

    /// Agrees with the peer on TLS.
    mutating func startTLS(_ trust: ProbeTrust) throws(ServiceError) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let session: ProbeTLS
        var isDone: Bool
        do throws(ProbeTLS.Problem) {
            session = try ProbeTLS(trust)
            isDone = try session.handshake()
        } catch {
            throw .probe(url: url, problem: error.text)
        }
        try sendPlain(session.pending())
        while !isDone {
            let count = try receivePlain(into: &buffer)
            guard count > 0 else {
                throw .probe(url: url, problem: "it ended the connection in place of TLS")
            }
            session.arrived(buffer[..<count])
            do throws(ProbeTLS.Problem) { isDone = try session.handshake() } catch {
                throw .probe(url: url, problem: error.text)
            }
            try sendPlain(session.pending())
        }
        self.session = session
    }

    func send(_ bytes: [UInt8]) throws(ServiceError) {
        guard let session else { return try sendPlain(bytes) }
        do throws(ProbeTLS.Problem) { try session.write(bytes) } catch {
            throw .probe(url: url, problem: error.text)
        }
        try sendPlain(session.pending())
    }

    private func sendPlain(_ bytes: [UInt8]) throws(ServiceError) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    descriptor, buffer.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else {
                try retry(.current, for: POLLOUT)
            }
        }
    }

    /// Returns 0 when the peer has sent everything.
    func receive(into buffer: inout [UInt8]) throws(ServiceError) -> Int {
        guard let session else { return try receivePlain(into: &buffer) }
        var sealed = [UInt8](repeating: 0, count: buffer.count)
        while true {
            let reading: ProbeTLS.Reading
            do throws(ProbeTLS.Problem) { reading = try session.read(into: &buffer) } catch {
                throw .probe(url: url, problem: error.text)
            }
            switch reading {
            case .bytes(let count): return count
            case .over: return 0
            case .wantsMore:
                try sendPlain(session.pending())
                let count = try receivePlain(into: &sealed)
                if count == 0 { return 0 }
                session.arrived(sealed[..<count])
            }
        }
    }

    private func receivePlain(into buffer: inout [UInt8]) throws(ServiceError) -> Int {
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            if count >= 0 { return count }
            try retry(.current, for: POLLIN)
        }
    }

    private func retry(_ code: SystemErrorCode, for event: Int32) throws(ServiceError) {
        guard code.rawValue == EAGAIN || code.rawValue == EINTR else { throw failed(code) }
        try wait(for: event)
    }

    private func wait(for event: Int32) throws(ServiceError) {
        while true {
            let left = SystemClock().remaining(until: deadline)
            if left == .zero { throw .probe(url: url, problem: "no complete answer in time") }
            var wanted = pollfd(fd: descriptor, events: Int16(event), revents: 0)
            if unsafe poll(&wanted, 1, left.pollMilliseconds) > 0 { return }
        }
    }

    private func failed(_ code: SystemErrorCode) -> ServiceError {
        .probe(url: url, problem: code.description)
    }
}
