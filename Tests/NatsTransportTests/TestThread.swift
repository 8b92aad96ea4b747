import Foundation
import Synchronization

/// Runs a blocking body on a separate thread, because there are only as many test threads as cores.
final class TestThread<Result: Sendable>: Sendable {
    private let outcome = Locked<Result?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Result) {
        Thread.detachNewThread { [self] in
            let result = body()
            outcome.withLock { $0 = result }
            done.signal()
        }
    }

    /// Waits for the body to return. Call it once.
    func result() -> Result? {
        done.wait()
        return outcome.withLock { $0 }
    }
}
