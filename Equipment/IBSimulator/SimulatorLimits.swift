/// The limits of the simulator, and what happens beyond them.
package enum SimulatorLimits {
    /// Connections at the same time. A further one is closed immediately.
    package static let connectionsMax = 64
    /// Bytes queued for a client that does not read, unless the settings give another limit.
    package static let outgoingBytesMax = 16 << 20
    /// Instruments of a market; more are refused at the start.
    package static let instrumentsMax = 5_000
    /// Ticks per second over all instruments. A higher rate is refused.
    package static let rateMax = 1_000_000
    /// Changes of the rate in one run; the next is refused.
    package static let rateChangesMax = 1_024
    /// A jump of the clock longer than this leaves a hole in the stream. As after an outage, the
    /// events are then only in the history.
    package static let catchUpSeconds: Int64 = 10
    /// Seconds that one historical request may cover. A longer one is answered by error 162.
    package static let historySecondsMax: Int64 = 7 * 86_400
    /// Market events that one historical request may read. Beyond that it is answered by error 162.
    package static let historyEventsMax = 2_000_000
    /// Bars in one answer. Only the latest are kept.
    package static let historyBarsMax = 20_000
    /// Rows on one side of a book. A request for more gets this many.
    package static let depthRowsMax = 20
    /// Ticks that a fault holds back at the same time. Further ones are sent without delay.
    package static let heldTicksMax = 10_000
    /// Bulletins that a new client can get again. The oldest are dropped.
    package static let bulletinsMax = 100
    /// Requests per second. Further ones are answered by error 100.
    package static let requestsPerSecond = 50
    /// After this many errors 100 the connection is closed.
    package static let violationsMax = 3
}
