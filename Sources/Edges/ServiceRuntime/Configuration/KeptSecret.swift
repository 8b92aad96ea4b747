public import Primitives
internal import Synchronization

/// The present value of a secret that is read again after a refusal.
private final class KeptSecret: Sendable {
    private let state: Mutex<String>
    private let read: @Sendable () -> String?

    init(_ value: String, _ read: @escaping @Sendable () -> String?) {
        state = Mutex(value)
        self.read = read
    }

    var value: String { state.withLock { $0 } }

    func renew(_ refused: String) -> Bool {
        state.withLock { value in
            guard value == refused else { return true }
            guard let present = read(), present != refused else { return false }
            value = present
            return true
        }
    }
}

extension RenewableSecret {
    /// `read` returns what its place has at present, or `nil` when that cannot be read.
    public init(_ value: String, read: @escaping @Sendable () -> String?) {
        let kept = KeptSecret(value, read)
        self.init(present: { kept.value }, renew: { kept.renew($0) })
    }
}
