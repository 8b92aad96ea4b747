internal import Primitives

/// What the venue says about a session.
struct MassiveStatus: Equatable, Sendable {
    let status: String
    let message: String

    static let connected = MassiveStatus(status: "connected", message: "Connected Successfully")
    static let authenticated = MassiveStatus(status: "auth_success", message: "authenticated")
    static let failed = MassiveStatus(status: "auth_failed", message: "authentication failed")
    static let noStreams = MassiveStatus(
        status: "auth_failed", message: "Your plan doesn't include websocket access.")
    static let timeout = MassiveStatus(
        status: "auth_timeout", message: "No authentication request received.")
    static let notAuthenticated = error("not authenticated")
    static let notAuthorized = error("not authorized")
    static let invalid = error("invalid message")
    static let tooMany = error("too many subscriptions")
    static let slow = MassiveStatus(
        status: "slow_consumer", message: "The client reads too slowly.")
    static let ending = MassiveStatus(
        status: "force_disconnect", message: "The server is restarting.")

    private static func error(_ message: String) -> MassiveStatus {
        MassiveStatus(status: "error", message: message)
    }

    static func success(_ message: String) -> MassiveStatus {
        MassiveStatus(status: "success", message: message)
    }

    static func tooManySessions(_ most: Int) -> MassiveStatus {
        MassiveStatus(
            status: "max_connections",
            message: "Maximum number of websocket connections exceeded. You may only use \(most) "
                + "connections at a time.")
    }

    /// Returns a message with several of them.
    static func text(_ statuses: [MassiveStatus]) -> [UInt8] {
        var writer = JSONWriter()
        writer.array { list in
            for each in statuses {
                list.object { json in
                    json.member("ev", "status")
                    json.member("status", each.status)
                    json.member("message", each.message)
                }
            }
        }
        return writer.bytes
    }
}
