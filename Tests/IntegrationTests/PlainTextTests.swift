import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// Who answers in plain text in a stack with TLS.
    @Suite(
        .enabled(if: Certificates.obstacle == nil, Comment(rawValue: Certificates.obstacle ?? "")))
    struct PlainTextTests {
        /// A protocol without TLS, and what shows that its session began.
        private struct Language {
            let name: String
            let request: [UInt8]
            let answers: [String]

            init(_ name: String, _ request: String, _ answers: String...) {
                (self.name, self.request, self.answers) = (name, Array(request.utf8), answers)
            }

            init(_ name: String, _ request: [UInt8], _ answers: String...) {
                (self.name, self.request, self.answers) = (name, request, answers)
            }
        }

        /// As docs/security.md lists them. Nothing else answers.
        private static let listed: Set<String> = [
            "provider-gateway: http", "operator-worker: http", "store-writer: http",
            "cockpit: http", "valkey: valkey", "nats: http",
        ]

        private static func languages() throws -> [Language] {
            let password = try #require(Pipeline.natsPasswords["tool"])
            let connect =
                #"{"verbose":false,"pedantic":false,"user":"tool","pass":"\#(password)"}"#
            // The length, version 3.0, and the user.
            let user = Array("user\0postgres\0\0".utf8)
            let start = [0, 0, 0, UInt8(user.count + 8), 0, 3, 0, 0] + user
            return [
                Language("http", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 "),
                // The greeting comes before TLS, and says that it is demanded.
                Language("nats", "CONNECT \(connect)\r\nPING\r\n", "\r\nPONG\r\n"),
                Language("valkey", "PING\r\n", "+PONG", "-NOAUTH"),
                // A demand for a password: that is a session.
                Language("postgres", start, "R\0\0\0"),
            ]
        }

        /// Whether what listens on a port begins a session. It is given up after two seconds.
        private func answers(_ port: UInt16, _ language: Language) throws -> Bool {
            let descriptor = try #require(LoopbackSocket.connect(to: port))
            defer { close(descriptor) }
            var limit = timeval(tv_sec: 2, tv_usec: 0)
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit,
                socklen_t(MemoryLayout<timeval>.size))
            _ = unsafe language.request.withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
                if count <= 0 { return false }
                all += buffer[..<count]
                let text = String(decoding: all, as: UTF8.self)
                if language.answers.contains(where: { text.contains($0) }) { return true }
            }
        }

        @Test("each socket of a stack with TLS is tried: the listed ones answer, nothing else does")
        func scan() throws {
            let certificates = try Certificates()
            try certificates.make(Pipeline.serverCertificate, name: "localhost")
            let pipeline = try Pipeline(
                Pipeline.Load(ticks: 0, rate: 50), certificates: certificates)
            try pipeline.startAll()
            var pages = pipeline.environment(of: "cockpit")
            pages["COCKPIT_PORT"] = "0"
            pages["COCKPIT_TLS_CERTIFICATE"] = certificates.certificate(Pipeline.serverCertificate)
            pages["COCKPIT_TLS_KEY"] = certificates.key(Pipeline.serverCertificate)
            let cockpit = try ServiceProcess(
                "cockpit", environment: pages, folder: pipeline.folder, label: "cockpit")
            defer { cockpit.kill() }
            let page = try cockpit.pages()
            for service in pipeline.running.values { #expect(try service.becomesReady()) }
            var processes: [(name: String, id: Int32, port: UInt16)] = [
                ("nats", pipeline.nats.processID, pipeline.nats.port),
                ("postgres", pipeline.postgres.processID, pipeline.postgres.port),
                ("valkey", pipeline.valkey.processID, pipeline.valkey.port),
            ]
            for service in Array(pipeline.running.values) + [cockpit] {
                processes.append((service.product, service.id, try service.port()))
            }
            var sockets: [(owner: String, port: UInt16)] = []
            for process in processes {
                let own = try ListeningSockets.ports(of: process.id)
                #expect(own.contains(process.port), "\(process.name): \(own)")
                sockets += own.map { (owner: process.name, port: $0) }
            }
            #expect(sockets.contains { $0 == ("cockpit", page) })
            // One for each process, the monitor of NATS, and the pages.
            #expect(sockets.count == processes.count + 2, "\(sockets)")
            var found: Set<String> = []
            for (owner, port) in sockets {
                for language in try Self.languages() where try answers(port, language) {
                    found.insert("\(owner): \(language.name)")
                    #expect(port != page, "the pages answer in plain text")
                }
            }
            #expect(found == Self.listed, "\(found.sorted())")
            pipeline.stopAll()
        }
    }
}
