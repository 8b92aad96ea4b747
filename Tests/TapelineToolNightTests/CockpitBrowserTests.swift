import Foundation
import Primitives
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The cockpit of a local stack as a person sees it: real servers, real services, a real browser.
@Suite("The cockpit in a browser")
struct CockpitBrowserTests {
    private static let chromium = "/usr/bin/chromium-headless-shell"
    private static let script = "\(ServerPrograms.checkout)/Tests/TapelineToolNightTests/browse.py"
    private static let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"

    /// Why there is no browser here; `nil`: there is.
    static let obstacle: String? =
        FileManager.default.isExecutableFile(atPath: chromium)
        ? PythonServer.obstacle(of: "browser")
        : "\(chromium) is missing: deploy/local/prerequisites.sh --tests installs it"

    @Test(
        "it says that all is well, and nothing looks alive that is not",
        .enabled(if: obstacle == nil, "\(obstacle ?? "")"))
    func browse() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        let tool = "\(FileSystem.folder(of: try Checkout.ownExecutable()))/tapeline"
        let home = ["--name", "browsed", "--home", folder.path]
        defer { _ = try? run(tool, ["down"] + home) }
        let keys = ["SYNTHETIC_RATE=100", "COCKPIT_SQL=true"].flatMap { ["--set", $0] }
        let up = try run(tool, ["up"] + keys + home)
        let line = try #require(
            up.split(separator: "\n").first { $0.hasPrefix("look:  ") }, "\(up)")
        let browsed = try ServerProcess(
            "/bin/bash",
            [
                Self.engines, "--of", "browser", Self.script, String(line.dropFirst(7)),
                Self.chromium, "\(folder.path)/.local/stack/browsed/state.json",
            ],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], logPath: folder.file("browsed"))
        let status = browsed.waitUntilExit()
        let found = browsed.log.split(separator: "\n").filter { $0.hasPrefix("{") }
        #expect(status == 0, "\(browsed.log)")
        #expect(found.count >= 20)
        for line in found {
            let finding = try JSONValue.parse(String(line))
            #expect(finding["good"]?.bool == true, "\(line)")
        }
    }
}
