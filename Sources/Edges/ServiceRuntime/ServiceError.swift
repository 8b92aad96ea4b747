internal import Glibc

/// The errors at the edge between a service and its machine.
public enum ServiceError: Error, Equatable, Sendable {
    case threadNotStarted(name: String, SystemErrorCode)
    /// A system call that fails only when the machine lacks a resource.
    case system(operation: String, SystemErrorCode)
    case badAddress(String)
    case unknownHost(String)
    case portInUse(address: String, port: UInt16)
    case listen(address: String, port: UInt16, SystemErrorCode)
    case probe(url: String, problem: String)
    case spawn(program: String, SystemErrorCode)
    case logFile(path: String, SystemErrorCode)
}

/// An `errno`. Unknown numbers are kept.
public struct SystemErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The error of this thread's last call. Read it before any other call.
    static var current: SystemErrorCode { SystemErrorCode(rawValue: errno) }

    public var description: String {
        // The text belongs to the C library (thread-local since glibc 2.32), so it is copied
        // immediately.
        guard let text = unsafe strerror(rawValue) else { return "error \(rawValue)" }
        return unsafe "\(String(cString: text)) (errno \(rawValue))"
    }
}

extension ServiceError: CustomStringConvertible {
    /// One line: what failed, with what, what to do next.
    public var description: String {
        switch self {
        case .threadNotStarted(let name, let code):
            "thread \(name) did not start: \(code): raise the limit of threads (ulimit -u)"
        case .system(let operation, let code):
            "\(operation) failed: \(code): see the limits of this machine (ulimit -a)"
        case .badAddress(let text):
            "'\(shortened(text, toBytes: 80))' is no IP address: write numbers (127.0.0.1, ::1), "
                + "or localhost"
        case .unknownHost(let name):
            "the name '\(shortened(name, toBytes: 80))' is not known: is it spelled right, and "
                + "does the name service answer?"
        case .portInUse(let address, let port):
            "operations port \(port) on \(address) is in use: stop the process that has it, or set "
                + "OPS_PORT to another one (0: any free one)"
        case .listen(let address, let port, let code):
            "cannot listen on \(address) port \(port): \(code): check OPS_ADDRESS and OPS_PORT"
        case .probe(let url, let problem):
            "GET \(url) failed: \(problem): is the service running there?"
        case .spawn(let program, let code):
            "cannot start \(program): \(code): check the path and its rights"
        case .logFile(let path, let code):
            "cannot write the log \(path): \(code): check the folder, its rights and the disk"
        }
    }

    /// True when the same call may work later without a change by a person.
    public var isRetryable: Bool {
        switch self {
        case .threadNotStarted, .system, .probe, .unknownHost: true
        case .badAddress, .portInUse, .listen, .spawn, .logFile: false
        }
    }
}
