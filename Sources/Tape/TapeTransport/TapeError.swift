package import NatsTransport

/// Why an operation on the tape failed.
package enum TapeError: Error, Sendable, CustomStringConvertible {
    case nats(NatsError)
    case jetStream(JetStreamError)
    /// The namespace was made with other numbers.
    case otherNamespace(stream: String, differences: [String])
    /// The stream, or the bucket's, does not exist yet.
    case missingStream(String)
    /// The stream lacks subjects: another release made it, which knew fewer.
    case olderStream(String, lacks: [String])
    /// The group is that of a store of another kind: two databases would share its partitions.
    case otherKind(group: String, registered: String, kind: String)
    /// The server must not be used. Another server of the cluster may be newer.
    case oldServer(String)

    /// The error of making a stream or bucket.
    package init(making error: JetStreamError) {
        if case .differs(let stream, let differences) = error {
            self = .otherNamespace(stream: stream, differences: differences)
        } else {
            self = .jetStream(error)
        }
    }

    /// Runs a call of JetStream, whose error becomes one of the tape.
    package static func ofJetStream<Result>(
        _ call: () throws(JetStreamError) -> Result
    ) throws(TapeError) -> Result {
        do throws(JetStreamError) {
            return try call()
        } catch {
            throw .jetStream(error)
        }
    }

    package var isRetryable: Bool {
        switch self {
        case .nats(let error): error.isRetryable
        case .jetStream(let error): error.isRetryable
        case .otherNamespace, .otherKind: false
        case .missingStream, .olderStream, .oldServer: true
        }
    }

    package var description: String {
        switch self {
        case .nats(let error): error.description
        case .jetStream(.fewServers(let operation, let copies)):
            "\(JetStreamError.fewServers(operation: operation, copies: copies)) (MDS_REPLICAS)"
        case .jetStream(let error): error.description
        case .otherNamespace(let stream, let differences):
            "stream \(stream) was made with other settings "
                + "(\(differences.joined(separator: "; "))): "
                + "set MDS_PARTITIONS as it was, or MDS_NAMESPACE anew"
        case .otherKind(let group, let registered, let kind):
            "group \(group) is a store of the kind \(registered), and this one is \(kind): name "
                + "another STORE_NAME; if the old store is gone for good, 'tapeline groups remove "
                + "\(group)' first"
        case .oldServer(let reason): "this nats-server is not used: \(reason)"
        case .missingStream(let stream):
            "stream \(stream) does not exist yet: 'tapeline setup' makes it"
        case .olderStream(let stream, let subjects):
            "stream \(stream) was made by another release and lacks "
                + "\(subjects.joined(separator: " ")): 'tapeline setup' adds that"
        }
    }
}
