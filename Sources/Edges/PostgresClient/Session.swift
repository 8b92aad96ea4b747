internal import CPostgres
internal import Glibc
internal import Primitives

/// The libpq handle of one `PostgresConnection`. It is non-blocking, and every wait is a `poll`
/// with a deadline.
///
/// One thread uses it at a time. After a lost connection or a passed deadline the handle is closed,
/// because an answer may still arrive, and the next statement would read it as its own.
// Safety: the pointer belongs to this object alone: made in init, finished in `close`, never handed
// out.
@safe
final class Session {
    let peer: String
    /// `nil` when closed.
    private var handle: OpaquePointer?
    /// The object that libpq calls until the handle is finished.
    private let notices: NoticeBox
    /// Called before each slice of a wait, so that the owner's thread gives a sign of life.
    private let onWait: () -> Void
    private static let sliceMilliseconds: Int32 = 1_000

    init(
        _ configuration: PostgresConfiguration, onWait: @escaping () -> Void,
        onNotice: @escaping (String) -> Void, deadline: Deadline
    ) throws(PostgresError) {
        self.onWait = onWait
        peer = configuration.peer
        notices = NoticeBox(onNotice)
        unsafe handle = try start(configuration)
        try connect(deadline)
    }

    deinit { close() }

    func close() {
        guard let open = unsafe handle else { return }
        unsafe PQfinish(open)
        unsafe handle = nil
    }

    var isOpen: Bool { unsafe handle != nil && PQstatus(handle) == CONNECTION_OK }
    var isInTransaction: Bool {
        let state = unsafe PQtransactionStatus(handle)
        return state == PQTRANS_INTRANS || state == PQTRANS_INERROR
    }
    /// libpq accepts a missing handle here and returns 0.
    var serverVersion: Int { Int(unsafe PQserverVersion(handle)) }
    var backendProcessID: Int32 { unsafe PQbackendPID(handle) }
    var certificateEnd: Int64? {
        guard let open = unsafe handle else { return nil }
        let end = unsafe shim_certificate_end(open)
        return end < 0 ? nil : end
    }

    /// Returns the open handle. Throws, and closes it, when the connection is lost.
    func require(_ operation: String) throws(PostgresError) -> OpaquePointer {
        guard let open = unsafe handle, isOpen else {
            close()
            throw .closed(operation: operation, peer: peer)
        }
        return unsafe open
    }
}

// MARK: - Connecting

extension Session {
    /// Makes the handle and begins to connect.
    private func start(_ configuration: PostgresConfiguration) throws(PostgresError)
        -> OpaquePointer
    {
        let parameters = configuration.parameters
        for (keyword, value) in parameters where value?.utf8.contains(0) == true {
            throw .invalidValue(
                operation: "connect to \(peer)", reason: "\(keyword) holds a NUL character")
        }
        let keywords = CStrings(parameters.map(\.keyword))
        let values = CStrings(parameters.map(\.value))
        let started = unsafe keywords.withPointers { keywords in
            unsafe values.withPointers { values in
                // The database's name is never treated as a connection string (0).
                unsafe PQconnectStartParams(keywords, values, 0)
            }
        }
        guard let started = unsafe started else {
            throw .connect(peer: peer, reason: "out of memory")
        }
        // A failed start-up leaves no result, only text; verbose text contains the SQLSTATE.
        unsafe PQsetErrorVerbosity(started, PQERRORS_VERBOSE)
        // Safety: the box lives as long as the session, which finishes the handle before it ends.
        unsafe PQsetNoticeReceiver(
            started, onNotice, Unmanaged.passUnretained(notices).toOpaque())
        return unsafe started
    }

    /// Waits until the connection is established.
    private func connect(_ deadline: Deadline) throws(PostgresError) {
        guard let open = unsafe handle else { return }
        var waitFor = Int16(POLLOUT)
        guard unsafe PQstatus(open) != CONNECTION_BAD else { throw connectFailure() }
        var isInHandshake = false
        while true {
            // The socket may change at each step: several addresses, with or without TLS.
            try wait(for: waitFor, "connect", deadline)
            switch unsafe PQconnectPoll(open) {
            case PGRES_POLLING_READING:
                waitFor = Int16(POLLIN)
                isInHandshake = unsafe PQstatus(open) == CONNECTION_SSL_STARTUP
            case PGRES_POLLING_WRITING:
                waitFor = Int16(POLLOUT)
                isInHandshake = unsafe PQstatus(open) == CONNECTION_SSL_STARTUP
            case PGRES_POLLING_OK:
                unsafe PQsetErrorVerbosity(open, PQERRORS_DEFAULT)
                guard unsafe PQsetnonblocking(open, 1) == 0 else { throw connectFailure() }
                return
            default: throw connectFailure(isInHandshake: isInHandshake)
            }
        }
    }

