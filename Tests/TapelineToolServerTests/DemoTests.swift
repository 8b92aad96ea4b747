import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The demo as a person runs it, but shorter and slower: real servers, real services, the simulated
/// broker.
@Suite("tapeline demo")
struct DemoTests {
    private func ports(_ folder: TemporaryFolder) throws -> JSONValue {
        try JSONValue.parse(
            try String(
                contentsOfFile: "\(folder.path)/.local/stack/demo/ports.json", encoding: .utf8))
    }

    @Test("a demo survives its broker, ends with a clean audit, stays when asked, and is spoilt")
    func wholeDemo() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        defer { _ = try? runTool(["down", "--name", "demo"], home: folder) }
        let (status, output) = try runTool(
            ["demo", "--seconds", "10", "--keep", "--set", "SIMULATOR_RATE=100"], home: folder)
        #expect(status == 0, "\(output)")
        for words in [
            "TWS is made to go away", "TWS is back", "what history has of the gaps is filled in",
            " records in ", "the first bar was there after ", "filled in from its history; ",
            "trades that the broker sent are stored", "the audit is clean: 12 checks", "-f ",
        ] {
            #expect(output.contains(words), "'\(words)' is not in \(output)")
        }
        #expect(!output.contains("while TWS was away: 0 gaps"))
        let again = try runTool(["demo"], home: folder)
        #expect(again.status == 64)
        #expect(again.output.contains("the stack demo is up"))
        try checkStatus(folder)
        try checkAudits(folder)
        #expect(try runTool(["down", "--name", "demo"], home: folder).status == 0)
        let control = try #require(try ports(folder)["simulatorControl"]?.int)
        #expect(throws: ServiceError.self) {
            try LineProbe.ask(
                host: "127.0.0.1", port: UInt16(control), line: "status", timeout: patience)
        }
        let gone = try runTool(["audit", "--name", "demo"], home: folder)
        #expect(gone.status == 64)
        #expect(gone.output.contains("is not up"))
    }

    private func checkStatus(_ folder: TemporaryFolder) throws {
        let shown = try runTool(["status", "--name", "demo"], home: folder)
        #expect(shown.status == 0, "\(shown.output)")
        #expect(shown.output.contains("ibkr-simulator "))
        #expect(shown.output.contains("ibkr: connected to TWS since "))
        let json = try JSONValue.parse(
            try runTool(["status", "--json", "--name", "demo"], home: folder).output)
        let provider = try #require(json["providers"]?.array?.first)
        #expect(provider["state"]?.string == "ready")
        #expect(provider.at("feeds", "live")?.int == 4)
        #expect(provider["notLive"]?.array?.isEmpty == true)
    }

    /// The market continued, so it is stopped first, and the rows no longer change.
    private func checkAudits(_ folder: TemporaryFolder) throws {
        let ports = try ports(folder)
        let control = try #require(ports["simulatorControl"]?.int)
        let gateway = UInt16(try #require(ports["gateway"]?.int))
        let writer = UInt16(try #require(ports["writer"]?.int))
        // A rate applies for at least a second.
        #expect(
            try eventually {
                try LineProbe.ask(
                    host: "127.0.0.1", port: UInt16(control), line: "rate 0", timeout: patience
                ).hasPrefix("ok")
            })
        var before: String?
        let isStill = eventually {
            let now = [gateway, writer].map { port in
                let status = OperationsPage.status(port, timeout: .seconds(2))
                return "\(String(describing: status?.at("gateway", "partitions")))"
                    + "\(String(describing: status?.at("writer", "positions")))"
            }.joined()
            defer { before = now }
            return now == before
        }
        #expect(isStill)
        #expect(
            try eventually {
                let clean = try runTool(
                    ["audit", "--all", "--json", "--name", "demo"], home: folder)
                return try clean.status == 0 && JSONValue.parse(clean.output)["clean"]?.bool == true
            })
        try spoilBar(folder)
        let failed = try runTool(["audit", "--all", "--name", "demo"], home: folder)
        #expect(failed.status == 1)
        #expect(failed.output.contains("THE AUDIT FAILED"))
        #expect(failed.output.contains("FAIL"))
    }

    private func spoilBar(_ folder: TemporaryFolder) throws {
        let home = "\(folder.path)/.local/stack/demo"
        let port = try #require(try ports(folder)["postgres"]?.int)
        try TestSupport.run(
            ServerPrograms.database("psql"),
            [
                "-q", "-h", "127.0.0.1", "-p", "\(port)", "-U", StackPlan.migrator,
                "-d", StackPlan.database, "-c",
                "UPDATE md.bars_short SET high = high + 1 "
                    + "WHERE ctid IN (SELECT ctid FROM md.bars_short LIMIT 1)",
            ], environment: ["PGPASSFILE": "\(home)/secrets/pgpass"])
    }
}
