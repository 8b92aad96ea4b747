import MarketModel

/// The decision about the packets that an earlier tenure left in the spool. They may be published
/// only if no other gateway has owned the source since. Otherwise that gateway's ticks of the same
/// time, or the ticks that filled its gaps, would be on the tape twice. Pure; `SourceSpool` asks
/// for it when the source is opened.
enum SpoolDecision: Equatable {
    /// The spool is empty, so nothing is to be done.
    case nothing
    /// The packets that are not on the tape yet are published, before the providers start.
    case publish
    /// The spool is set aside for a person. The reason is a text for that person.
    case setAside(reason: String)

    /// The facts about one partition.
    struct Standing: Equatable {
        /// The number of spooled ticks.
        var ticks = 0
        /// The epochs of the spool's holder: of the owner that spooled the packets.
        var held: [UInt64] = []
        /// The epochs of the partition's last packets on the tape: see
        /// `SourceLanes.Predecessor.epochs`.
        var onTape: [UInt64] = []
    }

    /// `ticks` counts the spooled ticks of all partitions, `partitions` only has those with a lane.
    /// `isHolderUnknown`: the file with the holder's epochs is damaged or missing.
    init(ticks: Int, isEmpty: Bool, isHolderUnknown: Bool, _ partitions: [Partition: Standing]) {
        guard !isEmpty else {
            self = .nothing
            return
        }
        guard !isHolderUnknown else {
            self = .setAside(reason: "the gateway that spooled it is not known")
            return
        }
        guard partitions.values.reduce(0, { $0 + $1.ticks }) == ticks else {
            self = .setAside(reason: "it has ticks of partitions without symbols")
            return
        }
        for (partition, standing) in partitions.sorted(by: { $0.key < $1.key }) {
            guard let first = standing.held.min() else {
                guard standing.ticks > 0 else { continue }
                self = .setAside(
                    reason: "the gateway that spooled partition \(partition) is not known")
                return
            }
            // Epochs below the holder's first one belong to owners that ended before it began.
            let foreign = standing.onTape.filter { $0 > first && !standing.held.contains($0) }
            guard let epoch = foreign.max() else { continue }
            self = .setAside(
                reason: "another gateway opened epoch \(epoch) of partition \(partition)")
            return
        }
        self = .publish
    }
}
