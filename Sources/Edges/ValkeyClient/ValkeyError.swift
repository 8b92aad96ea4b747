/// A failure of the session. The failure of a single command is a `ValkeyReply`.
package enum ValkeyError: Error, Equatable, Sendable {
    /// The settings cannot work; the text names them.
    case configuration(String)
    /// The session could not be opened: refused, unreachable, or the server is still loading.
    case connect(peer: String, reason: String)
    /// The server refused our credentials.
    case authentication(peer: String, reason: String)
    /// Our own deadline passed; the connection is closed.
    case timeout(operation: String, peer: String, after: Duration)
    case connectionLost(operation: String, peer: String, reason: String)
    /// The answer is no RESP, or is larger than `ValkeyLimits.replyBytesMax`.
    case malformedReply(peer: String, reason: String)
    /// More was appended than `ValkeyLimits` allows; nothing of the pipeline was sent.
    case pipelineFull(commands: Int, bytes: Int)
    /// The connection was used after `close`, or after an error that closed it.
    case closed(peer: String)
}

extension ValkeyError {
    package var isRetryable: Bool {
        switch self {
        case .connect, .timeout, .connectionLost, .closed: true
        case .configuration, .authentication, .malformedReply, .pipelineFull: false
        }
    }
}

extension ValkeyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .configuration(let problem):
            problem
        case .connect(let peer, let reason):
            "cannot connect to Valkey at \(peer): \(oneLine(reason)): is it up and reachable?"
        case .authentication(let peer, let reason):
            "Valkey at \(peer) refuses us: \(oneLine(reason)): check user and password"
        case .timeout(let operation, let peer, let duration):
            "\(operation) had no answer from Valkey at \(peer) within \(duration): connect again"
        case .connectionLost(let operation, let peer, let reason):
            "\(operation) lost its connection to Valkey at \(peer): \(oneLine(reason)): "
                + "connect again"
        case .malformedReply(let peer, let reason):
            "the answer from \(peer) is not Valkey's: \(oneLine(reason)): check host and port"
        case .pipelineFull(let commands, let bytes):
            "a pipeline of \(commands) commands and \(bytes) bytes is too large: send it in parts "
                + "of \(ValkeyLimits.pipelineCommandsMax) and \(ValkeyLimits.pipelineBytesMax)"
        case .closed(let peer):
            "the connection to Valkey at \(peer) is closed: make a new one"
        }
    }

    /// Shortens the server's text to one line: it may quote what was sent, and may be long.
    private func oneLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: "; ")
        return line.count <= 300 ? line : line.prefix(300) + "…"
    }
}

/// The client's limits and the behaviour at each.
package enum ValkeyLimits {
    /// `replies` refuses a larger pipeline before anything is sent.
    package static let pipelineCommandsMax = 10_000
    package static let pipelineBytesMax = 64 * 1_024 * 1_024
    /// A larger answer ends the connection.
    package static let replyBytesMax = 64 * 1_024 * 1_024
}
