internal import CNats
import Synchronization

/// One connection to NATS. Any thread may call it; only `request` and `flush` wait for an answer.
///
/// It reconnects for ever by itself. While it is disconnected every call throws `.disconnected`,
/// and nothing is kept to be sent later. It ends with `close()` or its last reference.
// Safety: libnats locks a connection in every call; `NatsLink` owns and frees it.
@safe
package final class NatsConnection: Sendable {
    package let peer: String
    /// The present link, which is replaced when the server no longer takes its password, or other
    /// files of TLS are there.
    let links: Monitor<LinkState>
    /// That of the present link, for calls that take no lock, as `publish`. A replaced link stays
    /// allocated: see `LinkState.former`.
    // Safety: an address alone, changed as a whole.
    private nonisolated(unsafe) let presentHandle: Atomic<OpaquePointer>
    private let isEnded = Atomic(false)
    /// The wanted number of copies of streams and buckets, for those who make them.
    package let replicas: Int
    let events: ConnectionEvents
    let requests = RequestTable()
    /// The subscription for all answers, made with the first request.
    let answers = Monitor<NatsSubscription?>(nil)
    let answerPrefix: String
    private let inboxPrefix: String
    let configuration: NatsConfiguration
    let subscriptions: SubscriptionTable
    private let knownVersion = Monitor<(generation: Int, version: String)?>(nil)

    /// Connects. Blocks up to `NatsLimits.connectTimeout` per server of the list, plus the time
    /// that the system takes to resolve a name. `vetsServers`: after each reconnect every call
    /// throws `.disconnected` until the owner has checked the server and called `useServer`.
    package init(
        _ configuration: NatsConfiguration, vetsServers: Bool = false,
        onEvent: @escaping @Sendable (NatsConnectionEvent) -> Void
    ) throws(NatsError) {
        self.configuration = configuration
        peer = configuration.peer
        replicas = configuration.replicas
        inboxPrefix = configuration.inboxPrefix
        answerPrefix = Self.randomInbox(below: inboxPrefix)
        events = ConnectionEvents(
            peer: peer, requests: requests, vetsServers: vetsServers, onEvent: onEvent)
        subscriptions = SubscriptionTable()
        let number = EventRegistry.add(events)
        do throws(NatsError) {
            let link = try Self.connect(configuration, events: number)
            links = Monitor(LinkState(link: link))
            unsafe presentHandle = Atomic(link.handle)
        } catch {
            EventRegistry.remove(number)
            throw error
        }
        guard configuration.mayRenew || configuration.tls != nil else { return }
        var ends: [natsStatus] = configuration.mayRenew ? [NATS_CONNECTION_AUTH_FAILED] : []
        // libnats does not know the error by which a server ends a user that was revoked.
        if configuration.credentials != nil { ends.append(NATS_ERR) }
        events.renews(after: ends) { [weak self] in self?.beginRenewal($0) }
    }

    deinit { close() }

    var present: NatsLink { links.withLock { $0.link } }

    /// For one call, which begins now.
    var handle: OpaquePointer { unsafe presentHandle.load(ordering: .acquiring) }

    /// Puts another link in the place of the present one. Returns false after `close`.
    func use(_ made: NatsLink) -> Bool {
        links.withLock { links in
            guard !links.isClosing else { return false }
            links.replace(by: made)
            unsafe presentHandle.store(made.handle, ordering: .releasing)
            return true
        }
    }

    package var wantsTLS: Bool { configuration.wantsTLS }

    package var isConnected: Bool {
        unsafe events.isLinkUp.load(ordering: .acquiring)
            && !events.isHeld
            && natsConnection_Status(handle) == NATS_CONN_STATUS_CONNECTED
    }

    /// The most bytes that the present server accepts, payload and headers together.
    package var maxPayloadBytes: Int { Int(unsafe natsConnection_GetMaxPayload(handle)) }

    /// Ends the link and all subscriptions; the event `.closed` follows. libnats waits up to 0.5 s
    /// for outstanding writes. Idempotent. Afterwards every call throws `.closed`.
    package func close() {
        events.willClose()
        let ended = links.withLock { links -> LinkState? in
            guard !links.isClosing else { return nil }
            links.isClosing = true
            isEnded.store(true, ordering: .releasing)
            return links
        }
        guard let ended else { return }
        // This joins libnats' read thread.
        unsafe natsConnection_Close(ended.link.handle)
        requests.failAll(NATS_CONNECTION_CLOSED)
        // Of a link that libnats has closed before it does not report this end.
        if ended.isRenewing { events.closed("") }
        subscriptions.retired.removeAll()
    }

    /// Waits until the server has received everything that was published before.
    package func flush(timeout: Duration) throws(NatsError) {
        try requireLink("flush")
        let status = unsafe natsConnection_FlushTimeout(present.handle, timeout.natsMilliseconds)
        guard status == NATS_OK else { throw error(status, "flush") }
    }

    /// The address of this machine on the link to the server. `nil` while there is no link.
    package var localAddress: String? {
        var text: UnsafeMutablePointer<CChar>?
        var port: Int32 = 0
        let status = unsafe natsConnection_GetLocalIPAndPort(present.handle, &text, &port)
        guard status == NATS_OK, let text = unsafe text else { return nil }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }

    /// Returns a unique subject prefix. Append ".<token>" for a reply subject, and subscribe to
    /// "<prefix>.>".
    package func newInbox() -> String { Self.randomInbox(below: inboxPrefix) }

    // MARK: parts

    private static func randomInbox(below prefix: String) -> String {
        "\(prefix).\(ServiceAnnouncement.randomID())"
    }

    static func connect(
        _ configuration: NatsConfiguration, events: Int
    ) throws(NatsError) -> NatsLink {
        // Looked at first: files that change meanwhile are read with the next link.
        let files = TLSFileState(configuration.tls)
        let options = try ConnectOptions(peer: configuration.peer)
        try options.set(configuration, events: events)
        var made: OpaquePointer?
        let status = unsafe natsConnection_Connect(&made, options.handle)
        guard status == NATS_OK, let handle = unsafe made else {
            throw connectError(status, configuration)
        }
        guard unsafe natsConnection_HasHeaderSupport(handle) == NATS_OK else {
            // The number is removed first: a connection that was never made has no `.closed` to
            // report.
            EventRegistry.remove(events)
            unsafe natsConnection_Destroy(handle)
            throw NatsError(
                NATS_NO_SERVER_SUPPORT, "connect", peer: configuration.peer,
                detail: "the server has no message headers")
        }
        return unsafe NatsLink(owning: handle, events: events, files)
    }

    private static func connectError(
        _ status: natsStatus, _ configuration: NatsConfiguration
    ) -> NatsError {
        let quotesSecrets = configuration.urls.contains { $0.contains("@") }
        let detail = quotesSecrets ? "" : lastErrorText()
        let error = NatsError(status, "connect", peer: configuration.peer, detail: detail)
        switch status {
        // This covers a peer that closes the connection during the greeting, or is no NATS server.
        case NATS_SYS_ERROR, NATS_IO_ERROR, NATS_CONNECTION_CLOSED, NATS_PROTOCOL_ERROR:
            if let reason = refusedCertificate(configuration) {
                return NatsError(
                    NATS_SSL_ERROR, "connect", peer: error.failure.peer, detail: reason)
            }
            return .unreachable(error.failure)
        default: return error
        }
    }

    /// Returns the text for a refused certificate. With TLS 1.3 a server refuses a client's
    /// certificate after the handshake, by closing a link that libnats treats as good. Whether the
    /// server demands a certificate distinguishes this from a crash.
    private static func refusedCertificate(_ configuration: NatsConfiguration) -> String? {
        guard configuration.wantsTLS,
            configuration.peer.split(separator: ",").contains(where: {
                NatsGreeting.demandsCertificate(at: String($0))
            })
        else { return nil }
        let demand = "the server demands a certificate of its clients"
        guard let ours = configuration.tls?.certFile else { return "\(demand), and there is none" }
        return "\(demand), and did not accept \(ours)"
    }

    func error(_ status: natsStatus, _ operation: String, detail: String = "") -> NatsError {
        ofPresent(NatsError(status, operation, peer: peer, detail: detail))
    }

    /// Returns the error of a call on a link. The end of a link that is replaced is no end of the
    /// connection.
    func ofPresent(_ error: NatsError) -> NatsError {
        guard case .closed(let failure) = error, events.awaitsLink else { return error }
        return .disconnected(failure)
    }

    func invalid(_ operation: String, _ detail: String) -> NatsError {
        error(NATS_INVALID_ARG, operation, detail: detail)
    }

    /// Throws unless the link is up at this moment. Without a link, libnats would keep what is
    /// published and send it later. It takes no lock of ours: packets are published by it.
    func requireLink(_ operation: @autoclosure () -> String) throws(NatsError) {
        if isEnded.load(ordering: .acquiring) { throw error(NATS_CONNECTION_CLOSED, operation()) }
        guard events.isLinkUp.load(ordering: .acquiring) else {
            throw error(NATS_CONNECTION_DISCONNECTED, operation())
        }
        guard !events.isHeld else {
            throw error(
                NATS_CONNECTION_DISCONNECTED, operation(),
                detail: "the server of this link is not used: it is too old, or not looked at yet")
        }
        switch unsafe natsConnection_Status(handle) {
        case NATS_CONN_STATUS_CONNECTED: return
        case NATS_CONN_STATUS_CLOSED: throw error(NATS_CONNECTION_CLOSED, operation())
        default: throw error(NATS_CONNECTION_DISCONNECTED, operation())
        }
    }
}

