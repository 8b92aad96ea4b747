internal import Primitives

/// When the certificate of the server ends that has the connection, as its monitor says.
struct ServerCertificate: Sendable {
    /// In seconds since 1970; `nil`: it was never known, or that server does not say it.
    private(set) var end: Int64?

    /// Takes an answer of a monitor, to `/varz`. That of another server says nothing. So while
    /// there is no link, or no answer, the last known end stays: when a certificate has ended, its
    /// server cannot be reached, and that has to show.
    mutating func take(_ answer: JSONValue, connectedTo serverID: String) {
        guard !serverID.isEmpty, answer["server_id"]?.string == serverID else { return }
        let time = answer["tls_cert_not_after"]?.string.flatMap { ISOTime.parse($0) }
        end = time.map { $0.nanoseconds / 1_000_000_000 }
    }
}
