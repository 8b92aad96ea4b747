import MarketModel
import Membership
import MembershipTransport
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Members of one group, whose data planes give back what they are told to.
final class ToolMembers {
    let bench: TailBench
    let group: GroupName
    private(set) var members: [GroupMember] = []
    private var services: [TestService] = []

    init(_ bench: TailBench, _ group: GroupName, _ names: [String]) throws {
        self.bench = bench
        self.group = group
        for name in names { try start(name) }
    }

    func start(_ name: String) throws {
        let description = ServiceDescription(
            name: "member", version: "1.2.3", revision: "abc12", summary: "Is a member.",
            keys: ConfigurationKey.tape, rules: [.tape])
        let service = try TestService(description, bench.tape.environment)
        let port = OwnershipPort(partitions: (0..<4).map { Partition($0) }, wake: {})
        services.append(service)
        members.append(
            try GroupMember(
                GroupMember.Settings(
                    group: group, member: try #require(MemberName(name)),
                    lease: .milliseconds(200), partitions: 4),
                tape: try TapeSettings(service.context.configuration),
                context: service.context, ports: [port]))
        ports.append(port)
    }

    private var ports: [OwnershipPort] = []

    /// Carries out the orders that came, and returns what each member holds.
    func held() -> [Int] {
        for port in ports {
            var orders: [OwnershipOrder] = []
            port.take(into: &orders)
            for case .release(let partition, let tenure) in orders {
                port.answer(.released(partition, tenure: tenure))
            }
        }
        return members.map(\.held.count)
    }

    func close() { for member in members { member.close() } }
}
