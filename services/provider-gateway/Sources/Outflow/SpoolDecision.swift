import MarketModel

/// The decision about a spool that an earlier tenure left. Pure.
enum SpoolDecision: Equatable {
    /// The spool is empty.
    case nothing
    /// Packets that are not on the tape yet are published first.
    case publish
    case setAside(reason: String)

    /// The facts about one partition.
    struct Standing: Equatable {
        /// The number of spooled ticks.
        var ticks = 0
        /// The epochs that the spool's holder opened.
        var held: [UInt64] = []
        /// The epochs on the tape, from the last packet before this tenure back to one that is no
        /// marker.
        var onTape: [UInt64] = []
    }

    /// `ticks` counts all partitions, including those that have no symbols any more.
    init(ticks: Int, isEmpty: Bool, isHolderUnknown: Bool, _ partitions: [Partition: Standing]) {
        guard !isEmpty else {
            self = .nothing
            return
        }
        guard !isHolderUnknown else {
            self = .setAside(reason: "who was the owner then is not known")
            return
        }
        guard partitions.values.reduce(0, { $0 + $1.ticks }) == ticks else {
            self = .setAside(reason: "it has ticks of partitions without symbols")
            return
        }
        for (partition, standing) in partitions.sorted(by: { $0.key < $1.key }) {
            guard let first = standing.held.min() else {
                guard standing.ticks > 0 else { continue }
                self = .setAside(reason: "who was the owner of partition \(partition) is not known")
                return
            }
            // Older epochs belong to predecessors, which ended before this spool began.
            let foreign = standing.onTape.filter { $0 > first && !standing.held.contains($0) }
            guard let epoch = foreign.max() else { continue }
            self = .setAside(
                reason: "another gateway opened epoch \(epoch) of partition \(partition)")
            return
        }
        self = .publish
    }
}
