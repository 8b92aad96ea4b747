/// The exit codes of our processes. Numbers from 64 to 78 are those of `sysexits.h`.
package enum ExitCode: Int32, CaseIterable, Sendable {
    case success = 0
    case failure = 1
    case incomplete = 2
    case pending = 3
    case usage = 64
    case dataError = 65
    case unavailable = 69
    case software = 70
    case cannotCreate = 73
    case ioError = 74
    case temporary = 75
    case noPermission = 77
    case hung = 80
    case interrupted = 130
    case terminated = 143

    /// The meaning, for `--help` and the documentation.
    package var meaning: String {
        switch self {
        case .success: "stopped in good order, or printed what was asked for"
        case .failure: "failed, or did not stop in good order in time"
        case .incomplete: "in good order as far as it could be looked at"
        case .pending: "a dry run found something to do"
        case .usage: "the arguments or the configuration are wrong; nothing was started"
        case .dataError: "data that was read is damaged"
        case .unavailable: "a server that is needed cannot be reached"
        case .software: "a mistake in this program; please report it"
        case .cannotCreate: "a file or folder cannot be made"
        case .ioError: "reading or writing failed"
        case .temporary: "failed for now; trying again later may help"
        case .noPermission: "a right is missing"
        case .hung: "a thread hung; to be started again"
        case .interrupted: "stopped at once by a second SIGINT"
        case .terminated: "stopped at once by a second SIGTERM"
        }
    }

    /// The codes with which every service may end.
    package static let ofServices: [ExitCode] = [
        .success, .failure, .usage, .unavailable, .software, .ioError, .temporary, .hung,
        .interrupted, .terminated,
    ]
}
