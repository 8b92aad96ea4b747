internal import CWebSockets

/// One connection, between `open` and its end.
// Safety: `wsi` is the library's; it is forgotten in the callback that reports its end.
@safe
final class WebSocketConnection {
    let number: UInt
    let peer: String
    var wsi: OpaquePointer?
    var isOpen = false
    /// Its end was reported, or the owner has closed it.
    var isOver = false
    /// The pieces of a message that has not ended.
    var pieces: [UInt8] = []
    /// Texts to send.
    var outbox: [[UInt8]] = []
    var outboxBytes = 0
    /// What a close tells the server.
    var closeCode = LWS_CLOSE_STATUS_NORMAL
    /// Why it ends; `nil`: not known yet.
    var ending: WebSocketError?

    init(number: UInt, peer: String) {
        self.number = number
        self.peer = peer
    }

    var pieceBytes: Int { pieces.count }

    /// Notes the code and the text of the server's close.
    func noteClose(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 2 else {
            ending = .closed(peer: peer, code: .none, reason: "")
            return
        }
        let code = unsafe UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        ending = .closed(
            peer: peer, code: WebSocketCloseCode(rawValue: code),
            reason: unsafe String(decoding: bytes.dropFirst(2), as: UTF8.self))
    }
}
