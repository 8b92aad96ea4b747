import DeploymentWatch
import Membership
import Primitives

/// What the collector knows at one moment. Each part says when it was measured.
struct Sighting: Sendable {
    /// The head of a source's ticks, or that of the bars, over all partitions.
    struct Head: Equatable, Sendable {
        let name: String
        /// The group of the processes that write it.
        let gateways: String
        /// The sum of the newest ordinals.
        let ordinals: UInt64
        /// When its process last said so.
        let reportedAt: MonotonicTime
        /// When an ordinal last rose. `nil` if none has since the cockpit listens.
        var changedAt: MonotonicTime?
    }

    /// How far a group has read.
    struct Group: Equatable, Sendable {
        let name: String
        let reportedAt: MonotonicTime
        /// `nil` if it does not read this input, or if it is not known.
        var ticks: Lag?
        var bars: Lag?
        /// The sum of the ordinals that it has read; of a store, that it has committed.
        var read: UInt64 = 0
        /// Partitions of ticks of which nobody says how far they are read.
        var unheard = 0
    }

    struct Lag: Equatable, Sendable {
        var records: UInt64
        /// The age of the oldest unread one. `nil` if it is not known.
        var seconds: Double?
    }

    /// A process of a group, by its own heartbeats.
    struct Member: Equatable, Sendable {
        let group: String
        let name: String
        let state: String
        let held: [Int]
        let release: String
        let heardAt: MonotonicTime
        /// A silent process acts as an owner for so long. Heartbeats come several times meanwhile.
        let leaseNanoseconds: Int64
        /// Who asked that it takes nothing, and why; empty when nobody did.
        var drain = ""

        var isReady: Bool { state == "ready" }

        /// Its own heartbeats say that it is there.
        func isHeard(at now: MonotonicTime) -> Bool { now - heardAt <= limitNanoseconds }

        /// Heartbeats come four times per lease, but at least two of them have to be missing.
        var limitNanoseconds: Int64 { max(1_500_000_000, leaseNanoseconds) }
    }

    struct Stream: Equatable, Sendable {
        let name: String
        let bytes: UInt64
        /// `nil` if there is no limit.
        let limit: UInt64?

        var freePercent: UInt64? {
            limit.map { $0 == 0 ? 0 : UInt64(Double($0 - min($0, bytes)) / Double($0) * 100) }
        }
    }

    /// What the database says of itself.
    struct Database: Equatable, Sendable {
        /// The store whose database it is. `nil` while it has no position.
        var store: String?
        /// The age of the newest position that a writer has advanced, by the database's clock.
        /// `nil` if there is none.
        var writtenSeconds: Double?
        /// The database's clock against this machine's.
        var clock: ClockOffset?
    }

    /// What the settings say of sources.
    struct Told: Sendable {
        /// The sources whose venue is simulated, which the tape does not know.
        var simulated: Set<String> = []
        /// By source, of those that have a calendar.
        var hours: [String: MarketHours] = [:]
    }

    /// The rows that wait in a writer, and the most.
    struct Queue: Equatable, Sendable {
        var rows: UInt64?
        var rowsMax: UInt64?
    }

    /// The page of a service.
    struct Service: Equatable, Sendable {
        struct Process: Equatable, Sendable {
            /// Its name in its group.
            var member = ""
            /// The providers of a gateway, also those without a connection.
            var providers: [String] = []
            /// How long it ran when it was asked. `nil` if it did not say.
            var uptimeSeconds: Double?
        }

        let address: String
        /// When it was last asked.
        var measuredAt = MonotonicTime.distantPast
        var name = ""
        /// The process that answered last.
        var process = Process()
        var isReady = false
        /// Why it is not ready, or what is degraded.
        var reasons: [String] = []
        var providers: [ProviderView] = []
        var source = ""
        /// The sources of a gateway. Filled only while a page shows them.
        var feeds: [FeedPage] = []
        var spooledTicks: UInt64 = 0
        var queue = Queue()
        var ownership: Ownership?
        var writer: WriterPage?
        /// By group.
        var scalers: [String: ScalerLag] = [:]
        /// Why it does not answer. `nil` if it does.
        var problem: String?

        /// What people read: which of several of one kind it is. A member that was not named has
        /// the name of its machine. Where an address leads to several of them, another one may be
        /// silent than the one that answered last.
        var shownName: String {
            if name.isEmpty { return address }
            let member = process.member
            if member.isEmpty { return name }
            if problem != nil { return "\(name) (last: \(member))" }
            return member.hasPrefix(name) ? member : "\(member) (\(name))"
        }
    }

    /// What the cockpit hears.
    struct Listening: Equatable, Sendable {
        /// Since when it has listened without a pause.
        var since = MonotonicTime.never
        /// Sources of the tape that are neither heard nor looked up, because there are too many.
        var sourcesHidden = 0
    }

    var now = MonotonicTime.distantPast
    var listening = Listening()
    /// The number of partitions of the tape.
    var partitions = 0
    /// Why NATS cannot be heard. `nil` if it can.
    var natsProblem: String?
    var sources: [Head] = []
    var told = Told()
    var bars: Head?
    var groups: [Group] = []
    /// The groups without which nothing comes out.
    var needed: [GroupName] = [.operators, .store]
    var members: [Member] = []
    var streams = Known<[Stream]>()
    var database = Known<Database>()
    var gaps = Known<GapList>()
    var services = Known<[Service]>()
    /// Filled only while a page shows it.
    var shares = PartitionShares()

    /// The stores that are needed, or that were heard.
    var stores: [String] {
        let heard = (groups.map(\.name) + members.map(\.group)).filter {
            GroupName($0)?.isStore == true
        }
        return Set(needed.filter(\.isStore).map(\.text) + heard).sorted()
    }

    /// The services that were asked a moment ago, whatever they answered.
    var freshServices: [Service] {
        (services.value ?? []).filter { isFresh($0) }
    }

    func isFresh(_ service: Service) -> Bool {
        now - service.measuredAt <= Freshness.nanoseconds
    }
}
