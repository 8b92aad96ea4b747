import Foundation
import Primitives
import TestSupport
import Testing

@testable import Cockpit
@testable import CockpitTests

/// The pictures of docs/cockpit.md are drawn from a deployment that a seed makes: `make pictures`.
@Suite("Pictures") struct PictureTests {
    /// Where the pictures go. `nil` when none are wanted.
    private static let folder = ProcessInfo.processInfo.environment["TAPELINE_PICTURES"]
    private static let scripts = "\(ServerPrograms.checkout)/Tests/CockpitServerTests"
    private static let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"
    private static let chromium = "/usr/bin/chromium-headless-shell"

    @Test("the same seed makes the same documents, and each drawn page has what it asks for")
    func documents() throws {
        for hasFault in [false, true] {
            let sites = try (0..<2).map { _ in
                try PictureSite(MadeDeployment(seed: 11, hasFault: hasFault))
            }
            #expect(sites[0].look == sites[1].look && sites[0].documents == sites[1].documents)
            let other = try PictureSite(MadeDeployment(seed: 12, hasFault: hasFault))
            #expect(other.look != sites[0].look)
            let verdict = try JSONValue.parse(sites[0].look)["verdict"]?.array ?? []
            let first = verdict.first?["text"]?.string ?? ""
            #expect(first.hasPrefix("ALL GOOD") != hasFault, "\(verdict)")
            for page in [
                "lines", "gaps", "partitions", "store", "alerts", "feeds", "dead", "chart",
                "latest", "actions",
            ] {
                #expect(sites[0].documents["/\(page).json"] != nil, "\(page)")
            }
        }
    }

    @Test("the pictures are drawn", .enabled(if: folder != nil, "only for `make pictures`"))
    func draw() throws {
        let (status, log) = try Self.run("pictures.py", [Self.folder ?? ""])
        #expect(status == 0, "\(log)")
    }

    @Test(
        "the table behind each picture has the server's numbers, and no page moves",
        .enabled(if: obstacle == nil, "\(obstacle ?? "")"))
    func tables() throws {
        let (status, log) = try Self.run("tables.py", [])
        #expect(status == 0, "\(log)")
        #expect(log.split(separator: "\n").count { $0.contains("\"good\": true") } == 6)
    }

    /// Why there is no browser here; `nil`: there is.
    private static let obstacle: String? =
        FileManager.default.isExecutableFile(atPath: chromium)
        ? PythonServer.obstacle(of: "browser")
        : "\(chromium) is missing: deploy/local/prerequisites.sh --tests installs it"

    /// Runs a script over two made sites, one of which has a fault.
    private static func run(_ script: String, _ more: [String]) throws -> (Int32, String) {
        let sites = try [false, true].map {
            try PictureSite(MadeDeployment(seed: 11, hasFault: $0))
        }
        let folder = try TemporaryFolder()
        let process = try ServerProcess(
            "/bin/bash",
            [engines, "--of", "browser", "\(scripts)/\(script)", chromium]
                + sites.map(\.address) + more,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], logPath: folder.file("log"))
        return (process.waitUntilExit(), process.log)
    }
}
