internal import Glibc
import Primitives
internal import Synchronization

/// The request that this process end, made by a signal or by the program itself. It is never
/// withdrawn.
public final class ShutdownSignal: Sendable {
    private struct State {
        /// Why the end is requested; `nil` before the request.
        var reason: String?
        var callbacks: [@Sendable () -> Void] = []
        /// The meaning of a hang-up, if it does not end the process.
        var onHangup: (@Sendable () -> Void)?
    }

    private let state = ConditionLock(State())

    /// The most callbacks; more are a bug.
    public static let callbacksMax = 64

    /// Makes one without signals: only `request` makes the request.
    public init() {}

    /// Call it once, on the main thread, before there is any other thread: threads inherit the
    /// mask. SIGTERM, SIGINT and SIGHUP are blocked everywhere and received by one thread of ours.
    /// SIGHUP does not end the process if it is ignored (nohup), or if `onHangup` was called.
    /// SIGPIPE is ignored: a broken connection is the error of a write. The first signal makes the
    /// request. A second one ends the process immediately with 128 plus its number, whatever the
    /// other threads do.
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

    /// Why the end is requested: "SIGTERM", or the argument of `request`. `nil` before that.
    public var reason: String? { state.withLock { $0.reason } }

    /// Returns true when the request exists, or comes within `timeout`.
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

    /// Runs `callback` once, on the thread that makes the request, or immediately when it was made
    /// already. Use it to wake sleeping threads; it must be short.
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

    /// From now on SIGHUP runs `callback`, each time, and does not end the process: for a service
    /// that reads its files again. It runs on the thread of the signals and must be short.
    public func onHangup(_ callback: @escaping @Sendable () -> Void) {
        state.withLock { $0.onHangup = callback }
    }

    fileprivate var takesHangups: Bool { state.withLock { $0.onHangup != nil } }

    /// Handles SIGHUP. Returns false when `onHangup` was not called.
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

/// The main loop of the signals' thread. The thread lives as long as the process, because only it
/// can receive a second signal.
private func waitForSignals(
    _ set: SignalSet, _ request: ShutdownSignal, isHangupIgnored: Bool
) {
    var mask = set.mask
    var number: Int32 = 0
    while true {
        while unsafe sigwait(&mask, &number) != 0 {}
        // A program that was started with nohup must survive its terminal.
        if number == SIGHUP, request.hangUp() || isHangupIgnored { continue }
        break
    }
    // From here on a signal interrupts whatever this thread does, even a callback that hangs. The
    // handler calls only `_exit`, which is allowed there.
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
