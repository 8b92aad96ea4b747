import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

/// One of the three services as a child process: the real program and its output.
final class ServiceProcess: Sendable {
    let product: String
    let environment: [String: String]
    private let process: ServerProcess
    /// Found once, because a log may be long.
    private let knownPort = Mutex<UInt16?>(nil)

    /// `label` names this start among those of one test, in `folder`.
    init(
        _ product: String, _ arguments: [String] = [], environment: [String: String],
        folder: TemporaryFolder, label: String
    ) throws {
        self.product = product
        self.environment = environment
        var environment = environment
        environment.merge(ProductPrograms.profile(product)) { $1 }
        process = try ServerProcess(
            try ProductPrograms.path(product), arguments, environment: environment,
            logPath: folder.file("\(label).log"))
    }

    var id: Int32 { process.id }
    var isRunning: Bool { process.isRunning }
    var output: String { process.log }
    func signal(_ number: Int32) { process.signal(number) }

    /// Sends SIGKILL, for which no service can prepare.
    func kill() { process.stop(SIGKILL) }

    /// Returns the exit code, within a bound that only a hanging service exceeds.
    func exitCode(within seconds: Double = 120) -> Int32? {
        eventually(within: seconds) { !process.isRunning } ? process.waitUntilExit() : nil
    }

    /// Sends SIGTERM and returns the exit code.
    func stop() -> Int32? {
        process.signal(SIGTERM)
        return exitCode()
    }

    // MARK: the operations port

    struct NotStarted: Error, CustomStringConvertible {
        let description: String
    }

    /// Waits for the line that names the port.
    func port() throws -> UInt16 {
        if let known = knownPort.withLock({ $0 }) { return known }
        var found: UInt16?
        _ = eventually {
            found = event("service.started")?["ops.port"]?.int.map { UInt16($0) }
            return found != nil || !process.isRunning
        }
        guard let found else {
            throw NotStarted(description: "\(product) has no port:\n\(output)")
        }
        knownPort.withLock { $0 = found }
        return found
    }

    func get(_ path: String, method: String = "GET") throws -> HTTPAnswer {
        try HTTPAnswer(port: try port(), method: method, path: path)
    }

    func status() throws -> JSONValue { try JSONValue.parse(try get("/status").body) }

    /// Returns a sample of /metrics without labels.
    func metric(_ name: String) throws -> Double? {
        for line in try get("/metrics").body.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return Double(words[1]) }
        }
        return nil
    }

    /// Waits until /readyz is 200. Reports its last answer on failure.
    func becomesReady(within seconds: Double = 120) throws -> Bool {
        var last = ""
        let isReady = try eventually(within: seconds) {
            let answer = try get("/readyz")
            last = answer.body
            return answer.status == 200
        }
        if !isReady { Issue.record("\(product) is not ready: \(last)\n\(output)") }
        return isReady
    }

    /// Waits until /readyz and /status report why the service waits.
    func waits(because reason: String) throws -> Bool {
        try says(reason, in: "reasons", isReady: false) && get("/healthz").status == 200
    }

    /// Waits until the service is ready, and /readyz and /status report what is missing.
    func isDegraded(because reason: String) throws -> Bool {
        try says(reason, in: "degraded", isReady: true)
    }

    private func says(_ reason: String, in list: String, isReady: Bool) throws -> Bool {
        var last = ""
        let isRight = try eventually {
            let readiness = try get("/readyz")
            let status = try status()
            last = readiness.body
            let reasons = status[list]?.array?.compactMap(\.string) ?? []
            return readiness.status == (isReady ? 200 : 503) && readiness.body.contains(reason)
                && reasons.contains { $0.contains(reason) } && status["ready"]?.bool == isReady
        }
        if !isRight { Issue.record("\(product) does not name '\(reason)': \(last)\n\(output)") }
        return isRight
    }

    // MARK: the log

    var events: [JSONValue] {
        output.split(separator: "\n").compactMap { line in
            do {
                return try JSONValue.parse(String(line))
            } catch {
                // Problems with the configuration are plain text.
                return nil
            }
        }
    }

    func event(_ name: String) -> JSONValue? { events.first { $0["event"]?.string == name } }

    /// Expects the service to end by itself with an error, and with one error line that contains
    /// the text.
    func expectEnd(
        saying text: String, secrets: [String], _ location: SourceLocation = #_sourceLocation
    ) {
        let code = exitCode()
        #expect(code != nil && code != 0, "\(output)", sourceLocation: location)
        let errors = events.filter { $0["level"]?.string == "error" }
        #expect(errors.count == 1, "\(product): \(output)", sourceLocation: location)
        #expect(
            errors.first?["message"]?.string?.contains(text) == true, "\(product): \(output)",
            sourceLocation: location)
        expectCleanOutput(secrets: secrets, location)
    }

    /// Expects that no forbidden text is in any output.
    func expectCleanOutput(secrets: [String], _ location: SourceLocation = #_sourceLocation) {
        let output = output
        let signs = [
            "Fatal error", "Stack dump", "Backtrace", "*** Program crashed", "Sanitizer",
            "precondition", " at /",
        ]
        for word in signs + secrets where output.contains(word) {
            Issue.record(
                "\(product) printed '\(word)':\n\(output)", sourceLocation: location)
        }
    }
}
