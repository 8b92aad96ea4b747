import Primitives
import TestSupport
import Testing

@testable import TapelineTool

/// A local stack runs the sources of `deploy/sources.json`, as compose, Kubernetes and Debian do.
@Suite("Listed sources")
struct ListedSourceTests {
    private static func list() throws -> [JSONValue.Member] {
        try JSONValue.parse(Array(CheckoutFiles.text("deploy/sources.json").utf8)).members ?? []
    }

    @Test("a stack's simulators are those of the list, with the settings of their gateways")
    func simulators() throws {
        var seen: Set<String> = []
        for member in try Self.list() {
            guard let venue = SimulatedVenue(rawValue: member.key) else { continue }
            seen.insert(member.key)
            let simulator = try #require(member.value["simulator"])
            #expect(simulator["program"]?.string == venue.program)
            let lists = member.value["instruments"]?.array?.compactMap(\.string)
            #expect(lists?.first == venue.instruments)
            let own = SimulatorPlan.gatewayEnvironment(venue, StackPorts([venue.port: 1_234]))
            for setting in simulator["settings"]?.members ?? [] {
                let here = try #require(own[setting.key], "\(setting.key)")
                let there = try #require(setting.value.string)
                // They differ in the address alone.
                #expect(
                    Self.unplaced(here, "127.0.0.1", "1234")
                        == Self.unplaced(
                            there, venue.program, "\(simulator["port"]?.int ?? 0)"),
                    "\(setting.key)")
            }
        }
        #expect(seen == Set(SimulatedVenue.allCases.map(\.rawValue)))
    }

    @Test("a gateway of a stack has the list of instruments of its source")
    func instruments() throws {
        for member in try Self.list() {
            let folder = try TemporaryFolder()
            let plan = try testPlan(
                folder, settings: ["GATEWAY_PROVIDER=\(member.key)"],
                withSimulator: SimulatedVenue(rawValue: member.key) != nil)
            let gateway = try #require(plan.units.first { $0.name == StackPlan.gateway })
            let list = try #require(member.value["instruments"]?.array?.first?.string)
            #expect(gateway.environment["GATEWAY_INSTRUMENTS"] == plan.checkout.instruments(list))
        }
    }

    /// Returns a setting without host and port.
    private static func unplaced(_ text: String, _ host: String, _ port: String) -> String {
        text.replacing(host, with: "HOST").replacing(port, with: "PORT")
    }
}
