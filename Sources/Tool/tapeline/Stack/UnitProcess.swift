import Primitives
import ServiceRuntime
import ValkeyClient

/// The process of one unit. It answers whether the unit works and how it ended.
struct UnitProcess {
    /// The time limit of one check, for which the supervisor blocks.
    static let checkTimeout: Duration = .seconds(2)
    /// The least time between two checks.
    static let checkEveryNanoseconds: Int64 = 50_000_000

    let plan: UnitPlan
    let process: ChildProcess
    private let log: LogFile
    private let logStart: Int
    /// The reason it gave at the last check that failed.
    private(set) var waitsFor: String?
    private var nextCheck = MonotonicTime.distantPast

    init(_ plan: UnitPlan) throws(ServiceError) {
        self.plan = plan
        log = LogFile(path: plan.logPath)
        logStart = log.end
        process = try ChildProcess(
            executable: plan.executable, arguments: plan.arguments, environment: plan.environment,
            logPath: plan.logPath, options: .ownGroup)
    }

    var identity: ProcessIdentity { process.identity }

    /// How it ended. `nil` while it runs.
    var ending: SupervisionMachine.Ending? {
        guard let status = process.exitStatus else { return nil }
        if status.isSuccess { return .well }
        var why = "\(status)"
        // A killed process has not logged the reason of its death.
        let isKilled = status == .killed(signal: 9)
        if !isKilled, let words = log.lastMessages(from: logStart) { why += ": \(words)" }
        let wrongUse = ChildProcess.ExitStatus.exited(ExitCode.usage.rawValue)
        return status == wrongUse ? .hopelessly(why) : .badly(why)
    }

    mutating func works(at now: MonotonicTime) -> Bool {
        guard nextCheck <= now else { return false }
        nextCheck = now + UnitProcess.checkEveryNanoseconds
        waitsFor = plan.problem
        return waitsFor == nil
    }
}

extension UnitPlan {
    /// Checks the running unit. `nil` if it works, otherwise the reason.
    var problem: String? {
        switch check {
        case .none: kind == .job ? "it is at work" : nil
        case .http(let port, let path):
            UnitPlan.problem(at: port, path: path, timeout: UnitProcess.checkTimeout)
        case .line(let port, let question): UnitPlan.problem(at: port, asked: question)
        case .valkey(let port, let user, let passwordFile):
            UnitPlan.problem(ofValkeyAt: port, user, passwordFile)
        case .command(let program, let arguments):
            succeeds(program, arguments) ? nil : Self.noAnswer
        }
    }

    /// Asks a service for its readiness. Returns `nil` if it is ready.
    static func problem(at port: UInt16, path: String, timeout: Duration) -> String? {
        answer(at: port, path: path, timeout: timeout).problem
    }

    /// What a process says of itself.
    struct Answer: Equatable, Sendable {
        /// Why it does not work. `nil` if it does.
        var problem: String?
        /// What it lacks though it works. `nil` if nothing.
        var degraded: String?
    }

    static func answer(at port: UInt16, path: String, timeout: Duration) -> Answer {
        do {
            let answer = try HTTPProbe.get(
                host: StackPlan.loopback, port: port, path: path, timeout: timeout)
            // The first line of our services only says whether they are ready.
            let lines = String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
            if answer.status == 200 {
                let lacks = lines.filter { $0.hasPrefix(degraded) }.map {
                    String($0.dropFirst(degraded.count))
                }
                return Answer(degraded: lacks.isEmpty ? nil : reasons(lacks))
            }
            let reasons = reasons(lines.filter { $0 != notReady }.map(String.init))
            return Answer(problem: "\(notReady): \(reasons.prefix(reasonBytesMax))")
        } catch {
            return Answer(problem: noAnswer)
        }
    }

    private static let degraded = "degraded: "

    /// Returns the first reasons in one line. What is said of many partitions comes once.
    static func reasons(_ lines: [String]) -> String {
        var order: [String] = []
        var partitions: [String: [Int]] = [:]
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 2)
            let number =
                words.count == 3 && words[0] == "partition"
                ? Int(words[1].prefix { $0.isNumber }) : nil
            let reason = number == nil ? line : String(words[2])
            if partitions[reason] == nil { order.append(reason) }
            partitions[reason, default: []] += number.map { [$0] } ?? []
        }
        return order.prefix(3).map { reason in
            let numbers = partitions[reason] ?? []
            guard !numbers.isEmpty else { return reason }
            let noun = numbers.count == 1 ? "partition" : "partitions"
            return "\(noun) \(NumberRanges.text(numbers)): \(reason)"
        }.joined(separator: "; ")
    }

    private static func problem(at port: UInt16, asked question: String) -> String? {
        do {
            let answer = try LineProbe.ask(
                host: StackPlan.loopback, port: port, line: question,
                timeout: UnitProcess.checkTimeout)
            return answer.hasPrefix("ok") ? nil : "\(notReady): \(answer.prefix(reasonBytesMax))"
        } catch {
            return noAnswer
        }
    }

    private static func problem(
        ofValkeyAt port: UInt16, _ user: String, _ passwordFile: String
    ) -> String? {
        let bytes = FileSystem.piece(of: passwordFile, from: 0, bytesMax: passwordBytesMax)
        let password = String(decoding: bytes, as: UTF8.self)
        do throws(ValkeyError) {
            let session = try ValkeyConnection(
                ValkeyConfiguration(
                    host: StackPlan.loopback, port: port, user: user, password: password))
            defer { session.close() }
            return try session.command(["PING"]).errorMessage.map { "\(notReady): \($0)" }
        } catch {
            return noAnswer
        }
    }

    static let notReady = "not ready"
    static let noAnswer = "no answer"
    private static let reasonBytesMax = 300
    private static let passwordBytesMax = 4_096

    private func succeeds(_ program: String, _ arguments: [String]) -> Bool {
        do {
            let process = try ChildProcess(
                executable: program, arguments: arguments, environment: environment,
                logPath: "/dev/null")
            if let status = process.wait(timeout: UnitProcess.checkTimeout) {
                return status.isSuccess
            }
            process.stop(9, grace: UnitProcess.checkTimeout)
            return false
        } catch {
            return false
        }
    }
}
