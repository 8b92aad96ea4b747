import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Two sources of one symbol on one stack, as a person starts them: real servers, real services,
/// the simulated broker.
@Suite("tapeline up --add-source")
struct TwoSourcesTests {
    @Test("the made-up market and the simulated broker stay apart, from the tape to the cache")
    func beside() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        defer { _ = try? runTool(["down"], home: folder) }
        let synthetic = ["--set", "SYNTHETIC_SYMBOLS=SPY", "--set", "SYNTHETIC_RATE=20"]
        let broker = [
            "--simulator", "--set", "SIMULATOR_SYMBOLS=SPY,QQQ,IWM,DIA", "--set",
            "SIMULATOR_RATE=100",
        ]
        let first = try runTool(["up"] + synthetic, home: folder)
        #expect(first.status == 0, "\(first.output)")
        #expect(try runTool(["down"], home: folder).status == 0)
        let refused = try runTool(["up"] + broker, home: folder)
        #expect(refused.status == 64, "\(refused.output)")
        #expect(refused.output.contains("--name") && refused.output.contains("--add-source"))
        let both = try runTool(["up", "--add-source"] + broker, home: folder)
        #expect(both.status == 0, "\(both.output)")
        #expect(both.output.contains("provider-gateway-ibkr"))

        for source in ["synthetic", "ibkr"] {
            for kind in ["trade", "quote"] {
                let heard = try runTool(
                    [
                        "tail", "--live", "SPY", "--source", source, "--kind", kind,
                        "--limit", "1", "--json",
                    ], home: folder)
                let message = try JSONValue.parse(heard.output)
                let named = message["of_source"]?.string ?? message["source"]?.string
                #expect(heard.status == 0 && named == source, "\(heard.output)")
            }
        }
        try cache(folder)
    }

    private func cache(_ folder: TemporaryFolder) throws {
        let home = try testHome(folder.path)
        let port = try StackPorts.present(home)[.valkey]
        let password = try StackSecrets.open(home)[.valkeyReader]
        func tell(_ words: [String]) throws -> String {
            let process = try ServerProcess(
                "\(folder.path)/.local/servers/database/bin/valkey-cli",
                ["-h", "127.0.0.1", "-p", "\(port)", "--user", "reader"] + words,
                environment: ["REDISCLI_AUTH": password],
                logPath: folder.file("cli-\(UUID().uuidString)"))
            _ = process.waitUntilExit()
            return process.log
        }
        #expect(
            try eventually {
                let known = try tell(["hget", "md:sources", "SPY"]).split(separator: " ")
                return known.map { $0.prefix { $0 != ":" } }.sorted() == ["ibkr", "synthetic"]
            })
        for source in ["ibkr", "synthetic"] {
            #expect(
                try tell(["hget", "md:trade:SPY:\(source)", "source"]) == "\(source)\n")
        }
    }
}