// MARK: the server

extension NatsConnection {
    /// The version of the present link's server, "2.12.8". It is empty when the server does not
    /// report it, and `nil` when no greeting came in time or there is no link. The server is asked
    /// until it has answered, once per link; this blocks up to the connect timeout.
    package var serverVersion: String? {
        switch askedVersion {
        case .known(let version): version
        case .hidden: ""
        case .unknown: nil
        }
    }

    /// True when the present link's server requires users. It asks the server (blocks up to the
    /// connect timeout); a server that does not answer is treated as requiring them.
    package var demandsAuthorization: Bool {
        NatsGreeting.demandsAuthorization(at: connectedAddress) ?? true
    }

    /// The number of links so far.
    package var link: Int { events.generation.load(ordering: .relaxed) }

    /// Marks the server of the link with this number as good. It has no effect on any other link.
    package func useServer(link: Int) { events.goodLink.store(link, ordering: .releasing) }

    /// From now on no call may use the present link's server.
    package func holdServer() { events.goodLink.store(-1, ordering: .releasing) }

    private var askedVersion: NatsGreeting.Version {
        let generation = events.generation.load(ordering: .relaxed)
        if let known = knownVersion.withLock({ $0 }), known.generation == generation {
            return .known(known.version)
        }
        let asked = NatsGreeting.version(at: connectedAddress)
        if case .known(let version) = asked {
            knownVersion.withLock { $0 = (generation, version) }
        }
        return asked
    }

