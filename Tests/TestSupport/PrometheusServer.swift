import Foundation
import ServiceRuntime

/// The Prometheus of one test, on loopback and a free port. It scrapes every second and evaluates
/// the shipped rules.
package final class PrometheusServer {
    package let port: UInt16
    private let folder: TemporaryFolder
    private let process: ServerProcess

    package var url: String { "http://127.0.0.1:\(port)" }
    package var log: String { process.log }

    /// `targets` are ports on loopback by job.
    package init(targets: [(job: String, port: UInt16)]) throws {
        folder = try TemporaryFolder("prometheus")
        try Self.configuration(targets).write(
            toFile: folder.file("prometheus.yml"), atomically: true, encoding: .utf8)
        var attempt = 1
        while true {
            let candidate = freePort()
            let started = try ServerProcess(
                ServerPrograms.prometheus("prometheus"),
                [
                    "--config.file=\(folder.file("prometheus.yml"))",
                    "--storage.tsdb.path=\(folder.file("data"))",
                    "--web.listen-address=127.0.0.1:\(candidate)", "--log.level=warn",
                ], logPath: folder.file("log-\(attempt)"))
            let isReady = eventually {
                !started.isRunning || Self.isReady(candidate)
            }
            if isReady, started.isRunning {
                (port, process) = (candidate, started)
                return
            }
            // Another process may have taken the port in between.
            guard attempt < 3, !started.isRunning else {
                throw TestServerFailure(
                    description: "Prometheus did not start:\n\(started.log)")
            }
            attempt += 1
        }
    }

    private static func isReady(_ port: UInt16) -> Bool {
        do {
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: port, path: "/-/ready", timeout: .seconds(2))
            return answer.status == 200
        } catch {
            return false
        }
    }

    private static func configuration(_ targets: [(job: String, port: UInt16)]) -> String {
        let jobs = Dictionary(grouping: targets, by: \.job).sorted { $0.key < $1.key }
        let scrapes = jobs.map { job, targets in
            let addresses = targets.map { "\"127.0.0.1:\($0.port)\"" }.joined(separator: ", ")
            return """
                  - job_name: \(job)
                    static_configs: [{targets: [\(addresses)]}]

                """
        }
        return """
            global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
            rule_files: ["\(ServerPrograms.checkout)/deploy/prometheus/*.rules.yml"]
            scrape_configs:

            """ + scrapes.joined()
    }

    /// Returns the field `data` of an answer of the API.
    package func data<Content: Decodable>(
        _ path: String, as type: Content.Type
    ) throws -> Content {
        let answer = try HTTPProbe.get(
            host: "127.0.0.1", port: port, path: "/api/v1/\(path)", timeout: patience)
        return try JSONDecoder().decode(Answer<Content>.self, from: Data(answer.body)).data
    }

    private struct Answer<Content: Decodable>: Decodable { let data: Content }
}
