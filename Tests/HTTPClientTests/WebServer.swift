import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPClient

/// The foreign server, and what a test asks of it.
struct WebServer {
    static let packages = "http-servers"
    static let obstacle = PythonServer.obstacle(of: packages)
    private static let script =
        "\(ServerPrograms.checkout)/Tests/HTTPClientTests/web_server.py"
    private static let plain = Result { try PythonServer(script, of: packages) }

    let server: PythonServer
    let scheme: String

    /// The server without TLS that all tests of a process share.
    init() throws {
        server = try Self.plain.get()
        scheme = "http"
    }

    /// A server with a certificate.
    init(_ certificates: Certificates, _ file: String) throws {
        server = try PythonServer(
            Self.script, [certificates.certificate(file), certificates.key(file)],
            of: Self.packages)
        scheme = "https"
    }

    func url(_ path: String, port: String = "port") throws -> HTTPURL {
        try #require(HTTPURL("\(scheme)://127.0.0.1:\(server.port(port))/\(path)"))
    }

    func peer(_ port: String = "port") -> String { "127.0.0.1:\(server.port(port))" }

    /// Returns how one request ends.
    func ask(
        _ path: String, port: String = "port",
        _ configuration: HTTPConfiguration = HTTPConfiguration(),
        headers: [HTTPHeader] = [], wanted: [String] = []
    ) throws -> Result<HTTPResponse, HTTPError> {
        let client = try HTTPClient(configuration) {}
        return try client.answer(
            HTTPRequest(url(path, port: port), headers: headers, wantedHeaders: wanted))
    }

    /// What the server says of a request to `echo`.
    struct Echo: Decodable {
        let version: String
        let query: String
        let connection: Int
        let headers: [String: String]
    }

    /// Whether the clients have gone that asked it to wait.
    struct State: Decodable {
        let gone: [Bool]
    }
}

extension HTTPClient {
    /// Returns how a request ends, when no other one has an outcome.
    func answer(_ request: HTTPRequest) throws -> Result<HTTPResponse, HTTPError> {
        let id = try self.request(request)
        let outcomes = outcomes(1)
        try #require(outcomes.map(\.id) == [id])
        return outcomes[0].result
    }

    /// Waits for so many outcomes, and returns what came.
    func outcomes(_ count: Int) -> [HTTPOutcome] {
        var found: [HTTPOutcome] = []
        _ = eventually(within: 60) {
            found += take()
            return found.count >= count
        }
        return found
    }
}

extension HTTPResponse {
    var text: String { String(decoding: body, as: UTF8.self) }

    func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(type, from: Data(body))
    }
}

extension Result<HTTPResponse, HTTPError> {
    var error: HTTPError? {
        if case .failure(let error) = self { error } else { nil }
    }
}