    /// Throws when the server is older than `minimum` or does not report its version. The error is
    /// retryable when the server has just disconnected.
    package func requireServer(
        atLeast minimum: (major: Int, minor: Int, patch: Int)
    ) throws(NatsError) {
        let operation = "ask for the server's version"
        try requireLink(operation)
        let text: String
        switch askedVersion {
        case .known(let version): text = version
        case .hidden: text = ""
        case .unknown:
            throw error(NATS_NO_SERVER, operation, detail: "it gave no greeting in time")
        }
        let numbers = text.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 }
        let needed = "\(minimum.major).\(minimum.minor).\(minimum.patch) or newer is needed"
        guard numbers.count >= 2 else {
            throw error(
                NATS_NO_SERVER_SUPPORT, "check the server's version",
                detail: "it does not tell it, \(needed)")
        }
        let patch = numbers.count > 2 ? numbers[2] : 0
        guard (numbers[0], numbers[1], patch) >= minimum else {
            throw error(
                NATS_NO_SERVER_SUPPORT, "check the server's version",
                detail: "it is \(text), \(needed)")
        }
    }

    /// The id of the present link's server; empty while there is none. It changes with every start
    /// of the server.
    package var serverID: String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            let status = unsafe natsConnection_GetConnectedServerId(
                present.handle, buffer.baseAddress, buffer.count)
            guard status == NATS_OK, let start = buffer.baseAddress else { return "" }
            return unsafe String(cString: start)
        }
    }

    private var connectedAddress: String {
        let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            let status = unsafe natsConnection_GetConnectedUrl(
                present.handle, buffer.baseAddress, buffer.count)
            guard status == NATS_OK, let start = buffer.baseAddress else { return "" }
            return unsafe String(cString: start)
        }
        let behindScheme = text.split(separator: "/").last ?? ""
        return String(behindScheme.split(separator: "@").last ?? "")
    }
}
