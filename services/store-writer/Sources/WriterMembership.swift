import MembershipTransport

/// The part of a group's member that the writer uses. It decides which partitions are this
/// process's. Tests have their own.
protocol WriterMembership: Sendable {
    /// Asks to release every partition. None is given any more.
    func leave()
    /// Whether nothing is held any more.
    var hasLeft: Bool { get }
    /// Ends the membership, whatever is still held. Idempotent.
    func close()
}
