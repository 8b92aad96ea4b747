package import MarketModel

/// The layout of a namespace on NATS: its subjects, streams and buckets.
///
/// A *share* of the operators is what one of them computes alone: a partition, or the *universe*,
/// which is the share over all partitions.
///
/// Ticks are spread over several streams because one stream's writes are serial. Bars are few: they
/// have one stream, so that all partitions' bars have one order.
package struct TapeNames: Hashable, Sendable {
    package static let defaultNamespace = "md"
    package static let defaultPartitions = 8
    /// The number of streams over which the partitions' ticks are spread. It is fixed, like the
    /// number of partitions, because it decides in which stream a partition's ticks are.
    package static let tickStreams = 4

    package let namespace: String
    package let partitions: Int

    /// Fails when the namespace is not `[a-z][a-z0-9_]{0,15}`, or the number of partitions is out
    /// of range. The namespace is part of the names of subjects, streams, keys and a database
    /// schema.
    package init?(namespace: String, partitions: Int) {
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

    /// Returns the partition of a symbol, which never changes within a namespace.
    package func partition(of symbol: Symbol) -> Partition {
        Partition(of: symbol, count: partitions)
    }

    // MARK: subjects

    /// Returns the subject of a source's ticks in a partition.
    package func ticks(_ partition: Partition, _ source: SourceName) -> String {
        "\(namespace).ticks.\(partition).\(source)"
    }

    /// A filter of the ticks of all sources in a partition.
    package func ticks(_ partition: Partition) -> String { "\(namespace).ticks.\(partition).*" }

    /// A filter of the source's ticks in all partitions.
    package func ticks(_ source: SourceName) -> String { "\(namespace).ticks.*.\(source)" }

    /// A filter of the ticks of all sources in all partitions.
    package var allTicks: String { "\(namespace).ticks.*.*" }

    /// Returns the subject of a partition's bars.
    package func bars(_ partition: Partition) -> String { "\(namespace).bars.\(partition)" }

    /// A filter of the bars of all partitions.
    package var allBars: String { "\(namespace).bars.*" }

    // MARK: the universe

    /// The number of the share over all partitions, which follows the last partition's. The share
    /// reads `allBars` in the single order of their stream.
    package var universe: Partition { Partition(partitions) }

    /// The subject on which the share over all partitions publishes, with the source `universe`.
    package var universeValues: String { "\(namespace).all.\(SourceName.universe)" }

    /// The partition in the headers of the universe's packets. For a reader or a store, the
    /// universe is a second source of this partition's bars, on a separate subject.
    package static let universeHome = Partition(0)

    /// The subject on which a share of the operators publishes. The next two functions give the
    /// source and the partition of its packets.
    package func output(_ share: Partition) -> String {
        share == universe ? universeValues : bars(share)
    }

    /// Returns the source of the packets that a share publishes.
    package func outputSource(_ share: Partition) -> SourceName {
        share == universe ? .universe : .operator
    }

    /// Returns the partition of the packets that a share publishes.
    package func outputPartition(_ share: Partition) -> Partition {
        share == universe ? Self.universeHome : share
    }

    /// Returns the subjects of everything that stores read as the bars of a partition.
    package func derived(_ partition: Partition) -> [String] {
        partition == Self.universeHome
            ? [bars(partition), universeValues] : [bars(partition)]
    }

    /// Returns the subject of a partition's bars from one of the operators' sources: `universe`, or
    /// any other name for the partition's own operator.
    package func derived(_ partition: Partition, _ source: SourceName) -> String {
        source == .universe ? universeValues : bars(partition)
    }

    /// Returns the stream that a share of the operators reads.
    package func inputStream(_ share: Partition) -> String {
        share == universe ? barStream : tickStream(of: share)
    }

    // MARK: watermarks

    /// Returns the subject of a source's watermarks for the partitions of a stream.
    package func watermarks(stream: Int, _ source: SourceName) -> String {
        "\(namespace).wm.\(stream).\(source)"
    }

    /// A filter of the watermarks of all sources for a stream.
    package func watermarks(stream: Int) -> String { "\(namespace).wm.\(stream).*" }

    // MARK: what readers report

    /// The subject on which the readers of a group report their positions.
    package func positions(group: String) -> String { "\(namespace).pos.\(group)" }

    /// A filter of the positions of all groups.
    package var positions: String { "\(namespace).pos.*" }

    /// The subject of the request to report positions immediately.
    package var positionsQuestion: String { "\(namespace).ask.positions" }

    // MARK: what members report

    /// The subject on which a member of a group reports its presence and state.
    package func heartbeat(group: String, member: String) -> String {
        "\(namespace).hb.\(group).\(member)"
    }

    /// A filter of the heartbeats of a group.
    package func heartbeats(group: String) -> String { "\(namespace).hb.\(group).*" }

    /// A filter of the heartbeats of all groups.
    package var heartbeats: String { "\(namespace).hb.*.*" }

    /// The subject of the request that every member of every group report its presence immediately.
    package var askMembers: String { "\(namespace).ask.members" }

    // MARK: what writers of the tape report

    /// The subject on which the newest ordinals of a source are reported. Those of bars have the
    /// name `operator`.
    package func heads(_ source: SourceName) -> String { "\(namespace).head.\(source)" }

    /// A filter of the heads of all sources.
    package var heads: String { "\(namespace).head.*" }

    // MARK: streams

    /// Returns the index of the stream that has the ticks of a partition.
    package func streamIndex(of partition: Partition) -> Int {
        partition.number % Self.tickStreams
    }

    /// Returns the stream of ticks with this index.
    package func tickStream(_ index: Int) -> String { "\(namespace.uppercased())_TICKS_\(index)" }

    /// Returns the stream that has the ticks of a partition.
    package func tickStream(of partition: Partition) -> String {
        tickStream(streamIndex(of: partition))
    }

    /// The stream of everything that the operators publish.
    package var barStream: String { "\(namespace.uppercased())_BARS" }

    /// The streams of the tape: all streams of ticks, then that of bars.
    package var allStreams: [String] {
        (0..<Self.tickStreams).map { tickStream($0) } + [barStream]
    }

    /// The bucket in which each source's gateway stores what the tape acknowledged.
    package var sourceBucket: String { "\(namespace)_sources" }

    /// Returns the subjects of a stream of ticks. Every partition is listed, so that the server
    /// refuses a packet for a partition that does not exist.
    package func tickStreamSubjects(_ index: Int) -> [String] {
        let own = stride(from: index, to: partitions, by: Self.tickStreams)
        return own.map { ticks(Partition($0)) } + [watermarks(stream: index)]
    }

    /// The subjects of the stream of bars.
    package var barStreamSubjects: [String] {
        (0..<partitions).map { bars(Partition($0)) } + [universeValues]
    }

    // MARK: dead letters

    /// The stream of records that a service could not accept, for a person to check.
    package var deadLetterStream: String { "\(namespace.uppercased())_DLQ" }

    /// A filter of all dead letters.
    package var deadLetters: String { "\(namespace).dlq.>" }

    /// Returns the subject of the dead letters of a store, or of the gateways.
    package func deadLetters(of owner: String) -> String { "\(namespace).dlq.\(owner)" }

    // MARK: buckets

    /// The bucket of the operators' records: checkpoints, and requests to compute a partition's
    /// bars again.
    package var operatorBucket: String { "\(namespace)_operator" }

    /// The bucket of the partitions' owners: one key `<group>.<partition>` each.
    package var ownersBucket: String { "\(namespace)_owners" }

    /// The bucket of the groups for which the tape keeps what they have not read.
    package var groupBucket: String { "\(namespace)_groups" }

    /// The values that are fixed when the namespace is made. They are stored with each stream and
    /// compared at every start.
    package var record: [String: String] {
        [
            "tapeline.namespace": namespace, "tapeline.partitions": String(partitions),
            "tapeline.tick_streams": String(Self.tickStreams),
        ]
    }
}
