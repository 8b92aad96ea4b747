import Foundation
import TestSupport

/// An example as its reader has it: in a checkout of its own, with the programs on the path. The
/// shell runs what the README says, from the example's folder.
final class ExampleRun {
    let name: String
    private let readme: ExampleReadme
    private let checkout: TemporaryFolder
    private let shell: ServerProcess

    /// Far above what an example takes. It ends one that waits for what does not come.
    private static let secondsMax = 240

    /// Starts the example.
    init(_ name: String) throws {
        self.name = name
        checkout = try TemporaryFolder("example-\(name)")
        try Self.fill(checkout, name)
        let folder = checkout.file("Samples/\(name)")
        readme = ExampleReadme(
            try String(contentsOfFile: "\(folder)/README.md", encoding: .utf8))
        let path = [
            checkout.file("bin"), checkout.file(".local/servers/database/bin"),
            checkout.file(".local/servers/prometheus/bin"),
            ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
        ]
        shell = try ServerProcess(
            "/usr/bin/env",
            [
                "-C", folder, "timeout", "--kill-after=20", "\(Self.secondsMax)", "bash", "-c",
                readme.script,
            ],
            environment: ["PATH": path.joined(separator: ":"), "PROMETHEUS_PORT": "\(freePort())"]
                .merging(ProductPrograms.profile("examples")) { $1 },
            logPath: checkout.file("output"))
    }

    /// The tool finds its checkout by its own path, so it is a file there, and not a link.
    private static func fill(_ checkout: TemporaryFolder, _ name: String) throws {
        let files = FileManager.default
        for folder in ["Samples", "bin", ".local"] {
            try files.createDirectory(
                atPath: checkout.file(folder), withIntermediateDirectories: true)
        }
        for (link, target) in [
            ("deploy", "\(ServerPrograms.checkout)/deploy"),
            ("docs", "\(ServerPrograms.checkout)/docs"),
            ("services", "\(ServerPrograms.checkout)/services"),
            (".local/servers", ServerPrograms.root),
        ] {
            try files.createSymbolicLink(
                atPath: checkout.file(link), withDestinationPath: target)
        }
        try files.copyItem(
            atPath: "\(ServerPrograms.checkout)/Samples/\(name)",
            toPath: checkout.file("Samples/\(name)"))
        for program in [
            "provider-gateway", "operator-worker", "store-writer", "cockpit", "ibkr-simulator",
            "alpaca-simulator",
        ] {
            try files.createSymbolicLink(
                atPath: checkout.file("bin/\(program)"),
                withDestinationPath: try ProductPrograms.path(program))
        }
        let tool = URL(fileURLWithPath: try ProductPrograms.path("tapeline"))
        try files.copyItem(
            atPath: tool.resolvingSymlinksInPath().path, toPath: checkout.file("bin/tapeline"))
    }

    /// Waits until its stack listens. Two stacks that start in the same moment may choose one port.
    func waitForFirstStep() {
        _ = eventually { !shell.isRunning || ExampleReadme.parts(of: shell.log).count > 1 }
    }

    /// Waits for its end. Returns what is not as the README says, with all that was printed.
    func problems() -> [String] {
        let status = shell.waitUntilExit()
        var problems = readme.problems(shell.log)
        if readme.steps.isEmpty { problems.append("its README has nothing to run") }
        if status != 0 { problems.append("the shell ended with \(status)") }
        return problems.isEmpty ? [] : problems.map { "\(name): \($0)" } + [shell.log]
    }

    /// An example that failed has not stopped its stack.
    deinit {
        shell.stop(SIGKILL)
        do {
            try run(checkout.file("bin/tapeline"), ["down", "--name", name])
        } catch {
            print("the stack of the example \(name) did not stop: \(error)")
        }
    }
}
