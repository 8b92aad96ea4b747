internal import CWebSockets
internal import Synchronization

/// Wakes a client that waits in `work`, from any thread, also after the client has ended.
// Safety: the pointer is used under the lock alone, and is gone once the client ends.
@safe
package final class WebSocketWaker: Sendable {
    // Safety: only the library's thread-safe call is made with it, under the lock.
    @safe
    private struct Target: @unchecked Sendable {
        var service: UnsafeMutablePointer<shim_service>?
    }

    private let target: Mutex<Target>

    init(_ service: UnsafeMutablePointer<shim_service>) {
        target = unsafe Mutex(Target(service: service))
    }

    package func wake() {
        target.withLock { target in
            if let service = unsafe target.service { unsafe shim_wake(service) }
        }
    }

    func end() { target.withLock { unsafe $0.service = nil } }
}
