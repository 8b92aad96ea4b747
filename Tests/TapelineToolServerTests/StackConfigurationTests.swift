import Foundation
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("What a stack writes for its servers")
struct StackConfigurationTests {
    @Test("paths with blanks and quotes reach NATS and Valkey as they are")
    func blanks() throws {
        let folder = try TemporaryFolder("blanks and \"quotes\"")
        let plan = try testPlan(folder)
        let shipped = try String(
            contentsOfFile: plan.checkout.deploy("nats/server.conf"), encoding: .utf8)
        try plan.natsConfiguration(shipped: shipped)
            .write(toFile: plan.home.natsConfiguration, atomically: true, encoding: .utf8)
        let nats = try #require(plan.units.first { $0.name == "nats-server" })
        let log = folder.file("nats.log")
        let server = try ServerProcess(
            nats.executable, ["-t"] + nats.arguments, environment: nats.environment, logPath: log)
        #expect(server.waitUntilExit() == 0, "\(server.log)")
        #expect(plan.valkeyConfiguration.contains("\ndir \"") && plan.hints.count == 7)
        #expect(plan.valkeyConfiguration.contains("\naclfile \""))
    }
}
