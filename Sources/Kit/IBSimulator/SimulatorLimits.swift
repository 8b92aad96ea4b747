/// How much of everything there may be, and what happens beyond it.
public enum SimulatorLimits {
    /// Connections at once; another one is closed as soon as it comes.
    public static let connectionsMax = 64
    /// Bytes that wait for a client that does not read, unless the settings say otherwise.
    public static let outgoingBytesMax = 16 << 20
    /// Instruments of a market; more are refused at the start.
    public static let instrumentsMax = 5_000
    /// Ticks per second over all; a higher rate is refused.
    public static let rateMax = 1_000_000
    /// Changes of the rate in one run; the next is refused.
    public static let rateChangesMax = 1_024
    /// A clock that jumps further than this leaves a hole in what is sent: what happened in between
    /// is in the market's past, as after an outage.
    public static let catchUpSeconds: Int64 = 10
    /// Seconds that one historical request may reach over; a longer one is answered by error 162.
    public static let historySecondsMax: Int64 = 7 * 86_400
    /// Market events that one historical request may read; then it is answered by error 162.
    public static let historyEventsMax = 2_000_000
    /// Bars in one answer; the latest are kept.
    public static let historyBarsMax = 20_000
    /// Rows of one side of a book; a request for more gets so many.
    public static let depthRowsMax = 20
    /// Ticks that a fault keeps back at once; more are sent as they come.
    public static let heldTicksMax = 10_000
    /// Bulletins that are told again to a new client; the oldest fall out.
    public static let bulletinsMax = 100
    /// Requests per second; from the next on there are errors 100.
    public static let requestsPerSecond = 50
    /// So many errors 100, and the connection is closed.
    public static let violationsMax = 3
    /// Characters of a line on the control port; a longer one closes it.
    public static let controlLineBytesMax = 1_024
    /// Bytes of an answer there; whoever asked gives a longer one up.
    public static let controlAnswerBytesMax = 65_536
}
