package import IBProtocol

/// An event for logs and metrics. `ConnectionReport` reports it.
package enum IBEngineEvent: Hashable, Sendable {
    /// The state of the connection has changed.
    case state(SessionState, reason: String)
    /// An attempt failed, or a connection ended.
    case lost(failures: Int, reason: String)
    /// So many attempts in a row have failed that a person should check. The attempts continue.
    case alarm(failures: Int, reason: String)
    /// The platform has sent a notice.
    case notice(IBNotice)
    /// A feed has another state, or another reason for it.
    case feed(instrument: UInt32, FeedKind, FeedStatus.State, reason: String)
    /// A feed that had delivered has stopped.
    case outageBegun(instrument: UInt32, FeedKind, reason: String)
    /// A feed delivers again after an outage.
    case outageEnded(instrument: UInt32, FeedKind)
    /// The sizes of an instrument's trades are in lots, or are in shares again.
    case sizes(instrument: UInt32, SizeUnit)
    /// How far the provider's clock is certainly ahead of ours, in nanoseconds (late, if negative;
    /// 0: both may agree). It comes with every answer to a question for the time.
    case clockDifference(Int64)
    /// Our clock made a step. The floor does not move until the new time has proved right.
    case clockStep
    /// A message of the type `id` was skipped because a field has a fault; -1: it has no type.
    case skipped(id: Int32, FieldFault)
    /// The number of prices or sizes, since the last report, that have more digits than the tape's
    /// scale. They were rounded, or left out when they were too large. The instrument is that of
    /// the latest one.
    case numbers(instrument: UInt32?, count: UInt64)
    /// Trading hours, or the vendor's reset, are given in a zone whose rules are not known.
    /// `IBEngine.know` takes the rules.
    case zoneWanted(String)
    /// A request that cannot be encoded.
    case unsendable(String)
}
