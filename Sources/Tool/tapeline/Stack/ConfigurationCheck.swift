internal import Glibc
import Primitives
import ServiceRuntime

/// Asks a service whether it accepts its configuration, without starting it.
struct ConfigurationCheck {
    static let timeout: Duration = .seconds(10)
    private static let outputBytesMax = 65_536

    private let unit: UnitPlan
    private let logPath: String
    private let timeout: Duration

    /// The output of the service is written to `logPath`.
    init(_ unit: UnitPlan, logPath: String, timeout: Duration = timeout) {
        self.unit = unit
        self.logPath = logPath
        self.timeout = timeout
    }

    /// Returns one line per problem, in the service's words, and what a service that takes its
    /// configuration warns of. Throws if the service gave no verdict: that says nothing about its
    /// configuration.
    func outcome() throws(ToolError) -> (problems: [String], warnings: [String]) {
        try FileSystem.write([], to: logPath)
        let status: ChildProcess.ExitStatus?
        do throws(ServiceError) {
            let process = try ChildProcess(
                executable: unit.executable, arguments: ["--check-config"],
                environment: unit.environment, logPath: logPath)
            status = process.wait(timeout: timeout)
            if status == nil { process.stop(SIGKILL, grace: Self.timeout) }
        } catch {
            throw .runtime(error)
        }
        guard let status else {
            throw unanswered("had no end within \(timeout.shown)", "is this machine overloaded?")
        }
        let tail = FileSystem.tail(of: logPath, bytesMax: Self.outputBytesMax)
        let said = String(decoding: tail, as: UTF8.self)
        if status.isSuccess { return ([], Self.warnings(in: said)) }
        guard status == .exited(ExitCode.usage.rawValue) else {
            throw unanswered("ended with \(status)", "see \(logPath)")
        }
        return (
            Self.problems(in: said, of: unit) ?? [
                "\(unit.name): --check-config ended with \(status)"
            ],
            []
        )
    }

    /// The warnings of `deploy/alertmanager/start.sh`, which begin so. The services have none.
    static func warnings(in said: String) -> [String] {
        said.split(whereSeparator: \.isNewline).map(String.init)
            .filter { $0.hasPrefix("alerts: warning: ") }
    }

    private func unanswered(_ end: String, _ remedy: String) -> ToolError {
        .temporary("\(unit.name): --check-config \(end): nothing was started; \(remedy)")
    }

    /// Returns the lines of several services, each problem once, with the names of all that have
    /// it.
    static func joined(_ lines: [String]) -> [String] {
        var order: [String] = []
        var owners: [String: [String]] = [:]
        for line in lines {
            let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
            let problem = parts.last ?? line
            if !order.contains(problem) { order.append(problem) }
            // A service may say it twice.
            guard parts.count > 1, owners[problem]?.contains(parts[0]) != true else { continue }
            owners[problem, default: []].append(parts[0])
        }
        return order.map { problem in
            (owners[problem].map { "\($0.joined(separator: ", ")): " } ?? "") + problem
        }
    }

    /// Returns the lines about single problems, or `nil` if there are none. A gateway has the name
    /// of its unit in them, because those of several sources are one program.
    static func problems(in said: String, of unit: UnitPlan) -> [String]? {
        let lines = said.split(whereSeparator: \.isNewline).map(String.init)
        let problems = lines.filter { !$0.contains(": nothing was started, see ") }
        let program = "\(StackPlan.gateway): "
        let named = problems.map { line in
            unit.environment["GATEWAY_SOURCE"] != nil && line.hasPrefix(program)
                ? "\(unit.name): \(line.dropFirst(program.count))" : line
        }
        return named.isEmpty ? nil : named
    }
}
