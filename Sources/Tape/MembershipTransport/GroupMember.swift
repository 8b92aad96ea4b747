internal import Glibc
public import MarketModel
public import Membership
internal import NatsTransport
public import Primitives
public import ServiceRuntime
internal import Synchronization
public import TapeTransport

/// This process's membership in a group: hears and says heartbeats, keeps the records of owners,
/// and tells the data planes through their ports. See `MembershipMachine` for the decisions.
///
/// Two threads and a connection to NATS of its own, so that neither a slow disk of NATS nor a busy
/// data plane holds a heartbeat up.
public final class GroupMember: Sendable {
    public struct Settings: Sendable {
        public var group: GroupName
        public var member: MemberName
        /// The same in the whole group.
        public var lease: Duration
        /// 0..<partitions are shared out; sources and keepers: 1.
        public var partitions: Int
        /// Only ready members of the highest rank get partitions.
        public var rank: UInt64

        public init(
            group: GroupName, member: MemberName, lease: Duration = .milliseconds(500),
            partitions: Int, rank: UInt64 = 0
        ) {
            self.group = group
            self.member = member
            self.lease = lease
            self.partitions = partitions
            self.rank = rank
        }
    }

    /// Of one partition, as this member knows it.
    public struct Owner: Sendable, Equatable {
        public let partition: Partition
        public let record: OwnershipRecord
        /// It is this process's own.
        public let isOwn: Bool
    }

    /// How long the two threads may take to end: a try to connect may be under way.
    private static let endTimeout = Duration.seconds(5)

    public let settings: Settings
    private let shared: MemberShared
    private let threads: [ServiceThread]

    /// Starts its threads; never waits for NATS, and connects for ever in the background. Each
    /// partition belongs to one of the ports. Throws `ServiceError`: there is no thread.
    public init(
        _ settings: Settings, tape: TapeSettings, context: ServiceContext, ports: [OwnershipPort]
    ) throws {
        let covered = ports.reduce(0) { $0 + $1.partitions.count }
        let all = ports.reduce(into: Set<Partition>()) { $0.formUnion($1.partitions) }
        precondition(
            covered == settings.partitions && all.count == covered
                && all.allSatisfy { $0.number < settings.partitions },
            "each partition of a group belongs to one port")
        self.settings = settings
        let machine = MembershipMachine(
            MembershipMachine.Settings(
                member: settings.member, instance: UInt64.random(in: 1...UInt64.max),
                leaseNanoseconds: settings.lease.clampedNanoseconds,
                partitions: settings.partitions, rank: settings.rank, since: context.clock.now(),
                release: context.service.version))
        let shared = MemberShared(settings, tape, context, machine)
        self.shared = shared
        for port in ports {
            port.onNews { shared.wake() }
            port.show(in: context.telemetry.metrics, group: settings.group)
        }
        threads = [
            try ServiceThread(name: "group-\(settings.group)") {
                var loop = MemberLoop(shared, machine, ports)
                loop.run()
            },
            try ServiceThread(name: "owners-\(settings.group)") {
                var loop = RecordLoop(shared)
                loop.run()
            },
        ]
    }

    deinit { close() }

    /// No partition is taken from now on; each that is held is released, and its record says so.
    public func leave() {
        shared.wantsLeave.store(true, ordering: .releasing)
        shared.wake()
    }

    /// Nothing is held any more, and it was said. Stays false while NATS is away: whoever leaves
    /// has a deadline of its own, and `close`.
    public var hasLeft: Bool { shared.hasLeft.load(ordering: .acquiring) }

    /// Ends the threads and the connection, whatever is held: without `leave`, that is what a
    /// killed process looks like. Idempotent; waits a few seconds at most.
    public func close() {
        guard shared.close() else { return }
        let deadline = ContinuousClock.now + Self.endTimeout
        for thread in threads {
            _ = thread.join(timeout: max(.zero, deadline - .now))
        }
    }

    // MARK: looking

    public var instance: UInt64 { shared.view.instance }
    public var state: MemberState { shared.view.state }
    public var held: [Partition] { shared.view.held }
    public var owners: [Owner] { shared.view.owners }
    /// The others of the group that are alive.
    public var others: [MemberHeartbeat] { shared.view.others }

    /// The section "membership" of `/status`.
    public func write(into json: inout JSONWriter) {
        let view = shared.view
        json.member("group", settings.group.text)
        json.member("member", settings.member.text)
        json.member("instance", InstanceText.of(view.instance))
        json.member("state", view.state.rawValue)
        json.member("rank", settings.rank)
        json.member("leaseSeconds", Double(settings.lease.clampedNanoseconds) / 1e9)
        json.member("connected", shared.isConnected)
        json.member("held", array: { json in for each in view.held { json.value(each.number) } })
        json.member(
            "others",
            array: { json in
                for other in view.others {
                    json.object { json in
                        json.member("member", other.member.text)
                        json.member("state", other.state.rawValue)
                        json.member("rank", other.rank)
                        json.member("since", other.since.description)
                        json.member("held", other.held.count)
                    }
                }
            })
        json.member(
            "owners",
            array: { json in
                for owner in view.owners {
                    json.object { json in
                        json.member("partition", owner.partition.number)
                        json.member("owner", owner.record.owner.text)
                        json.member("epoch", owner.record.epoch)
                        json.member("since", owner.record.since.description)
                        json.member("state", owner.record.state.rawValue)
                        if owner.isOwn { json.member("own", true) }
                    }
                }
            })
    }
}

extension GroupMember.Settings {
    /// `operationsPort`: as bound; it tells several processes of one host apart.
    public init(
        _ configuration: Configuration, group: GroupName, partitions: Int, rank: UInt64 = 0,
        operationsPort: UInt16
    ) throws(SettingsError) {
        let given = try Self.given(configuration)
        self.init(
            group: group,
            member: given ?? MemberName(host: Self.host, suffix: String(operationsPort)),
            lease: configuration.duration("MDS_LEASE"),
            partitions: partitions, rank: rank)
    }

    /// Nil: none is.
    fileprivate static func given(
        _ configuration: Configuration
    ) throws(SettingsError) -> MemberName? {
        guard let text = configuration.optionalText("MDS_MEMBER"), !text.isEmpty else { return nil }
        guard let name = MemberName(text) else {
            throw SettingsError(
                "MDS_MEMBER: \(text) is not 1 to \(MemberName.utf8CountMax) of A-Z a-z 0-9 _ -")
        }
        return name
    }

    private static var host: String {
        var bytes = [UInt8](repeating: 0, count: 256)
        let isKnown = unsafe bytes.withUnsafeMutableBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard let start = unsafe start else { return false }
            return unsafe gethostname(start, buffer.count - 1) == 0
        }
        return isKnown ? String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) : "host"
    }
}

extension ConfigurationRule {
    /// A name that cannot be a member's is found when the configuration is checked.
    public static let member = ConfigurationRule.of { _ = try GroupMember.Settings.given($0) }
}