    /// Closes the handle, and returns why connecting failed: the server's refusal if there is one.
    private func connectFailure(isInHandshake: Bool = false) -> PostgresError {
        let message = lastMessage
        close()
        if let error = ServerError(startupMessage: message) {
            return .server(operation: "connect", peer: peer, error)
        }
        return isInHandshake
            ? .tlsFailed(peer: peer, reason: message) : .connect(peer: peer, reason: message)
    }
}

// MARK: - Waiting

extension Session {
    /// Waits until the socket is ready for `events`, or has failed. Returns the events of `poll`.
    /// At the deadline, or when it is not wanted any more, closes the handle and throws.
    @discardableResult
    func wait(
        for events: Int16, _ operation: String, _ deadline: Deadline,
        while isWanted: () -> Bool = { true }
    ) throws(PostgresError) -> Int16 {
        while true {
            guard isWanted() else {
                close()
                throw .closed(operation: operation, peer: peer)
            }
            guard let milliseconds = deadline.millisecondsLeft else {
                close()
                throw .timeout(operation: operation, peer: peer, after: deadline.allowed)
            }
            let descriptor = unsafe PQsocket(handle)
            guard descriptor >= 0 else { throw lost(operation) }
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            onWait()
            let ready = unsafe poll(&entry, 1, min(milliseconds, Self.sliceMilliseconds))
            if ready > 0 { return entry.revents }
            if ready < 0, errno != EINTR {
                close()
                throw .unexpected(operation: operation, peer: peer, reason: "poll: errno \(errno)")
            }
        }
    }

    /// Sends what libpq has buffered. It also reads: a server whose answers are not read stops
    /// reading, and both sides would wait for ever.
    func flush(_ operation: String, _ deadline: Deadline) throws(PostgresError) {
        while true {
            let open = unsafe try require(operation)
            let state = unsafe PQflush(open)
            if state == 0 { return }
            guard state > 0 else { throw lost(operation) }
            let ready = try wait(for: Int16(POLLIN | POLLOUT), operation, deadline)
            if ready & Int16(POLLIN) != 0, unsafe PQconsumeInput(open) == 0 {
                throw lost(operation)
            }
        }
    }

    /// Returns the next result of the sent statements; `nil` when all have been read.
    func nextResult(
        _ operation: String, _ deadline: Deadline, while isWanted: () -> Bool = { true }
    ) throws(PostgresError) -> ResultHandle? {
        guard let open = unsafe handle else { throw .closed(operation: operation, peer: peer) }
        while unsafe PQisBusy(open) != 0 {
            try wait(for: Int16(POLLIN), operation, deadline, while: isWanted)
            // A failed read ends the wait; the result then contains the server's last message.
            if unsafe PQconsumeInput(open) == 0 { break }
        }
        if unsafe PQisBusy(open) != 0 { throw lost(operation) }
        guard let result = unsafe PQgetResult(open) else { return nil }
        return unsafe ResultHandle(result)
    }

    /// Closes the handle, and returns the error for a lost connection with libpq's message.
    func lost(_ operation: String) -> PostgresError {
        let message = lastMessage
        close()
        return .connectionLost(operation: operation, peer: peer, reason: message)
    }

    /// libpq's last message; empty when there is none.
    var lastMessage: String { unsafe text(PQerrorMessage(handle)) ?? "" }
}

/// Receives notices. It is a class, so that libpq can hold a stable pointer to it.
private final class NoticeBox {
    let receive: (String) -> Void

    init(_ receive: @escaping (String) -> Void) { self.receive = receive }
}

/// Called by libpq during calls of the session's thread. libpq keeps ownership of the result.
private func onNotice(_ closure: UnsafeMutableRawPointer?, _ result: OpaquePointer?) {
    guard let closure = unsafe closure, let message = unsafe text(PQresultErrorMessage(result))
    else {
        return
    }
    // Safety: see `start`; the reference is not consumed.
    unsafe Unmanaged<NoticeBox>.fromOpaque(closure).takeUnretainedValue().receive(oneLine(message))
}
