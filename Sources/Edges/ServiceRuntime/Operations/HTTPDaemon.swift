internal import CMicroHTTP
internal import Glibc
import Primitives
internal import Synchronization

/// libmicrohttpd without its own threads. The owner accepts connections, adds them and runs the
/// library, all on one thread. The library parses requests and writes answers.
// Safety: the daemon's pointer is private and stopped in deinit, before the exchange goes.
@safe
final class HTTPDaemon {
    private let daemon: OpaquePointer
    /// The state that the library's callbacks use. It outlives the daemon, which has its address.
    private let exchange: HTTPExchange
    private let counters: OperationsCounters

    /// Readable when the library has work to do.
    let readinessDescriptor: Int32

    init(
        router: OperationsRouter, limits: OperationsLimits, counters: OperationsCounters
    ) throws(ServiceError) {
        self.counters = counters
        exchange = HTTPExchange(router: router, limits: limits)
        // Safety: this object holds the exchange, and stops the daemon before it releases it. The
        // library removes cut connections only at its next turn, so its own limit has room for
        // those of one batch.
        let started = unsafe shim_start_daemon(
            { unsafe onRequest($0, $1, $2, $3, $6, $7) },
            { closure, connection, _, _ in unsafe onCompleted(closure, connection) },
            { unsafe onConnection($0, $1, $3) }, Unmanaged.passUnretained(exchange).toOpaque(),
            UInt32(clamping: limits.connectionsMax + 2 * OperationsLoop.acceptBatchMax),
            limits.headerBytesMax)
        guard let started = unsafe started else {
            throw .system(operation: "starting the operations port", .current)
        }
        unsafe daemon = started
        readinessDescriptor = unsafe shim_epoll_descriptor(started)
    }

    /// Closes all connections. The library calls back for each of them.
    deinit { unsafe MHD_stop_daemon(daemon) }

    /// Takes ownership of the descriptor, even when adding fails.
    func add(_ descriptor: Int32, from address: SocketAddress) {
        counters.accepted.add(1, ordering: .relaxed)
        let victim = exchange.table.opened(
            descriptor, by: address.peer, at: SystemClock().monotonic())
        if let victim { cut(victim) }
        var address = address
        let isAdded = unsafe address.withPointer {
            unsafe MHD_add_connection(daemon, descriptor, $0, $1.pointee)
        }
        // When the library refuses, it has closed the descriptor.
        if isAdded != .YES { exchange.table.closed(descriptor) }
    }

    /// Does all work that is possible now. Never blocks.
    func turn() {
        for descriptor in exchange.table.expired(at: SystemClock().monotonic()) { cut(descriptor) }
        unsafe MHD_run(daemon)
        counters.open.store(exchange.table.count, ordering: .relaxed)
    }

    /// Cuts a connection when the process has no descriptors left. Returns false when there is none
    /// to cut.
    func cutOne() -> Bool {
        guard let victim = exchange.table.victimOfShortage() else { return false }
        cut(victim)
        return true
    }

    /// Returns how long the owner may sleep while nothing becomes readable.
    func sleepMax(at now: MonotonicTime, atMost limit: Duration) -> Duration {
        var milliseconds: UInt64 = 0
        let hasTimeout = unsafe MHD_get_timeout(daemon, &milliseconds) == .YES
        if hasTimeout && milliseconds == 0 { return .zero }
        return min(limit, max(.zero, exchange.table.nextDeadline.duration(since: now)))
    }

    /// Cuts a connection. The library notices it at its next turn and closes it then. Until then
    /// the descriptor's number belongs to this connection: the table removes it before the library
    /// closes it.
    private func cut(_ descriptor: Int32) {
        counters.cut.add(1, ordering: .relaxed)
        // A reset, so that the kernel does not keep data that the client never reads.
        var reset = linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout<linger>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, size)
        shutdown(descriptor, Int32(SHUT_RDWR))
    }
}

