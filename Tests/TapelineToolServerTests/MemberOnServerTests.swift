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
        let folder = try TemporaryFolder("said")
        let output = try OpenFile(folder.file("out"))
        let terminal = Terminal(output: output.descriptor, errors: output.descriptor)
        let command = try MembersCommand.parse([])
        #expect(try command.run(bench.deployment, terminal) == .success)
        #expect(output.text.contains("  a-1     ready"))
        #expect(output.text.contains("0-3") && output.text.contains("1.2.3 (abc12) "))
        let json = try OpenFile(folder.file("json"))
        _ = try MembersCommand.parse(["--json"]).run(
            bench.deployment, Terminal(output: json.descriptor, errors: output.descriptor))
        let group = try #require(try JSONValue.parse(json.text)["groups"]?.array?.first)
        #expect(group["owners"]?.array?.count == 4)
        #expect(throws: ToolError.self) { try MembersCommand.parse(["x"]) }
    }
}
