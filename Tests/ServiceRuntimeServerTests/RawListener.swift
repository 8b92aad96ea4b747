import Glibc
import TestSupport
import Testing

@testable import ServiceRuntime

/// Listens, and answers once with given bytes.
final class RawListener: Sendable {
    private let descriptor: Int32
    let port: UInt16

    init() throws {
        let socket = try ListeningSocketPort()
        descriptor = socket.descriptor
        port = socket.port
    }

    deinit { close(descriptor) }

    func answerOne(_ answer: String, closing: Bool) {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else { return }
        defer { close(connection) }
        var request = [UInt8](repeating: 0, count: 4_096)
        _ = unsafe recv(connection, &request, request.count, 0)
        var text = answer
        text.withUTF8 { bytes in
            _ = unsafe send(connection, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        // Ends without a reset, so that the client can read everything.
        if closing { shutdown(connection, Int32(SHUT_WR)) }
        _ = unsafe recv(connection, &request, request.count, 0)
    }
}

private struct ListeningSocketPort {
    let descriptor: Int32
    let port: UInt16

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard var address = SocketAddress(host: "127.0.0.1", port: 0), descriptor >= 0 else {
            throw RawClient.Failed(what: "socket")
        }
        let descriptor = descriptor
        let isListening = unsafe address.withPointer {
            unsafe bind(descriptor, $0, $1.pointee) == 0 && listen(descriptor, 8) == 0
                && getsockname(descriptor, $0, $1) == 0
        }
        guard isListening else { throw RawClient.Failed(what: "listen") }
        port = address.port
    }
}
