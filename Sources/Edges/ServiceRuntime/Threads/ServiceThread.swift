internal import CLinux
internal import Glibc
import Primitives

/// A thread of ours, for work that blocks.
///
/// A thread that is not joined continues when its handle is released. It inherits the signal mask
/// of its creator, so `ShutdownSignal.install` must come first.
public final class ServiceThread: Sendable {
    /// The name that `ps -L` and debuggers show.
    public let name: String
    private let completion: ThreadCompletion

    /// The kernel's limit of a name, in bytes; the rest of a longer one is cut off.
    public static let nameBytesMax = 15

    /// Starts `body` on a new thread. `body` may take ownership of state that is not `Sendable`.
    public init(name: String, _ body: sending @escaping () -> Void) throws(ServiceError) {
        self.name = ServiceThread.shortened(name)
        completion = ThreadCompletion()
        let start = ThreadStart(name: self.name, body: body, completion: completion)
        // Safety: the thread takes ownership of this reference; if it does not start, we release it
        // below.
        let reference = unsafe Unmanaged.passRetained(start)
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        // No thread needs the return value, so the kernel may free the thread by itself. Its end is
        // known by its completion, for which several threads may wait, with a deadline.
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var id = pthread_t()
        let result = unsafe pthread_create(
            &id, &attributes, { unsafe runThread($0) }, reference.toOpaque())
        unsafe pthread_attr_destroy(&attributes)
        if result != 0 {
            unsafe reference.release()
            throw .threadNotStarted(name: self.name, SystemErrorCode(rawValue: result))
        }
    }

    /// Waits until the body has returned. A thread that joins itself is a bug.
    public func join() {
        while !join(timeout: .seconds(3_600)) {}
    }

    /// Returns true when the body has returned within `timeout`.
    public func join(timeout: Duration) -> Bool {
        precondition(!completion.isCurrentThread, "the thread \(name) waits for its own end")
        return completion.wait(timeout)
    }

    public var isFinished: Bool { completion.isFinished }

    private static func shortened(_ name: String) -> String {
        var short = name
        while short.utf8.count > nameBytesMax { short.removeLast() }
        return short
    }
}

/// The arguments of a new thread.
private final class ThreadStart {
    let name: String
    let body: () -> Void
    let completion: ThreadCompletion

    init(name: String, body: @escaping () -> Void, completion: ThreadCompletion) {
        self.name = name
        self.body = body
        self.completion = completion
    }

    func run() {
        completion.started()
        unsafe name.withCString { _ = unsafe shim_set_thread_name($0) }
        body()
    }
}

/// The end of a thread. Any number of threads may wait for it.
private final class ThreadCompletion: Sendable {
    private struct State {
        var isFinished = false
        var thread: pthread_t?
    }

    private let state = ConditionLock(State())

    func started() { state.change { $0.thread = pthread_self() } }

    func finish() {
        state.change {
            $0.isFinished = true
            $0.thread = nil
        }
    }

    var isFinished: Bool { state.withLock { $0.isFinished } }
    var isCurrentThread: Bool {
        state.withLock { $0.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    func wait(_ timeout: Duration) -> Bool {
        state.wait(until: SystemClock().deadline(after: timeout), while: { !$0.isFinished }) {
            state, _ in state.isFinished
        }
    }
}

private func runThread(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let raw = unsafe raw else { return nil }
    let completion = unsafe runBody(raw)
    // Everything that the body held is released before this, so that a joining thread may rely on
    // it.
    completion.finish()
    return nil
}

private func runBody(_ raw: UnsafeMutableRawPointer) -> ThreadCompletion {
    // Safety: `ServiceThread.init` retained the object for this thread alone.
    let start = unsafe Unmanaged<ThreadStart>.fromOpaque(raw).takeRetainedValue()
    start.run()
    return start.completion
}
