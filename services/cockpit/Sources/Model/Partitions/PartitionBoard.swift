import DeploymentWatch
import Membership
import Primitives

/// What the tape and its readers say of single partitions.
struct PartitionShares: Equatable, Sendable {
    struct Ticks: Equatable, Sendable {
        /// The sum of the newest ordinals of all sources.
        var ordinals: UInt64 = 0
        var reportedAt = MonotonicTime.distantPast
    }

    struct Lag: Equatable, Sendable {
        var records: UInt64 = 0
        /// The age of the oldest unread record. `nil` if it is not known.
        var seconds: Double? = 0
        var reportedAt = MonotonicTime.distantPast
    }

    /// By partition.
    var ticks: [Int: Ticks] = [:]
    /// By group and partition.
    var lags: [String: [Int: Lag]] = [:]
}

/// What a service's page says of the partitions of its group.
struct Ownership: Equatable, Sendable {
    struct Record: Equatable, Sendable {
        let owner: String
        let epoch: UInt64
        /// The wall clock, as text.
        let since: String
    }

    var group = ""
    var records: [Int: Record] = [:]
    /// From whom the service itself took a partition.
    var previous: [Int: String] = [:]
    /// The ages of the newest checkpoints in seconds, of the service's own partitions.
    var checkpointAges: [Int: Double] = [:]
}

/// What a scaler reads of a group at a gateway's `/scale`.
struct ScalerLag: Equatable, Sendable {
    /// The records of lag for each process, as the shipped manifests have it.
    static let each: UInt64 = 50_000

    let records: UInt64
    let seconds: Double?
    /// Until it is worked off. `nil` while it does not fall.
    let drainSeconds: Double?

    /// The processes that this lag asks for, before the scaler's own bounds and delays.
    func asked(partitions: Int) -> UInt64 {
        let whole = records / Self.each + (records % Self.each == 0 ? 0 : 1)
        return min(max(1, whole), UInt64(max(1, partitions)))
    }
}

/// Who owns each partition, how far it is, and how busy it is. It remembers rates and owners. Pure.
struct PartitionBoard: Sendable {
    /// A partition is hot when it has so many times the ticks of a partition in the middle.
    static let hotFactor = 2.0
    /// The most partitions whose owners are remembered.
    static let memoryMax = 16_384

    struct Row: Equatable, Sendable {
        let group: String
        let partition: Int
        /// Processes that are heard and say that they hold it: one, when all is well.
        var owners: [String] = []
        var heardAt = MonotonicTime.distantPast
        var limitNanoseconds = Freshness.nanoseconds
        var record: Ownership.Record?
        var recordAt = MonotonicTime.distantPast
        var previous: String?
        var lag: PartitionShares.Lag?
        /// When the newest checkpoint was stored, and when that was said.
        var checkpointAt: MonotonicTime?
        var checkpointSaidAt = MonotonicTime.distantPast
    }

    struct Share: Equatable, Sendable {
        let partition: Int
        let perSecond: Double
        /// The part of all ticks, 0 to 1.
        let part: Double
        let isHot: Bool
        let measuredAt: MonotonicTime
    }

    struct Group: Equatable, Sendable {
        let name: String
        let partitions: Int
        let members: [Sighting.Member]
        var scaler: ScalerLag?
        var scalerAt = MonotonicTime.distantPast
        var rows: [Row] = []
    }

    struct Look: Equatable, Sendable {
        var groups: [Group] = []
        var shares: [Share] = []
    }

    private struct Key: Hashable {
        let group: String
        let partition: Int
    }

    private struct Memory {
        var record: Ownership.Record
        var previous: String?
    }

    private var meters: [Int: RateMeter] = [:]
    private var memory: [Key: Memory] = [:]

    mutating func make(_ sighting: Sighting) -> Look {
        let needed = sighting.needed.map(\.text)
        let names = Set(sighting.members.map(\.group) + sighting.stores + needed).sorted()
        return Look(
            groups: names.map { group($0, sighting) }, shares: shares(sighting.shares.ticks))
    }

    // MARK: groups

    private mutating func group(_ name: String, _ sighting: Sighting) -> Group {
        let isSharing = GroupName(name)?.sharesPartitions == true
        var group = Group(
            name: name, partitions: isSharing ? sighting.partitions : 1,
            members: sighting.members.filter { $0.group == name })
        group.rows = (0..<group.partitions).map { Row(group: name, partition: $0) }
        for member in group.members where member.isHeard(at: sighting.now) {
            for partition in member.held where group.rows.indices.contains(partition) {
                group.rows[partition].owners.append(member.name)
                group.rows[partition].heardAt = member.heardAt
                group.rows[partition].limitNanoseconds = member.limitNanoseconds
            }
        }
        for service in sighting.freshServices {
            if let scaler = service.scalers[name], service.measuredAt > group.scalerAt {
                group.scaler = scaler
                group.scalerAt = service.measuredAt
            }
            guard let own = service.ownership, own.group == name else { continue }
            for index in group.rows.indices { Self.add(own, service, to: &group.rows[index]) }
        }
        for index in group.rows.indices {
            group.rows[index].lag = sighting.shares.lags[name]?[index]
            remember(&group.rows[index])
        }
        return group
    }

    private static func add(_ own: Ownership, _ service: Sighting.Service, to row: inout Row) {
        if let record = own.records[row.partition], record.epoch >= row.record?.epoch ?? 0 {
            row.record = record
            row.recordAt = max(row.recordAt, service.measuredAt)
        }
        row.previous = own.previous[row.partition] ?? row.previous
        guard let age = own.checkpointAges[row.partition] else { return }
        row.checkpointAt = service.measuredAt - Int64(min(max(0, age), 1e9) * 1e9)
        row.checkpointSaidAt = service.measuredAt
    }

    /// Keeps from whom a partition was taken, which only the pages of operators say.
    private mutating func remember(_ row: inout Row) {
        guard let record = row.record else { return }
        let key = Key(group: row.group, partition: row.partition)
        guard memory[key] != nil || memory.count < Self.memoryMax else { return }
        var known = memory[key] ?? Memory(record: record)
        if record.epoch > known.record.epoch { known.previous = known.record.owner }
        known.record = record
        memory[key] = known
        row.previous = row.previous ?? known.previous
    }

    // MARK: shares

    private mutating func shares(_ ticks: [Int: PartitionShares.Ticks]) -> [Share] {
        meters = meters.filter { ticks[$0.key] != nil }
        var rates: [(partition: Int, perSecond: Double, at: MonotonicTime)] = []
        for (partition, ticks) in ticks.sorted(by: { $0.key < $1.key }) {
            meters[partition, default: RateMeter()].note(ticks.ordinals, at: ticks.reportedAt)
            guard let rate = meters[partition]?.perSecond else { continue }
            rates.append((partition, rate, ticks.reportedAt))
        }
        let busy = rates.map(\.perSecond).filter { $0 > 0 }.sorted()
        let total = busy.reduce(0, +)
        guard total > 0 else { return [] }
        let middle = busy[(busy.count - 1) / 2]
        return rates.map { rate in
            Share(
                partition: rate.partition, perSecond: rate.perSecond,
                part: rate.perSecond / total,
                isHot: busy.count > 1 && rate.perSecond > middle * Self.hotFactor,
                measuredAt: rate.at)
        }
    }
}
