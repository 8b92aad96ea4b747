import Foundation
import Primitives
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

    /// What came for a request.
    struct Answer: CustomStringConvertible {
        let description: String

        var status: Int { Int(description.dropFirst(9).prefix(3)) ?? 0 }
        var body: String { description.components(separatedBy: "\r\n\r\n").dropFirst().joined() }
        /// The cookie that it gives, as a header of later requests.
        var cookie: String? {
            header("Set-Cookie").map { "Cookie: \($0.prefix { $0 != ";" })\r\n" }
        }

        func json() throws -> JSONValue { try JSONValue.parse(Array(body.utf8)) }

        func header(_ name: String) -> String? {
            let line = description.split(separator: "\r\n").first { $0.hasPrefix("\(name): ") }
            return line.map { String($0.dropFirst(name.count + 2)) }
        }

        func contains(_ text: String) -> Bool { description.contains(text) }
    }

    /// Returns what comes for a request on a connection of its own.
    func ask(_ request: String, until end: String? = nil) throws -> Answer {
        let connection = try PlainConnection(port: port)
        try connection.send(Array(request.utf8))
        let bytes = try connection.receive { bytes in
            end.map { String(decoding: bytes, as: UTF8.self).contains($0) } ?? false
        }
        return Answer(description: String(decoding: bytes, as: UTF8.self))
    }

    /// Opens a stream of events, and waits until this text comes.
    func stream(_ headers: String = "", until text: String = "event: look") throws
        -> PlainConnection
    {
        let stream = try PlainConnection(port: port)
        try stream.send(Array("GET /events HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n".utf8))
        try Self.receive(text, from: stream)
        return stream
    }

    /// Waits until this text comes. What comes before it is passed over.
    static func receive(_ text: String, from stream: PlainConnection) throws {
        let bytes = try stream.receive { String(decoding: $0, as: UTF8.self).contains(text) }
        #expect(!bytes.isEmpty)
    }

    func get(_ path: String, _ headers: String = "") throws -> Answer {
        try ask("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(headers)\r\n")
    }

    func post(
        _ path: String, _ body: String, _ headers: String = "", host: String = "localhost",
        origin: String = "Origin: http://localhost\r\n"
    ) throws -> Answer {
        try ask(
            "POST \(path) HTTP/1.1\r\nHost: \(host)\r\n\(origin)Connection: close\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
    }
}
