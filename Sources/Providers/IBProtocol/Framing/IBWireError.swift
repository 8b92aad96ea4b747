/// An error that ends a connection, because no later bytes can be understood.
package enum IBWireError: Error, Hashable, Sendable {
    /// The four bytes before a message, as a signed number: 0, negative, or above
    /// `FrameDecoder.bodyBytesMax`.
    case frameLength(Int32)
    /// The first message is not the answer to a handshake.
    case handshakeAnswer(String)
    case serverTooOld(server: Int, minimum: Int)
    /// The server names another server instead of answering.
    case redirected(to: String)
    /// Options for the handshake that cannot be sent.
    case handshakeOptions
}

extension IBWireError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .frameLength(let length):
            "a message declares \(length) bytes, not 1 to \(FrameDecoder.bodyBytesMax): "
                + "this is no TWS, or the stream is damaged"
        case .handshakeAnswer(let text):
            "the answer to the handshake is '\(text)', not a version and a time: "
                + "check that the port is the API port of TWS or IB Gateway"
        case .serverTooOld(let server, let minimum):
            "the server speaks version \(server), at least \(minimum) is needed: "
                + "update TWS or IB Gateway"
        case .redirected(let address):
            "the server redirects to '\(address)': connect there if it is yours"
        case .handshakeOptions:
            "the options of the handshake are not printable ASCII"
        }
    }
}
