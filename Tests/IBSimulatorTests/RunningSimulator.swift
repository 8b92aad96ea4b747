import Foundation
import TestSupport

/// The program itself, on ports that the kernel chose.
final class RunningSimulator {
    struct Ports: Decodable {
        let port: UInt16
        let control_port: UInt16
    }

    struct Silent: Error {
        let log: String
    }

    let folder: TemporaryFolder
    private let process: ServerProcess
    private let ports: Ports

    init(_ arguments: [String]) throws {
        folder = try TemporaryFolder("simulator")
        process = try ServerProcess(
            ProductPrograms.path("ibkr-simulator"),
            ["--port", "0", "--control-port", "0", "--json", "--truth", folder.file("truth")]
                + arguments,
            environment: ProductPrograms.profile("ibkr-simulator"), logPath: folder.file("log"))
        let server = process
        var found: Ports?
        guard
            eventually(
                within: 30,
                {
                    found = server.log.split(separator: "\n").first.flatMap {
                        try? JSONDecoder().decode(Ports.self, from: Data($0.utf8))
                    }
                    return found != nil
                }), let found
        else {
            throw Silent(log: server.log)
        }
        ports = found
    }

    var port: UInt16 { ports.port }

    /// The answer to one command.
    func command(_ line: String) throws -> String {
        let connection = try PlainConnection(port: ports.control_port)
        try connection.send(Array((line + "\n").utf8))
        let answer = try connection.receive { $0.contains(UInt8(ascii: "\n")) }
        return String(decoding: answer.dropLast(), as: UTF8.self)
    }

    /// Ends it in good order; answers the path of the truth log.
    func stop() -> String {
        process.stop()
        return folder.file("truth")
    }

    var exitCode: Int32 { process.stop() }
}
