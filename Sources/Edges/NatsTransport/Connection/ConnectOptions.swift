internal import CNats
import Glibc
import Primitives

/// The options of one connect. libnats copies them, so they are destroyed with this value.
@safe
struct ConnectOptions: ~Copyable {
    // Safety: made here, passed to `natsConnection_Connect` only, destroyed in deinit.
    let handle: OpaquePointer
    private let peer: String

    init(peer: String) throws(NatsError) {
        var made: OpaquePointer?
        let status = Self.withoutSignals { unsafe natsOptions_Create(&made) }
        guard status == NATS_OK, let handle = unsafe made else {
            throw NatsError(status, "prepare to connect", peer: peer)
        }
        self.peer = peer
        unsafe self.handle = unsafe handle
    }

    deinit { unsafe natsOptions_Destroy(handle) }

    /// libnats starts threads with the first call of a process. They must not receive signals, even
    /// when the process has not set its signal handlers yet.
    private static func withoutSignals<Result>(_ body: () -> Result) -> Result {
        var meant = sigset_t()
        unsafe sigemptyset(&meant)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD] {
            unsafe sigaddset(&meant, number)
        }
        var before = sigset_t()
        unsafe pthread_sigmask(SIG_BLOCK, &meant, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }

    /// `events` is the number that all callbacks get.
    func set(_ configuration: NatsConfiguration, events: Int) throws(NatsError) {
        try setServers(configuration)
        try setTimes()
        try setWrites(configuration)
        try setSecurity(configuration)
        try unsafe setCallbacks(UnsafeMutableRawPointer(bitPattern: events))
    }

    /// Throws when a call failed. `quoting` adds libnats' own text; it must be false for URLs,
    /// whose text would show their password.
    private func check(
        _ status: natsStatus, _ what: String, quoting isHarmless: Bool = false
    ) throws(NatsError) {
        guard status == NATS_OK else {
            throw NatsError(
                status, "set \(what)", peer: peer, detail: isHarmless ? lastErrorText() : "")
        }
    }

    private func setServers(_ configuration: NatsConfiguration) throws(NatsError) {
        guard !configuration.urls.isEmpty else {
            throw NatsError(NATS_ADDRESS_MISSING, "set NATS_URL", peer: "no server")
        }
        // Safety: the copies are freed below; libnats makes its own.
        var urls = unsafe configuration.urls.map { unsafe UnsafePointer<CChar>(strdup($0)) }
        let status = unsafe urls.withUnsafeMutableBufferPointer { urls in
            unsafe natsOptions_SetServers(handle, urls.baseAddress, Int32(clamping: urls.count))
        }
        unsafe urls.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
        try check(status, "NATS_URL")
        try check(unsafe natsOptions_SetName(handle, configuration.clientName), "the client name")
    }

    private func setTimes() throws(NatsError) {
        try check(
            unsafe natsOptions_SetTimeout(handle, NatsLimits.connectTimeout.natsMilliseconds),
            "the connect timeout")
        try check(
            unsafe natsOptions_SetPingInterval(handle, NatsLimits.pingInterval.natsMilliseconds),
            "the ping interval")
        try check(
            unsafe natsOptions_SetMaxPingsOut(handle, Int32(NatsLimits.pingsOutstandingMax)),
            "the pings")
        try check(unsafe natsOptions_SetMaxReconnect(handle, -1), "the reconnects")
        try check(
            unsafe natsOptions_SetReconnectBufSize(
                handle, Int32(NatsLimits.reconnectBufferBytes)),
            "the reconnect buffer")
        try check(
            unsafe natsOptions_SetWriteDeadline(handle, NatsLimits.writeDeadline.natsMilliseconds),
            "the write deadline")
    }

    private func setWrites(_ configuration: NatsConfiguration) throws(NatsError) {
        // Without this, a background thread writes a millisecond later, and a failure of that write
        // is reported nowhere.
        try check(
            unsafe natsOptions_SetSendAsap(handle, configuration.writesAtOnce), "writing at once")
    }

    private func setSecurity(_ configuration: NatsConfiguration) throws(NatsError) {
        let password = configuration.renewable?.value ?? configuration.password
        if configuration.user != nil || password != nil {
            try check(
                unsafe natsOptions_SetUserInfo(handle, configuration.user, password), "NATS_USER")
        }
        if let file = configuration.credentials {
            try check(
                unsafe natsOptions_SetUserCredentialsFromFiles(handle, file, nil),
                "the credentials of \(file)")
        }
        guard configuration.wantsTLS else { return }
        guard let tls = configuration.tls else {
            throw NatsError(
                NATS_INVALID_ARG, "set up TLS", peer: peer,
                detail: "a tls:// URL needs the file of the trusted certificates")
        }
        try check(unsafe natsOptions_SetSecure(handle, true), "TLS")
        try loadAuthorities(tls)
        if let name = tls.serverName {
            try check(unsafe natsOptions_SetExpectedHostname(handle, name), "the server's name")
        }
        try loadOwn(tls)
    }

    func loadAuthorities(_ tls: NatsConfiguration.TLS) throws(NatsError) {
        try checkFile(tls.caFile)
        try check(
            unsafe natsOptions_LoadCATrustedCertificates(handle, tls.caFile),
            "the trusted certificates of \(tls.caFile)", quoting: true)
    }

    func loadOwn(_ tls: NatsConfiguration.TLS) throws(NatsError) {
        guard let certFile = tls.certFile, let keyFile = tls.keyFile else { return }
        try checkFile(certFile)
        try checkFile(keyFile)
        try check(
            unsafe natsOptions_LoadCertificatesChain(handle, certFile, keyFile),
            "the certificate of \(certFile) with the key of \(keyFile)", quoting: true)
    }

    func checkFile(_ path: String) throws(NatsError) {
        guard unsafe access(path, R_OK) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw NatsError(
                NATS_INVALID_ARG, "set up TLS", peer: peer,
                detail: "\(path) cannot be read: \(reason)")
        }
    }

    private func setCallbacks(_ closure: UnsafeMutableRawPointer?) throws(NatsError) {
        try check(
            unsafe natsOptions_SetCustomReconnectDelay(handle, connectionWillRetry, closure),
            "the reconnect wait")
        try check(
            unsafe natsOptions_SetDisconnectedCB(handle, connectionDisconnected, closure),
            "a callback")
        try check(
            unsafe natsOptions_SetReconnectedCB(handle, connectionReconnected, closure),
            "a callback")
        try check(
            unsafe natsOptions_SetClosedCB(handle, connectionClosed, closure), "a callback")
        try check(
            unsafe natsOptions_SetLameDuckModeCB(handle, connectionLameDuck, closure),
            "a callback")
        try check(
            unsafe natsOptions_SetErrorHandler(handle, connectionError, closure), "a callback")
    }
}
