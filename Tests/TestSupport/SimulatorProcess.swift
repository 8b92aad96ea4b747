import Foundation

/// A simulated venue, on ports that the kernel chose. It ends with the value.
package final class SimulatorProcess {
    private struct Ports: Decodable {
        let port: UInt16
        let control_port: UInt16
    }

    package struct Silent: Error, CustomStringConvertible {
        let program: String
        let log: String
        package var description: String { "\(program) did not tell its ports: \(log)" }
    }

    package let folder: TemporaryFolder
    private let process: ServerProcess
    private let ports: Ports

    /// `arguments` are those besides the ports and the truth log.
    package init(_ arguments: [String] = [], program: String = "ibkr-simulator") throws {
        folder = try TemporaryFolder("simulator")
        process = try ServerProcess(
            ProductPrograms.path(program),
            ["--port", "0", "--control-port", "0", "--json", "--truth", folder.file("truth")]
                + arguments,
            environment: ProductPrograms.profile(program), logPath: folder.file("log"))
        let server = process
        var found: Ports?
        let isThere = eventually {
            found = server.log.split(separator: "\n").first.flatMap {
                try? JSONDecoder().decode(Ports.self, from: Data($0.utf8))
            }
            return found != nil
        }
        guard isThere, let found else { throw Silent(program: program, log: server.log) }
        ports = found
    }

    package var port: UInt16 { ports.port }
    package var controlPort: UInt16 { ports.control_port }

    /// Returns the answer to one line of the control port.
    package func command(_ line: String) throws -> String {
        try PlainConnection.command(line, port: ports.control_port)
    }

    /// Ends it in order, so that the truth log is complete. Returns its exit code.
    @discardableResult
    package func stop() -> Int32 { process.stop() }

    /// Waits until it has ended by itself. Returns its exit code, or the signal that ended it.
    package func waitUntilExit() -> Int32 { process.waitUntilExit() }

    /// Returns what was sent so far, or after `stop`, everything that was sent.
    package func truth() throws -> [SentValue] { try SentValue.read(folder.file("truth")) }
}

/// One line of a truth log, or of a file in the same format.
package struct SentValue: Decodable, Sendable {
    package let kind: String
    package let request: Int32
    /// The texts in the order of the wire, after the request's number.
    package let fields: [String]
    package let sequence: Int64?
    /// Nanoseconds since 1970 at which its last byte was sent.
    package let time: Int64?
    package let connection: Int?
    package let client: Int32?
    package let symbol: String?
    package let contract: Int32?

    /// Makes a value for a test.
    package init(
        kind: String, request: Int32, fields: [String], time: Int64, connection: Int,
        contract: Int32?
    ) {
        (self.kind, self.request, self.fields) = (kind, request, fields)
        (sequence, self.time, self.connection) = (nil, time, connection)
        (client, symbol, self.contract) = (nil, nil, contract)
    }

    /// An incomplete last line is left out.
    package static func read(_ path: String) throws -> [SentValue] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let end = text.lastIndex(of: "\n") ?? text.startIndex
        return try text[..<end].split(separator: "\n").map {
            try JSONDecoder().decode(SentValue.self, from: Data($0.utf8))
        }
    }
}
