import MembershipTransport

/// The part of this process's membership in its group that the writer uses to stop in order.
/// `GroupMember` implements it; tests have simulated ones. Orders come another way:
/// `OwnershipPort`.
protocol WriterMembership: Sendable {
    /// Orders the release of every partition, and accepts no other. Does not wait for it.
    func leave()
    /// Whether this process owns nothing any more.
    var hasLeft: Bool { get }
    /// Ends the membership, whatever the process still owns. Idempotent.
    func close()
}
