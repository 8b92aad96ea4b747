internal import Glibc
import Primitives
internal import Synchronization

/// The wish that this process ends, from a signal or from the program itself. Once made, it stays.
public final class ShutdownSignal: Sendable {
    private struct State {
        /// Why the end is wished for; nil as long as nobody wishes it.
        var reason: String?
        var callbacks: [@Sendable () -> Void] = []
        /// What a hang-up means instead of an end.
        var onHangup: (@Sendable () -> Void)?
    }

    private let state = ConditionLock(State())

    /// How many parts may ask to be told; more is a bug.
    public static let callbacksMax = 64

    /// Without signals: only `request` makes it.
    public init() {}

    /// To be called once, on the main thread, before there is any other thread: threads inherit
    /// the mask. SIGTERM, SIGINT and SIGHUP are blocked everywhere and taken by one thread of
    /// ours; SIGHUP ends nothing if it is ignored (nohup), or if `onHangup` says what it means.
    /// SIGPIPE is ignored: a broken connection is the error of a write. The first signal makes the
    /// request; a second one ends the process at once with 128 plus its number, whatever the other
    /// threads do.
    public static func install() throws(ServiceError) -> ShutdownSignal {
        let first = installed.compareExchange(
            expected: false, desired: true, ordering: .acquiringAndReleasing)
        precondition(first.exchanged, "the signals of a process have one owner")
        _ = signal(SIGPIPE, SIG_IGN)
        let request = ShutdownSignal()
        let isHangupIgnored = isIgnored(SIGHUP)
        var set = SignalSet()
        for number in [SIGTERM, SIGINT, SIGHUP] { set.insert(number) }
        var mask = set.mask
        let result = unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
        if result != 0 {
            throw .system(operation: "blocking signals", SystemErrorCode(rawValue: result))
        }
        _ = try ServiceThread(name: "signals") { [set] in
            waitForSignals(set, request, isHangupIgnored: isHangupIgnored)
        }
        return request
    }

    private static let installed = Atomic(false)

    public var isRequested: Bool { state.withLock { $0.reason != nil } }

    /// Why the end is wished for: "SIGTERM", or what `request` was given. Nil before that.
    public var reason: String? { state.withLock { $0.reason } }

    /// True when the request is there, or comes within `timeout`.
    public func wait(timeout: Duration) -> Bool {
        let deadline = SystemClock().deadline(after: timeout)
        return state.wait(until: deadline, while: { $0.reason == nil }) { state, _ in
            state.reason != nil
        }
    }

    /// Makes the request. The first one counts: its reason stays, and its thread runs the callbacks
    /// in their order before this returns.
    public func request(_ reason: String = "request") {
        let callbacks = state.change { state -> [@Sendable () -> Void] in
            guard state.reason == nil else { return [] }
            state.reason = reason
            defer { state.callbacks = [] }
            return state.callbacks
        }
        for callback in callbacks { callback() }
    }

    /// Runs `callback` once, on the thread that makes the request; at once when it was made
    /// already. For waking what sleeps elsewhere: it must be short.
    public func onRequest(_ callback: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            if state.reason != nil { return true }
            precondition(
                state.callbacks.count < ShutdownSignal.callbacksMax,
                "more than \(ShutdownSignal.callbacksMax) parts wait for the shutdown")
            state.callbacks.append(callback)
            return false
        }
        if isLate { callback() }
    }

    /// From now on SIGHUP runs `callback`, each time, and ends nothing: for a service that reads
    /// its files again. On the thread of the signals: it must be short.
    public func onHangup(_ callback: @escaping @Sendable () -> Void) {
        state.withLock { $0.onHangup = callback }
    }

    fileprivate var takesHangups: Bool { state.withLock { $0.onHangup != nil } }

    /// What SIGHUP does. False: nobody has said what it means.
    public func hangUp() -> Bool {
        guard let callback = state.withLock({ $0.onHangup }) else { return false }
        callback()
        return true
    }
}

/// Signals as numbers and as the mask of the C library.
private struct SignalSet: Sendable {
    var numbers: [Int32] = []
    var mask = sigset_t()

    init() { unsafe sigemptyset(&mask) }

    mutating func insert(_ number: Int32) {
        numbers.append(number)
        unsafe sigaddset(&mask, number)
    }
}

private func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    return unsafe sigaction(number, nil, &action) == 0 && isIgnoring(action)
}

private func isIgnoring(_ action: sigaction) -> Bool {
    unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
        == unsafeBitCast(SIG_IGN, to: Int.self)
}

/// The thread of the signals. It lives as long as the process: it is the only one in which a second
/// signal can arrive.
private func waitForSignals(
    _ set: SignalSet, _ request: ShutdownSignal, isHangupIgnored: Bool
) {
    var mask = set.mask
    var number: Int32 = 0
    while true {
        while unsafe sigwait(&mask, &number) != 0 {}
        // A program that was started with nohup shall survive its terminal.
        if number == SIGHUP, request.hangUp() || isHangupIgnored { continue }
        break
    }
    // From here on a signal interrupts whatever this thread does, a callback that hangs, too. The
    // handler calls nothing but `_exit`, which is allowed in one.
    for each in set.numbers {
        let isKept = each == SIGHUP && (isHangupIgnored || request.takesHangups)
        _ = isKept ? signal(each, SIG_IGN) : signal(each, { _exit(128 + $0) })
    }
    unsafe pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    request.request(signalName(number))
    while true { pause() }
}

func signalName(_ number: Int32) -> String {
    switch number {
    case SIGTERM: "SIGTERM"
    case SIGINT: "SIGINT"
    case SIGHUP: "SIGHUP"
    case SIGKILL: "SIGKILL"
    default: "signal \(number)"
    }
}
