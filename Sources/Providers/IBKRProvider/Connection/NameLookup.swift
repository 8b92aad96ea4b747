internal import ServiceRuntime
internal import Synchronization

/// The look-up of the server's addresses, on a separate thread. The system's look-up of a name has
/// no deadline, and the connection's thread must never wait for it.
///
/// At most one look-up is in progress. If it hangs, no second one is started.
final class NameLookup: Sendable {
    enum Answer: Sendable {
        /// The look-up is in progress.
        case pending
        case found([RemoteAddress])
        /// The name has no address. The text is the reason, for people.
        case failed(String)
    }

    private enum State {
        case idle
        case running
        case done(Answer)
    }

    private let state = Mutex(State.idle)
    private let host: String
    private let port: UInt16
    private let wake: WakeEvent

    init(host: String, port: UInt16, wake: WakeEvent) {
        self.host = host
        self.port = port
        self.wake = wake
    }

    /// Returns a numeric address immediately. A name is looked up: call it again when `wake` has
    /// woken the connection's thread.
    func ask() -> Answer {
        do throws(LookupFailure) {
            return .found(try RemoteAddress.all(host: host, port: port, isNumeric: true))
        } catch {
            // The host is no number, so it is a name.
            return askOutside()
        }
    }

    /// Starts a look-up, unless one is in progress, and returns its answer if it has come.
    private func askOutside() -> Answer {
        let isNew = state.withLock { state in
            guard case .idle = state else { return false }
            state = .running
            return true
        }
        if isNew { start() }
        return answer()
    }

    /// Returns the answer. Each answer is returned once.
    func answer() -> Answer {
        state.withLock { state in
            guard case .done(let answer) = state else { return .pending }
            state = .idle
            return answer
        }
    }

    /// Starts the thread of one look-up.
    private func start() {
        do {
            _ = try ServiceThread(name: "ibkr-lookup") { [self] in
                finish(lookUp())
                wake.wake()
            }
        } catch {
            finish(.failed("\(error)"))
        }
    }

    private func lookUp() -> Answer {
        do {
            return .found(try RemoteAddress.all(host: host, port: port, isNumeric: false))
        } catch {
            return .failed("\(error): check IBKR_HOST")
        }
    }

    private func finish(_ answer: Answer) { state.withLock { $0 = .done(answer) } }
}
