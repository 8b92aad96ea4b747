import Glibc

/// The proxy's thread: accepts links and carries their bytes.
struct ProxyPump {
    private let listener: Int32
    private let server: UInt16
    private let controls: ProxyControls
    private var links: [ProxyLink] = []
    private var releases = 0

    init(listener: Int32, server: UInt16, controls: ProxyControls) {
        self.listener = listener
        self.server = server
        self.controls = controls
    }

    /// Runs until the proxy's owner is released.
    mutating func run() {
        while true {
            let state = controls.look { $0 }
            if state.isEnding { break }
            obey(state)
            wait(state)
            drainWakes()
            // Requests made during the wait apply to what arrived during the wait.
            let now = controls.look { $0 }
            if now.isEnding { break }
            obey(now)
            accept()
            for link in links { link.carry(frozen: now.frozen) }
            links.removeAll { $0.isOver }
            let (held, count) = (links.reduce(0) { $0 + $1.held.count }, links.count)
            controls.note { state in
                state.held = held
                state.links = count
            }
        }
        links.removeAll()
        close(listener)
    }

    private mutating func obey(_ state: ProxyControls.State) {
        if state.cuts > state.cutsDone {
            for link in links { link.reset() }
            links.removeAll()
            controls.note { $0.cutsDone = state.cuts }
        }
        if state.releases > releases {
            releases = state.releases
            for link in links { link.release() }
        }
    }

    private func wait(_ state: ProxyControls.State) {
        var polled = [
            pollfd(fd: controls.wakeRead, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        for link in links { polled += link.wishes(frozen: state.frozen) }
        _ = unsafe poll(&polled, nfds_t(polled.count), 1_000)
    }

    private func drainWakes() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while unsafe read(controls.wakeRead, &bytes, bytes.count) > 0 {}
    }

    private mutating func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { return }
            // The client sees the same as with a load balancer without servers: accepted, then
            // closed.
            guard let peer = LoopbackSocket.connect(to: server) else {
                close(client)
                continue
            }
            for end in [client, peer] { ProxySocket.setNonBlocking(end) }
            links.append(ProxyLink(client: client, server: peer, controls: controls))
        }
    }
}

/// The sockets of the proxy: non-blocking.
enum ProxySocket {
    static func listen() -> (descriptor: Int32, port: UInt16)? {
        let made = LoopbackSocket.listen()
        if let made { setNonBlocking(made.descriptor) }
        return made
    }

    static func setNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var one: Int32 = 1
        // Fails for a pipe, which has no delay.
        _ = unsafe setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one,
            socklen_t(MemoryLayout<Int32>.size))
    }
}
