import Glibc
import TestSupport

/// Listens, and answers once with given bytes.
final class RawListener: Sendable {
    private let listener: SilentListener

    var port: UInt16 { listener.port }

    init() throws { listener = try SilentListener() }

    func answerOne(_ answer: String, closing: Bool) {
        let connection = accept(listener.descriptor, nil, nil)
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
