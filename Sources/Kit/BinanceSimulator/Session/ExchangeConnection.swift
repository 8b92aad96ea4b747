internal import Primitives

/// One connection: first HTTP, and after an upgrade a WebSocket.
struct ExchangeConnection: Sendable {
    let number: Int
    let began: Timestamp
    var out = OutgoingBytes()
    /// Bytes of the client that are not understood yet.
    var input: [UInt8] = []
    var isWebSocket = false
    /// Events are wrapped with the names of their streams.
    var isCombined = false
    var streams: Set<String> = []
    /// A message of the client whose last frame has not come; `nil`: there is none.
    var pieces: [UInt8]?

    // Faults.
    /// Nothing is sent but pongs before this time.
    var muteUntil: Timestamp?
    /// Nothing is read, answered and sent any more.
    var isHalfOpen = false
    /// It is closed at this time; `nil`: not known.
    var endsAt: Timestamp?

    private var pingedAt: Timestamp
    /// When the first ping was sent that has no pong; `nil`: there is none.
    private var unansweredSince: Timestamp?
    private var second: Int64 = 0
    private var framesOfSecond = 0

    init(number: Int, now: Timestamp) {
        self.number = number
        began = now
        pingedAt = now
    }

    func isMute(_ now: Timestamp) -> Bool { muteUntil.map { now < $0 } ?? false }

    /// How many bytes may be sent now.
    var allowance: Int { isHalfOpen ? 0 : out.allowance }

    mutating func send(_ frame: WebSocketFrame, _ message: QueuedMessage) {
        guard out.waiting <= ExchangeLimits.outgoingBytesMax else { return out.closeNow() }
        out.append(message) { frame.append(to: &$0) }
    }

    mutating func send(_ answer: HTTPAnswer) {
        guard out.waiting <= ExchangeLimits.outgoingBytesMax else { return out.closeNow() }
        out.append(QueuedMessage(kind: "http")) { $0 += answer.bytes }
    }

    /// Sends a close with its code and ends the connection.
    mutating func close(_ code: UInt16, _ reason: String = "") {
        guard !out.isClosing else { return }
        send(.close(code, reason), QueuedMessage(kind: "close"))
        out.closeWhenSent()
    }

    /// Does what is due: pings, and the ends of connections that are old or do not answer.
    mutating func timePassed(_ now: Timestamp, _ settings: ExchangeSettings) {
        guard isWebSocket, !isHalfOpen else { return }
        if let endsAt, now >= endsAt { return close(1_001, "going away") }
        let age = now.nanoseconds(since: began)
        if age >= settings.lifetimeSeconds * 1_000_000_000 { return close(1_001, "24 hours") }
        if let unansweredSince,
            now.nanoseconds(since: unansweredSince) >= ExchangeLimits.pongSeconds * 1_000_000_000
        {
            return close(1_008, "Pong timeout")
        }
        guard now.nanoseconds(since: pingedAt) >= settings.pingSeconds * 1_000_000_000,
            !isMute(now)
        else { return }
        pingedAt = now
        unansweredSince = unansweredSince ?? now
        let text = Array(String(now.nanoseconds / 1_000_000).utf8)
        send(WebSocketFrame(kind: .ping, payload: text), QueuedMessage(kind: "ping"))
    }

    mutating func tookPong() { unansweredSince = nil }

    /// Counts a frame of the client. Returns false if it has sent too many.
    mutating func countFrame(_ now: Timestamp) -> Bool {
        let current = now.nanoseconds / 1_000_000_000
        framesOfSecond = current == second ? framesOfSecond + 1 : 1
        second = current
        return framesOfSecond <= ExchangeLimits.framesPerSecond
    }
}
