/// The errors of the streams, with their codes.
enum AlpacaError: Int, Sendable {
    case syntax = 400
    case notAuthenticated = 401
    case failed = 402
    case alreadyAuthenticated = 403
    case timeout = 404
    case symbolLimit = 405
    case connectionLimit = 406
    case slowClient = 407
    case version = 408
    case subscription = 409
    case wrongChannel = 410
    case scope = 411
    case internalError = 500

    var text: String {
        switch self {
        case .syntax: "invalid syntax"
        case .notAuthenticated: "not authenticated"
        case .failed: "auth failed"
        case .alreadyAuthenticated: "already authenticated"
        case .timeout: "auth timeout"
        case .symbolLimit: "symbol limit exceeded"
        case .connectionLimit: "connection limit exceeded"
        case .slowClient: "slow client"
        case .version: "v2 not enabled"
        case .subscription: "insufficient subscription"
        case .wrongChannel: "invalid subscribe action for this feed"
        case .scope: "insufficient scope"
        case .internalError: "internal error"
        }
    }
}
