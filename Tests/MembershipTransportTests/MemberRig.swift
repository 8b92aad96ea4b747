import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// The group of one test, in its own namespace on a real nats-server.
struct MemberRig {
    static let lease = Duration.milliseconds(500)

    let server: NatsServer
    let namespace: String
    let group: GroupName
    let partitions: Int

    init(
        _ server: NatsServer, namespace: String = "md", group: GroupName = .operators,
        partitions: Int = 8
    ) {
        self.server = server
        self.namespace = namespace
        self.group = group
        self.partitions = partitions
    }

    /// Returns a group whose members share its partitions.
    static func shared(
        _ names: String..., partitions: Int = 8, _ location: SourceLocation = #_sourceLocation
    ) throws -> (rig: MemberRig, members: [TestMember]) {
        let rig = MemberRig(try NatsServer(), partitions: partitions)
        let members = try names.map { try rig.member($0) }
        #expect(
            eventually { rig.isSharedOut(members) }, "\(members[0].service.log.text)",
            sourceLocation: location)
        return (rig, members)
    }

    private static let description = ServiceDescription(
        name: "member-test", version: "1.2.3", revision: "abc12", summary: "A member of a group.",
        keys: ConfigurationKey.tape + ConfigurationKey.membership
            + ConfigurationKey.operations(port: 0) + ConfigurationKey.logging)

    func service(url: String? = nil, _ more: [String: String] = [:]) throws -> TestService {
        let keys = [
            "NATS_URL": url ?? server.url, "MDS_NAMESPACE": namespace,
            "MDS_PARTITIONS": "8",
        ]
        return try TestService(Self.description, keys.merging(more) { $1 })
    }

    func member(
        _ name: String, url: String? = nil, rank: UInt64 = 0, answers: Bool = true,
        lease: Duration = MemberRig.lease
    ) throws -> TestMember {
        let service = try service(url: url)
        var settings = GroupMember.Settings(
            group: group, member: try named(name), lease: lease, partitions: partitions,
            rank: rank)
        settings.rank = rank
        let plane = try TestPlane(partitions: partitions, answers: answers)
        let member = try GroupMember(
            settings, tape: try TapeSettings(service.context.configuration),
            context: service.context, ports: plane.ports)
        return TestMember(service: service, plane: plane, member: member)
    }

    func named(_ name: String) throws -> MemberName {
        try #require(MemberName(name))
    }

    /// Returns whether each partition is owned by exactly one of these, and record and data plane
    /// agree.
    func isSharedOut(_ members: [TestMember]) -> Bool {
        let holders = members.flatMap { member in member.member.held.map { ($0, member) } }
        guard holders.count == partitions, Set(holders.map(\.0)).count == partitions else {
            return false
        }
        let loads = members.map(\.member.held.count)
        guard (loads.max() ?? 0) - (loads.min() ?? 0) <= 1 else { return false }
        return holders.allSatisfy { partition, member in
            member.plane.open[partition] != nil && member.isSteady
        }
    }
}

/// A member with a data plane that follows orders immediately.
final class TestMember: Sendable {
    let service: TestService
    let plane: TestPlane
    let member: GroupMember

    init(service: TestService, plane: TestPlane, member: GroupMember) {
        self.service = service
        self.plane = plane
        self.member = member
    }

    deinit { kill() }

    var isSteady: Bool {
        let now = SystemClock().monotonic()
        return plane.ports.allSatisfy { $0.isSteady(now: now) }
    }

    /// Ends the member without any message.
    func kill() {
        member.close()
        plane.stop()
    }

    var tenures: [Partition: UInt64] { plane.open.mapValues(\.tenure) }
    func claims() -> [Claim] { plane.claims }
}

/// The ports of two threads, served by one.
final class TestPlane: Sendable {
    struct State: Sendable {
        var open: [Partition: Claim] = [:]
        var claims: [Claim] = []
        var orders: [OwnershipOrder] = []
        var released: [Partition] = []
    }

    let ports: [OwnershipPort]
    private let state = Mutex(State())
    private let bell = Mailbox<Bool>(capacity: 64)
    private let thread: Mutex<ServiceThread?>
    /// The epoch that the data plane opens is this much above the claim's.
    let epochStep = Atomic<UInt64>(0)

    init(partitions: Int, answers: Bool) throws {
        let all = (0..<partitions).map { Partition($0) }
        let bell = bell
        let halves = [all.filter { $0.number % 2 == 0 }, all.filter { $0.number % 2 == 1 }]
        ports = halves.map { half in OwnershipPort(partitions: half) { _ = bell.send(true) } }
        thread = Mutex(nil)
        guard answers else { return }
        let (ports, state) = (ports, WeakBox(self))
        let made = try ServiceThread(name: "plane") {
            var rings: [Bool] = []
            while !bell.isClosed {
                rings.removeAll()
                _ = bell.receive(into: &rings, max: 64, timeout: .seconds(1))
                for port in ports { state.value?.serve(port) }
            }
        }
        thread.withLock { $0 = made }
    }

    var open: [Partition: Claim] { state.withLock { $0.open } }
    var claims: [Claim] { state.withLock { $0.claims } }
    var orders: [OwnershipOrder] { state.withLock { $0.orders } }
    var released: [Partition] { state.withLock { $0.released } }

    func port(of partition: Partition) -> OwnershipPort {
        ports.first { $0.partitions.contains(partition) } ?? ports[0]
    }

    private func serve(_ port: OwnershipPort) {
        var orders: [OwnershipOrder] = []
        port.take(into: &orders)
        for order in orders {
            let step = epochStep.load(ordering: .relaxed)
            let answer = state.withLock { Self.obey(order, step, &$0) }
            if let answer { port.answer(answer) }
        }
    }

    private static func obey(
        _ order: OwnershipOrder, _ step: UInt64, _ state: inout State
    ) -> OwnershipAnswer? {
        state.orders.append(order)
        switch order {
        case .take(let partition, let claim):
            state.open[partition] = claim
            state.claims.append(claim)
            return .opened(partition, tenure: claim.tenure, epoch: claim.epoch + step)
        case .release(let partition, let tenure):
            guard state.open[partition]?.tenure == tenure else { return nil }
            state.open[partition] = nil
            state.released.append(partition)
            return .released(partition, tenure: tenure)
        case .drop(let partition, let tenure):
            guard state.open[partition]?.tenure == tenure else { return nil }
            state.open[partition] = nil
            return nil
        }
    }

    /// Reports a loss, as if another process had written to the tape.
    func lose(_ partition: Partition) {
        guard let claim = state.withLock({ $0.open.removeValue(forKey: partition) }) else { return }
        port(of: partition).answer(
            .lost(partition, tenure: claim.tenure, reason: "a higher epoch"))
    }

    func stop() {
        bell.close()
        thread.withLock {
            $0?.join()
            $0 = nil
        }
    }
}

private final class WeakBox: @unchecked Sendable {
    // Safety: set once before the thread begins.
    weak var value: TestPlane?
    init(_ value: TestPlane) { self.value = value }
}
