public import IBProtocol

/// What happened, for logs and metrics.
public enum IBNews: Hashable, Sendable {
    case state(SessionState, reason: String)
    /// An attempt failed, or a connection ended.
    case lost(failures: Int, reason: String)
    /// So many attempts in a row have failed: a person should look. It goes on trying.
    case alarm(failures: Int, reason: String)
    case notice(IBNotice)
    case feed(instrument: UInt32, FeedKind, FeedStatus.State, reason: String)
    case outageBegun(instrument: UInt32, FeedKind, reason: String)
    case outageEnded(instrument: UInt32, FeedKind)
    /// What the provider's clock is ahead of ours for certain, in nanoseconds.
    case clockDifference(Int64)
    /// Our clock made a step: the floor is held.
    case clockStep
    /// A message that is not as its kind should be.
    case skipped(id: Int32, FieldFault)
    /// So many prices or sizes since this was told last have more digits than the tape's scale:
    /// they were rounded, or left out when they are too large. The instrument is the latest one's.
    case numbers(instrument: UInt32?, count: UInt64)
    /// Hours of trading, or of the vendor's reset, are known in a zone that is not:
    /// `IBEngine.know` takes its rules.
    case zoneWanted(String)
    /// A request that cannot be sent as it stands.
    case unsendable(String)
}
