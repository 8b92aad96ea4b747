/// What bounds providers, and what happens there.
public enum ProviderLimits {
    /// Records that wait for the tape: some seconds of a busy connection. Then the provider waits,
    /// does not read its socket, and the other side's buffers fill.
    public static let channelRecordsMax = 65_536
    /// Instruments of one source; more are refused with the file that names them.
    public static let instrumentsMax = 4_096
    /// Providers of one source.
    public static let providersMax = 8
    /// Gaps that wait to be filled in; of more the oldest are left open, and said to be.
    public static let gapsMax = 4_096
}
