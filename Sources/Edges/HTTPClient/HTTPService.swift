internal import CCurl

/// What the thread of a client does: begins requests, waits for their servers, hands outcomes over.
// Safety: the library's handle belongs to this object from `init` to `deinit`. It is used by the
// client's thread alone, but for waking it.
@safe
final class HTTPService {
    private let configuration: HTTPConfiguration
    private let queue: HTTPQueue
    private let onOutcome: @Sendable () -> Void
    private let multi: UnsafeMutableRawPointer
    private var transfers: [UInt64: HTTPTransfer] = [:]

    init(
        _ configuration: HTTPConfiguration, _ queue: HTTPQueue,
        _ onOutcome: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        guard let multi = unsafe curl_multi_init() else {
            throw .broken(reason: "libcurl does not start")
        }
        unsafe shim_keep_connections(multi, configuration.connectionsKeptMax)
        self.configuration = configuration
        self.queue = queue
        self.onOutcome = onOutcome
        unsafe self.multi = unsafe multi
        unsafe queue.waker.begin(multi)
    }

    deinit {
        queue.waker.end()
        unsafe curl_multi_cleanup(multi)
    }

    /// Works until the client ends.
    func run() {
        while true {
            let orders = queue.orders(at: ContinuousClock.now)
            if orders.isEnding { break }
            for number in orders.cancelled { end(number) }
            var isAnyOver = orders.hasExpired
            for job in orders.jobs where !begin(job) { isAnyOver = true }
            var running: Int32 = 0
            var code = unsafe curl_multi_perform(multi, &running)
            if finish() { isAnyOver = true }
            if isAnyOver {
                onOutcome()
                // There is room for those that wait.
                if code == CURLM_OK { continue }
            }
            if code == CURLM_OK { code = wait(until: orders.nextDeadline) }
            guard code == CURLM_OK else {
                fail(code)
                break
            }
        }
        for number in Array(transfers.keys) { end(number) }
    }

    /// Waits until a server has something, a request's time has passed, or the owner wakes it.
    private func wait(until deadline: ContinuousClock.Instant?) -> CURLMcode {
        let most = 60_000
        let left = deadline.map { ($0 - ContinuousClock.now).timeoutMilliseconds } ?? most
        return unsafe curl_multi_poll(multi, nil, 0, Int32(min(left, most)), nil)
    }

    /// Returns false when it has failed, which is its outcome.
    private func begin(_ job: HTTPJob) -> Bool {
        do throws(HTTPError) {
            let transfer = try HTTPTransfer(job, configuration)
            transfers[job.number] = transfer
            guard unsafe curl_multi_add_handle(multi, transfer.easy) == CURLM_OK else {
                transfers[job.number] = nil
                throw .lost(
                    peer: configuration.peer(job.request.url),
                    code: HTTPFailureCode(CURLE_FAILED_INIT))
            }
            return true
        } catch {
            queue.finish(job.number, .failure(error))
            return false
        }
    }

    /// Hands over what has ended. Returns whether anything has.
    private func finish() -> Bool {
        var isAnyOver = false
        var easy: UnsafeMutableRawPointer?
        var code = CURLE_OK
        while unsafe shim_next_end(multi, &easy, &code) != 0 {
            guard let ended = transfers.values.first(where: { unsafe $0.easy == easy }) else {
                continue
            }
            queue.finish(ended.number, ended.result(code))
            end(ended.number)
            isAnyOver = true
        }
        return isAnyOver
    }

    private func end(_ number: UInt64) {
        guard let transfer = transfers.removeValue(forKey: number) else { return }
        unsafe curl_multi_remove_handle(multi, transfer.easy)
    }

    private func fail(_ code: CURLMcode) {
        let text = unsafe curl_multi_strerror(code).map { unsafe String(cString: $0) } ?? ""
        queue.fail(.broken(reason: "\(text) (\(code.rawValue))"))
        onOutcome()
    }
}
