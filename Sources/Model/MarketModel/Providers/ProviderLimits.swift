/// The bounds of providers, and what happens there.
public enum ProviderLimits {
    /// The most records that wait for the tape: some seconds of a busy connection. Then the
    /// provider waits, does not read its socket, and the server's buffers fill.
    public static let channelRecordsMax = 65_536
    /// The most instruments of one source. A file that names more is refused.
    public static let instrumentsMax = 16_384
    /// The most providers of one source.
    public static let providersMax = 8
    /// The most gaps that wait to be filled. Beyond it the oldest are left open, and reported as
    /// such.
    public static let gapsMax = 4_096
}
