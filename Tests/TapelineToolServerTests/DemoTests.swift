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
    private func run(_ words: [String], in folder: TemporaryFolder) throws -> (Int32, String) {
        try runTool(words + ["--home", folder.path])
    }

    private func ports(_ folder: TemporaryFolder) throws -> JSONValue {
        try JSONValue.parse(
            try String(
                contentsOfFile: "\(folder.path)/.local/stack/demo/ports.json", encoding: .utf8))
    }

    @Test("a demo survives its broker, ends with a clean audit, stays when asked, and is spoilt")
    func wholeDemo() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        defer { _ = try? run(["down", "--name", "demo"], in: folder) }
        let (status, output) = try run(
            ["demo", "--seconds", "10", "--keep", "--set", "SIMULATOR_RATE=100"], in: folder)
        #expect(status == 0, "\(output)")
        for words in [
            "TWS is made to go away", "TWS is back", "what history has of the gaps is filled in",
            " records in ", "the first bar was there after ", "filled in from its history; ",
            "trades that the broker sent are stored", "the audit is clean: 12 checks", "-f ",
        ] {
            #expect(output.contains(words), "'\(words)' is not in \(output)")
        }
        #expect(!output.contains("while TWS was away: 0 gaps"))
        let again = try run(["demo"], in: folder)
        #expect(again.0 == 64)
        #expect(again.1.contains("the stack demo is up"))
        try checkStatus(folder)
        try checkAudits(folder)
        #expect(try run(["down", "--name", "demo"], in: folder).0 == 0)
        let control = try #require(try ports(folder)["simulatorControl"]?.int)
        #expect(throws: ServiceError.self) {
            try LineProbe.ask(
                host: "127.0.0.1", port: UInt16(control), line: "status", timeout: patience)
        }
        let gone = try run(["audit", "--name", "demo"], in: folder)
        #expect(gone.0 == 64)
        #expect(gone.1.contains("is not up"))
    }

    private func checkStatus(_ folder: TemporaryFolder) throws {
        let shown = try run(["status", "--name", "demo"], in: folder)
        #expect(shown.0 == 0, "\(shown.1)")
        #expect(shown.1.contains("ibkr-simulator "))
        #expect(shown.1.contains("ibkr: connected to TWS since "))
        let json = try JSONValue.parse(
            try run(["status", "--json", "--name", "demo"], in: folder).1)
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
                let clean = try run(["audit", "--all", "--json", "--name", "demo"], in: folder)
                return try clean.0 == 0 && JSONValue.parse(clean.1)["clean"]?.bool == true
            })
        try spoilBar(folder)
        let failed = try run(["audit", "--all", "--name", "demo"], in: folder)
        #expect(failed.0 == 1)
        #expect(failed.1.contains("THE AUDIT FAILED"))
        #expect(failed.1.contains("FAIL"))
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
