/// Where and as whom to connect. How often to ping, to retry and what to keep is not configurable:
/// see `NatsLimits`.
public struct NatsConfiguration: Sendable {
    public struct TLS: Sendable {
        /// PEM file with the certificates that are trusted.
        public var caFile: String
        /// PEM files of our own certificate and its key: both or none.
        public var certFile: String?
        public var keyFile: String?
        /// The name that the server's certificate must carry; nil: of each server that by which its
        /// URL calls it.
        public var serverName: String?

        public init(
            caFile: String, serverName: String?, certFile: String? = nil, keyFile: String? = nil
        ) {
            self.caFile = caFile
            self.serverName = serverName
            self.certFile = certFile
            self.keyFile = keyFile
        }
    }

    /// What cannot be used of the files of `TLS`.
    public enum TLSProblem: Error, Equatable, Sendable {
        case authorities(String)
        case certificate(String)
    }

    /// `nats://host:port` each; `tls://` demands `tls`. Tried in random order.
    public var urls: [String]
    /// What the server's monitoring shows for this connection.
    public var clientName: String
    public var user: String?
    public var password: String?
    public var tls: TLS?
    /// All answers come to subjects below it. See `keepAnswersPrivate`.
    public var inboxPrefix = "_INBOX"
    /// Whether each publish is handed to the kernel before it returns. If not, a millisecond's are
    /// written together, and nobody hears when that fails: for what may be lost, and is much.
    public var writesAtOnce = true

    public init(urls: [String], clientName: String) {
        self.urls = urls
        self.clientName = clientName
    }

    /// Has the answers come to "_INBOX_<user>.>", which the server's permissions can keep from
    /// other users; whoever may publish to "_INBOX.>" can then not forge an acknowledgement. No
    /// effect without a user whose name can be a token of a subject.
    public mutating func keepAnswersPrivate() {
        guard let user, NatsSubject.isToken(user) else { return }
        inboxPrefix = "_INBOX_\(user)"
    }

    /// The servers for messages: without the user and password that a URL may carry.
    public var peer: String {
        urls.map { url in
            let host = url.split(separator: "/", omittingEmptySubsequences: true).last ?? ""
            return String(host.split(separator: "@").last ?? "")
        }.joined(separator: ",")
    }

    /// Reads the files of `tls` as a connect does, and connects to nobody.
    public func checkTLSFiles() throws(TLSProblem) {
        guard let tls else { return }
        do throws(NatsError) { try ConnectOptions(peer: peer).loadAuthorities(tls) } catch {
            throw .authorities(error.failure.detail)
        }
        do throws(NatsError) { try ConnectOptions(peer: peer).loadOwn(tls) } catch {
            throw .certificate(error.failure.detail)
        }
    }

    public var wantsTLS: Bool { tls != nil || urls.contains { $0.hasPrefix("tls:") } }
}

/// Every number that bounds a connection.
public enum NatsLimits {
    /// Per server of the list.
    public static let connectTimeout = Duration.seconds(2)
    /// A peer that answers no ping for `pingInterval * (pingsOutstandingMax + 1)` is given up.
    public static let pingInterval = Duration.seconds(1)
    public static let pingsOutstandingMax = 2
    /// Between two tries, of which there is no last one: the wait and as much jitter on top.
    public static let reconnectWait = Duration.milliseconds(50)
    public static let reconnectJitter = Duration.milliseconds(200)
    /// The wait where a server is there and TLS fails: people have to mend that, and each try costs
    /// both sides a handshake.
    public static let refusedWait = Duration.seconds(2)
    /// A write that the kernel does not take for this long breaks the link: it is made anew.
    public static let writeDeadline = Duration.seconds(2)
    /// While disconnected nothing is kept: publishers have their own retries, and a copy that
    /// lands late is a copy too many. One byte is the least that libnats takes.
    public static let reconnectBufferBytes = 1
    /// Messages that a subscription has received and not handled yet; more are dropped, counted
    /// (`droppedMessages`) and reported as `.asyncError`.
    public static let pendingMessagesMax = 65_536
    public static let pendingBytesMax = 64 * 1024 * 1024
    /// Subjects and reply subjects. The server closes a connection whose protocol line (both of
    /// them and some numbers) exceeds 4 KiB.
    public static let subjectBytesMax = 1_024
    /// The last wait for outstanding writes when a connection is closed is libnats' own: 0.5 s.
    public static let requestsOutstandingMax = 1_024
    /// How long an unsubscribed subscription's memory is kept, see `RetiredSubscriptions`.
    static let subscriptionGrace = Duration.seconds(10)
    /// The greeting that a server sends to everybody who connects.
    static let greetingBytesMax = 32 * 1024
}

extension Duration {
    /// Whole milliseconds, at least 1, at most some 24 days: what libnats takes for a timeout.
    var natsMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let held = min(max(seconds, 0), 2_000_000)
        return max(1, held * 1_000 + max(0, attoseconds) / 1_000_000_000_000_000)
    }

}
