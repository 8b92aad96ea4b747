internal import CCurl
internal import Glibc

/// Requests by GET and POST to servers of HTTP, on libcurl. A thread of its own makes them, so that
/// no call blocks. Any thread may call it.
///
/// `onOutcome` is called on that thread when there is something to take, and must return soon. When
/// the client has ended, nothing calls back: its end waits for that thread, unless it is the
/// callback that lets the client go.
package final class HTTPClient: Sendable {
    private let configuration: HTTPConfiguration
    let queue: HTTPQueue
    private let thread: HTTPThread

    package init(
        _ configuration: HTTPConfiguration, onOutcome: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        try configuration.check()
        guard Self.libraryCode == CURLE_OK else {
            throw .broken(reason: "\(HTTPFailureCode(Self.libraryCode))")
        }
        let caPath = configuration.caPath
        guard unsafe caPath.isEmpty || shim_has_certificates(caPath) != 0 else {
            throw .configuration("\(caPath) is no file of certificates that can be read")
        }
        self.configuration = configuration
        queue = HTTPQueue(configuration)
        let service = try HTTPService(configuration, queue, onOutcome)
        thread = try HTTPThread(service)
    }

    deinit {
        queue.end()
        thread.join()
    }

    /// The library is started once per process.
    private static let libraryCode = shim_start_library()

    /// Has a request made. Its outcome can be taken later, unless it is cancelled.
    package func request(_ request: HTTPRequest) throws(HTTPError) -> HTTPRequestID {
        try request.check()
        let timeout = request.timeout ?? configuration.requestTimeout
        return HTTPRequestID(
            number: try queue.add(
                request, until: ContinuousClock.now + min(timeout, HTTPConfiguration.timeoutMax)))
    }

    /// Ends a request. Its outcome is never taken afterwards.
    package func cancel(_ id: HTTPRequestID) { queue.cancel(id.number) }

    /// Returns the outcomes since the last call, in the order in which they came.
    package func take() -> [HTTPOutcome] { queue.take() }

    /// The requests that wait, run, or have an outcome that was not taken.
    package var requestCount: Int { queue.count }
}

/// The thread of a client. It has no signals: they are for the process's own threads.
final class HTTPThread: Sendable {
    private let id: pthread_t

    init(_ service: sending HTTPService) throws(HTTPError) {
        // Safety: the thread takes this reference over; if it does not start, it is released below.
        let reference = unsafe Unmanaged.passRetained(service)
        var meant = sigset_t()
        unsafe sigfillset(&meant)
        // What the thread itself does wrong must be reported as everywhere.
        for number in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] {
            unsafe sigdelset(&meant, number)
        }
        var before = sigset_t()
        // The thread and those of the library that look up names get this mask from here. SIGPIPE
        // is in it, so a broken connection is the error of a write.
        unsafe pthread_sigmask(SIG_BLOCK, &meant, &before)
        var id = pthread_t()
        let result = unsafe pthread_create(&id, nil, { unsafe runHTTP($0) }, reference.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            unsafe reference.release()
            throw .broken(reason: "it does not start: errno \(result)")
        }
        self.id = id
    }

    /// Waits for its end. The thread itself does not wait.
    func join() {
        if pthread_equal(id, pthread_self()) != 0 {
            pthread_detach(id)
        } else {
            pthread_join(id, nil)
        }
    }
}

private func runHTTP(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    unsafe "http".withCString { unsafe shim_name_thread($0) }
    // Safety: this is the reference of `HTTPThread`, and nothing else has it.
    unsafe Unmanaged<HTTPService>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
