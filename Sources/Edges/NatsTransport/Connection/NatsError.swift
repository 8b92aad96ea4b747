internal import CNats

/// Why a call to NATS failed. Each description is one line: what failed, with whom, what to do.
package enum NatsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The connection was closed: by us, or permanently by libnats. Only a new one helps.
    case closed(NatsFailure)
    /// There is no link at the moment; libnats is reconnecting. Nothing was kept for later.
    case disconnected(NatsFailure)
    /// No server answers at the address, or its name cannot be resolved.
    case unreachable(NatsFailure)
    case authenticationFailed(NatsFailure)
    /// One side wants TLS and the other does not, or a certificate is not the expected one.
    case tlsFailed(NatsFailure)
    /// The outcome is unknown: what was sent may have arrived.
    case timedOut(NatsFailure)
    /// The server reports that the subject has no subscriber.
    case noResponders(NatsFailure)
    /// Payload and headers exceed what the server accepts; nothing was sent.
    case payloadTooLarge(NatsFailure)
    /// The server lacks a needed feature (headers, a version).
    case unsupportedServer(NatsFailure)
    /// A subject, header, URL or file was refused before anything was sent.
    case invalid(NatsFailure)
    case failed(NatsFailure)

    package var failure: NatsFailure {
        switch self {
        case .closed(let failure), .disconnected(let failure), .unreachable(let failure),
            .authenticationFailed(let failure), .tlsFailed(let failure),
            .timedOut(let failure), .noResponders(let failure), .payloadTooLarge(let failure),
            .unsupportedServer(let failure), .invalid(let failure), .failed(let failure):
            return failure
        }
    }

    /// True when the same call may succeed later without a change by a person.
    package var isRetryable: Bool {
        switch self {
        case .disconnected, .unreachable, .timedOut, .noResponders: return true
        case .closed, .authenticationFailed, .tlsFailed, .payloadTooLarge, .unsupportedServer,
            .invalid:
            return false
        case .failed(let failure):
            return [NATS_SYS_ERROR, NATS_NO_MEMORY].contains { NatsStatus($0) == failure.status }
        }
    }

    /// True when a server was reached and did not let us in: a person has to mend that.
    var isRefusal: Bool {
        switch self {
        case .authenticationFailed, .tlsFailed: true
        case .closed, .disconnected, .unreachable, .timedOut, .noResponders, .payloadTooLarge,
            .unsupportedServer, .invalid, .failed:
            false
        }
    }

    package var description: String { "\(failure.summary): \(advice)" }

    private var advice: String {
        switch self {
        case .closed: return "the connection is closed; open a new one (restart the process)"
        case .disconnected: return "the link is down and is being restored; try again"
        case .unreachable: return "check that nats-server runs there and that NATS_URL is right"
        case .authenticationFailed:
            return "the server refused the user; check NATS_USER and NATS_PASSWORD, or the file of "
                + "NATS_CREDS_FILE"
        case .tlsFailed:
            return "check the certificates, the server's name, and that both sides want TLS"
        case .timedOut: return "no answer in time; check the server's load and the network"
        case .noResponders:
            return "nobody serves the subject; check that the stream or service is up"
        case .payloadTooLarge: return "send less, or raise max_payload of the server"
        case .unsupportedServer: return "upgrade nats-server"
        case .invalid: return "correct the value; nothing was sent"
        case .failed: return "see the server's log"
        }
    }
}

/// The facts about a failed call.
package struct NatsFailure: Equatable, Sendable {
    /// The operation: "publish to md.ticks.7.synthetic".
    package let operation: String
    /// The servers, without user or password.
    package let peer: String
    package let status: NatsStatus
    /// More details, or empty.
    package let detail: String

    package init(operation: String, peer: String, status: NatsStatus, detail: String) {
        self.operation = operation
        self.peer = peer
        self.status = status
        self.detail = detail
    }

    var summary: String {
        let words = status.description
        let extra = detail.isEmpty || detail == words ? "" : ", \(detail)"
        let text = "\(operation) at \(peer) failed (\(words)\(extra))"
        return String(text.map { $0.isNewline ? " " : $0 })
    }
}

extension NatsError {
    /// Makes the error that matches a status of libnats.
    init(_ status: natsStatus, _ operation: String, peer: String, detail: String = "") {
        let failure = NatsFailure(
            operation: operation, peer: peer, status: NatsStatus(status), detail: detail)
        switch status {
        case NATS_CONNECTION_CLOSED: self = .closed(failure)
        case NATS_CONNECTION_DISCONNECTED, NATS_INSUFFICIENT_BUFFER, NATS_IO_ERROR,
            NATS_STALE_CONNECTION:
            self = .disconnected(failure)
        case NATS_NO_SERVER: self = .unreachable(failure)
        case NATS_CONNECTION_AUTH_FAILED: self = .authenticationFailed(failure)
        case NATS_SSL_ERROR, NATS_SECURE_CONNECTION_WANTED, NATS_SECURE_CONNECTION_REQUIRED:
            self = .tlsFailed(failure)
        case NATS_TIMEOUT: self = .timedOut(failure)
        case NATS_NO_RESPONDERS: self = .noResponders(failure)
        case NATS_MAX_PAYLOAD: self = .payloadTooLarge(failure)
        case NATS_NO_SERVER_SUPPORT: self = .unsupportedServer(failure)
        case NATS_INVALID_SUBJECT, NATS_INVALID_ARG, NATS_INVALID_TIMEOUT, NATS_ADDRESS_MISSING:
            self = .invalid(failure)
        default: self = .failed(failure)
        }
    }
}
