import MarketModel
import Membership
@testable import MembershipTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing
@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline members, of a real server")
struct MemberOnServerTests {
    @Test("a member on a real server is seen with what it holds")
    func real() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "members_a")
        let description = ServiceDescription(
            name: "member", version: "1.2.3", revision: "abc12", summary: "Is a member.",
            keys: ConfigurationKey.tape,
            rules: [.tape])
        let service = try TestService(description, bench.tape.environment)
        let port = OwnershipPort(partitions: (0..<4).map { Partition($0) }, wake: {})
        let member = try GroupMember(
            GroupMember.Settings(
                group: .operators, member: try #require(MemberName("a-1")),
                lease: .milliseconds(200), partitions: 4),
            tape: try TapeSettings(service.context.configuration), context: service.context,
            ports: [port])
        defer { member.close() }
        #expect(eventually { member.held.count == 4 })
        let said = try Said(["members"], bench.tape.environment)
        #expect(said.code == .success && said.output.contains("  a-1     ready"))
        #expect(said.output.contains("0-3") && said.output.contains("1.2.3 (abc12) "))
        let json = try Said(["members", "--json"], bench.tape.environment).json()
        let group = try #require(json["groups"]?.array?.first)
        #expect(group["owners"]?.array?.count == 4)
    }
}
