import ServiceRuntime
import TapeTransport
import TickSpool

/// Why a command of the tool failed. The description is one line: what failed, with what, and what
/// to do next.
enum ToolError: Error, Equatable {
    case usage(String)
    case noCheckout(lookedFrom: String)
    /// A program is missing. The remedy is a clause.
    case missing(path: String, remedy: String)
    case file(operation: String, path: String, SystemErrorCode)
    case diskNearlyFull(path: String, freeMegabytes: Int, neededMegabytes: Int)
    case damaged(path: String, problem: String)
    case busy(stack: String)
    case noFreePort
    case startFailed(String, logs: String)
    case stillRunning([String])
    case runtime(ServiceError)
    case audit(String)
    /// The environment is wrong, or the tape that it leads to is not the intended one.
    case configuration([String])
    case unreachable(String)
    /// It may work at the next try.
    case temporary(String)
    case refused(String)
    /// The data is damaged or not understood.
    case unreadable(String)
    case spool(SpoolError)

    var exitCode: ExitCode {
        switch self {
        case .usage, .noCheckout, .configuration: .usage
        case .missing, .unreachable: .unavailable
        case .file, .diskNearlyFull: .ioError
        case .spool(.system): .ioError
        case .spool(.inUse): .temporary
        case .spool(.otherSource), .spool(.unknownVersion), .spool(.tooLarge): .dataError
        case .damaged, .unreadable: .dataError
        case .busy, .noFreePort, .temporary: .temporary
        case .startFailed, .stillRunning, .runtime, .audit, .refused: .failure
        }
    }
}

extension ToolError {
    /// An error of the tool as it is, and any other one as `name` names it.
    init(_ error: any Error, _ name: (any Error) -> ToolError) {
        self = error as? ToolError ?? name(error)
    }

    /// The error of reading the tape. A tape that does not exist, or is not the same any more, is
    /// refused. A server that does not answer may work later.
    init(reading error: any Error) {
        switch error {
        case let error as ToolError: self = error
        case let error as TapeRangeError where !error.isRetryable: self = .refused("\(error)")
        default: self = .unreachable("the tape cannot be read: \(error)")
        }
    }
}

extension ToolError: CustomStringConvertible {
    var description: String {
        switch self {
        case .noCheckout(let folder):
            "no checkout of Tapeline around \(folder): name it with --home FOLDER"
        case .missing(let path, let remedy): "\(path) is missing: \(remedy)"
        case .file(let operation, let path, let code):
            "cannot \(operation) \(path): \(code)"
        case .diskNearlyFull(let path, let free, let needed):
            "the disk of \(path) has \(free) MB free, \(needed) MB are needed: make room there"
        case .damaged(let path, let problem): "\(path) is damaged (\(problem)): remove it"
        case .busy(let stack):
            "another command is at work on the stack \(stack): wait for it, or stop it"
        case .noFreePort: "no free port between 20000 and 29999 on 127.0.0.1: try again"
        case .startFailed(let problem, let logs):
            "the stack did not start and was stopped: \(problem) (logs: \(logs))"
        case .stillRunning(let processes):
            "still running after SIGKILL: \(processes.joined(separator: ", "))"
        case .runtime(let error): error.description
        case .spool(let error): error.description
        case .usage(let problem), .audit(let problem), .unreachable(let problem),
            .temporary(let problem), .refused(let problem), .unreadable(let problem):
            problem
        case .configuration(let problems): problems.joined(separator: "; ")
        }
    }
}
