import Foundation

/// A server in Python on packages of the Python package index, on ports that the kernel chose. It
/// ends with the value.
package final class PythonServer: Sendable {
    package struct Silent: Error, CustomStringConvertible {
        let log: String
        package var description: String { "the Python server did not report its ports: \(log)" }
    }

    private let folder: TemporaryFolder
    private let process: ServerProcess
    /// What it printed first, such as its ports.
    package let ports: [String: UInt16]

    /// Why the packages of WebSocket servers are not here; `nil`: they are.
    package static let obstacle = obstacle(of: "websockets")

    /// Why these packages (`deploy/local/NAME.packages`) are not here; `nil`: they are. They are
    /// installed once.
    package static func obstacle(of packages: String) -> String? {
        do {
            try run("/bin/bash", [engines, "--of", packages])
            return nil
        } catch let failure as ProgramFailure where failure.status == 3 {
            return "the Python packages \(packages) are not available: \(failure.message)"
        } catch {
            return "deploy/local/engines.sh failed: \(error)"
        }
    }

    /// Returns what a script prints that ends by itself. `script` is its path in the checkout.
    package static func output(
        of script: String, _ arguments: [String], packages: String
    ) throws -> String {
        try run(
            "/bin/bash",
            [engines, "--of", packages, "\(ServerPrograms.checkout)/\(script)"] + arguments,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
    }

    private static var engines: String { "\(ServerPrograms.checkout)/deploy/local/engines.sh" }

    /// `script` is the path of the program, which prints one line of JSON with its ports.
    package init(
        _ script: String, _ arguments: [String] = [], of packages: String = "websockets"
    ) throws {
        folder = try TemporaryFolder("python")
        // The script becomes the program itself, so signals and its end are those of the server.
        process = try ServerProcess(
            "/bin/bash", [Self.engines, "--of", packages, script] + arguments,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], logPath: folder.file("log"))
        let server = process
        var found: [String: UInt16] = [:]
        let isThere = eventually {
            guard let line = server.log.split(separator: "\n").first(where: { $0.hasPrefix("{") })
            else { return false }
            do {
                found = try JSONDecoder().decode([String: UInt16].self, from: Data(line.utf8))
                return true
            } catch {
                return false
            }
        }
        guard isThere else { throw Silent(log: server.log) }
        ports = found
    }

    package var log: String { process.log }

    /// Returns the port of a name.
    package func port(_ name: String = "port") -> UInt16 { ports[name] ?? 0 }

    /// Sends a line to the server's control port, and returns its answer.
    package func command(_ line: String) throws -> String {
        try PlainConnection.command(line, port: port("control_port"))
    }

    /// Ends it, and returns its exit code or signal.
    @discardableResult
    package func stop() -> Int32 { process.stop() }
}
