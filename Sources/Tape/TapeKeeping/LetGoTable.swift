internal import MarketModel
internal import Membership
internal import TapeTransport

/// Where groups that are not needed lost a part of a stream, and have not continued since. Pure. It
/// is bounded by the registered groups and the partitions.
struct LetGoTable: Sendable {
    private struct Place: Hashable {
        let group: GroupName
        let partition: Partition
    }

    /// Everything below this sequence was purged, by place.
    private var purgedBelow: [Place: UInt64] = [:]

    var isEmpty: Bool { purgedBelow.isEmpty }

    /// The number of partitions of each group.
    var partitions: [GroupName: Int] {
        purgedBelow.keys.reduce(into: [:]) { $0[$1.group, default: 0] += 1 }
    }

    /// Adds those that a purge let go. Returns the number of new places of each group.
    mutating func add(_ letGo: [PurgePlan.LetGo]) -> [GroupName: Int] {
        var new: [GroupName: Int] = [:]
        for one in letGo {
            let place = Place(group: one.floor.group, partition: one.floor.partition)
            if purgedBelow.updateValue(one.below, forKey: place) == nil {
                new[place.group, default: 0] += 1
            }
        }
        return new
    }

    /// Forgets the places of groups whose position is after what was purged, and of groups that are
    /// no longer registered.
    mutating func removeContinued(_ groups: [RegisteredGroup], _ input: ReaderPosition.Input) {
        purgedBelow = purgedBelow.filter { place, below in
            guard let group = groups.first(where: { $0.group == place.group }) else { return false }
            let position = group.positions.first {
                $0.input == input && $0.partition == place.partition
            }
            return (position?.durable ?? 0) < below
        }
    }
}
