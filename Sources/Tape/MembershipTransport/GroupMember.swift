internal import Glibc
package import MarketModel
package import Membership
internal import NatsTransport
package import Primitives
package import ServiceRuntime
internal import Synchronization
package import TapeTransport

/// This process's membership in a group. It receives and sends heartbeats, keeps the records of
/// owners, and gives orders to the data planes through their ports. `MembershipMachine` decides.
///
/// It has two threads and a separate connection to NATS, so that neither a slow disk of NATS nor a
/// busy data plane delays a heartbeat.
package final class GroupMember: Sendable {
    package struct Settings: Sendable {
        package var group: GroupName
        package var member: MemberName
        /// The lease; it must be the same in the complete group.
        package var lease: Duration
        /// The partitions 0..<partitions are shared out. Sources and keepers have 1.
        package var partitions: Int
        /// Only ready members of the highest rank get partitions.
        package var rank: UInt64
        /// Which rules this release makes output by: among ready members of the highest rank, only
        /// those with the highest number get partitions. `nil` where that decides nothing.
        package var semantics: UInt64?
        /// Where this process was started: of the processes with the same text and member at most
        /// one runs at a time. Empty: nowhere.
        package var place = ""

        package init(
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

    /// The owner of one partition, as this member knows it.
    package struct Owner: Sendable, Equatable {
        package let partition: Partition
        package let record: OwnershipRecord
        /// True when this process owns it.
        package let isOwn: Bool
    }

    /// The longest time that the two threads may take to end. A try to connect may be in progress.
    private static let endTimeout = Duration.seconds(5)

    package let settings: Settings
    private let shared: MemberShared
    private let threads: [ServiceThread]

    /// Starts its threads. It never waits for NATS, and connects for ever in the background. Each
    /// partition belongs to one of the ports. Throws `ServiceError` when a thread cannot be
    /// started.
    package init(
        _ settings: Settings, tape: TapeSettings, context: ServiceContext, ports: [OwnershipPort]
    ) throws {
        let covered = ports.reduce(0) { $0 + $1.partitions.count }
        let all = ports.reduce(into: Set<Partition>()) { $0.formUnion($1.partitions) }
        precondition(
            covered == settings.partitions && all.count == covered
                && all.allSatisfy { $0.number < settings.partitions },
            "each partition of a group belongs to one port")
        self.settings = settings
        var own = MembershipMachine.Settings(
            member: settings.member, instance: UInt64.random(in: 1...UInt64.max),
            leaseNanoseconds: settings.lease.clampedNanoseconds,
            partitions: settings.partitions, rank: settings.rank, since: context.clock.now(),
            release: context.service.version, revision: context.service.revision)
        own.semantics = settings.semantics
        own.place = settings.place.isEmpty ? nil : Checksum.of(settings.place)
        let machine = MembershipMachine(own)
        let shared = MemberShared(settings, tape, context, machine)
        self.shared = shared
        for port in ports {
            port.onAnswer { shared.wake() }
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

    /// Takes no partition from now on. Each held partition is released, and its record is written.
    package func leave() {
        shared.wantsLeave.store(true, ordering: .releasing)
        shared.wake()
    }

    /// True when nothing is held any more and the last heartbeat was sent. It stays false while
    /// NATS is away, so the caller of `leave` needs a deadline, and then calls `close`.
    package var hasLeft: Bool { shared.hasLeft.load(ordering: .acquiring) }

    /// Ends the threads and the connection, even if partitions are held. Without `leave`, the
    /// process then looks to others as if it were killed. Idempotent; waits a few seconds at most.
    package func close() {
        guard shared.close() else { return }
        let deadline = ContinuousClock.now + Self.endTimeout
        for thread in threads {
            _ = thread.join(timeout: max(.zero, deadline - .now))
        }
    }

    // MARK: state for others

    package var instance: UInt64 { shared.view.instance }
    package var state: MemberState { shared.view.state }
    package var held: [Partition] { shared.view.held }
    package var owners: [Owner] { shared.view.owners }
    /// The other living members of the group.
    package var others: [MemberHeartbeat] { shared.view.others }

    /// Writes the section "membership" of `/status`.
    package func write(into json: inout JSONWriter) {
        let view = shared.view
        json.member("group", settings.group.text)
        json.member("member", settings.member.text)
        json.member("instance", InstanceText.of(view.instance))
        json.member("state", view.state.rawValue)
        if let drain = view.drain { json.member("drain", drain.text) }
        json.member("rank", settings.rank)
        if let semantics = settings.semantics { json.member("semantics", semantics) }
        json.member("leaseSeconds", Double(settings.lease.clampedNanoseconds) / 1e9)
        json.member("connected", shared.isConnected)
        json.member("held", values: view.held.map(\.number))
        json.member("others", each: view.others) { other, json in
            json.member("member", other.member.text)
            json.member("state", other.state.rawValue)
            json.member("rank", other.rank)
            if let semantics = other.semantics { json.member("semantics", semantics) }
            json.member("since", other.since.description)
            json.member("held", other.held.count)
            json.member("version", other.release)
            json.member("revision", other.revision)
        }
        json.member("owners", each: view.owners) { owner, json in
            json.member("partition", owner.partition.number)
            json.member("owner", owner.record.owner.text)
            json.member("epoch", owner.record.epoch)
            json.member("since", owner.record.since.description)
            json.member("state", owner.record.state.rawValue)
            if owner.isOwn { json.member("own", true) }
        }
    }
}

extension GroupMember.Settings {
    /// `operationsPort` is the bound port; it distinguishes several processes on one host.
    package init(
        _ configuration: Configuration, group: GroupName, partitions: Int, rank: UInt64 = 0,
        operationsPort: UInt16
    ) throws(SettingsError) {
        let given = try Self.given(configuration)
        self.init(
            group: group,
            member: given ?? MemberName(host: HostName.own, suffix: String(operationsPort)),
            lease: configuration.duration("MDS_LEASE"),
            partitions: partitions, rank: rank)
        place = configuration.optionalText("MDS_PLACE") ?? ""
    }

    /// Returns the configured name; `nil` when there is none.
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
}

extension ConfigurationRule {
    /// A name that a member cannot have is reported when the configuration is checked.
    package static let member = ConfigurationRule.of { _ = try GroupMember.Settings.given($0) }
}
