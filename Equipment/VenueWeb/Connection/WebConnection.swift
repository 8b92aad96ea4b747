package import Primitives

/// One connection: first HTTP, and after an upgrade a WebSocket. `Session` is what the venue knows
/// about its client.
package struct WebConnection<Session: Sendable>: Sendable {
    package let number: Int
    package let began: Timestamp
    package var session: Session
    package var out = OutgoingBytes()
    package var isWebSocket = false
    /// One side has said that it ends: the connection was not just lost.
    package internal(set) var isEndedCleanly = false
    /// Bytes of the client that are not understood yet.
    var input: [UInt8] = []
    /// A message of the client whose last frame has not come; `nil`: there is none.
    private var pieces: [UInt8]?
    var faults = ConnectionFaults()

    private var pingedAt: Timestamp
    /// When the first ping was sent that has no pong; `nil`: there is none.
    private var unansweredSince: Timestamp?
    private var second: Int64 = 0
    private var framesOfSecond = 0

    init(number: Int, session: Session, now: Timestamp) {
        self.number = number
        self.session = session
        began = now
        pingedAt = now
    }

    /// Nothing is sent but pongs.
    package func isMute(_ now: Timestamp) -> Bool { faults.muteUntil.map { now < $0 } ?? false }

    /// Records of the market are sent to it.
    package func isDelivering(_ now: Timestamp) -> Bool {
        isWebSocket && !faults.isHalfOpen && !isMute(now) && !out.isClosing
    }

    /// How many bytes may be sent now.
    func allowance(_ now: Timestamp) -> Int {
        let isHeld = faults.isHalfOpen || faults.heldUntil.map { now < $0 } ?? false
        return isHeld ? 0 : out.allowance
    }

    package mutating func send(_ frame: WebSocketFrame, _ messages: [QueuedMessage]) {
        guard out.waiting <= WebLimits.outgoingBytesMax else { return out.closeNow() }
        out.append(messages) { frame.append(to: &$0) }
    }

    package mutating func send(_ frame: WebSocketFrame, _ message: QueuedMessage) {
        send(frame, [message])
    }

    package mutating func send(_ answer: HTTPAnswer) {
        guard out.waiting <= WebLimits.outgoingBytesMax else { return out.closeNow() }
        let message = QueuedMessage(
            kind: "http", details: ["\"status\":\(answer.status)", answer.details])
        out.append([message]) { $0 += answer.bytes }
    }

    /// Sends a close with its code and ends the connection.
    package mutating func close(_ code: UInt16, _ reason: String = "") {
        guard !out.isClosing else { return }
        send(.close(code, reason), QueuedMessage(kind: "close"))
        isEndedCleanly = true
        out.closeWhenSent()
    }

    /// Does what is due: pings, and the ends of connections that are old or do not answer.
    mutating func timePassed(_ now: Timestamp, _ settings: WebSettings) {
        guard isWebSocket, !faults.isHalfOpen else { return }
        if let endsAt = faults.endsAt, now >= endsAt { return close(1_001, "going away") }
        let age = now.nanoseconds(since: began)
        if age >= settings.lifetimeSeconds * 1_000_000_000 { return close(1_001, "too old") }
        if let unansweredSince,
            now.nanoseconds(since: unansweredSince) >= WebLimits.pongSeconds * 1_000_000_000
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

    /// Returns the next whole message of the client; `nil`: none has come. It answers pings.
    mutating func nextMessage(_ now: Timestamp, _ settings: WebSettings) -> [UInt8]? {
        while !out.isClosing {
            switch WebSocketFrame.read(input) {
            case .incomplete: return nil
            case .malformed:
                close(1_002, "Protocol error")
            case .frame(let frame, let count):
                input.removeFirst(count)
                guard countFrame(now, settings) else {
                    close(1_008, "Too many requests")
                    return nil
                }
                if let message = take(frame) { return message }
            }
        }
        return nil
    }

    /// Returns the message that the frame completes.
    private mutating func take(_ frame: WebSocketFrame) -> [UInt8]? {
        switch frame.kind {
        case .ping:
            send(
                WebSocketFrame(kind: .pong, payload: frame.payload), QueuedMessage(kind: "pong"))
        case .pong: unansweredSince = nil
        case .close: close(1_000)
        case .text, .binary, .continuation:
            guard (frame.kind == .continuation) == (pieces != nil) else {
                close(1_002, "Protocol error")
                return nil
            }
            let message = (pieces ?? []) + frame.payload
            guard message.count <= WebLimits.requestBytesMax else {
                close(1_009, "Message too big")
                return nil
            }
            pieces = frame.isLast ? nil : message
            return frame.isLast ? message : nil
        }
        return nil
    }

    /// Counts a frame of the client. Returns false if it has sent too many.
    private mutating func countFrame(_ now: Timestamp, _ settings: WebSettings) -> Bool {
        let current = now.nanoseconds / 1_000_000_000
        framesOfSecond = current == second ? framesOfSecond + 1 : 1
        second = current
        return settings.framesPerSecondMax.map { framesOfSecond <= $0 } ?? true
    }
}

/// What was ordered for one connection.
struct ConnectionFaults: Sendable {
    /// Nothing is sent but pongs before this time.
    var muteUntil: Timestamp?
    /// What is sent before this time is only sent then.
    var heldUntil: Timestamp?
    /// Nothing is read, answered and sent any more.
    var isHalfOpen = false
    /// It is closed at this time; `nil`: not known.
    var endsAt: Timestamp?
}
