internal import ServiceRuntime

/// Why the program cannot continue.
enum SimulatorFailure: Error, CustomStringConvertible {
    case system(String)
    case portInUse(UInt16)
    case noAnswer(String)
    case badAddress(String)
    case log(String, SystemErrorCode)

    var description: String {
        switch self {
        case .system(let what): what
        case .portInUse(let port): "port \(port) is in use: choose another, or 0 for any"
        case .noAnswer(let from):
            "no simulator answers on \(from): is --control-port that of one that runs?"
        case .badAddress(let text): "'\(text)' is no IPv4 address"
        case .log(let path, let code): "cannot write \(path): \(code)"
        }
    }

    var exitCode: ExitCode {
        switch self {
        case .system: .failure
        case .portInUse: .temporary
        case .noAnswer: .unavailable
        case .badAddress: .usage
        case .log: .ioError
        }
    }
}
