/// The bounds of checkpoints. Exceeding one is a `CheckpointError`.
public enum CheckpointLimits {
    /// The size of a checkpoint in bytes. A single `BarMachine` that is at all limits of
    /// `StreamLimits` at the same time fits, together with tables that have the longest names.
    ///
    /// A graph of several machines may have a larger state, and so may one `NumberMachine`: with 16
    /// series it takes some 3 kB per symbol, and reaches the limit at some 50,000 symbols of one
    /// partition. The limits of the machines are not lowered for that, because they would refuse
    /// ticks that fit in memory. The checkpoint is refused when it is stored, which is reported and
    /// counted, and the next owner reads more of the tape.
    public static let bytesMax = 160 * 1024 * 1024

    /// The size in bytes of the input position, as the operator worker encodes it. One with all the
    /// sources of a partition fits, with what an earlier line of output took of each of as many
    /// other ones.
    public static let inputBytesMax = 640 * 1024

    /// The number of parts of one checkpoint. It bounds the manifest to some 12 kB.
    public static let partsMax = 1_024

    /// The bound of event counters. A counter that was read cannot overflow, whatever is added to
    /// it later.
    static let countMax: UInt64 = 1 << 62
}
