/// The bounds of checkpoints. Beyond each of them is a `CheckpointError`; no machine gets there.
public enum CheckpointLimits {
    /// A machine at all the limits of `StreamLimits` at once, with the longest names, fits.
    public static let bytesMax = 160 * 1024 * 1024

    /// The input position, as the shell writes it: one of all the sources of a partition fits.
    public static let inputBytesMax = 64 * 1024

    /// Parts of one checkpoint: bounds its manifest to some 12 kB.
    public static let partsMax = 1_024

    /// Counts of things that happened are below: whatever is added to one that was read, it does
    /// not overflow.
    static let countMax: UInt64 = 1 << 62
}
