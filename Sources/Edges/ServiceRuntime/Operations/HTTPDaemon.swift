internal import CMicroHTTP
internal import Glibc
import Primitives
internal import Synchronization

/// libmicrohttpd without its own threads. The owner accepts connections, adds them and runs the
/// library, all on one thread. The library parses requests and writes answers.
// Safety: the daemon's pointer is private and stopped in deinit, before the exchange goes.
@safe
final class HTTPDaemon {
    private var daemon: OpaquePointer
    /// The one with the certificate of before, until its connections have ended.
    private var former: OpaquePointer?
    /// The state that the library's callbacks use. It outlives the daemon, which has its address.
    private let exchange: HTTPExchange
    private let counters: OperationsCounters
    private let limits: OperationsLimits

    /// Readable when the library has work to do.
    var readinessDescriptor: Int32 { unsafe shim_epoll_descriptor(daemon) }
    /// The same of the former one. -1: there is none.
    var formerDescriptor: Int32 { unsafe former.map { unsafe shim_epoll_descriptor($0) } ?? -1 }

    /// `work` names the server in errors. With a certificate its connections speak TLS.
    init(
        _ exchange: HTTPExchange, limits: OperationsLimits, counters: OperationsCounters,
        named work: String, certificate: WebCertificate? = nil
    ) throws(ServiceError) {
        self.counters = counters
        self.exchange = exchange
        self.limits = limits
        guard let started = unsafe Self.start(exchange, limits, certificate) else {
            throw .system(operation: "starting \(work)", .current)
        }
        unsafe daemon = started
    }

    private static func start(
        _ exchange: HTTPExchange, _ limits: OperationsLimits, _ certificate: WebCertificate?
    ) -> OpaquePointer? {
        // Safety: the caller holds the exchange, and stops the daemon before it releases it. The
        // library removes cut connections only at its next turn, so its own limit has room for
        // those of one batch.
        unsafe WebCertificate.with(certificate) { certificate, key in
            unsafe shim_start_daemon(
                { unsafe onRequest($0, $1, $2, $3, Upload($5, $6), $7) },
                { closure, connection, _, _ in unsafe onCompleted(closure, connection) },
                { unsafe onConnection($0, $1, $3) }, Unmanaged.passUnretained(exchange).toOpaque(),
                UInt32(clamping: limits.connectionsMax + 2 * WebLoop.acceptBatchMax),
                limits.headerBytesMax, certificate, key)
        }
    }

    /// Speaks TLS with another certificate on the connections that come from now on. Streams end,
    /// so that their browsers come back with it; other connections may end in their time. Returns
    /// false when the library cannot use it.
    func use(_ certificate: WebCertificate) -> Bool {
        guard let started = unsafe Self.start(exchange, limits, certificate) else { return false }
        // A stream that a request in these turns began would be suspended when the former stops.
        exchange.withoutStreams {
            unsafe MHD_run(daemon)
            stopFormer()
        }
        unsafe (former, daemon) = unsafe (daemon, started)
        return true
    }

    private func stopFormer() {
        guard let daemon = unsafe former else { return }
        unsafe former = nil
        unsafe MHD_run(daemon)
        unsafe MHD_stop_daemon(daemon)
    }

    /// Closes all connections. The library calls back for each of them. It may not stop while a
    /// connection is suspended.
    deinit {
        exchange.endStreams()
        stopFormer()
        unsafe MHD_run(daemon)
        unsafe MHD_stop_daemon(daemon)
    }

    /// Lets all streams send what is new, at the next turn.
    func resumeStreams() { exchange.resumeStreams() }

    /// Takes ownership of the descriptor, even when adding fails.
    func add(_ descriptor: Int32, from address: SocketAddress) {
        counters.accepted.add(1, ordering: .relaxed)
        let victim = exchange.table.opened(
            descriptor, by: address.peer, at: SystemClock().monotonic())
        if let victim { cut(victim) }
        exchange.opened(descriptor, from: address)
        var address = address
        let isAdded = unsafe address.withPointer {
            unsafe MHD_add_connection(daemon, descriptor, $0, $1.pointee)
        }
        // When the library refuses, it has closed the descriptor.
        if isAdded != .YES { exchange.closed(descriptor) }
    }

