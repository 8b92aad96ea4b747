import Glibc
import Synchronization
import TestSupport

/// Sends `greeting` to every client that connects. It plays servers that a real nats-server cannot.
final class FakeServer: Sendable {
    enum Manner {
        case answersPings
        case staysSilent
        case refusesUser
        case hangsUp
    }

    private let listener: SilentListener

    var port: UInt16 { listener.port }

    init(_ greeting: String, _ manner: Manner = .answersPings) throws {
        listener = try SilentListener()
        let descriptor = listener.descriptor
        _ = TestThread { Self.serve(descriptor, greeting, manner) }
    }

    deinit { shutdown(listener.descriptor, Int32(SHUT_RDWR)) }

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
