/// The limits of the simulator, and what happens beyond them.
public enum SimulatorLimits {
    /// Connections at the same time. A further one is closed immediately.
    public static let connectionsMax = 64
    /// Bytes queued for a client that does not read, unless the settings give another limit.
    public static let outgoingBytesMax = 16 << 20
    /// Instruments of a market; more are refused at the start.
    public static let instrumentsMax = 5_000
    /// Ticks per second over all instruments. A higher rate is refused.
    public static let rateMax = 1_000_000
    /// Changes of the rate in one run; the next is refused.
    public static let rateChangesMax = 1_024
    /// A jump of the clock longer than this leaves a hole in the stream. As after an outage, the
    /// events are then only in the history.
    public static let catchUpSeconds: Int64 = 10
    /// Seconds that one historical request may cover. A longer one is answered by error 162.
    public static let historySecondsMax: Int64 = 7 * 86_400
    /// Market events that one historical request may read. Beyond that it is answered by error 162.
    public static let historyEventsMax = 2_000_000
    /// Bars in one answer. Only the latest are kept.
    public static let historyBarsMax = 20_000
    /// Rows on one side of a book. A request for more gets this many.
    public static let depthRowsMax = 20
    /// Ticks that a fault holds back at the same time. Further ones are sent without delay.
    public static let heldTicksMax = 10_000
    /// Bulletins that a new client can get again. The oldest are dropped.
    public static let bulletinsMax = 100
    /// Requests per second. Further ones are answered by error 100.
    public static let requestsPerSecond = 50
    /// After this many errors 100 the connection is closed.
    public static let violationsMax = 3
    /// Characters of a line on the control port. A longer line closes the connection.
    public static let controlLineBytesMax = 1_024
    /// Bytes of an answer on the control port. A caller gives up on a longer one.
    public static let controlAnswerBytesMax = 65_536
}
