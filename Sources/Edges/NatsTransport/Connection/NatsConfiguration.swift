package import Primitives

/// The address and the credentials of a connection. Pings, retries and buffers are not
/// configurable: see `NatsLimits`.
package struct NatsConfiguration: Sendable {
    package struct TLS: Sendable {
        /// A PEM file with the trusted certificates.
        package var caFile: String
        /// PEM files of our own certificate and its key: both or none.
        package var certFile: String?
        package var keyFile: String?
        /// The name that the server's certificate must carry; `nil`: each server's certificate must
        /// carry the host name in its URL.
        package var serverName: String?

        package init(
            caFile: String, serverName: String?, certFile: String? = nil, keyFile: String? = nil
        ) {
            self.caFile = caFile
            self.serverName = serverName
            self.certFile = certFile
            self.keyFile = keyFile
        }
    }

    /// A file that cannot be used.
    package enum FileProblem: Error, Equatable, Sendable {
        case authorities(String)
        case certificate(String)
        case credentials(String)
    }

    /// `nats://host:port` each; `tls://` requires `tls`. They are tried in random order.
    package var urls: [String]
    /// The name that the server's monitoring shows for this connection.
    package var clientName: String
    package var user: String?
    /// Another one has no successor: set `renewable` after it.
    package var password: String? { didSet { renewable = nil } }
    /// The password, where it may have a successor. It is read again when the server refuses it,
    /// and the link is then replaced. Without it such a refusal ends the connection.
    package var renewable: RenewableSecret?
    /// The path of a credentials file, which has a signed user and the seed of its key. It is read
    /// with every link, so that another file in its place counts from the next one.
    package var credentials: String?
    package var tls: TLS?
    /// The prefix of the subjects to which all answers come. See `keepAnswersPrivate`.
    package var inboxPrefix = "_INBOX"
    /// True when each publish is handed to the kernel before it returns. If false, all writes of a
    /// millisecond are combined, and a failure is not reported. Use that only for many messages
    /// that may be lost.
    package var writesAtOnce = true
    /// The copies that the owner of the connection wants of the streams and buckets of its own.
    /// Nothing here uses the number: see `NatsConnection.replicas`.
    package var replicas = 1

    package init(urls: [String], clientName: String) {
        self.urls = urls
        self.clientName = clientName
    }

    /// Makes the answers come to "_INBOX_<user>.>", which the server's permissions can protect from
    /// other users. A user that may publish to "_INBOX.>" can then not forge an acknowledgement. It
    /// has no effect without a user whose name can be a token of a subject.
    package mutating func keepAnswersPrivate() {
        guard let user, NatsSubject.isToken(user) else { return }
        inboxPrefix = "_INBOX_\(user)"
    }

    /// The servers' addresses for messages, without the user and password that a URL may contain.
    package var peer: String {
        urls.map { url in
            let host = url.split(separator: "/", omittingEmptySubsequences: true).last ?? ""
            return String(host.split(separator: "@").last ?? "")
        }.joined(separator: ",")
    }

    /// Reads the files of `tls` as a connect does, without connecting, and looks for that of the
    /// credentials.
    package func checkFiles() throws(FileProblem) {
        if let credentials {
            do throws(NatsError) { try ConnectOptions(peer: peer).checkFile(credentials) } catch {
                throw .credentials(error.failure.detail)
            }
        }
        guard let tls else { return }
        do throws(NatsError) { try ConnectOptions(peer: peer).loadAuthorities(tls) } catch {
            throw .authorities(error.failure.detail)
        }
        do throws(NatsError) { try ConnectOptions(peer: peer).loadOwn(tls) } catch {
            throw .certificate(error.failure.detail)
        }
    }

    /// Whether another try may succeed after the server has refused who we are.
    package var mayRenew: Bool { renewable != nil || credentials != nil }

    package var wantsTLS: Bool { tls != nil || urls.contains { $0.hasPrefix("tls:") } }
}

/// All bounds of a connection.
package enum NatsLimits {
    /// The timeout per server of the list.
    package static let connectTimeout = Duration.seconds(2)
    /// A peer that answers no ping for `pingInterval * (pingsOutstandingMax + 1)` is given up.
    package static let pingInterval = Duration.seconds(1)
    package static let pingsOutstandingMax = 2
    /// The wait between two tries, plus up to the same time as jitter. The number of tries is not
    /// limited.
    package static let reconnectWait = Duration.milliseconds(50)
    package static let reconnectJitter = Duration.milliseconds(200)
    /// The wait when a server is reachable but TLS fails, or the password is refused. A person has
    /// to fix that, and each try costs both sides a handshake.
    package static let refusedWait = Duration.seconds(2)
    /// If the kernel does not accept a write for this long, the link is closed and made again.
    package static let writeDeadline = Duration.seconds(2)
    /// While disconnected nothing is kept: publishers have their own retries, and a copy that
    /// arrives late would be a double. One byte is the smallest value that libnats accepts.
    package static let reconnectBufferBytes = 1
    /// The most messages that a subscription has received and not handled yet. Further ones are
    /// dropped, counted (`droppedMessages`) and reported as `.asyncError`.
    package static let pendingMessagesMax = 65_536
    package static let pendingBytesMax = 64 * 1024 * 1024
    /// The limit for subjects and reply subjects. The server closes a connection whose protocol
    /// line (both of them and some numbers) exceeds 4 KiB.
    package static let subjectBytesMax = 1_024
    /// The most requests that wait for an answer at the same time.
    package static let requestsOutstandingMax = 1_024
    /// The links that were replaced and stay allocated.
    static let formerLinksMax = 8
    /// The time for which the memory of an ended subscription is kept, see `RetiredSubscriptions`.
    static let subscriptionGrace = Duration.seconds(10)
    /// The largest greeting that a server sends to a new connection.
    static let greetingBytesMax = 32 * 1024
}

extension Duration {
    /// Whole milliseconds, at least 1, at most some 24 days: the range of timeouts that libnats
    /// accepts.
    var natsMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let held = min(max(seconds, 0), 2_000_000)
        return max(1, held * 1_000 + max(0, attoseconds) / 1_000_000_000_000_000)
    }

}
