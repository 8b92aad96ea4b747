/// The client's limits and the behaviour at each.
public enum PostgresLimits {
    /// A COPY sends its buffer when a row ends beyond this size.
    public static let copyFlushBytes = 64 * 1_024
    /// A longer text or byte string is refused as an invalid value.
    public static let fieldBytesMax = 16 * 1_024 * 1_024
    /// A larger result ends the connection with an error, because no caller needs that much.
    public static let resultBytesMax = 64 * 1_024 * 1_024
    /// The most prepared statements of one session. Preparing one more is refused.
    public static let preparedMax = 256
    /// The most statements of a pipeline. Appending one more is refused.
    public static let pipelineStatementsMax = 10_000
    public static let pipelineBytesMax = 16 * 1_024 * 1_024
    /// The time for the answer to an aborted COPY, beyond the operation's own deadline.
    public static let abortWait = Duration.seconds(2)
}
