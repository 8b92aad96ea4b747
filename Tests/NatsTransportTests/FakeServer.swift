import Glibc
import Synchronization

/// Sends `greeting` to every client that connects. It plays servers that a real nats-server cannot.
final class FakeServer: Sendable {
    enum Manner {
        case answersPings
        case staysSilent
        case refusesUser
        case hangsUp
    }

    let port: UInt16
    private let listener: Int32

    init(_ greeting: String, _ manner: Manner = .answersPings) {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        precondition(bound, "no port for a fake server: errno \(errno)")
        port = UInt16(bigEndian: address.sin_port)
        _ = TestThread { Self.serve(descriptor, greeting, manner) }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// Runs until the listener is shut down.
    private static func serve(_ listener: Int32, _ greeting: String, _ manner: Manner) {
        while true {
            let peer = accept(listener, nil, nil)
            guard peer >= 0 else { return }
            _ = TestThread {
                write(greeting, to: peer)
                var bytes = [UInt8](repeating: 0, count: 4_096)
                while true {
                    let count = unsafe recv(peer, &bytes, bytes.count, 0)
                    guard count > 0 else { break }
                    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
                    let pings = text.split(separator: "\r\n").count { $0.hasPrefix("PING") }
                    switch manner {
                    case .answersPings:
                        write(String(repeating: "PONG\r\n", count: pings), to: peer)
                    case .refusesUser: write("-ERR 'Authorization Violation'\r\n", to: peer)
                    case .staysSilent: break
                    case .hangsUp: shutdown(peer, Int32(SHUT_RDWR))
                    }
                }
                close(peer)
            }
        }
    }

    private static func write(_ text: String, to peer: Int32) {
        let bytes = Array(text.utf8)
        _ = unsafe send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
