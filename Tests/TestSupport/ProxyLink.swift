import Glibc

/// One client's link through the proxy. The proxy's thread owns it.
final class ProxyLink {
    typealias Message = (direction: NatsProxy.Direction, bytes: [UInt8])

    /// One direction: read bytes that are not a complete message yet, and bytes to be written.
    private struct Flow {
        let from: Int32
        let to: Int32
        var parser = ProtocolParser()
        var outgoing: [UInt8] = []
        var written = 0
        var hasEnded = false

        var unwritten: Int { outgoing.count - written }

        /// Ends the direction, when there is no peer to take the rest.
        mutating func end() {
            hasEnded = true
            outgoing = []
            written = 0
        }
    }

    /// The most bytes that wait for a slow peer, or for the end of a freeze. Beyond that nothing
    /// more is read.
    private static let waitingBytesMax = 4 * 1_048_576
    private static let readBytes = 65_536
    /// More held messages than any test requests.
    private static let heldMax = 1_024

    private let controls: ProxyControls
    private var toServer: Flow
    private var toClient: Flow
    private(set) var held: [Message] = []
    private(set) var isOver = false
    /// Subjects to which the client is subscribed, and the numbers it gave them.
    private var subscriptions: [(subject: String, number: String)] = []
    /// Answers for which publishes wait, and the replacement of each.
    private var awaited: [String: NatsProxy.Refusal?] = [:]

    init(client: Int32, server: Int32, controls: ProxyControls) {
        self.controls = controls
        toServer = Flow(from: client, to: server)
        toClient = Flow(from: server, to: client)
    }

    deinit {
        close(toServer.from)
        close(toServer.to)
    }

