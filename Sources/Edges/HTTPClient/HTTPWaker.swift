internal import CCurl
internal import Synchronization

/// Wakes the thread of a client, from any thread, also after its end.
// Safety: the pointer is used under the lock alone, and is gone once the thread ends.
@safe
final class HTTPWaker: Sendable {
    // Safety: only the library's thread-safe call is made with it, under the lock.
    @safe
    private struct Target: @unchecked Sendable {
        var multi: UnsafeMutableRawPointer?
    }

    private let target = unsafe Mutex(Target(multi: nil))

    func begin(_ multi: UnsafeMutableRawPointer) {
        target.withLock { unsafe $0.multi = unsafe multi }
    }

    func wake() {
        target.withLock { target in
            if let multi = unsafe target.multi { unsafe curl_multi_wakeup(multi) }
        }
    }

    func end() { target.withLock { unsafe $0.multi = nil } }
}
