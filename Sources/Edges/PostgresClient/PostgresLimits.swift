/// The client's limits and the behaviour at each.
package enum PostgresLimits {
    /// A COPY sends its buffer when a row ends beyond this size.
    package static let copyFlushBytes = 64 * 1_024
    /// A longer text or byte string is refused as an invalid value.
    package static let fieldBytesMax = 16 * 1_024 * 1_024
    /// A larger result ends the connection with an error, because no caller needs that much.
    package static let resultBytesMax = 64 * 1_024 * 1_024
    /// The most statements of a pipeline. Appending one more is refused.
    package static let pipelineStatementsMax = 10_000
    package static let pipelineBytesMax = 16 * 1_024 * 1_024
    /// The time for the answer to an aborted COPY, beyond the operation's own deadline.
    package static let abortWait = Duration.seconds(2)
}