/// The state of the callbacks: the connections and their answers.
private final class HTTPExchange {
    var table: ConnectionTable
    private let router: OperationsRouter
    private let limits: OperationsLimits

    init(router: OperationsRouter, limits: OperationsLimits) {
        self.router = router
        self.limits = limits
        table = ConnectionTable(limits: limits)
    }

    func now() -> MonotonicTime { SystemClock().monotonic() }

    func response(
        to path: String, accept: String?, for descriptor: Int32
    ) -> OperationsResponse {
        let response = router.response(to: path, accept: accept)
        if table.reserve(response.body.count, for: descriptor) { return response }
        return .text("too many answers wait for slow readers", status: 503)
    }
}

/// Handles a request. The first call comes when the header is complete, one more for each piece of
/// a body, and a last one without a piece.
private func onRequest(
    _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ path: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ bodyBytes: UnsafeMutablePointer<Int>?,
    _ progress: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let closure = unsafe closure, let connection = unsafe connection,
        let path = unsafe path, let method = unsafe method, let progress = unsafe progress
    else { return .NO }
    // Safety: the daemon's owner holds the object and stops the daemon first.
    let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(closure).takeUnretainedValue()
    let descriptor = unsafe shim_connection_descriptor(connection)
    if unsafe progress.pointee == nil {
        unsafe progress.pointee = UnsafeMutableRawPointer(bitPattern: 1)
        exchange.table.requestArrived(descriptor, at: exchange.now())
        let name = unsafe String(cString: method)
        if name == "GET" || name == "HEAD" {
            // An answer to this call would end the connection; one to the next call keeps it.
            return .YES
        }
        // Here an immediate answer is useful, because the body need not be read.
        let refusal = OperationsResponse.text("only GET and HEAD are answered here", status: 405)
        return unsafe queue(refusal, on: connection, allow: "GET, HEAD")
    }
    if let bodyBytes = unsafe bodyBytes, unsafe bodyBytes.pointee > 0 {
        // A body is read and ignored. The deadline bounds it.
        unsafe bodyBytes.pointee = 0
        return .YES
    }
    // The text belongs to the connection and lives as long as the request.
    let accept = unsafe MHD_lookup_connection_value(connection, .HEADER_KIND, "Accept")
    let response = unsafe exchange.response(
        to: String(cString: path), accept: accept.map { unsafe String(cString: $0) },
        for: descriptor)
    return unsafe queue(response, on: connection, allow: nil)
}

private func onCompleted(_ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?) {
    guard let closure = unsafe closure else { return }
    // Safety: as in `onRequest`.
    let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(closure).takeUnretainedValue()
    exchange.table.answered(unsafe shim_connection_descriptor(connection), at: exchange.now())
}

private func onConnection(
    _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ event: MHD_ConnectionNotificationCode
) {
    guard let closure = unsafe closure, event == .CONNECTION_NOTIFY_CLOSED else { return }
    // Safety: as in `onRequest`.
    let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(closure).takeUnretainedValue()
    exchange.table.closed(unsafe shim_connection_descriptor(connection))
}

/// Queues an answer. The library copies the body and owns the copy.
private func queue(
    _ response: OperationsResponse, on connection: OpaquePointer, allow: String?
) -> MHD_Result {
    let created = unsafe response.body.withUnsafeBytes { bytes in
        unsafe MHD_create_response_from_buffer(
            bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let answer = unsafe created else { return .NO }
    // The connection keeps a reference of its own until the answer is sent.
    defer { unsafe MHD_destroy_response(answer) }
    var isComplete = unsafe MHD_add_response_header(answer, "Content-Type", response.contentType)
    if isComplete == .YES {
        isComplete = unsafe MHD_add_response_header(answer, "Cache-Control", "no-store")
    }
    if isComplete == .YES, let allow {
        isComplete = unsafe MHD_add_response_header(answer, "Allow", allow)
    }
    guard isComplete == .YES else { return .NO }
    return unsafe MHD_queue_response(connection, UInt32(clamping: response.status), answer)
}
