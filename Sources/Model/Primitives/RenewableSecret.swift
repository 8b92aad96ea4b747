/// A password that may have a successor while the process runs. It is read again when a server
/// refuses it, and never before: the present one counts until then. Who makes it keeps its state.
public struct RenewableSecret: Sendable {
    private let present: @Sendable () -> String
    private let readAgain: @Sendable (_ refused: String) -> Bool

    /// `renew` reads the secret again and returns whether it is another one than that.
    public init(
        present: @escaping @Sendable () -> String,
        renew: @escaping @Sendable (_ refused: String) -> Bool
    ) {
        self.present = present
        readAgain = renew
    }

    public var value: String { present() }

    /// Reads it again, because a server refused `refused`. Returns whether there is another one
    /// now, which another thread may have read before.
    public func renew(refused: String) -> Bool { readAgain(refused) }
}
