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
    private static let folderOfAll =
        ProcessInfo.processInfo.environment["TAPELINE_EVERY_PICTURE"]
    private static let scripts = "\(ServerPrograms.checkout)/Tests/CockpitServerTests"
    private static let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"
    private static let chromium = "/usr/bin/chromium-headless-shell"

    @Test("the same seed makes the same documents, and each drawn page has what it asks for")
    func documents() throws {
        for fault in [nil, PlantedFault.several] {
            let sites = try (0..<2).map { _ in
                try PictureSite(MadeDeployment(seed: 11, fault: fault))
            }
            #expect(sites[0].look == sites[1].look && sites[0].documents == sites[1].documents)
            let other = try PictureSite(MadeDeployment(seed: 12, fault: fault))
            #expect(other.look != sites[0].look)
            let verdict = try JSONValue.parse(sites[0].look)["verdict"]?.array ?? []
            let first = verdict.first?["text"]?.string ?? ""
            #expect(first.hasPrefix("ALL GOOD") == (fault == nil), "\(verdict)")
            for page in [
                "lines", "gaps", "partitions", "store", "alerts", "feeds", "dead", "chart",
                "latest", "actions", "market",
            ] {
                #expect(sites[0].documents["/\(page).json"] != nil, "\(page)")
            }
        }
    }

    @Test(
        "no page is green with a planted fault, and the first line says what is wrong",
        arguments: [
            (.several, "GAPS OPEN"), (.brokerAway, "DO NOT DELIVER"),
            (.operatorKilled, "operator is behind"), (.writerKilled, "HAVE NO LIVE OWNER"),
            (.gatewayKilled, "SOURCE ib SILENT"), (.natsStopped, "NATS AWAY"),
            (.databaseAway, "DATABASE AWAY"), (.operatorBehind, "OPERATOR FALLS BEHIND"),
            (.tapeFull, "TAPE NEARLY FULL"), (.clockOff, "CLOCK OFF"),
            (.writerNotReady, "IS NOT READY"),
        ] as [(PlantedFault, String)])
    func planted(fault: PlantedFault, words: String) throws {
        let verdict = try PictureSite(MadeDeployment(seed: 11, fault: fault)).verdict
        #expect(!verdict.contains { $0.level == .good }, "\(verdict)")
        #expect(verdict.contains { $0.text.contains(words) }, "\(verdict)")
    }

    @Test(
        "every page is drawn, well and with each fault",
        .enabled(if: folderOfAll != nil, "only for `make pictures-all`"))
    func drawAll() throws {
        let (status, log) = try Self.everyPage(["draw", Self.folderOfAll ?? ""])
        #expect(status == 0, "\(log)")
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
    static let obstacle: String? =
        FileManager.default.isExecutableFile(atPath: chromium)
        ? PythonServer.obstacle(of: "browser")
        : "\(chromium) is missing: deploy/local/prerequisites.sh --tests installs it"

    /// Runs a script over two made sites, one of which has a fault.
    private static func run(_ script: String, _ more: [String]) throws -> (Int32, String) {
        let sites = try [nil, PlantedFault.several].map {
            try PictureSite(MadeDeployment(seed: 11, fault: $0))
        }
        return try withExtendedLifetime(sites) {
            try ended(script, sites.map(\.address) + more)
        }
    }

    /// Runs the script of every page over a site that is well, and one with each fault.
    static func everyPage(_ more: [String]) throws -> (Int32, String) {
        let faults: [PlantedFault?] = [nil] + PlantedFault.allCases
        let sites = try faults.map { fault in
            (fault, try PictureSite(MadeDeployment(seed: 11, fault: fault)))
        }
        var json = JSONWriter()
        json.array { json in
            for (fault, site) in sites {
                let told = site.verdict.first { !$0.isLost }?.text ?? ""
                json.object { json in
                    json.member("name", fault?.rawValue ?? "well")
                    json.member("address", site.address)
                    json.member(
                        "words", fault == .cockpitKilled ? "no news from the cockpit" : told)
                }
            }
        }
        let folder = try TemporaryFolder()
        return try withExtendedLifetime((sites, folder)) {
            try ended("every.py", [folder.write(json.text, to: "sites.json")] + more)
        }
    }

    private static func ended(_ script: String, _ more: [String]) throws -> (Int32, String) {
        let folder = try TemporaryFolder()
        let process = try ServerProcess(
            "/bin/bash",
            [engines, "--of", "browser", "\(scripts)/\(script)", chromium] + more,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], logPath: folder.file("log"))
        return (process.waitUntilExit(), process.log)
    }
}
