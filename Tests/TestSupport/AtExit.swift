import Foundation
import Synchronization

/// Releases what static values hold when the test process ends.
package enum AtExit {
    private static let actions = Mutex<[@Sendable () -> Void]>([])
    private static let registered: Void = {
        atexit { AtExit.run() }
    }()

    /// The action added last runs first.
    package static func call(_ action: @escaping @Sendable () -> Void) {
        _ = registered
        actions.withLock { $0.append(action) }
    }

    private static func run() {
        let all = actions.withLock { list in
            defer { list = [] }
            return list
        }
        for action in all.reversed() { action() }
    }
}
