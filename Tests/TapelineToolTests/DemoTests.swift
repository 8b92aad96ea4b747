import Foundation
import Primitives
import TestSupport
import Testing

@testable import TapelineTool

/// The demo as a person runs it, only shorter and slower: real servers, real services.
@Suite("tapeline demo")
struct DemoTests {
    private func run(_ arguments: [String], in folder: TemporaryFolder) throws -> (Int32, String) {
        let built = FileSystem.folder(of: try Checkout.ownExecutable())
        let process = try ServerProcess(
            "\(built)/tapeline", arguments + ["--home", folder.path],
            logPath: folder.file("output-\(UUID().uuidString)"))
        return (process.waitUntilExit(), process.log)
    }

    @Test("a demo ends with a clean audit, stays when asked, and a spoilt bar is noticed")
    func wholeDemo() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        defer { _ = try? run(["down", "--name", "demo"], in: folder) }
        let (status, output) = try run(
            ["demo", "--seconds", "5", "--keep", "--set", "SYNTHETIC_RATE=200"], in: folder)
        #expect(status == 0, "\(output)")
        #expect(output.contains("27000 ticks in "))
        #expect(output.contains("the first bar was there after "))
        #expect(output.contains("the audit is clean"))
        #expect(output.contains("-f "))
        let again = try run(["demo"], in: folder)
        #expect(again.0 == 64)
        #expect(again.1.contains("the stack demo is up"))
        let clean = try run(["audit", "--json", "--name", "demo"], in: folder)
        #expect(clean.0 == 0)
        #expect(try JSONValue.parse(clean.1)["clean"]?.bool == true)
        try spoilBar(folder)
        let failed = try run(["audit", "--name", "demo"], in: folder)
        #expect(failed.0 == 1)
        #expect(failed.1.contains("THE AUDIT FAILED"))
        #expect(failed.1.contains("FAIL"))
        #expect(try run(["down", "--name", "demo"], in: folder).0 == 0)
        let gone = try run(["audit", "--name", "demo"], in: folder)
        #expect(gone.0 == 64)
        #expect(gone.1.contains("is not up"))
    }

    private func spoilBar(_ folder: TemporaryFolder) throws {
        let home = "\(folder.path)/.local/stack/demo"
        let ports = try JSONValue.parse(
            try String(contentsOfFile: "\(home)/ports.json", encoding: .utf8))
        let port = try #require(ports["postgres"]?.int)
        try TestSupport.run(
            ServerPrograms.database("psql"),
            [
                "-q", "-h", "127.0.0.1", "-p", "\(port)", "-U", StackPlan.migrator,
                "-d", StackPlan.database, "-c",
                "UPDATE md.bars SET high = high + 1 "
                    + "WHERE ctid IN (SELECT ctid FROM md.bars LIMIT 1)",
            ], environment: ["PGPASSFILE": "\(home)/secrets/pgpass"])
    }

    @Test("a wrong option is one line")
    func options() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        for arguments in [
            ["demo", "--seconds", "1"], ["demo", "--seconds", "soon"], ["up", "--keep"],
            ["demo", "--keep=yes"], ["demo", "--set", "SYNTHETIC_RATE=1"],
        ] {
            let (status, output) = try run(arguments, in: folder)
            #expect(status == 64)
            #expect(output.split(separator: "\n").last?.hasPrefix("tapeline: ") == true)
        }
    }
}
