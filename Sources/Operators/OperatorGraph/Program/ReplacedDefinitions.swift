/// Shipped graphs that this release changed. A person who names such a file, and did not change it,
/// gets a new line of output with the release, as if only the text of the definition had changed.
enum ReplacedDefinitions {
    /// By the hash of a shipped definition, that of the one that it replaced.
    static let shipped: [UInt64: UInt64] = [
        // production.yaml, which looked for duplicates up to text 5.
        6_692_041_527_656_710_262: 14_304_593_356_075_319_142
    ]
}
