import MarketModel
import MembershipTransport
import Primitives
import TapeTransport

/// What was seen of a deployment at one moment.
struct WatchSample: Sendable {
    struct Stream: Equatable, Sendable {
        var name: String
        var bytes: UInt64
        /// nil: no limit.
        var limit: UInt64?

        var room: HeadroomLevel.Room? {
            limit.map {
                HeadroomLevel.Room(
                    place: .stream(name), freeBytes: $0 > bytes ? $0 - bytes : 0, limitBytes: $0)
            }
        }
    }

    var now = Timestamp.undefined
    /// Monotonic nanoseconds at which the heads were read.
    var readAt: Int64 = 0
    var streams: [Stream] = []
    var ticks: [TapeReport.Head] = []
    var bars: [TapeReport.Head] = []
    /// What is derived over all partitions; nil: nothing is.
    var universe: TapeReport.Head?
    /// What readers said so far.
    var positions = WatchPositions()
    var members: [GroupDirectory.Member] = []
    var owners: [GroupDirectory.Owner] = []
    /// Per source, as the database has them; nil: `gapsAbsence` says why not.
    var gaps: [String: UInt64]?
    var gapsAbsence = ""
}

/// The positions that groups told over core NATS.
struct WatchPositions: Equatable, Sendable {
    /// Messages that name more groups than this are not taken in.
    static let groupsMax = 256

    struct Key: Hashable, Sendable {
        let input: String
        let partition: Int
    }

    /// Per group, input and partition: the highest ordinal of each source that a reader told.
    private(set) var groups: [String: [Key: [String: UInt64]]] = [:]

    /// False: it makes no sense, and nothing of it is believed.
    @discardableResult
    mutating func hear(_ payload: [UInt8]) -> Bool {
        guard let message = parsedJSON(payload), let group = message["group"]?.string,
            let positions = message["positions"]?.array,
            groups[group] != nil || groups.count < Self.groupsMax
        else { return false }
        var heard: [(Key, String, UInt64)] = []
        var keys: [Key] = []
        for position in positions {
            guard let partition = position["partition"]?.int,
                (0..<Partition.countRange.upperBound).contains(partition),
                let input = position["input"]?.string, ["ticks", "bars"].contains(input),
                let sources = position["sources"]?.array
            else { return false }
            let key = Key(input: input, partition: partition)
            keys.append(key)
            for source in sources {
                guard let name = source["source"]?.string, SourceName(name) != nil,
                    let last = source["last_ordinal"]?.uint64
                else { return false }
                heard.append((key, name, last))
            }
        }
        for key in keys where groups[group, default: [:]][key] == nil {
            groups[group, default: [:]][key] = [:]
        }
        for (key, source, last) in heard {
            let known = groups[group]?[key]?[source] ?? 0
            groups[group]?[key]?[source] = max(known, last)
        }
        return true
    }

    /// How far a group is behind, and in how many partitions nobody of it has spoken.
    struct Lag: Equatable, Sendable {
        var ordinals: UInt64 = 0
        var unheard = 0
    }

    /// nil: the group reads no such input.
    func lag(_ group: String, _ input: String, behind heads: [TapeReport.Head]) -> Lag? {
        guard let told = groups[group], told.keys.contains(where: { $0.input == input }) else {
            return nil
        }
        var lag = Lag()
        var unheard: Set<Int> = []
        for head in heads {
            guard let sources = told[Key(input: input, partition: head.partition.number)] else {
                unheard.insert(head.partition.number)
                continue
            }
            let taken = sources[head.source.text] ?? 0
            if head.lastOrdinal > taken { lag.ordinals &+= head.lastOrdinal - taken }
        }
        lag.unheard = unheard.count
        return lag
    }
}
