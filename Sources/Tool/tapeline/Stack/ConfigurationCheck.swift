internal import Glibc
import Primitives
import ServiceRuntime

/// Asks a service whether it accepts its configuration, without starting it.
struct ConfigurationCheck {
    private static let timeout: Duration = .seconds(10)
    private static let outputBytesMax = 65_536

    private let unit: UnitPlan
    private let logPath: String

    /// The output of the service is written to `logPath`.
    init(_ unit: UnitPlan, logPath: String) {
        self.unit = unit
        self.logPath = logPath
    }

    /// Returns one line per problem, in the service's words.
    func problems() throws(ToolError) -> [String] {
        try FileSystem.write([], to: logPath)
        let status: ChildProcess.ExitStatus?
        do throws(ServiceError) {
            let process = try ChildProcess(
                executable: unit.executable, arguments: ["--check-config"],
                environment: unit.environment, logPath: logPath)
            status = process.wait(timeout: Self.timeout)
            if status == nil { process.stop(SIGKILL, grace: Self.timeout) }
        } catch {
            throw .runtime(error)
        }
        guard let status else {
            return ["\(unit.name): --check-config had no end within \(Self.timeout.shown)"]
        }
        if status.isSuccess { return [] }
        let said = FileSystem.tail(of: logPath, bytesMax: Self.outputBytesMax)
        return Self.problems(in: String(decoding: said, as: UTF8.self))
            ?? ["\(unit.name): --check-config ended with \(status)"]
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
            // Gateways of several sources are one program.
            guard parts.count > 1, owners[problem]?.contains(parts[0]) != true else { continue }
            owners[problem, default: []].append(parts[0])
        }
        return order.map { problem in
            (owners[problem].map { "\($0.joined(separator: ", ")): " } ?? "") + problem
        }
    }

    /// Returns the lines about single problems, or `nil` if there are none.
    static func problems(in said: String) -> [String]? {
        let lines = said.split(whereSeparator: \.isNewline).map(String.init)
        let problems = lines.filter { !$0.contains(": nothing was started, see ") }
        return problems.isEmpty ? nil : problems
    }
}
