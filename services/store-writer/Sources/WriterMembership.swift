import MembershipTransport

/// Who decides which partitions are this process's: the group's member, or a test.
protocol WriterMembership: Sendable {
    /// Every partition is asked back, and none is given any more.
    func leave()
    /// Nothing is held any more.
    var hasLeft: Bool { get }
    /// Ends it, whatever is held. Idempotent.
    func close()
}
