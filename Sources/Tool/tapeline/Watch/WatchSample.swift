import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import Primitives
import TapeTransport

/// The state of a deployment at one moment.
struct WatchSample: Sendable {
    struct Stream: Equatable, Sendable {
        var name: String
        var bytes: UInt64
        /// `nil` if there is no limit.
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
    var readAt = MonotonicTime.distantPast
    /// The number of partitions. 0 if it is not known.
    var partitions = 0
    var streams: [Stream] = []
    var ticks: [TapeReport.Head] = []
    var bars: [TapeReport.Head] = []
    /// The head of what is derived over all partitions. `nil` if there is none.
    var universe: TapeReport.Head?
    /// The positions that readers have reported so far.
    var positions = WatchPositions()
    var members: [GroupDirectory.Member] = []
    var owners: [GroupDirectory.Owner] = []
    /// The groups without which nothing comes out.
    var needed = [GroupName.operators, .store]
    /// The number of gaps per source, from the database. `nil` if not known; `gapsAbsence` then
    /// gives the reason.
    var gaps: [String: UInt64]?
    var gapsAbsence = ""
    /// What the verdict needs of other places than the tape.
    var around = Around()

    struct Around: Equatable, Sendable {
        /// True if a database is named and does not answer.
        var isDatabaseAway = false
        /// True if a database is named and answers, but refuses to tell the gaps.
        var isDatabaseRefusing = false
        /// The stretches that are open now. `nil` if not known.
        var openGaps: UInt64?
        /// What of today nothing will fill, in words.
        var lost: String?
        /// The age of the newest commit.
        var writtenSeconds: Double?
        var clock: ClockOffset?
        /// When the last look was that found something new of a source, or of `bars`.
        var changed: [String: MonotonicTime] = [:]
        /// When the last watermark of a source with an old one was sent. `nil` for a source that is
        /// retired.
        var sent: [String: Timestamp?] = [:]
        var gateways = Gateways()
        /// The services of a local stack, by their pages.
        var processes: [WatchSight.Process] = []
    }

    /// What the gateways of a local stack report.
    struct Gateways: Equatable, Sendable {
        var silentFeeds: [String] = []
        var liveFeeds = 0
        var spooledTicks: UInt64 = 0

        /// Adds a gateway by its status page.
        mutating func add(_ status: JSONValue) {
            spooledTicks &+= status.at("gateway", "spool", "ticks")?.uint64 ?? 0
            for provider in ProviderView.all(status) {
                if !provider.isConnected { silentFeeds.append(provider.name) }
                liveFeeds += provider.feeds.count(where: \.isLive)
                silentFeeds += provider.feeds.filter { !$0.isLive }.map {
                    "\($0.symbol) \($0.feed) (\($0.state))"
                }
            }
        }
    }
}

extension WatchSight.Process {
    /// A process of a local stack by its status page, which is `nil` if it did not come.
    init(_ name: String, _ status: JSONValue?) {
        self.init(name: name)
        guard let status else {
            silence = UnitPlan.noAnswer
            return
        }
        guard status["ready"]?.bool == true else {
            unready = status["reasons"]?.array?.first?.string ?? "it does not say why"
            return
        }
        holdsTableBack = status.at("writer", "groups_apart")?.array?.isEmpty == false
        degraded = status["degraded"]?.array?.first?.string
    }
}

/// The positions that groups reported over core NATS.
struct WatchPositions: Equatable, Sendable {
    /// The most groups that are kept. Messages that name further groups are ignored.
    static let groupsMax = 256

    struct Key: Hashable, Sendable {
        let input: String
        let partition: Int
    }

    /// Per group, input and partition: the highest ordinal of each source that a reader reported.
    private(set) var groups: [String: [Key: [String: UInt64]]] = [:]

    /// Takes a message. Returns false if it is invalid, or not on the subject of its group, which
    /// is the only one that the group's user may use; then all of it is ignored.
    @discardableResult
    mutating func receive(_ payload: [UInt8], on subject: String) -> Bool {
        guard let message = Self.message(payload), let group = message["group"]?.string,
            subject.hasSuffix(".pos.\(group)"), let positions = message["positions"]?.array,
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

    private static func message(_ payload: [UInt8]) -> JSONValue? {
        do throws(VersionedJSON.Refusal) {
            return try VersionedJSON.read(payload, upTo: ReaderPosition.version)
        } catch {
            return nil
        }
    }

    /// How far a group is behind the heads, and the number of partitions for which no member
    /// reported.
    struct Lag: Equatable, Sendable {
        var ordinals: UInt64 = 0
        var unheard = 0
    }

    /// Returns `nil` if the group does not read that input.
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