    /// Makes the next event of either peer a reset.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        for end in [toServer.from, toServer.to] {
            _ = unsafe setsockopt(
                end, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        }
        isOver = true
    }

    func wishes(frozen: Set<NatsProxy.Direction>) -> [pollfd] {
        var client: Int32 = 0
        var server: Int32 = 0
        if wantsMore(toServer) { client |= POLLIN }
        if wantsMore(toClient) { server |= POLLIN }
        if toServer.unwritten > 0, !frozen.contains(.toServer) { server |= POLLOUT }
        if toClient.unwritten > 0, !frozen.contains(.toClient) { client |= POLLOUT }
        // A socket with nothing to wait for is left out, because its hang-up would be reported
        // repeatedly.
        return [
            pollfd(fd: client == 0 ? -1 : toServer.from, events: Int16(client), revents: 0),
            pollfd(fd: server == 0 ? -1 : toClient.from, events: Int16(server), revents: 0),
        ]
    }

    private func wantsMore(_ flow: Flow) -> Bool {
        !flow.hasEnded && flow.unwritten < Self.waitingBytesMax
    }

    /// Reads and writes what is possible without waiting.
    func carry(frozen: Set<NatsProxy.Direction>) {
        read(&toServer)
        while let message = toServer.parser.next() { fromClient(message) }
        read(&toClient)
        while let message = toClient.parser.next() { fromServer(message) }
        if !frozen.contains(.toServer) { write(&toServer) }
        if !frozen.contains(.toClient) { write(&toClient) }
        let over = { (flow: Flow) in flow.hasEnded && flow.unwritten == 0 }
        if over(toServer) || over(toClient) { isOver = true }
    }

    func release() {
        let messages = held
        held = []
        for message in messages { forward(message) }
    }

    private func forward(_ message: Message) {
        switch message.direction {
        case .toServer: toServer.outgoing += message.bytes
        case .toClient: toClient.outgoing += message.bytes
        }
    }

    // MARK: bytes

    private func read(_ flow: inout Flow) {
        guard wantsMore(flow) else { return }
        var bytes = [UInt8](repeating: 0, count: Self.readBytes)
        let count = unsafe recv(flow.from, &bytes, bytes.count, 0)
        if count > 0 {
            flow.parser.add(bytes[..<count])
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            flow.hasEnded = true
        }
    }

    private func write(_ flow: inout Flow) {
        while flow.unwritten > 0 {
            let start = flow.written
            let sent = unsafe flow.outgoing.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[start...])
                return unsafe send(
                    flow.to, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else {
                if errno != EAGAIN, errno != EINTR { flow.end() }
                return
            }
            flow.written += sent
        }
        flow.outgoing.removeAll(keepingCapacity: true)
        flow.written = 0
    }

    // MARK: messages

    private func fromClient(_ message: ProtocolMessage) {
        let bytes: Message = (.toServer, message.bytes)
        switch message.verb {
        case "SUB":
            if let subject = message.words.first, let number = message.words.last {
                subscriptions.append((subject, number))
            }
        case "PUB", "HPUB":
            let sickness = controls.sickness(of: message.words.first ?? "")
            if sickness.isSick {
                if let reply = message.reply, let refusal = sickness.refusal {
                    answer(reply, refusal)
                }
                return
            }
            guard let traffic = traffic(of: message) else { break }
            if traffic == .publish, let reply = message.reply { awaited[reply] = .some(nil) }
            switch controls.action(for: traffic) {
            case nil: break
            case .lose: return
            case .hold:
                hold(bytes)
                return
            case .refuse(let refusal, let stored):
                guard let reply = message.reply else { break }
                if stored {
                    awaited[reply] = .some(refusal)
                    break
                }
                awaited[reply] = nil
                answer(reply, refusal)
                return
            }
        default: break
        }
        forward(bytes)
    }

    private func traffic(of message: ProtocolMessage) -> NatsProxy.Traffic? {
        guard let subject = message.words.first else { return nil }
        if subject.hasPrefix("$JS.API.CONSUMER.MSG.NEXT.") { return .pull }
        return message.reply == nil || subject.hasPrefix("$") || subject.hasPrefix("_")
            ? nil : .publish
    }

    private func fromServer(_ message: ProtocolMessage) {
        if message.verb == "INFO", let version = controls.look({ $0.version }) {
            forward((.toClient, Self.pretending(version, message.bytes)))
            return
        }
        let bytes: Message = (.toClient, message.bytes)
        guard message.verb == "MSG" || message.verb == "HMSG", let subject = message.words.first
        else {
            forward(bytes)
            return
        }
        var traffic: NatsProxy.Traffic?
        if let refusal = awaited.removeValue(forKey: subject) {
            if let refusal {
                answer(subject, refusal)
                return
            }
            traffic = .acknowledgement
        } else if message.reply?.hasPrefix("$JS.ACK.") == true {
            traffic = .delivery
        }
        switch traffic.flatMap(controls.action) {
        case .lose: return
        case .hold: hold(bytes)
        case nil, .refuse: forward(bytes)
        }
    }

    private static func pretending(_ version: String, _ info: [UInt8]) -> [UInt8] {
        let text = String(decoding: info, as: UTF8.self)
        let key = "\"version\":\""
        guard let start = text.firstRange(of: key)?.upperBound,
            let end = text[start...].firstIndex(of: "\"")
        else { return info }
        return Array((text[..<start] + version + text[end...]).utf8)
    }

    private func hold(_ message: Message) {
        precondition(held.count < Self.heldMax, "the proxy holds too many messages")
        held.append(message)
    }

    /// Sends an answer in the server's name.
    private func answer(_ subject: String, _ refusal: NatsProxy.Refusal) {
        let heard = subscriptions.last { entry in
            entry.subject == subject
                || (entry.subject.hasSuffix(".>") && subject.hasPrefix(entry.subject.dropLast()))
        }
        guard let heard else { return }
        let text: String
        switch refusal {
        case .noResponders:
            text = "HMSG \(subject) \(heard.number) 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
        case .error(let code, let errorCode, let description):
            let body =
                "{\"error\":{\"code\":\(code),\"err_code\":\(errorCode),\"description\":"
                + "\"\(description)\"},\"stream\":\"S\",\"seq\":0}"
            text = "MSG \(subject) \(heard.number) \(body.utf8.count)\r\n\(body)\r\n"
        }
        forward((.toClient, Array(text.utf8)))
    }
}
