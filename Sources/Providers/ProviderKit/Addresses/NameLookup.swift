internal import ServiceRuntime
internal import Synchronization

/// The look-up of a server's addresses, on a separate thread. The system's look-up of a name has
/// no deadline, and a provider's thread must never wait for it.
///
/// At most one look-up is in progress. If it hangs, no second one is started.
package final class NameLookup: Sendable {
    package enum Answer: Sendable {
        /// The look-up is in progress.
        case pending
        case found([RemoteAddress])
        /// The name has no address. The text is the reason, for people.
        case failed(String)
    }

    /// Returns the addresses of a name, and may take long.
    package typealias Resolving =
        @Sendable (String, UInt16) throws(LookupFailure) -> [RemoteAddress]

    private enum State {
        case idle
        case running
        case done(Answer)
    }

    private let state = Mutex(State.idle)
    private let host: String
    private let port: UInt16
    private let resolve: Resolving
    private let wake: @Sendable () -> Void

    /// `wake` is called when the answer of a look-up has come.
    package init(
        host: String, port: UInt16, resolve: @escaping Resolving = RemoteAddress.named,
        wake: @escaping @Sendable () -> Void
    ) {
        self.host = host
        self.port = port
        self.resolve = resolve
        self.wake = wake
    }

    /// Returns a numeric address immediately. A name is looked up: call it again when `wake` has
    /// woken the provider's thread. Each answer is returned once.
    package func ask() -> Answer {
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
        return state.withLock { state in
            guard case .done(let answer) = state else { return .pending }
            state = .idle
            return answer
        }
    }

    /// Starts the thread of one look-up.
    private func start() {
        do {
            _ = try ServiceThread(name: "lookup") { [self] in
                finish(lookUp())
                wake()
            }
        } catch {
            finish(.failed("\(error)"))
        }
    }

    private func lookUp() -> Answer {
        do throws(LookupFailure) {
            return .found(try resolve(host, port))
        } catch {
            return .failed("\(error)")
        }
    }

    private func finish(_ answer: Answer) { state.withLock { $0 = .done(answer) } }
}
