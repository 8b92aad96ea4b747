/// A member's state, as its heartbeats report it. A state that a later version adds is read as
/// `joining`: such a member is alive, and gets no partitions.
package enum MemberState: String, Sendable, CaseIterable {
    /// It does not know enough yet: it waits for its own heartbeat, the records and the others.
    case joining
    /// It accepts partitions.
    case ready
    /// It did not hear its own heartbeats for a lease, or one of its threads hangs. It does nothing
    /// as an owner and is treated as silent.
    case paused
    /// It hears its heartbeats again and checks which partitions it still owns. They stay reserved
    /// for it.
    case resuming
    /// A process with the same name started earlier: this one takes no partition until that one has
    /// gone.
    case aside
    /// It hands over what it holds and takes no more partitions.
    case leaving
    /// Its last heartbeat: it holds nothing.
    case gone
    /// A person asked that it takes nothing. It still holds partitions, and hands them over.
    case draining
    /// The same, and it holds nothing any more.
    case drained
}
