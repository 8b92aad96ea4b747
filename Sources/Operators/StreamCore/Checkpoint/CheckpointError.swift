/// The reason why bytes cannot be restored. Every case means the same to the operator worker: this
/// checkpoint cannot be used. The one before it, or the tape from its start, gives the same state.
public enum CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes begin with another magic number.
    case foreign(found: UInt32)
    /// The piece has a format version that this process cannot read.
    case version(found: UInt16, known: UInt16)
    /// There are fewer bytes than announced.
    case truncated(expected: Int, found: Int)
    /// The bytes are damaged.
    case checksum(expected: UInt64, found: UInt64)
    /// The checksum is right, but no machine can have this state. The offset is where reading
    /// ended.
    case malformed(Field, offset: Int)
    /// The state was made with other bar series than those configured.
    case otherSeries(found: String, configured: String)
    /// The state was made by a graph with another definition.
    case otherProgram(found: UInt64, expected: UInt64)
    /// The state is larger than `CheckpointLimits` allows.
    case tooLarge(bytes: Int, limit: Int)
    /// The account of a series does not add up: the equation of `BarCounters` is not true.
    case unbalanced(series: Int)
    /// There is another number of parts or pieces than announced.
    case partCount(expected: Int, found: Int)
    /// A part has another size than its manifest states.
    case partSize(index: Int, expected: Int, found: Int)
    case partChecksum(index: Int, expected: UInt64, found: UInt64)

    /// The kind of data at which reading ended.
    public enum Field: String, Hashable, Sendable {
        case header, series, counter, source, provider, symbol, window, fill, input, output, part,
            gap
        case lateTick = "late tick"
        case waitingTick = "waiting tick"
        case tick
        case end
    }

    public var description: String {
        "\(reason): use the checkpoint before it, or compute from the start of the tape"
    }

    private var reason: String {
        switch self {
        case .foreign(let found):
            "these bytes are no checkpoint (they begin with 0x\(String(found, radix: 16)))"
        case .version(let found, let known):
            "the checkpoint has format version \(found), this program knows \(known)"
        case .truncated(let expected, let found):
            "the checkpoint has \(found) bytes of \(expected)"
        case .checksum(let expected, let found):
            "the checkpoint is damaged (checksum \(expected) expected, \(found) found)"
        case .malformed(let field, let offset):
            "the checkpoint makes no sense at byte \(offset) (\(field.rawValue))"
        case .otherSeries(let found, let configured):
            "the checkpoint is one of the series \(found), configured are \(configured)"
        case .otherProgram(let found, let expected):
            "the checkpoint is one of graph \(String(found, radix: 16)), this one is "
                + String(expected, radix: 16)
        case .tooLarge(let bytes, let limit):
            "a checkpoint of \(bytes) bytes is above the limit of \(limit)"
        case .unbalanced(let series):
            "the account of series \(series) in the checkpoint does not add up"
        case .partCount(let expected, let found):
            "the checkpoint has \(found) parts of \(expected)"
        case .partSize(let index, let expected, let found):
            "part \(index) of the checkpoint has \(found) bytes, not \(expected)"
        case .partChecksum(let index, let expected, let found):
            "part \(index) of the checkpoint is damaged"
                + " (checksum \(expected) expected, \(found) found)"
        }
    }
}