    /// Does all work that is possible now. Never blocks.
    func turn() {
        for descriptor in exchange.table.expired(at: SystemClock().monotonic()) { cut(descriptor) }
        unsafe MHD_run(daemon)
        if let daemon = unsafe former {
            unsafe MHD_run(daemon)
            if unsafe shim_open_connections(daemon) == 0 { stopFormer() }
        }
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
        if unsafe Self.hasWork(daemon) { return .zero }
        if let former = unsafe former, unsafe Self.hasWork(former) { return .zero }
        return min(limit, max(.zero, exchange.table.nextDeadline.duration(since: now)))
    }

    private static func hasWork(_ daemon: OpaquePointer) -> Bool {
        var milliseconds: UInt64 = 0
        return unsafe MHD_get_timeout(daemon, &milliseconds) == .YES && milliseconds == 0
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

/// A piece of a body, as the library hands it over.
@unsafe
private struct Upload {
    let bytes: UnsafePointer<CChar>?
    let count: UnsafeMutablePointer<Int>?

    init(_ bytes: UnsafePointer<CChar>?, _ count: UnsafeMutablePointer<Int>?) {
        unsafe self.bytes = unsafe bytes
        unsafe self.count = unsafe count
    }
}

/// Handles a request. The first call comes when the header is complete, one more for each piece of
/// a body, and a last one without a piece.
private func onRequest(
    _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ path: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?, _ upload: Upload,
    _ progress: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let closure = unsafe closure, let connection = unsafe connection,
        let path = unsafe path, let method = unsafe method, let progress = unsafe progress
    else { return .NO }
    // Safety: the daemon's owner holds the object and stops the daemon first.
    let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(closure).takeUnretainedValue()
    let descriptor = unsafe shim_connection_descriptor(connection)
    let name = unsafe String(cString: method)
    if unsafe progress.pointee == nil {
        unsafe progress.pointee = UnsafeMutableRawPointer(bitPattern: 1)
        exchange.table.requestArrived(descriptor, at: exchange.now())
        let refusal = unsafe refusal(of: name, on: connection, exchange.admission)
        // An answer to this call would end the connection; one to the next call keeps it. For a
        // refusal that is useful, because the body need not be read.
        guard let refusal else { return .YES }
        return unsafe queue(refusal, on: connection)
    }
    if let count = unsafe upload.count, unsafe count.pointee > 0 {
        // What nobody wants is read and ignored. The deadline bounds it.
        unsafe exchange.take(
            UnsafeRawBufferPointer(start: upload.bytes, count: count.pointee), for: descriptor)
        unsafe count.pointee = 0
        return .YES
    }
    let headers = unsafe headers(of: connection, exchange.admission.headers)
    let parameters = unsafe parameters(of: connection, exchange.admission.parameters)
    let answer = exchange.answer(
        name, unsafe String(cString: path), headers, parameters, for: descriptor)
    switch answer {
    case .whole(let response): return unsafe queue(response, on: connection)
    case .events(let besides, let isOpen):
        let stream = unsafe exchange.stream(connection, descriptor, headers, isOpen: isOpen)
        guard let stream, let answer = unsafe stream.response() else { return .NO }
        let type = WebHeader("Content-Type", "text/event-stream; charset=utf-8")
        return unsafe queue(answer, 200, [type] + besides, on: connection)
    }
}

/// Returns the answer to a request whose body need not be read. `nil`: it is accepted.
private func refusal(
    of method: String, on connection: OpaquePointer, _ admission: WebAdmission
) -> OperationsResponse? {
    guard admission.accepts(method) else {
        var refusal = OperationsResponse.text(
            "only \(admission.methods.replacing(", ", with: " and ")) are answered here",
            status: 405)
        refusal.headers = [WebHeader("Allow", admission.methods)]
        return refusal
    }
    let length = unsafe MHD_lookup_connection_value(connection, .HEADER_KIND, "Content-Length")
    guard admission.bodyBytesMax > 0, let length = unsafe length,
        UInt64(unsafe String(cString: length)) ?? .max > UInt64(admission.bodyBytesMax)
    else { return nil }
    return .text("a body has at most \(admission.bodyBytesMax) bytes here", status: 413)
}

/// The headers that are read, as they are found.
private final class HeaderValues {
    private let names: Set<String>
    private(set) var found: [String: String] = [:]

    init(_ names: [String]) { self.names = Set(names) }

    func add(_ name: String, _ value: String) {
        guard names.contains(name) else { return }
        found[name] = found[name].map { "\($0), \(value)" } ?? value
    }
}

/// Returns the headers of these names. One that comes several times is a list, as HTTP has it: so
/// nobody puts a value before that of a proxy.
private func headers(of connection: OpaquePointer, _ names: [String]) -> [String: String] {
    let values = HeaderValues(names)
    // Safety: it is used during the call alone, and lives longer.
    let context = unsafe Unmanaged.passUnretained(values).toOpaque()
    unsafe MHD_get_connection_values(
        connection, .HEADER_KIND,
        { context, _, name, value in
            guard let context = unsafe context, let name = unsafe name, let value = unsafe value
            else { return .YES }
            let values = unsafe Unmanaged<HeaderValues>.fromOpaque(context).takeUnretainedValue()
            unsafe values.add(String(cString: name).lowercased(), String(cString: value))
            return .YES
        }, context)
    return withExtendedLifetime(values) { values.found }
}

/// Returns the parameters of the query of these names. One without a value is empty.
private func parameters(of connection: OpaquePointer, _ names: [String]) -> [String: String] {
    var parameters: [String: String] = [:]
    for name in names {
        var start: UnsafePointer<CChar>?
        var count = 0
        let isThere = unsafe MHD_lookup_connection_value_n(
            connection, .GET_ARGUMENT_KIND, name, name.utf8.count, &start, &count)
        guard isThere == .YES else { continue }
        // Safety: the text belongs to the connection and lives as long as the request. It may hold
        // a NUL, so that its end is where its length says.
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)
        parameters[name] = unsafe String(decoding: bytes, as: UTF8.self)
    }
    return parameters
}

private func onCompleted(_ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?) {
    guard let closure = unsafe closure else { return }
    // Safety: as in `onRequest`.
    let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(closure).takeUnretainedValue()
    exchange.completed(unsafe shim_connection_descriptor(connection))
}

private func onConnection(
    _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ event: MHD_ConnectionNotificationCode
) {
    guard let closure = unsafe closure, event == .CONNECTION_NOTIFY_CLOSED else { return }
    // Safety: as in `onRequest`.
    let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(closure).takeUnretainedValue()
    exchange.closed(unsafe shim_connection_descriptor(connection))
}

/// Queues an answer. The library copies the body and owns the copy.
private func queue(
    _ response: OperationsResponse, on connection: OpaquePointer
) -> MHD_Result {
    let created = unsafe response.body.withUnsafeBytes { bytes in
        unsafe MHD_create_response_from_buffer(
            bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let answer = unsafe created else { return .NO }
    let type = WebHeader("Content-Type", response.contentType)
    return unsafe queue(
        answer, UInt32(clamping: response.status), [type] + response.headers, on: connection)
}

private func queue(
    _ answer: OpaquePointer, _ status: UInt32, _ headers: [WebHeader],
    on connection: OpaquePointer
) -> MHD_Result {
    // The connection keeps a reference of its own until the answer is sent.
    defer { unsafe MHD_destroy_response(answer) }
    let isCached = headers.contains { $0.name == "Cache-Control" }
    for header in headers + (isCached ? [] : [WebHeader("Cache-Control", "no-store")]) {
        guard unsafe MHD_add_response_header(answer, header.name, header.value) == .YES else {
            return .NO
        }
    }
    return unsafe MHD_queue_response(connection, status, answer)
}
