public import MarketModel

/// The layout of a namespace on NATS: which subject is in which stream.
///
/// Ticks are spread over several streams because one stream's writes are serial; bars are few and
/// have one stream with one order.
public struct TapeNames: Hashable, Sendable {
    public static let defaultNamespace = "md"
    public static let defaultPartitions = 32
    public static let tickStreams = 4

    public let namespace: String
    public let partitions: Int

    /// A namespace is part of subjects, streams, keys and of a database schema's name:
    /// `[a-z][a-z0-9_]{0,15}`.
    public init?(namespace: String, partitions: Int) {
        guard let first = namespace.utf8.first, (0x61...0x7a).contains(first),
            namespace.utf8.count <= 16,
            namespace.utf8.allSatisfy({
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
            }),
            Partition.countRange.contains(partitions)
        else { return nil }
        self.namespace = namespace
        self.partitions = partitions
    }

    public func partition(of symbol: Symbol) -> Partition {
        Partition(of: symbol, count: partitions)
    }

    // MARK: subjects

    public func ticks(_ partition: Partition, _ source: SourceName) -> String {
        "\(namespace).ticks.\(partition).\(source)"
    }

    public func ticks(_ partition: Partition) -> String { "\(namespace).ticks.\(partition).*" }

    /// Those of all partitions; a filter of readers.
    public func ticks(_ source: SourceName) -> String { "\(namespace).ticks.*.\(source)" }

    public func bars(_ partition: Partition) -> String { "\(namespace).bars.\(partition)" }

    /// Those of all partitions; a filter of readers.
    public var allBars: String { "\(namespace).bars.*" }

    // MARK: the universe

    /// The share of the operators that works over all partitions: it reads `allBars` in the one
    /// order of their stream. Its number is that behind the last partition.
    public var universe: Partition { Partition(partitions) }

    /// What is derived over all partitions: of the source `universe`.
    public var universeValues: String { "\(namespace).all.\(SourceName.universe)" }

    /// To whoever reads and stores it that is a second source of this partition's bars, on a
    /// subject of its own.
    public static let universeHome = Partition(0)

    /// Where a share of the operators publishes, and as which source of which partition.
    public func output(_ share: Partition) -> String {
        share == universe ? universeValues : bars(share)
    }

    public func outputSource(_ share: Partition) -> SourceName {
        share == universe ? .universe : .operator
    }

    public func outputPartition(_ share: Partition) -> Partition {
        share == universe ? Self.universeHome : share
    }

    /// All that is derived of a partition, for who stores it.
    public func derived(_ partition: Partition) -> [String] {
        partition == Self.universeHome
            ? [bars(partition), universeValues] : [bars(partition)]
    }

    /// Where the derived records of a source stand.
    public func derived(_ partition: Partition, _ source: SourceName) -> String {
        source == .universe ? universeValues : bars(partition)
    }

    /// What a share of the operators reads.
    public func inputStream(_ share: Partition) -> String {
        share == universe ? barStream : tickStream(of: share)
    }

    // MARK: watermarks

    public func watermarks(stream: Int, _ source: SourceName) -> String {
        "\(namespace).wm.\(stream).\(source)"
    }

    public func watermarks(stream: Int) -> String { "\(namespace).wm.\(stream).*" }

    // MARK: what readers tell

    /// Where the readers of a group tell how far they have come.
    public func positions(group: String) -> String { "\(namespace).pos.\(group)" }

    public var positions: String { "\(namespace).pos.*" }

    /// Whoever is asked here tells at once.
    public var positionsQuestion: String { "\(namespace).ask.positions" }

    // MARK: what members tell

    /// Where a member of a group says that it is there, and how it is.
    public func heartbeat(group: String, member: String) -> String {
        "\(namespace).hb.\(group).\(member)"
    }

    public func heartbeats(group: String) -> String { "\(namespace).hb.\(group).*" }

    public var heartbeats: String { "\(namespace).hb.*.*" }

    /// Every member of every group that hears this says at once that it is there.
    public var askMembers: String { "\(namespace).ask.members" }

    // MARK: what writers of the tape tell

    /// Where the newest ordinals of a source are told; those of bars under the name `operator`.
    public func heads(_ source: SourceName) -> String { "\(namespace).head.\(source)" }

    public var heads: String { "\(namespace).head.*" }

    // MARK: streams

    public func streamIndex(of partition: Partition) -> Int {
        partition.number % Self.tickStreams
    }

    public func tickStream(_ index: Int) -> String { "\(namespace.uppercased())_TICKS_\(index)" }

    public func tickStream(of partition: Partition) -> String {
        tickStream(streamIndex(of: partition))
    }

    public var barStream: String { "\(namespace.uppercased())_BARS" }

    public var allStreams: [String] {
        (0..<Self.tickStreams).map { tickStream($0) } + [barStream]
    }

    /// The bucket in which each source's gateway keeps what the tape acknowledged.
    public var sourceBucket: String { "\(namespace)_sources" }

    /// Every partition is named, so that a packet for one that does not exist is refused.
    public func tickStreamSubjects(_ index: Int) -> [String] {
        let own = stride(from: index, to: partitions, by: Self.tickStreams)
        return own.map { ticks(Partition($0)) } + [watermarks(stream: index)]
    }

    public var barStreamSubjects: [String] {
        (0..<partitions).map { bars(Partition($0)) } + [universeValues]
    }

    // MARK: dead letters

    /// What a service could not take, for a person to look at.
    public var deadLetterStream: String { "\(namespace.uppercased())_DLQ" }

    public var deadLetters: String { "\(namespace).dlq.>" }

    public func deadLetters(of service: String) -> String { "\(namespace).dlq.\(service)" }

    // MARK: buckets

    /// The operators' records: checkpoints, and requests to make a partition's bars anew.
    public var operatorBucket: String { "\(namespace)_operator" }

    /// Who owns which partition: a key `<group>.<partition>` each.
    public var ownersBucket: String { "\(namespace)_owners" }

    /// The groups whose positions the tape is kept for.
    public var groupBucket: String { "\(namespace)_groups" }

    /// What is fixed when the namespace is made; kept with each stream and compared at every start.
    public var record: [String: String] {
        [
            "tapeline.namespace": namespace, "tapeline.partitions": String(partitions),
            "tapeline.tick_streams": String(Self.tickStreams),
        ]
    }
}
