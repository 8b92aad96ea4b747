/// Why a call of the JetStream API failed; one line each, as with `NatsError`.
package enum JetStreamError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The request itself failed. After a timeout its effect is unknown.
    case transport(NatsError)
    /// JetStream is not available (not enabled, or not for this user), or has no leader at the
    /// moment.
    case unavailable(operation: String, peer: String)
    /// The server refused it.
    case refused(operation: String, code: Int, errorCode: Int, description: String)
    /// No server leads the stream at the moment. A copy would answer, perhaps with old data.
    case leaderless(String)
    /// The cluster has fewer servers for the stream than copies are wanted.
    case fewServers(operation: String, copies: Int)
    /// A stream of this name exists and differs from the requested one.
    case differs(stream: String, differences: [String])
    /// A name or a value that was refused before anything was sent.
    case invalid(operation: String, detail: String)
    /// The answer is not what this version understands.
    case malformed(operation: String, detail: String)

    package var isRetryable: Bool {
        switch self {
        case .transport(let error): return error.isRetryable
        case .unavailable, .leaderless: return true
        // A server of the cluster may be starting.
        case .fewServers: return true
        // 503: no quorum, no leader, out of resources for the moment.
        case .refused(_, let code, _, _): return code == 503
        case .differs, .invalid, .malformed: return false
        }
    }

    package var description: String {
        switch self {
        case .transport(let error): return error.description
        case .unavailable(let operation, let peer):
            return "\(operation) at \(peer) failed: JetStream does not answer; "
                + "check that it is enabled there and that this user may use it"
        case .refused(let operation, let code, let errorCode, let description):
            return "\(operation) was refused (\(code), \(errorCode): \(description)): "
                + "see the JetStream error \(errorCode) and the server's limits"
        case .leaderless(let operation):
            return "\(operation) failed: no server leads the stream; "
                + "start its servers, or wait for the election"
        case .fewServers(let operation, let copies):
            return "\(operation) with \(copies) copies was refused: NATS is no cluster of "
                + "\(copies) servers with room for it; start the servers, or want fewer copies"
        case .differs(let stream, let differences):
            let list = differences.joined(separator: ", ")
            return "stream \(stream) exists and differs (\(list)): "
                + "use another namespace, or change the stream to what is asked for"
        case .invalid(let operation, let detail):
            return "\(operation) is not possible (\(detail)): correct it; nothing was sent"
        case .malformed(let operation, let detail):
            return "\(operation) got an answer that makes no sense (\(detail)): "
                + "check the version of nats-server"
        }
    }
}

extension JetStreamError {
    /// Whether the server refused because too few servers can hold a copy.
    var lacksServers: Bool {
        guard case .refused(_, _, let errorCode, _) = self else { return false }
        return [
            JetStreamCode.noSuitablePeers, JetStreamCode.insufficientResources,
            JetStreamCode.notClustered,
        ].contains(errorCode)
    }
}

/// JetStream's numbers of the errors that callers distinguish.
enum JetStreamCode {
    static let noSuitablePeers = 10_005
    static let consumerNotFound = 10_014
    static let insufficientResources = 10_023
    static let notClustered = 10_074
    static let noMessageFound = 10_037
    static let noMessageAtSequence = 10_043
    static let streamNameInUse = 10_058
    static let streamNotFound = 10_059
}
