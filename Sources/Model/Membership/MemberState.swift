/// How a member is, as its heartbeats say. A word that a later version adds reads as `joining`:
/// such a member is alive, and gets nothing.
public enum MemberState: String, Sendable, CaseIterable {
    /// It does not know enough yet: it waits for its own heartbeat, the records and the others.
    case joining
    /// It takes partitions.
    case ready
    /// It did not hear itself for a lease, or one of its threads hangs: it does nothing as an
    /// owner, and counts as silent.
    case paused
    /// It hears itself again and looks which partitions are still its own; they wait for it.
    case resuming
    /// A process of the same name was there first: it takes nothing until that one is gone.
    case aside
    /// It hands over what it holds and takes nothing more.
    case leaving
    /// Its last word: it holds nothing.
    case gone
}
