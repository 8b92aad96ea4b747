import ServiceTestSupport
import Synchronization
import TestSupport
import Testing

@testable import Cockpit

/// A cockpit whose NATS and database are not there.
final class LoneCockpit: Sendable {
    let running: RunningService
    let port: UInt16

    init(_ settings: [String: String] = [:]) throws {
        let dead = freePort()
        let environment = [
            "NATS_URL": "nats://127.0.0.1:\(dead)", "POSTGRES_PORT": "\(dead)", "COCKPIT_PORT": "0",
        ].merging(settings) { $1 }
        let opened = Opened()
        running = try TestService(Main.description, environment).start { context in
            try Main.run(context) { port in opened.port.withLock { $0 = port } }
        }
        let isOpen = eventually { opened.port.withLock { $0 } != nil }
        #expect(isOpen)
        port = opened.port.withLock { $0 } ?? 0
    }

    private final class Opened: Sendable {
        let port = Mutex<UInt16?>(nil)
    }

    /// Returns what comes for a request on a connection of its own.
    func ask(_ request: String, until end: String? = nil) throws -> String {
        let connection = try PlainConnection(port: port)
        try connection.send(Array(request.utf8))
        return String(
            decoding: try connection.receive { bytes in
                end.map { String(decoding: bytes, as: UTF8.self).contains($0) } ?? false
            }, as: UTF8.self)
    }

    func get(_ path: String, _ headers: String = "") throws -> String {
        try ask("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(headers)\r\n")
    }

    func post(_ path: String, _ body: String, _ headers: String = "") throws -> String {
        try ask(
            "POST \(path) HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
                + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
        )
    }
}
