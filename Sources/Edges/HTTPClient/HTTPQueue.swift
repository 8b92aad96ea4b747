internal import Synchronization

/// A request with its number and its deadline.
struct HTTPJob: Sendable {
    let number: UInt64
    let request: HTTPRequest
    let deadline: ContinuousClock.Instant
}

/// What the thread of a client has to do next.
struct HTTPOrders: Sendable {
    var isEnding = false
    /// Requests that run and are not wanted any more.
    var cancelled: [UInt64] = []
    /// Requests to begin.
    var jobs: [HTTPJob] = []
    /// Whether requests ended while they waited.
    var hasExpired = false
    /// The deadline of a waiting request; `nil`: none waits.
    var nextDeadline: ContinuousClock.Instant?
}

/// Requests on their way to the client's thread, and outcomes on their way back.
///
/// A request has one of `requestsMax` places from `add` until its outcome is taken or it is
/// cancelled.
final class HTTPQueue: Sendable {
    private struct State {
        var lastNumber: UInt64 = 0
        /// Requests that wait, in order.
        var waiting: [HTTPJob] = []
        /// Requests that run, with their servers.
        var running: [UInt64: String] = [:]
        var outcomes: [HTTPOutcome] = []
        var cancelled: [UInt64] = []
        var isEnding = false
        /// Why nothing is accepted any more.
        var failure: HTTPError?

        var count: Int { waiting.count + running.count + outcomes.count }
    }

    private let configuration: HTTPConfiguration
    private let state = Mutex(State())
    let waker = HTTPWaker()

    init(_ configuration: HTTPConfiguration) { self.configuration = configuration }

    // MARK: the owner's calls

    var count: Int { state.withLock { $0.count } }

    func add(
        _ request: HTTPRequest, until deadline: ContinuousClock.Instant
    ) throws(HTTPError) -> UInt64 {
        let result = state.withLock { state -> Result<UInt64, HTTPError> in
            if let failure = state.failure { return .failure(failure) }
            guard state.count < configuration.requestsMax else {
                return .failure(.tooMany(requestsMax: configuration.requestsMax))
            }
            state.lastNumber += 1
            state.waiting.append(
                HTTPJob(number: state.lastNumber, request: request, deadline: deadline))
            return .success(state.lastNumber)
        }
        waker.wake()
        return try result.get()
    }

    func cancel(_ number: UInt64) {
        state.withLock { state in
            state.waiting.removeAll { $0.number == number }
            state.outcomes.removeAll { $0.id.number == number }
            if state.running.removeValue(forKey: number) != nil { state.cancelled.append(number) }
        }
        waker.wake()
    }

    func take() -> [HTTPOutcome] {
        state.withLock { state in
            let outcomes = state.outcomes
            state.outcomes = []
            return outcomes
        }
    }

    /// Has the thread end. Nothing that it does has an outcome any more.
    func end() {
        state.withLock { state in
            state = State()
            state.isEnding = true
        }
        waker.wake()
    }

    // MARK: the thread's calls

    /// Returns what to do. Waiting requests whose time has passed get their outcome here.
    func orders(at moment: ContinuousClock.Instant) -> HTTPOrders {
        state.withLock { state in
            var orders = HTTPOrders(isEnding: state.isEnding, cancelled: state.cancelled)
            state.cancelled = []
            var busy: [String: Int] = [:]
            for server in state.running.values { busy[server, default: 0] += 1 }
            let waiting = state.waiting
            state.waiting = []
            for job in waiting {
                let server = job.request.url.peer
                if job.deadline <= moment {
                    orders.hasExpired = true
                    let peer = configuration.peer(job.request.url)
                    state.outcomes.append(
                        HTTPOutcome(
                            id: HTTPRequestID(number: job.number),
                            result: .failure(.timedOut(peer: peer))))
                } else if busy[server, default: 0] < configuration.requestsPerServerMax {
                    busy[server, default: 0] += 1
                    state.running[job.number] = server
                    orders.jobs.append(job)
                } else {
                    state.waiting.append(job)
                    orders.nextDeadline = min(orders.nextDeadline ?? job.deadline, job.deadline)
                }
            }
            return orders
        }
    }

    /// Takes the outcome of a request that ran, unless it was cancelled.
    func finish(_ number: UInt64, _ result: Result<HTTPResponse, HTTPError>) {
        state.withLock { state in
            guard state.running.removeValue(forKey: number) != nil else { return }
            state.outcomes.append(HTTPOutcome(id: HTTPRequestID(number: number), result: result))
        }
    }

    /// Ends all requests, and refuses others.
    func fail(_ error: HTTPError) {
        state.withLock { state in
            let numbers = state.running.keys.sorted() + state.waiting.map(\.number)
            state.running = [:]
            state.waiting = []
            state.failure = error
            state.outcomes += numbers.map {
                HTTPOutcome(id: HTTPRequestID(number: $0), result: .failure(error))
            }
        }
    }
}
